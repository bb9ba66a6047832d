"""A spec given again for a run that goes on, when plugins have changed since it began."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError, Registry

from emosym.spec import Resolved, SpecErrors, begun_with, load_again, read_saved

Load = Callable[..., Resolved]
Write = Callable[..., Path]
OLD = "emosym: 1\nextends: preset:base\n"


@pytest.fixture
def begun(load: Load, tmp_path: Path) -> Callable[..., Path]:
    """The folder of a run that began with another backbone ``params`` of version 0.9, of which some were ``written``."""

    def begun(params: dict[str, Any], *written: str) -> Path:
        resolved = load()
        document = resolved.document(qualified=True)
        document["backbone"]["params"] = params
        saved = {**resolved.saved}
        saved["backbone"] = {**saved["backbone"], "version": "0.9", "written": list(written)}
        run = tmp_path / "run"
        run.mkdir()
        (run / "spec.yaml").write_text(json.dumps(document))
        (run / "components.json").write_text(json.dumps(saved))
        return run

    return begun


def test_a_run_goes_on_with_what_it_began_with(load: Load, registry: Registry, tmp_path: Path) -> None:
    given = load()
    given.save(tmp_path, qualified=True)
    own = begun_with(tmp_path / "spec.yaml", given, registry)
    assert (own.document(qualified=True), own.messages) == (given.document(qualified=True), [])


def test_a_parameter_that_a_later_version_has_beside_the_others_stops_no_run(
    load: Load, begun: Callable[..., Path], registry: Registry
) -> None:
    run = begun({"model": "tiny", "adapter": {"type": "lora", "rank": 4}}, "model", "adapter")
    own = begun_with(run / "spec.yaml", load(sets=["backbone.params.pixels=null"]), registry)
    assert own.config("backbone").pixels == 512
    assert own.saved["backbone"]["version"] == "1.0"


def test_the_default_of_the_version_that_the_run_began_with_stays_with_a_note(
    load: Load, begun: Callable[..., Path], registry: Registry
) -> None:
    params = {"model": "tiny", "pixels": 3, "adapter": {"type": "lora", "rank": 4}}
    run = begun(params, "model", "adapter")
    own = begun_with(run / "spec.yaml", load(sets=["backbone.params.pixels=null"]), registry)
    assert own.config("backbone").pixels == 3
    assert own.messages == [
        "backbone.params.pixels stays 3, which was a default when the run began; it is 512 now"
    ]


def test_another_value_is_named_with_both(load: Load, begun: Callable[..., Path], registry: Registry) -> None:
    run = begun({"model": "tiny", "pixels": 3, "adapter": {"rank": 4}}, "model", "adapter.rank", "pixels")
    sets = ["backbone.params.pixels=5", "seed=99", "metrics=null"]
    with pytest.raises(EmosymError) as caught:
        begun_with(run / "spec.yaml", load(sets=sets), registry)
    assert caught.value.id == "run.spec-changed"
    assert "backbone.params.pixels is 3 there, 5 here" in caught.value.message
    assert "seed is 7 there, 99 here" in caught.value.message
    assert (
        "spec-example/qwen-vl was 0.9 then and is 1.0 now: pip install spec-example==0.9" in caught.value.hint
    )


def test_what_a_later_version_knows_no_more_wants_the_version_or_a_new_run(
    begun: Callable[..., Path], registry: Registry, write: Write
) -> None:
    run = begun({"model": "tiny", "side": 3, "adapter": {"rank": 4}}, "model", "adapter.rank", "side")
    given = write(OLD + "backbone: {params: {side: 3}}\n")
    with pytest.raises(SpecErrors) as caught:
        load_again(given, registry, (), read_saved(run))
    (problem,) = caught.value.problems
    assert problem.hint == (
        "saved with spec-example 0.9, installed 1.0: pip install spec-example==0.9, or start a new run with --out"
    )


@pytest.mark.parametrize("sets", [("backbone.params.side=3",), ("backbone.params.pixels=3",)])
def test_a_run_whose_parameter_was_renamed_goes_on_by_its_old_name_and_by_its_new_one(
    load: Load,
    begun: Callable[..., Path],
    registry: Registry,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    sets: tuple[str, ...],
) -> None:
    def migrate(cls: type, params: dict[str, Any], version: str) -> dict[str, Any]:
        return {**{key: value for key, value in params.items() if key != "side"}, "pixels": params["side"]}

    monkeypatch.setattr(registry.find("backbone", "qwen-vl").load_config(), "migrate", classmethod(migrate))
    run = begun({"model": "tiny", "side": 3, "adapter": {"rank": 4}}, "model", "adapter.rank", "side")
    given = load_again(write(OLD), registry, sets, read_saved(run))
    own = begun_with(run / "spec.yaml", given, registry)
    assert own.config("backbone").pixels == 3


def test_a_default_that_was_renamed_and_changed_stays_with_a_note(
    load: Load, begun: Callable[..., Path], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def migrate(cls: type, params: dict[str, Any], version: str) -> dict[str, Any]:
        return {**{key: value for key, value in params.items() if key != "side"}, "pixels": params["side"]}

    monkeypatch.setattr(registry.find("backbone", "qwen-vl").load_config(), "migrate", classmethod(migrate))
    run = begun({"model": "tiny", "side": 3, "adapter": {"type": "lora", "rank": 4}}, "model", "adapter")
    own = begun_with(run / "spec.yaml", load(sets=["backbone.params.pixels=null"]), registry)
    assert own.config("backbone").pixels == 3
    assert own.messages == [
        "backbone.params.pixels stays 3, which was a default when the run began; it is 512 now"
    ]
