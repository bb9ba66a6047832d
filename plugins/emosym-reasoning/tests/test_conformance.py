"""Every component keeps what its kind promises, with default parameters and with others."""

from __future__ import annotations

from typing import Any

from emosym_registry import load_registry

from emosym.testing import SUITES, suite_for

VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("compressor", "contrastive", {"projection": "text", "symmetric": False, "mask_identical": False}),
    ("compressor", "none", {"tokens": 1}),
    ("compressor", "privileged", {"contrast_weight": 0, "ramp": 0}),
    ("compressor", "privileged", {"projection": "text", "tokens": 2}),
    ("compressor", "distill", {"positions": "all", "teacher_weight": 0}),
    ("reward", "attributes", {"mode": "probability"}),
    ("reinforcer", "grpo", {"rollouts": 5, "antithetic": False, "normalise": False}),
    ("reinforcer", "exact", {"beta": 0.0}),
    ("reinforcer", "exact", {"target_kl": 0.01}),
    ("fusion", "additive", {"context": "flatten", "vectors": 1, "norm": "free", "standardise": False}),
    ("fusion", "concat", {"context": "flatten", "activation": "relu"}),
    ("fusion", "gated", {"context": "flatten", "vectors": 1, "norm": "free"}),
    ("fusion", "resampler", {"vectors": 2, "width": 24, "heads": 3, "layers": 1, "standardise": False}),
    ("emotion_space", "gaussian", {"rank": 2}),
    ("emotion_space", "mixture", {"components": 3, "per_component": 4, "rank": 6, "shrinkage": 0.0}),
    ("emotion_space", "kde", {"interpolate": 1.0}),
    ("emotion_space", "kde", {"per_class": 4}),
)
for offer in load_registry(only=["emosym-reasoning"]).components():
    name = f"{offer.spec.kind}_{offer.spec.name}"
    globals()[f"Test_{name}"] = suite_for(offer)
    for number, params in enumerate(p for *who, p in VARIANTS if who == [offer.spec.kind, offer.spec.name]):
        parts = {"component": offer.qualified, "params": params}
        globals()[f"Test_{name}_{number}"] = type(name, (SUITES[offer.spec.kind],), parts)
del offer
