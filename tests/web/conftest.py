"""The page over a small system that nobody has trained, its bank, and two runs beside it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from emosym_registry import Registry
from PIL import Image

pytest.importorskip("gradio", reason="the extra web is not installed")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from emosym.assembly import Builder
from emosym.contracts import States
from emosym.reasons import KnowledgeIndex
from emosym.spec import load_spec
from emosym.system import System
from emosym.web.room import Room
from tests.ablation.folders import make_run
from tests.cli.test_bank import filled

TEXTS = ["a ghost in the dark", "a clown at a fair", "a kitten that sleeps"]


@pytest.fixture(scope="session")
def runs(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run ``mine``, which has a system and a bank, and the runs ``one`` and ``two`` to compare."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("web") / "runs"
    run = filled(folder / "mine", "backbone.params.adapter.rank=4")
    resolved = load_spec("preset:tiny", registry=registry)
    builder = Builder.of(resolved, registry, device=torch.device("cpu"), precision="fp32")
    encoder = builder.build("text_encoder")
    system = System.assemble(builder, text_width=encoder.width)
    system.knowledge = KnowledgeIndex.of(TEXTS, encoder, 0)
    assert system.generation is not None
    generator = torch.Generator().manual_seed(1)
    width, tokens = system.backbone.hidden_size, system.compressor.context_tokens + 1
    states = States.split(torch.randn(32, tokens, width, generator=generator))
    system.generation.emotion_space.fit(states, torch.arange(32) % 8)
    system.save(run / "system")
    for seed, name in enumerate(("one", "two"), start=1):
        make_run(folder / name, seed=seed, skill=0.4 * seed, overrides={"fusion.params.vectors": seed})
    return folder


@pytest.fixture(scope="session")
def room(runs: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Room:
    """What the page of the run ``mine`` works with."""
    kept = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(kept))
        system = System.load(runs / "mine", registry=registry, device="cpu")
    return Room(system, registry, runs / "mine", (runs,), kept)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of a sunset, as far as anybody has to know."""
    path = tmp_path / "sunset.png"
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(path)
    return path


@pytest.fixture
def broken(tmp_path: Path, photo: Path) -> Path:
    """A picture that is cut off."""
    path = tmp_path / "broken.jpg"
    buffer = io.BytesIO()
    Image.open(photo).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[:300])
    return path


@pytest.fixture(scope="module")
def address(room: Room) -> Iterator[str]:
    """Where the page of the room is served while a file of tests runs."""
    from emosym.web.app import launched

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(room.kept))
        page, url = launched(room, "127.0.0.1", None, None)
        yield url
        page.close()
