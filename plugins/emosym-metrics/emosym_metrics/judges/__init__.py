"""Emotion classifiers that are independent of the system."""
