"""Studies of known truth, and how often intervals hold it. ``python -m tests.ablation.simulated`` prints the table of
docs/explanation/statistics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from emosym.ablation.statistics import crossed_spread, holm, interval, p_value, share_interval

Array = NDArray[np.float64]
Ends = tuple[Array, Array]
Method = Callable[[Array], Ends]
CHUNK = 20_000_000
"""Values that are simulated at once."""


@dataclass(frozen=True)
class World:
    """What a study is drawn from: standard deviations of the effects of seeds, of images, and of the rest."""

    name: str
    seed: float
    image: float
    rest: float = 1.0
    mean: float = 0.0
    binary: bool = False
    """Values are whether seed + image + rest + ``mean`` is positive: a probit model."""

    @property
    def truth(self) -> float:
        """The mean over all seeds and images that there could be."""
        if not self.binary:
            return self.mean
        return float(norm.cdf(self.mean / np.sqrt(self.seed**2 + self.image**2 + self.rest**2)))

    def draw(self, rng: np.random.Generator, studies: int, seeds: int, images: int) -> Iterator[Array]:
        """Tables [·,S,I], as many as there are ``studies``, some at a time."""
        most = max(1, CHUNK // (seeds * images))
        for first in range(0, studies, most):
            count = min(most, studies - first)
            values = self.rest * rng.standard_normal((count, seeds, images))
            values += self.mean + self.seed * rng.standard_normal((count, seeds, 1))
            values += self.image * rng.standard_normal((count, 1, images))
            yield (values > 0).astype(float) if self.binary else values


@dataclass(frozen=True)
class PairedWorld:
    """Differences of two systems that answer the same images, right or wrong, with the same true accuracy."""

    name: str
    seed: float
    image: float
    shift: float
    """Standard deviation of how much harder an image is for one system than for the other."""
    mean: float = 1.0
    truth: float = 0.0

    def draw(self, rng: np.random.Generator, studies: int, seeds: int, images: int) -> Iterator[Array]:
        most = max(1, CHUNK // (2 * seeds * images))
        for first in range(0, studies, most):
            count = min(most, studies - first)
            image = self.image * rng.standard_normal((count, 1, images))
            right = []
            for _ in range(2):
                own = self.shift * rng.standard_normal((count, 1, images))
                seed = self.seed * rng.standard_normal((count, seeds, 1))
                rest = rng.standard_normal((count, seeds, images))
                right.append((self.mean + image + own + seed + rest > 0).astype(float))
            yield right[1] - right[0]


VALUES = (
    World("images alone matter", seed=0, image=1),
    World("seeds matter a little", seed=0.03, image=0.5),
    World("seeds and images alike", seed=0.05, image=1),
    World("seeds matter most", seed=0.3, image=0.3),
    World("neither matters", seed=0, image=0),
)
SHARES = (
    World("right or wrong, 69 %", seed=0.05, image=1, mean=0.7, binary=True),
    World("right or wrong, 92 %", seed=0.1, image=1, mean=2.0, binary=True),
    World("right or wrong, 50 %, seeds matter", seed=0.2, image=1, binary=True),
)
DIFFERENCES = (
    PairedWorld("accuracies that differ by nothing", seed=0.05, image=1, shift=0.3),
    PairedWorld("the same, seeds matter", seed=0.2, image=1, shift=0.3),
    PairedWorld("the same, only noise", seed=0, image=1, shift=0),
)


def covered(
    world: World | PairedWorld, method: Method, seeds: int, images: int, studies: int, seed: int = 0
) -> float:
    """Share of ``studies`` whose 95 % interval holds the truth."""
    hits = 0
    for values in world.draw(np.random.default_rng(seed), studies, seeds, images):
        low, high = method(values)
        hits += int(((low <= world.truth) & (world.truth <= high)).sum())
    return hits / studies


def ours(values: Array) -> Ends:
    """What emosym prints of values, or of differences."""
    return interval(crossed_spread(values))


def our_share(values: Array) -> Ends:
    """What emosym prints of a share."""
    return share_interval(crossed_spread(values), values.shape[-1])


def satterthwaite(values: Array) -> Ends:
    """The same variance with Satterthwaite's degrees of freedom."""
    spread = crossed_spread(values)
    share = spread.of_seeds / spread.variance
    freedom = 1 / (share**2 / spread.seeds + (1 - share) ** 2 / spread.images)
    half = t.ppf(0.975, freedom) * np.sqrt(spread.variance)
    return spread.mean - half, spread.mean + half


