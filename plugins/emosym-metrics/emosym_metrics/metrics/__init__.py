"""Metrics of understanding and of generation, one a file."""
