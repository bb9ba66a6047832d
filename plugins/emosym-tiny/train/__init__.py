"""Scripts that make the embedded models from scratch; run as ``python -m train`` inside ``plugins/emosym-tiny``."""
