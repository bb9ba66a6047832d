"""From attributes to pixels: a scene, one large object in front of it, then exposure and saturation."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from .distribution import Attributes
from .objects import draw_object
from .pen import Pen
from .scenes import draw_scene
from .vocabulary import OBJECTS, SCENES

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
OUTLINE = np.array([0.09, 0.07, 0.12], dtype=np.float32)
HALO = np.array([0.80, 0.80, 0.84], dtype=np.float32)
SMALLEST_SHARE = 100
"""Fewer pictures than this do not pay for starting a process."""

Job = tuple[Attributes, np.random.SeedSequence]


def render(attributes: Attributes, rng: np.random.Generator, size: int = 64, supersample: int = 4) -> Pixels:
    """Draw one picture, uint8 [size, size, 3] in sRGB; rng decides everything attributes leave open."""
    if size < 8 or supersample < 1:
        raise ValueError(f"size must be at least 8 and supersample at least 1, not {size} and {supersample}")
    canvas_size = size * supersample
    scene = Image.new("RGB", (canvas_size, canvas_size))
    draw_scene(Pen(scene, 0, 0, canvas_size), SCENES[attributes.scene], attributes.brightness_level, rng)
    background = np.asarray(scene.reduce(supersample), dtype=np.float32) / 255.0
    foreground, alpha, rim = _foreground(attributes.object, rng, size, supersample)

    # The object keeps more light than its surroundings, so that it stays legible in the dark.
    background = _adjust(background, attributes, light=0.0)
    foreground = _adjust(foreground, attributes, light=0.5)
    edge = HALO if attributes.brightness_level == 0 else OUTLINE
    picture = background * (1.0 - rim) + edge * rim
    picture = picture * (1.0 - alpha) + foreground * alpha
    pixels: Pixels = (picture * 255.0 + 0.5).clip(0.0, 255.0).astype(np.uint8)
    return pixels


def _foreground(
    index: int, rng: np.random.Generator, size: int, supersample: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Object colours [size, size, 3], its coverage and its one-pixel rim [size, size, 1], all in [0, 1]."""
    canvas_size = size * supersample
    dx, dy, zoom = rng.uniform(-1.0, 1.0, 3).tolist()
    layer = Image.new("RGBA", (canvas_size, canvas_size))
    pen = Pen(
        layer,
        cx=canvas_size * (0.5 + 0.078 * dx),
        cy=canvas_size * (0.63 + 0.06 * dy),
        scale=canvas_size * (0.29 + 0.022 * zoom),
        mirrored=rng.random() < 0.5,
    )
    draw_object(pen, OBJECTS[index])
    small = layer.reduce(supersample)
    coverage = small.getchannel("A")
    reach = 2 * max(1, round(size / 64)) + 1
    rim = np.asarray(coverage.filter(ImageFilter.MaxFilter(reach)), dtype=np.float32)[..., None] / 255.0
    pixels = np.asarray(small, dtype=np.float32) / 255.0
    return pixels[..., :3], pixels[..., 3:], 0.85 * rim


def _adjust(pixels: FloatArray, attributes: Attributes, light: float) -> FloatArray:
    """Saturation by colourfulness, exposure by brightness; `light` softens darkening. Shape is kept."""
    saturation = np.float32(0.1 + 1.25 * attributes.colorfulness)
    gray = (pixels @ LUMA)[..., None]
    pixels = (gray + saturation * (pixels - gray)).clip(0.0, 1.0)
    brightness = attributes.brightness
    if brightness < 0.5:
        return pixels * np.float32(1.0 - (1.0 - light) * 1.15 * (0.5 - brightness))
    lift = np.float32(0.75 * (brightness - 0.5))
    return pixels + lift * (1.0 - pixels)


def render_many(attributes: Sequence[Attributes], seed: int, size: int = 64, workers: int = 1) -> Pixels:
    """Draw many pictures, uint8 [N, size, size, 3]; each has its own seed, so workers change nothing."""
    seeds = np.random.SeedSequence(seed).spawn(len(attributes))
    jobs = list(zip(attributes, seeds, strict=True))
    workers = min(workers, len(jobs) // SMALLEST_SHARE)
    if workers <= 1:
        return render_jobs(jobs, size)
    share = -(-len(jobs) // workers)
    shares = [jobs[start : start + share] for start in range(0, len(jobs), share)]
    with ThreadPoolExecutor(len(shares)) as pool:
        return np.concatenate(list(pool.map(lambda part: _in_own_process(part, size), shares)))


def render_jobs(jobs: Sequence[Job], size: int) -> Pixels:
    """Draw one picture per (attributes, seed), uint8 of shape [N, size, size, 3]."""
    pixels = np.empty((len(jobs), size, size, 3), dtype=np.uint8)
    for row, (attributes, seed) in enumerate(jobs):
        pixels[row] = render(attributes, np.random.default_rng(seed), size)
    return pixels


def _in_own_process(jobs: Sequence[Job], size: int) -> Pixels:
    # A plain child instead of multiprocessing: forking under torch's threads can hang, and spawning runs the
    # caller's script again.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(  # noqa: S603 - our own worker
        [sys.executable, "-m", f"{__package__}.worker"],
        input=pickle.dumps((jobs, size)),
        stdout=subprocess.PIPE,
        check=True,
        env=environment,
    )
    return np.frombuffer(done.stdout, dtype=np.uint8).reshape(len(jobs), size, size, 3)
