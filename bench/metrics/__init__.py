"""Metrics: pure functions of one analysed clip."""
