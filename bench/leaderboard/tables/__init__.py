"""Tables of cells, from boards."""
