"""What head, compressor and fusion compute: too small for the meta device, they are built and run on made-up states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import CompressBatch, Operations, Sample, States
from emosym.head import EmotionHead, head_width, seen
from emosym.spec.model import StageSettings
from emosym.toolkit import counted
from emosym.vram import TEXT_WIDTH, Sizing


@dataclass
class Own:
    """The system's own parts at the ``width`` of a backbone's states, with ``tokens`` reasoning tokens."""

    compressor: Any
    fusion: Any
    head: EmotionHead
    reads: str
    width: int
    tokens: int
    text_width: int
    emotions: int
    reread: list[int] = field(default_factory=list)
    """Rows that the compressor has read again in its loss, without and with gradient."""

    @classmethod
    def of(cls, sizing: Sizing, width: int) -> Own:
        """Those of a spec whose components :class:`Sizing` has built."""
        spec, built = sizing.spec, sizing.builder.built
        emotions = len(sizing.builder.context.labels)
        return cls(
            compressor=built["compressor"],
            fusion=built.get("fusion"),
            head=EmotionHead(head_width(width, spec.head.reads), emotions, spec.seed),
            reads=spec.head.reads,
            width=width,
            tokens=sizing.tokens,
            text_width=TEXT_WIDTH if spec.knowledge else 0,
            emotions=emotions,
        )

    def compress(self, settings: StageSettings, batch: int) -> Operations:
        """Of one picture, of the head and the compressor's loss over a batch."""
        states, samples = self.states(batch), self.samples(batch)
        layers = torch.rand(2, batch, self.tokens, self.width) if self.compressor.reads_layers else None
        self.learns(settings)
        self.reread = [0, 0]
        with counted() as counter:
            logits = self.logits(states)
            loss = self.compressor.loss(
                CompressBatch(
                    samples=samples,
                    states=states,
                    logits=logits,
                    labels=torch.arange(batch) % self.emotions,
                    targets=torch.eye(self.emotions)[torch.arange(batch) % self.emotions],
                    texts=["a text"] * batch,
                    knowledge=torch.rand(batch, self.text_width) if self.text_width else None,
                    present=torch.ones(batch, dtype=torch.bool),
                    step=0,
                    steps=1,
                    layers=layers,
                    read=self.read,
                )
            ).loss
            forward = counter.take()
            torch.autograd.backward(loss + logits.logsumexp(-1).mean())
            return Operations(forward // batch, counter.take() // batch)

    def read(self, rows: Any, texts: Any) -> tuple[Tensor, Tensor]:
        """Made-up states and logits of rows that a compressor reads again, which are noted."""
        self.reread[int(torch.is_grad_enabled())] += len(rows)
        layers = torch.rand(2, len(rows), self.tokens, self.width, requires_grad=torch.is_grad_enabled())
        return layers, self.logits(States.split(layers[-1]))

    def reinforce(self, settings: StageSettings, readings: int) -> Operations:
        """Of one picture, of the head over its readings, whose context states are projected for the rewards."""
        states = self.states(readings)
        self.learns(settings)
        with counted() as counter:
            logits = self.logits(states)
            with torch.no_grad():
                self.compressor.project(states)
            forward = counter.take()
            torch.autograd.backward(logits.sum())
            return Operations(forward, counter.take())

    def unify(self, settings: StageSettings) -> dict[str, Operations]:
        """Of one picture, of the head and of the fusion."""
        states = self.states(1)
        self.learns(settings)
        with counted() as counter:
            logits = self.logits(states)
            head = counter.take()
            torch.autograd.backward(logits.sum())
            parts = {"head": Operations(head, counter.take())}
            if self.fusion is not None:
                vectors = self.fusion(states)
                fusion = counter.take()
                torch.autograd.backward([one.sum() for one in vectors])
                parts["fusion"] = Operations(fusion, counter.take())
        return parts

    def logits(self, states: States) -> Tensor:
        """The head's [N,C]."""
        logits: Tensor = self.head(seen(states, self.reads))
        return logits

    def states(self, rows: int) -> States:
        """Made-up states [rows] with gradient."""
        return States.split(torch.rand(rows, self.tokens, self.width, requires_grad=True))

    def samples(self, count: int) -> list[Sample]:
        """Made-up samples of every emotion in turn."""
        picture = Image.new("RGB", (8, 8))
        return [Sample(str(i), (picture,), i % self.emotions) for i in range(count)]

    def learns(self, settings: StageSettings) -> None:
        """Freeze what a stage does not train."""
        parts: dict[str, nn.Module | None] = {"head": self.head, "fusion": self.fusion}
        for group, part in parts.items():
            if part is not None:
                part.requires_grad_(group in settings.train)
        for parameter in self.compressor.knowledge_parameters().values():
            parameter.requires_grad_("knowledge" in settings.train)
