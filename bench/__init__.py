"""steadybench: temporal coherence, prompt adherence and throughput of video models."""

__version__ = "0.1.0"

from pathlib import Path

# `python -m bench.compare` runs bench/commands/compare.py, and so for every command.
__path__.append(str(Path(__file__).parent / "commands"))
