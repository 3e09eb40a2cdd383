"""Models that run through diffusers."""