def bootstrapped(values: Array, draws: int = 400) -> Array:
    """[n,draws] means when seeds and images are drawn again and again, both."""
    rng = np.random.default_rng(1)
    _, seeds, images = values.shape
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    of_images = rng.multinomial(images, np.full(images, 1 / images), draws) / images
    return np.einsum("nsi,bs,bi->nb", values, of_seeds, of_images, optimize=True)


def percentile(values: Array) -> Ends:
    """The percentile interval of a bootstrap over both levels."""
    low, high = np.percentile(bootstrapped(values), [2.5, 97.5], axis=1)
    return low, high


def bootstrap_t(values: Array) -> Ends:
    """The standard error of a bootstrap over both levels with the t quantile of the seeds."""
    half = t.ppf(0.975, values.shape[-2] - 1) * bootstrapped(values).std(1, ddof=1)
    mean = values.mean((1, 2))
    return mean - half, mean + half


def images_alone(values: Array) -> Ends:
    """What an interval over images says when seeds are averaged and forgotten."""
    averaged = values.mean(1)
    half = 1.96 * averaged.std(1, ddof=1) / np.sqrt(values.shape[2])
    return averaged.mean(1) - half, averaged.mean(1) + half


def seeds_alone(values: Array) -> Ends:
    """The t interval of the means of seeds, as if the images were the only ones there are."""
    means = values.mean(2)
    half = t.ppf(0.975, values.shape[1] - 1) * means.std(1, ddof=1) / np.sqrt(values.shape[1])
    return means.mean(1) - half, means.mean(1) + half


def false_alarms(seeds: int, images: int, sd_seed: float, studies: int, rows: int = 4) -> float:
    """Share of studies of equal rows, each held against the first on two figures, that name any difference."""
    rng = np.random.default_rng(rows * seeds)
    ps = []
    for _ in range(studies):
        image = rng.standard_normal((1, 1, images))
        seed = sd_seed * rng.standard_normal((rows, seeds, 1))
        skill = 0.7 + image + seed + rng.standard_normal((rows, seeds, images))
        ps.append([figure[1:] - figure[:1] for figure in ((skill > 0).astype(float), skill)])
    found = p_value(crossed_spread(np.array(ps))).reshape(studies, -1)
    return float(np.mean([min(p for p in holm(row) if p is not None) < 0.05 for row in found.tolist()]))


METHODS: dict[str, Method] = {
    "emosym": ours,
    "Satterthwaite": satterthwaite,
    "bootstrap, percentile": percentile,
    "bootstrap, t": bootstrap_t,
    "images alone": images_alone,
    "seeds alone": seeds_alone,
}


def main() -> None:
    """The table, 1,000 studies a number."""
    print("| truth | seeds × images | " + " | ".join(METHODS) + " |")
    print("|---" * (2 + len(METHODS)) + "|")
    for world in (*VALUES, *SHARES, *DIFFERENCES):
        for seeds, images in ((3, 300), (5, 300), (10, 300), (3, 3000)):
            share = isinstance(world, World) and world.binary
            methods = {**METHODS, "emosym": our_share if share else ours}
            cells = [f"{100 * covered(world, one, seeds, images, 1000):.1f}" for one in methods.values()]
            print(f"| {world.name} | {seeds} × {images} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
