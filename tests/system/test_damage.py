"""Saved systems and checkpoints that are not whole, and disks that take no more: one clear error each."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.experiment.folder import RunFolder
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec
from emosym.system import System
from emosym.training.checkpoint import steps_of


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A finished run to damage."""
    return Path(shutil.copytree(run, tmp_path / "copy"))


def _garbage(path: Path) -> None:
    path.write_bytes(b"{ not what it was")


def _bit(path: Path) -> None:
    """Another number in the last tensor: the file stays a sound one."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _believed(path: Path) -> None:
    path.write_text(re.sub(r'"step": \d+', '"step": 1000000000', path.read_text()))


def _half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("name", "damage", "id", "shown"),
    [
        ("head.safetensors", _garbage, "system.damaged", "head.safetensors is damaged"),
        ("fusion.safetensors", _half, "system.damaged", "fusion.safetensors is damaged"),
        ("head.safetensors", Path.unlink, "system.missing-part", "head.safetensors is missing"),
        ("adapters.safetensors", Path.unlink, "system.missing-part", "adapters.safetensors is missing"),
        ("system.json", _garbage, "system.damaged", "system.json is damaged"),
        ("system.json", Path.unlink, "system.not-found", "holds no saved system"),
        ("spec.yaml", Path.unlink, "spec.missing-file", "spec.yaml"),
    ],
)
def test_a_system_that_is_not_whole_names_the_file(
    copy: Path, registry: Registry, name: str, damage: Callable[[Path], None], id: str, shown: str
) -> None:
    damage(copy / "system" / name)
    with pytest.raises(EmosymError, match=shown) as error:
        System.load(copy / "system", registry=registry, device="cpu")
    assert error.value.id == id


def test_weights_of_another_spec_name_what_does_not_fit(copy: Path, registry: Registry) -> None:
    shutil.copy(copy / "system" / "head.safetensors", copy / "system" / "judgement.safetensors")
    with pytest.raises(EmosymError, match="has no part judgement") as error:
        System.load(copy, registry=registry, device="cpu")
    assert error.value.id == "system.does-not-fit"


def test_a_component_that_is_not_installed_is_named_with_its_line(copy: Path, registry: Registry) -> None:
    spec = copy / "system" / "spec.yaml"
    spec.write_text(spec.read_text().replace("name: emosym-vlm/qwen-vl", "name: somebodys-vl"))
    with pytest.raises(EmosymError, match=rf"{spec}:\d+:\d+ backbone.*somebodys-vl"):
        System.load(copy, registry=registry, device="cpu")


@contextlib.contextmanager
def _somebody_else(folder: Path) -> Iterator[None]:
    """Without the right to read ``folder``; root may read everything, so root becomes nobody for a while."""
    mode = folder.stat().st_mode
    folder.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


def test_a_folder_that_may_not_be_read_says_so(copy: Path, registry: Registry) -> None:
    with _somebody_else(copy / "system"), pytest.raises(EmosymError, match="permissions") as error:
        System.load(copy, registry=registry)
    assert error.value.id == "system.unreadable"


@pytest.mark.parametrize(
    ("name", "damage", "shown"),
    [
        ("optimizer.safetensors", _garbage, "optimizer.safetensors is damaged"),
        ("optimizer.safetensors", _half, "optimizer.safetensors is damaged"),
        ("optimizer.safetensors", Path.unlink, "optimizer.safetensors is missing"),
        ("optimizer.safetensors", _bit, "optimizer.safetensors is damaged: .*another sha256"),
        ("state.json", _garbage, "state.json is damaged"),
        ("state.json", _believed, "state.json is damaged: .*another sha256"),
        ("head.safetensors", _garbage, "head.safetensors is damaged"),
        ("head.safetensors", Path.unlink, "head.safetensors is missing"),
    ],
)
def test_a_checkpoint_that_is_not_whole_says_how_to_go_on(
    stopped: Path, registry: Registry, tmp_path: Path, name: str, damage: Callable[[Path], None], shown: str
) -> None:
    copy = Path(shutil.copytree(stopped, tmp_path / "copy"))
    (newest,) = steps_of(copy / "checkpoints", "unify")
    damage(newest / name)
    with pytest.raises(EmosymError, match=shown) as error:
        run_experiment(load_spec(copy / "spec.yaml", registry=registry), registry, copy, resume=True)
    assert error.value.id == "run.damaged-checkpoint"
    assert error.value.hint == f"delete {newest} to begin stage unify again, then resume"


@pytest.mark.parametrize(
    "text", ["[]", '{"compress": 3}', '{"compres": {"steps": 1}}', '{"compress": {"steps": "many"}}']
)
def test_progress_that_somebody_has_written_is_not_believed(copy: Path, text: str) -> None:
    (copy / "checkpoints" / "progress.json").write_text(text)
    with pytest.raises(EmosymError, match="progress.json cannot be read") as error:
        RunFolder(copy).done()
    assert error.value.id == "run.damaged"


def test_progress_that_cannot_be_read_is_named(copy: Path) -> None:
    _garbage(copy / "checkpoints" / "progress.json")
    with pytest.raises(EmosymError, match=r"progress\.json cannot be read"):
        RunFolder(copy).done()


@contextlib.contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    """The system refuses files larger than ``size`` bytes, as a file system with a limit does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_refused_write_leaves_the_earlier_system_whole(copy: Path, registry: Registry) -> None:
    system = System.load(copy, registry=registry, device="cpu", precision="fp32")
    before = {path.name: path.read_bytes() for path in (copy / "system").iterdir()}
    with _files_up_to(50_000), pytest.raises(EmosymError, match="system: File too large") as error:
        system.save(copy / "system")
    assert error.value.id == "run.cannot-write"
    assert {path.name: path.read_bytes() for path in (copy / "system").iterdir()} == before
    assert not [path.name for path in copy.iterdir() if path.name.startswith(".")]
