"""Models that bring code of their own run only where the command line says so."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Command, Outcome

FLAG = "--trust-remote-code"
CHEAP = ("--set", "data.params.train=96", "--set", "data.params.val=16", "--set", "data.params.test=32")
CODE = """
from pathlib import Path

from transformers import LlavaConfig, LlavaForConditionalGeneration

Path({marker!r}).touch()


class HouseConfig(LlavaConfig):
    model_type = "house_llava"


class HouseLlava(LlavaForConditionalGeneration):
    config_class = HouseConfig
"""


@dataclass(frozen=True)
class House:
    """A model with code of its own, the file its code makes when it runs, and where a run goes."""

    model: Path
    marker: Path
    run: Path

    @property
    def spec(self) -> tuple[str, ...]:
        return (
            "preset:tiny", "--set", "backbone.name=hf-vlm", "--set", f"backbone.params.model={self.model}",
            *CHEAP, "--smoke", "--device", "cpu", "--out", str(self.run),
        )  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The embedded LLaVA under a class that transformers does not have."""
    import emosym_tiny
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = tmp_path_factory.mktemp("house")
    made = House(folder / "model", folder / "code-ran", folder / "run")
    code = folder / "house_llava.py"
    code.write_text(CODE.format(marker=str(made.marker)))
    spec = importlib.util.spec_from_file_location("house_llava", code)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["house_llava"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.HouseConfig.register_for_auto_class()
    module.HouseLlava.register_for_auto_class("AutoModelForImageTextToText")
    stock = Path(emosym_tiny.__file__).parent / "weights" / "llava"
    weights = LlavaForConditionalGeneration.from_pretrained(stock)
    model = module.HouseLlava(module.HouseConfig(**weights.config.to_dict() | {"model_type": "house_llava"}))
    model.load_state_dict(weights.state_dict())
    model.save_pretrained(made.model)
    AutoProcessor.from_pretrained(stock).save_pretrained(made.model)
    del sys.modules["house_llava"]
    made.marker.unlink()
    return made


@pytest.fixture(scope="module")
def trusting(process: Command, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """``emosym`` in a process whose copies of a model's code go to a folder of the test."""
    folder = tmp_path_factory.mktemp("work")

    def run(*words: object) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_MODULES_CACHE", str(folder / "modules"))
            patch.setenv("EMOSYM_CACHE", str(folder / "cache"))
            return process(*words, folder=folder)

    return run


@pytest.fixture(scope="module")
def finished(house: House, trusting: Command) -> House:
    done = trusting("run", *house.spec, FLAG)
    assert done.status == 0, done.err
    assert house.marker.exists()
    return house


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").save(path)
    return path


def refused(house: House, outcome: Outcome) -> None:
    assert outcome.status == 2
    assert "brings its own Python code" in outcome.err
    assert FLAG in outcome.err
    assert not house.marker.exists()


@pytest.mark.parametrize("verb", [("run",), ("train", "--stage", "compress")])
def test_a_run_refuses_code_without_the_flag(verb: tuple[str, ...], house: House, emosym: Command) -> None:
    house.marker.unlink(missing_ok=True)
    refused(house, emosym(*verb, *house.spec, "--out", house.run.with_name(f"refused-{verb[0]}")))


@pytest.mark.parametrize("key", ["backbone.params.trust_remote_code", "compute.trust_remote_code"])
def test_no_spec_can_trust(key: str, house: House, emosym: Command) -> None:
    house.marker.unlink(missing_ok=True)
    outcome = emosym("run", *house.spec, "--set", f"{key}=true", "--out", house.run.with_name("refused"))
    assert outcome.status == 2
    assert "trust_remote_code" in outcome.err
    assert not house.marker.exists()


@pytest.mark.slow
def test_every_verb_asks_for_the_flag_and_heeds_it(
    finished: House, emosym: Command, trusting: Command, photo: Path, tmp_path: Path
) -> None:
    verbs = (
        ("understand", photo, "--system", finished.run, "--device", "cpu"),
        ("generate", "--emotion", "awe", "--steps", 1, "--system", finished.run, "--out", tmp_path, "--device", "cpu"),
        ("evaluate", finished.run, "--out", tmp_path / "again", "--device", "cpu"),
        ("train", "--stage", "unify", *finished.spec, "--resume"),
    )  # fmt: skip
    for verb in verbs:
        finished.marker.unlink(missing_ok=True)
        refused(finished, emosym(*verb))
        done = trusting(*verb, FLAG)
        assert done.status == 0, done.err
        assert finished.marker.exists()
