"""Diffusion heads sd and sdxl."""
