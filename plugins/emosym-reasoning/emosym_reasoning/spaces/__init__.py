"""Emotion spaces: where states come from when there is no image."""
