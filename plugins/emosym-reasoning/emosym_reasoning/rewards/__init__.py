"""Rewards: what a try is worth, by an annotation or an independent model."""
