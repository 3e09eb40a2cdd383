"""The toy world: captioned scenes drawn on the CPU."""
