"""Clips of known quality, and ratings by people, on which metrics are tested."""
