"""Makes the embedded models from scratch: ``python -m train`` inside ``plugins/emosym-tiny``."""
