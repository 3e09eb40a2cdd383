"""Generators: each turns (prompt, seed) into a Clip."""
