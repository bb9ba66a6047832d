"""Fusions: from context and emotion states to vectors for the diffusion prompt."""
