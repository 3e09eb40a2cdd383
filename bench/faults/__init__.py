"""Faults on purpose: to see what a metric notices."""
