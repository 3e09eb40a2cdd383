"""steadybench: temporal coherence, prompt adherence and throughput of video models."""

__version__ = "0.1.0"
