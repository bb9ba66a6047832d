"""The figures, and how each of them is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from emosym_registry import load_registry
from PIL import Image
from torch import Tensor

from benchmarks.banks import OFFERED, FullBank
from benchmarks.gpu.plain import steps_of as inversion_steps
from benchmarks.models import MID_SIDE, embedded, mid, pictures
from benchmarks.pairs import Figure, Measure, Work, elapsed, of_children, ratio, repeated
from emosym.contracts import QUESTION, Sample, States
from emosym.precision import autocast
from emosym.spec import load_spec
from emosym.system import System
from emosym.vram import estimate

Measurement = tuple[Figure, Measure]
SAME_PICTURE = "processor and vision tower cost both ways the same; kept, they cost nothing"
COPIES = "the prompt's keys and values are copied for each try"
FASTER_TOO = "one picture a step is read without gradient, too, where the backbone is frozen"
TRIES = 8
WRITTEN = 77
"""Tokens of a reason in words: what CLIP would read of it."""


def all_figures(root: Path) -> Iterator[Measurement]:
    """Every figure, one after the other, so that no more than one model of middle size is there."""
    for family in (
        rollouts,
        keeping,
        holding,
        overhead,
        writing,
        processing,
        painting,
        remembering,
        starting,
    ):
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


def rollouts(root: Path) -> Iterator[Measurement]:
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
        Figure("rollouts-forward", f"{about}, forward", False, 1.10, floor, note=COPIES),
        ratio(_plain(lambda: shared(TRIES)), _plain(lambda: whole(1))),
    )
    once, tries = (_learns(system, lambda n=n: States.split(shared(n))) for n in (1, TRIES))
    yield (
        Figure("rollouts-backward", f"{about}, forward and backward", False, 1.25, floor),
        ratio(tries, once),
    )
    yield (
        Figure("rollouts-shared", "eight passes over eight tries of one prompt, with gradients", True, 9.0),
        ratio(_learns(system, lambda: States.split(whole(TRIES))), tries),
    )


def keeping(root: Path) -> Iterator[Measurement]:
    """A step where nothing before the tokens learns: beside one with adapters, and with prompts that are kept."""
    samples = pictures(4, MID_SIDE)

    def step(training: str, kept: int = 0) -> Work:
        sets = (f"backbone.params.training={training}", "compressor.params.tokens=16")
        system = mid(root, *sets, cache_megabytes=kept)
        return _learns(system, lambda: system.states(samples))

    lora = step("lora")
    for training in ("frozen", "activated"):
        first, second = step(training), step(training, kept=512)
        yield (
            Figure(f"{training}-first-epoch", f"a step of lora over one of {training}", True, 1.8),
            ratio(lora, first),
        )
        about = f"{training}: a step of the first epoch over one of the second"
        yield Figure(f"{training}-second-epoch", about, True, 8.0), ratio(first, second)


def holding(_: Path) -> Iterator[Measurement]:
    """What a step of compress holds in memory at real size, counted on the meta device."""
    registry = load_registry()

    def activations(training: str) -> float:
        sets = (
            f"backbone.params={{model: Qwen/Qwen2-VL-2B-Instruct, training: {training}, gradient_checkpointing: false}}",
            "compute.precision=bf16",
        )
        found = estimate(load_spec("preset:emosym", registry=registry, sets=sets), registry)
        return float(next(one.activations for one in found.stages if one.stage == "compress"))

    for training in ("frozen", "activated"):
        about = f"activations of a step of {training} over those of lora, Qwen2-VL-2B, counted"
        yield (
            Figure(f"{training}-memory", about, False, 0.25),
            repeated(lambda training=training: activations(training) / activations("lora"), most=1),
        )


def overhead(root: Path) -> Iterator[Measurement]:
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
            ratio(_plain(ours), _plain(stock)),
        )


def writing(root: Path) -> Iterator[Measurement]:
    """A reason in words and an answer, beside a latent reading: by batch, and by what is kept."""
    for kept, says in ((0, "from pictures"), (256, "prompts kept")):
        system = embedded("backbone.params.training=frozen", cache_megabytes=kept)
        speller = system.backbone._speller  # type: ignore[attr-defined]
        speller.ends = speller.ends[:0]  # a model that has not learnt to write would end at once
        for size in (1, 32):
            samples = pictures(size)

            def write(samples: list[Sample] = samples, system: System = system) -> None:
                system.backbone.conclude(samples, "\0never", [" awe", " fear"], WRITTEN)

            def latent(samples: list[Sample] = samples, system: System = system) -> None:
                system.states(samples)

            name = f"latent-{size}" + ("-kept" if kept else "")
            about = f"writing {WRITTEN} tokens and answering over a latent reading, {size} at a time, {says}"
            figure = Figure(name, about, True, 20.0 if size == 1 else 5.0, note=SAME_PICTURE)
            yield figure, ratio(_plain(write), _plain(latent))


def processing(root: Path) -> Iterator[Measurement]:
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
    yield Figure("decoding", about, True, 3.0), ratio(_plain(lambda: system.states(opened)), process)

    one_after_the_other, ahead = (embedded(f"compute.workers={workers}") for workers in (0, 2))
    many = samples * 8
    about = "the embedded model reading 1024² JPEGs, 16 at a time, over it while the next are prepared, by the clock"
    yield (
        Figure("ahead", about, True, 1.0),
        ratio(lambda: one_after_the_other.read(many, 16), lambda: ahead.read(many, 16), elapsed),
    )


# ---- painting


def painting(root: Path) -> Iterator[Measurement]:
    """A step of unify on 32 pictures, beside the same pictures one a step, as the public code has it."""
    samples = pictures(32)

    def step(system: System, batch: list[Sample], latents: Tensor | None) -> None:
        generation, generator = system.require_generation(), torch.Generator().manual_seed(0)
        with autocast(system.device, system.precision):
            states = system.states(batch)
            if latents is None:
                latents = generation.diffusion.latents(generation.pixels(batch))
            fused = generation.fuse(states)
            condition = generation.diffusion.condition(fused, ["a picture of {emotion}"] * len(batch))
            loss = generation.diffusion.loss(latents, condition, generator).mean()
            (loss + system.logits(states).square().mean()).backward()

    paths = [root / f"{place}.png" for place in range(len(samples))]
    for path, sample in zip(paths, samples, strict=True):
        sample.open()[0].save(path)
    folder = Path(str(load_registry().alias("diffusion", "sd", "tiny")))
    for precision in ("fp32", "bf16"):
        kept, plain = (embedded(cache_megabytes=n, precision=precision) for n in (64, 0))
        generation = plain.require_generation()
        with autocast(plain.device, precision):
            latents = generation.diffusion.latents(generation.pixels(samples))

        def one_by_one(plain: System = plain) -> None:
            for sample in samples:
                step(plain, [sample], None)

        def warm(kept: System = kept, latents: Tensor = latents) -> None:
            step(kept, samples, latents)

        about = f"32 pictures one a step over one step of 32, {precision}"
        yield (
            Figure(f"unify-warm-{precision}", f"{about}, read before", True, 8.0, note=FASTER_TOO),
            ratio(one_by_one, warm),
        )
        yield (
            Figure(f"unify-cold-{precision}", f"{about}, never read", True, 8.0, note=FASTER_TOO),
            ratio(one_by_one, lambda plain=plain: step(plain, samples, None)),
        )
        dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        device = torch.device("cpu")
        inversion = inversion_steps(folder, paths, len(paths), device, dtype, steps=100, workers=0)
        about = (
            f"a step of diffusers' textual inversion over one of unify read before, 32 pictures, {precision}"
        )
        yield (
            Figure(f"unify-inversion-{precision}", about, True, 1.0, note="ours trains the reading as well"),
            ratio(inversion, warm),
        )


# ---- remembering


def remembering(_: Path) -> Iterator[Measurement]:
    """The bank's refresh and view, with as many originals as there may be."""
    for count, spelt, refresh, view in ((100_000, "1e5", 0.3, 0.1), (1_000_000, "1e6", 3.0, 0.5)):
        full = FullBank(count)
        about = f"of a bank with {count:,} originals"
        yield (
            Figure(
                f"bank-refresh-{spelt}", f"a refresh {about}, {OFFERED} candidates", False, refresh, unit="s"
            ),
            repeated(full.refresh, most=5),
        )
        yield (
            Figure(f"bank-view-{spelt}", f"a view {about}", False, view, unit="s"),
            repeated(full.view, most=5),
        )
    about = "memory that the bank takes for an original"
    yield Figure("bank-memory", about, False, 100, unit="bytes"), repeated(full.bytes_each, most=1)


