"""What metrics may ask of a system beside its readings and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emosym.contracts import Change, Probe, Sample, States
from emosym.generation import tell_flagged
from emosym.system import System
from emosym.toolkit import to_image


class SystemProbe(Probe):
    """Interventions on a system, ``batch_size`` images at a time: a prompt is encoded once for all changes of its tokens."""

    def __init__(self, system: System, batch_size: int) -> None:
        self.system, self.batch_size = system, batch_size

    def read(
        self, samples: Sequence[Sample], changes: Mapping[str, Change]
    ) -> Mapping[str, tuple[States, NDArray[np.float64]]]:
        system = self.system
        states: dict[str, list[States]] = {name: [] for name in changes}
        tables: dict[str, list[NDArray[np.float64]]] = {name: [] for name in changes}
        with system.builder.naming(), system.evaluating():
            for start in range(0, len(samples), self.batch_size):
                batch = samples[start : start + self.batch_size]
                read, own = system.reader(batch), system.compressor.tokens(len(batch))
                for name, change in changes.items():
                    part = read(change(own, batch))
                    states[name].append(part)
                    logits = system.logits(part).float()
                    tables[name].append(logits.softmax(-1).cpu().double().numpy())
        return {name: (States.cat(states[name]), np.concatenate(tables[name])) for name in changes}

    def paint(self, states: States, seeds: Sequence[int]) -> Sequence[Image.Image]:
        settings, generation = self.system.resolved.spec.evaluation, self.system.require_generation()
        made: list[Image.Image] = []
        flagged: list[bool] = []
        for start in range(0, len(seeds), self.batch_size):
            part = slice(start, start + self.batch_size)
            pixels, flags = generation.paint(
                states[part],
                [settings.prompt] * len(seeds[part]),
                seeds[part],
                steps=settings.sampling_steps,
                guidance_scale=settings.guidance_scale,
            )
            made += [to_image(picture) for picture in pixels]
            flagged += flags.tolist()
        tell_flagged(flagged)
        return made
