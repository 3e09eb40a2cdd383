"""Measuring: time, memory, environment."""
