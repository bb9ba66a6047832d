"""What is measured, by name: a stage with one way of training, a variant of it, or the plain way beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.card import card_of, peak_bytes, peak_flops, repeated
from benchmarks.gpu.plain import steps_of
from benchmarks.gpu.rows import Row, row
from emosym.toolkit import DTYPES

TRAININGS = ("lora", "activated", "frozen")
STAGES = ("compress", "reinforce", "unify")
VARIANTS = {
    "compress/lora": {
        "eager": "backbone.params.attention=eager",
        "flash_attention_2": "backbone.params.attention=flash_attention_2",
        "flash_attention_3": "backbone.params.attention=flash_attention_3",
        "compiled": "backbone.params.compile=true",
    },
    "unify/frozen": {
        "plain": "diffusion.params.attention=plain",
        "xformers": "diffusion.params.attention=xformers",
        "compiled": "diffusion.params.compile=true",
    },
}
"""Settings of a stage beside its own, which are sdpa (torch chooses flash, memory-efficient or cuDNN) and not compiled."""
MFU = 0.40
"""What compress is to reach of the card's peak."""
FORECAST_ERROR = 1.2
"""How much more than its forecast a stage may take: ``emosym spec explain --vram`` allows for 20 %."""
GIB = 2**30


@dataclass(frozen=True)
class Case:
    """Something to measure; its rows are named ``name/…``."""

    name: str
    measure: Callable[[Bench], Iterator[Row]]

    def asked(self, names: Sequence[str]) -> bool:
        """Whether it, or a group that it is of, is among ``names``; all are where there are none."""
        return not names or any(f"{self.name}/".startswith(f"{name}/") for name in names)


def all_cases() -> list[Case]:
    """Every case, those of one system together; what is quick and matters most comes first."""
    cases = []
    for training in TRAININGS:
        cases += [Case(f"{stage}/{training}", partial(of_stage, stage, training)) for stage in STAGES]
    cases.append(Case("textual-inversion", textual_inversion))
    for base, variants in VARIANTS.items():
        stage, training = base.split("/")
        for name, setting in variants.items():
            cases.append(Case(f"{base}/{name}", partial(of_variant, stage, training, name, setting)))
    return cases


def sets_of(training: str) -> list[str]:
    """Settings of a way of training."""
    return [f"backbone.params.training={training}"]


def of_stage(stage: str, training: str, bench: Bench) -> Iterator[Row]:
    """Pace, use of the card, and memory of one stage."""
    name, sets = f"{stage}/{training}", sets_of(training)
    yield from pace(name, stage, sets, bench)
    yield row(f"{name}/operations", bench.flops(stage, sets) / 1e12, "TFLOP")
    yield mfu(name, stage, sets, sets, bench)
    forecast = bench.forecast(stage, sets)
    tensors = (forecast.weights + forecast.trained + forecast.activations) / GIB
    yield row(
        f"{name}/forecast",
        forecast.total / GIB,
        "GiB",
        "with what CUDA and its allocator take, as --vram says",
    )
    yield row(f"{name}/forecast-tensors", tensors, "GiB", "without it")
    yield memory(name, bench.timing(stage, sets).peak, tensors)
    busy = bench.kernel_seconds(stage, sets)
    share = None if busy is None else busy / bench.timing(stage, sets).seconds
    yield row(
        f"{name}/busy",
        share,
        "of a step",
        "no card" if busy is None else "the card computes; the rest it waits",
    )


def of_variant(stage: str, training: str, variant: str, setting: str, bench: Bench) -> Iterator[Row]:
    """The same stage with one setting changed, beside it."""
    name, base = f"{stage}/{training}/{variant}", sets_of(training)
    sets = [*base, setting]
    bench.experiment(sets)  # what is not installed is said before anything else is measured
    yield from pace(name, stage, sets, bench)
    faster = bench.timing(stage, base).seconds / bench.timing(stage, sets).seconds
    yield row(f"{name}/speed", faster, "×", f"times as fast as {stage}/{training}")
    yield mfu(name, stage, sets, base, bench)
    yield memory(name, bench.timing(stage, sets).peak)


def textual_inversion(bench: Bench) -> Iterator[Row]:
    """A step of unify beside one of plain textual inversion on as many pictures, none of them read before."""
    name, sets = "textual-inversion", sets_of("frozen")
    ours, workers = bench.timing("unify", sets), bench.experiment(sets).system.resolved.spec.compute.workers
    paths = [path for sample in bench.experiment(sets).samples("train") for path in sample.images]
    bench.forget()
    warmup, steps = bench.size.warmup, bench.size.steps
    step = steps_of(
        bench.head, paths, ours.batch, bench.device, DTYPES[bench.precision],
        steps=warmup + steps, workers=workers if bench.device.type == "cuda" else 0,
    )  # fmt: skip
    seconds = repeated(step, bench.device, steps, warmup)
    yield row(f"{name}/seconds", seconds, "s", f"a step of {ours.batch} pictures")
    yield row(f"{name}/images", ours.batch / seconds, "images/s")
    yield memory(name, peak_bytes(bench.device))
    yield row(
        f"{name}/unify",
        ours.seconds / seconds,
        "×",
        "seconds of unify/frozen, which reads the picture too, over these",
    )


def pace(name: str, stage: str, sets: Sequence[str], bench: Bench) -> Iterator[Row]:
    """Seconds, images and tokens of the median step."""
    found = bench.timing(stage, sets)
    yield row(f"{name}/seconds", found.seconds, "s", f"a step of {found.batch} pictures")
    yield row(f"{name}/images", found.batch / found.seconds, "images/s")
    yield row(
        f"{name}/tokens",
        found.batch * found.tokens / found.seconds,
        "tokens/s",
        f"{found.tokens} tokens a picture",
    )


def mfu(name: str, stage: str, sets: Sequence[str], base: Sequence[str], bench: Bench) -> Row:
    """Operations that ``base`` counts over those that the card could do in the time."""
    card, seconds = card_of(bench.device), bench.timing(stage, sets).seconds
    peak = peak_flops(card) if bench.precision == "bf16" else None
    share = None if peak is None else bench.flops(stage, base) / seconds / peak
    why = (
        ""
        if peak is not None
        else f"no share without a peak, and none is known here ({card}, {bench.precision})"
    )
    return row(f"{name}/mfu", share, "of the peak", why, least=MFU if stage == "compress" else None)


def memory(name: str, peak: int | None, forecast: float | None = None) -> Row:
    """The most that tensors took at once, which should be what was forecast of them."""
    most = None if forecast is None else FORECAST_ERROR * forecast
    value = None if peak is None else peak / GIB
    return row(
        f"{name}/peak",
        value,
        "GiB",
        "" if peak is not None else "no card: torch counts no other memory",
        most=most,
    )
