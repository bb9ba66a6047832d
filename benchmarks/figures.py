"""The figures, and the two things that each of them is a ratio of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.models import MID_SIDE, embedded, mid, pictures
from benchmarks.pairs import Figure, Work
from emosym.contracts import QUESTION, Sample, States
from emosym.system import System

Pair = tuple[Figure, Work, Work]
TRIES = 8
WRITTEN = 77
"""Tokens of a reason in words: what CLIP would read of it."""


def all_figures(root: Path) -> Iterator[Pair]:
    """Every figure, one after the other, so that no more than one model of middle size is there."""
    for family in (rollouts, keeping, overhead, writing, processing, painting, starting):
        yield from family(root)


# ---- reading


def _learns(system: System, read: Callable[[], States]) -> Work:
    """A reading and its backward pass into the tokens and whatever else learns."""

    def work() -> None:
        system.logits(read()).square().mean().backward()
        for part in system.modules().values():
            part.zero_grad()

    return work


def _plain(read: Callable[[], object]) -> Work:
    def work() -> None:
        with torch.no_grad():
            read()

    return work


def rollouts(root: Path) -> Iterator[Pair]:
    """Eight tries of one picture, beside one try and beside eight passes."""
    system = mid(root, "backbone.params.training=lora", "compressor.params.tokens=4")
    backbone, samples = system.backbone, pictures(1, MID_SIDE)
    prompt = backbone.encode(samples).mask.shape[1]
    count = system.compressor.tokens(1).shape[1]

    def shared(tries: int) -> Tensor:
        return backbone.read(backbone.encode(samples), system.compressor.tokens(tries))

    def whole(tries: int) -> Tensor:
        return torch.cat([backbone(samples, system.compressor.tokens(1)) for _ in range(tries)])

    floor = (prompt + TRIES * count) / (prompt + count)
    about = f"eight tries over one pass, {prompt} tokens of prompt"
    yield (
        Figure("rollouts-forward", about, False, 1.10, floor),
        _plain(lambda: shared(TRIES)),
        _plain(lambda: whole(1)),
    )
    yield (
        Figure("rollouts-shared", "eight passes over eight tries of one prompt, with gradients", True, 9.0),
        _learns(system, lambda: States.split(whole(TRIES))),
        _learns(system, lambda: States.split(shared(TRIES))),
    )


def keeping(root: Path) -> Iterator[Pair]:
    """A step where nothing before the tokens learns: beside one with adapters, and with prompts that are kept."""
    samples = pictures(4, MID_SIDE)
    systems = {
        "lora": mid(root, "backbone.params.training=lora", "compressor.params.tokens=16"),
        "frozen": mid(root, "compressor.params.tokens=16"),
        "kept": mid(root, "compressor.params.tokens=16", cache_megabytes=512),
    }

    def step(name: str) -> Work:
        system = systems[name]
        return _learns(system, lambda: system.states(samples))

    yield (
        Figure("frozen-first-epoch", "a step with adapters over one without", True, 1.8),
        step("lora"),
        step("frozen"),
    )
    yield (
        Figure("frozen-second-epoch", "a step of the first epoch over one of the second", True, 8.0),
        step("frozen"),
        step("kept"),
    )


def overhead(root: Path) -> Iterator[Pair]:
    """A reading from pictures, beside transformers alone on the same prompts."""
    for name, system, samples, bound in (
        ("overhead-mid", mid(root, "compressor.params.tokens=4"), pictures(1, MID_SIDE), 1.02),
        ("overhead-embedded-32", embedded("compressor.params.tokens=4"), pictures(32), 1.05),
        ("overhead-embedded-1", embedded("compressor.params.tokens=4"), pictures(1), 1.15),
    ):
        model, processor = system.backbone.model, system.backbone.processor  # type: ignore[attr-defined]
        turn = [{"type": "image"}, {"type": "text", "text": QUESTION}]
        text = processor.apply_chat_template([{"role": "user", "content": turn}], add_generation_prompt=True)
        count = system.compressor.tokens(1).shape[1]
        text += " the" * count  # as many tokens as we read through

        def stock(
            samples: list[Sample] = samples, text: str = text, model=model, processor=processor
        ) -> None:  # type: ignore[no-untyped-def]
            images = [one.open()[0] for one in samples]
            inputs = processor(text=[text] * len(samples), images=images, return_tensors="pt")
            model.base_model(**inputs)

        def ours(samples: list[Sample] = samples, system: System = system) -> None:
            system.backbone(samples, system.compressor.tokens(len(samples)))

        yield (
            Figure(name, "a reading over transformers' own forward", False, bound, 1.0),
            _plain(ours),
            _plain(stock),
        )


def writing(root: Path) -> Iterator[Pair]:
    """A reason in words and an answer, beside a latent reading."""
    system = embedded("backbone.params.training=frozen")
    speller = system.backbone._speller  # type: ignore[attr-defined]
    speller.ends = speller.ends[:0]  # a model that has not learnt to write would end at once
    for size in (1, 32):
        samples = pictures(size)

        def write(samples: list[Sample] = samples) -> None:
            system.backbone.conclude(samples, "\0never", [" awe", " fear"], WRITTEN)

        def latent(samples: list[Sample] = samples) -> None:
            system.states(samples)

        about = f"writing {WRITTEN} tokens and answering over a latent reading, {size} at a time"
        yield Figure(f"latent-{size}", about, True, 20.0 if size == 1 else 5.0), _plain(write), _plain(latent)


def processing(root: Path) -> Iterator[Pair]:
    """Reading pictures with a model, beside decoding and scaling them."""
    system = mid(root, "compressor.params.tokens=4")
    paths = []
    for i in range(4):
        paths.append(root / f"{i}.jpg")
        Image.effect_noise((1024, 1024), 40 + i).convert("RGB").save(paths[-1])
    samples = [Sample(path.name, (path,)) for path in paths]
    opened = [Sample(path.name, (path,)).decoded() for path in paths]
    processor = system.backbone.processor  # type: ignore[attr-defined]

    def process() -> None:
        processor.image_processor([one.open()[0] for one in samples], return_tensors="pt")

    about = "a model reading 1024² JPEGs that are decoded, over decoding and scaling them"
    yield Figure("decoding", about, True, 3.0), _plain(lambda: system.states(opened)), process


# ---- painting


def painting(root: Path) -> Iterator[Pair]:
    """A step of unify on 32 pictures, beside the same pictures one a step, as the public code has it."""
    samples = pictures(32)
    kept, plain = embedded(cache_megabytes=64), embedded()

    def step(system: System, batch: list[Sample], *, keep: bool) -> None:
        generation, generator = system.require_generation(), torch.Generator().manual_seed(0)
        states = system.states(batch)
        pixels = generation.pixels(batch)
        latents = latents_kept[: len(batch)] if keep else generation.diffusion.latents(pixels)
        condition = generation.diffusion.condition(
            generation.fuse(states), ["a picture of {emotion}"] * len(batch)
        )
        loss = generation.diffusion.loss(latents, condition, generator).mean()
        (loss + system.logits(states).square().mean()).backward()

    latents_kept = plain.require_generation().diffusion.latents(plain.require_generation().pixels(samples))

    def one_by_one() -> None:
        for sample in samples:
            step(plain, [sample], keep=False)

    about = "32 pictures one a step over one step of 32"
    yield (
        Figure("unify-warm", f"{about}, read before", True, 8.0),
        one_by_one,
        lambda: step(kept, samples, keep=True),
    )
    yield (
        Figure("unify-cold", f"{about}, never read", True, 8.0),
        one_by_one,
        lambda: step(plain, samples, keep=False),
    )


# ---- starting


def starting(root: Path) -> Iterator[Pair]:
    """Reading one picture in a process of its own, beside importing torch."""
    picture = root / "one.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture)
    system = embedded()
    system.save(root / "system")

    def process(*words: str) -> Work:
        return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    code = "import sys; from emosym.cli import main; sys.exit(main(sys.argv[1:]))"
    yield (
        Figure("understand-cold", "`emosym understand ONE.png` over `import torch`", False, 2.2),
        process("-c", code, "understand", str(picture), "--system", str(root / "system")),
        process("-c", "import torch"),
    )
    yield (
        Figure("help", "`emosym --help` over `import torch`", False, 0.15),
        process("-c", code, "--help"),
        process("-c", "import torch"),
    )
