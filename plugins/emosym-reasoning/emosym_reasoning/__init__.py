"""Compressors, rewards, reinforcers, fusions and emotion spaces."""
