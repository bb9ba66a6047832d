"""Metrics, judges and the open-clip text encoder."""
