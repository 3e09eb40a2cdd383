"""Clips made outside this process: files, programs and servers."""
