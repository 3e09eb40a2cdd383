"""A run: clips made, scored, and put together as a result."""
