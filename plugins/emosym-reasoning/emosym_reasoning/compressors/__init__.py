"""Compressors: who owns the reasoning tokens, and what presses knowledge into them."""
