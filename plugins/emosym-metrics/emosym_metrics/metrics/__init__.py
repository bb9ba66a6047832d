"""Metrics of understanding and of generation."""