# ---- starting


def starting(root: Path) -> Iterator[Measurement]:
    """Reading one picture in a process of its own, beside importing torch."""
    picture = root / "one.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture)
    system = embedded()
    system.save(root / "system")

    def process(*words: str) -> Work:
        return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    code = "import sys; from emosym.cli import main; sys.exit(main(sys.argv[1:]))"
    folder = load_registry().alias("backbone", "qwen-vl", "tiny")
    torch_alone, alone = process("-c", "import torch"), process("-c", PLAIN, str(folder), str(picture))
    understand = process("-c", code, "understand", str(picture), "--system", str(root / "system"))
    yield (
        Figure(
            "understand-cold",
            "`emosym understand ONE.png` over `import torch`",
            False,
            2.2,
            note="transformers with its picture processor takes most of it: see understand-plain",
        ),
        ratio(understand, torch_alone, of_children),
    )
    about = "the same over a script of ten lines that loads the model with transformers and calls it once"
    yield Figure("understand-plain", about, False, 1.25, 1.0), ratio(understand, alone, of_children)
    yield (
        Figure("help", "`emosym --help` over `import torch`", False, 0.15),
        ratio(process("-c", code, "--help"), torch_alone, of_children),
    )


PLAIN = """
import sys, torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
processor = AutoProcessor.from_pretrained(sys.argv[1])
model = AutoModelForImageTextToText.from_pretrained(sys.argv[1]).eval()
turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What does it evoke?"}]}]
text = processor.apply_chat_template(turns, add_generation_prompt=True)
inputs = processor(text=[text], images=[Image.open(sys.argv[2])], return_tensors="pt")
with torch.no_grad():
    print(model(**inputs).logits[0, -1].argmax())
"""
"""One picture read as transformers' own users would read it."""
