"""What a component must do. Names load on first use, so importing this package imports no torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

CONTRACTS = {
    "backbone": "Backbone",
    "compressor": "ReasoningCompressor",
    "reward": "RewardVerifier",
    "diffusion": "DiffusionHead",
    "memory": "MemoryBank",
    "dataset": "Dataset",
    "knowledge": "Knowledge",
    "text_encoder": "TextEncoder",
    "judge": "Judge",
    "reinforcer": "Reinforcer",
    "fusion": "Fusion",
    "emotion_space": "EmotionSpace",
    "metric": "Metric",
}
"""The name of the abstract base class of each kind of component."""
