"""Metric ``context-effect``: what of a picture its context and emotion states carry into the pictures made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from emosym.contracts import Context, Evidence, Figure, Judge, Metric, Sample, States
from emosym_metrics.config import ContextEffectConfig
from emosym_metrics.metrics.pictures import batched, judge_of, too_few
from emosym_metrics.metrics.sem_c import Clarity
from emosym_metrics.metrics.token_effect import probe_of

SEED = 91_000
"""Seeds of these pictures start here plus a million times the run's, apart from those of other pictures."""
Floats = NDArray[np.float64]


class ContextEffect(Metric[ContextEffectConfig]):
    """Pictures made from the states of real ones, and from states that are swapped between them, with the same noise.

    ``image_emo_a``: the share that the judge reads as the emotion of their source; ``steered``: the share that it reads as the
    emotion of a second source which gave the emotion state alone. ``content_kept``: how near a picture is to its own source
    among the other sources of the same emotion, the share of these that are further away in the judge's features (0.5 by
    chance); ``content_effect``: what of it is lost where the context states are those of another source of the same emotion;
    ``content_effect_noise`` where they are noise of their scale. ``context_emo_a_effect``: what ``image_emo_a`` loses where the
    context is that of a source of another emotion. With ``scene`` and ``object`` also ``image_sem_c`` and
    ``context_sem_c_effect``, what clarity loses where the context is noise.
    """

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion", "system")
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "image_emo_a": Figure(
            "Emo-A from pictures",
            percent=True,
            higher_is_better=True,
            about="Pictures painted from a picture's states that the judge reads as its emotion",
        ),
        "steered": Figure(
            "Emotion of another picture's state",
            percent=True,
            higher_is_better=True,
            about="Pictures painted from the [CTX] states of one picture and the [EMO] state of another, which the judge reads as the other's emotion; near 0 where a picture's emotion is what it shows, as in the embedded world",
        ),
        "content_kept": Figure(
            "Content kept from a picture",
            percent=True,
            higher_is_better=True,
            about="How often a painted picture is nearer to its own source than to another of the same emotion; chance is 50 %",
        ),
        "content_effect": Figure(
            "Context effect on content",
            percent=True,
            higher_is_better=True,
            about="How far the content kept falls with the [CTX] states of another picture of the same emotion",
        ),
        "content_effect_noise": Figure(
            "Context effect on content, noise",
            percent=True,
            higher_is_better=True,
            about="How far it falls with noise in place of the [CTX] states",
        ),
        "context_emo_a_effect": Figure(
            "Context effect on Emo-A",
            percent=True,
            about="How far Emo-A from pictures falls with the [CTX] states of a picture of another emotion",
        ),
    }

    def __init__(self, config: ContextEffectConfig, context: Context) -> None:
        super().__init__(config, context)
        self._clarity = Clarity.of(config.scene, config.object, context)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        judge, probe = judge_of(evidence, self.context), probe_of(evidence, self.context)
        sources = chosen(evidence.real, self.config.per_class)
        states, _ = probe.read(sources, {"own": lambda tokens, _: tokens})["own"]
        labels = np.array([sample.label for sample in sources])
        seeds = [SEED + 1_000_000 * evidence.seed + number for number in range(len(sources))]
        same, other = torch.from_numpy(within(labels)), torch.from_numpy(across(labels))
        noisy = scattered(states.context, evidence.seed)

        def pictures(context: Tensor, emotion: Tensor) -> Sequence[Image.Image]:
            return probe.paint(States(context, emotion), seeds)

        made = {
            "own": pictures(states.context, states.emotion),
            "same": pictures(states.context[same], states.emotion),
            "other": pictures(states.context[other], states.emotion),
            "noise": pictures(noisy, states.emotion),
            "steered": pictures(states.context, states.emotion[other]),
        }
        shown = self._features(judge, [sample.open_target() for sample in sources])
        kept = {
            name: nearness(self._features(judge, made[name]), shown, labels)
            for name in ("own", "same", "noise")
        }
        read = {
            name: batched(judge.probabilities, made[name], self.config.batch_size).argmax(1)
            for name in ("own", "other", "steered")
        }
        emo_a = float((read["own"] == labels).mean())
        figures = {
            "image_emo_a": emo_a,
            "steered": float((read["steered"] == labels[other.numpy()]).mean()),
            "content_kept": kept["own"],
            "content_effect": kept["own"] - kept["same"],
            "content_effect_noise": kept["own"] - kept["noise"],
            "context_emo_a_effect": emo_a - float((read["other"] == labels).mean()),
        }
        if self._clarity is not None:
            clear = {
                name: float(batched(self._clarity, made[name], self.config.batch_size).mean())
                for name in ("own", "noise")
            }
            figures |= {"image_sem_c": clear["own"], "context_sem_c_effect": clear["own"] - clear["noise"]}
        return figures

    def _features(self, judge: Judge, pictures: Sequence[Image.Image]) -> Floats:
        return batched(judge.features, pictures, self.config.batch_size)


def chosen(real: Sequence[Sample], per_class: int) -> list[Sample]:
    """The first samples of each emotion in the order of their ids, as many of each.

    Errors: ``metric.too-few`` where fewer than two emotions have two pictures.
    """
    own: dict[int, list[Sample]] = {}
    for sample in sorted(real, key=lambda one: one.id):
        own.setdefault(-1 if sample.label is None else sample.label, []).append(sample)
    own = {label: samples[:per_class] for label, samples in sorted(own.items()) if len(samples) > 1}
    if len(own) < 2:
        raise too_few(
            "context-effect swaps states between real pictures, and fewer than two emotions have two here"
        )
    return [sample for samples in own.values() for sample in samples]


def within(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of the pictures, sorted by ``labels`` [N], the next one of the same emotion, round in a circle."""
    places = np.arange(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        places[own] = np.roll(own, -1)
    return places


def across(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of the pictures, sorted by ``labels`` [N], one of the next emotion, round in a circle."""
    names, places = np.unique(labels), np.arange(len(labels))
    for label, following in zip(names, np.roll(names, -1), strict=True):
        own, others = np.flatnonzero(labels == label), np.flatnonzero(labels == following)
        places[own] = others[np.arange(len(own)) % len(others)]
    return places


def scattered(states: Tensor, seed: int) -> Tensor:
    """Gaussian states in the shape of ``states`` [N,K,D], with the mean and deviation of each feature."""
    drawn = torch.randn(states.shape, generator=torch.Generator().manual_seed(seed)).to(states)
    return states.mean(0) + states.std(0) * drawn


def nearness(made: Floats, shown: Floats, labels: NDArray[np.int64]) -> float:
    """In the mean over pictures ``made`` [N,F], the share of the other sources ``shown`` [N,F] of the same emotion that are
    further from it by cosine than its own."""
    made, shown = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (made, shown))
    alike = made @ shown.T
    rivals = (labels[:, None] == labels[None]) & ~np.eye(len(labels), dtype=bool)
    own = np.diag(alike)[:, None]
    beaten = (alike < own) + 0.5 * (alike == own)
    return float(((beaten * rivals).sum(1) / rivals.sum(1)).mean())
