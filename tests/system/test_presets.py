"""Each preset runs, and does what its name says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emosym_registry import Registry

from emosym.experiment.run import run_experiment
from emosym.spec import Resolved, load_spec

FORM = (
    "compressor.params={symmetric: false, mask_identical: false}",
    "rewards=[confidence]",
    "reinforcer={name: paper}",
    "fusion.params={vectors: 1, norm: free, standardise: false}",
    "emotion_space={name: diagonal}",
    "memory.params={policy: paper}",
)


@pytest.fixture(params=["paper", "official"])
def formed(request: pytest.FixtureRequest, registry: Registry, sets: tuple[str, ...]) -> Resolved:
    presets = [f"stages.{stage}.preset={request.param}" for stage in ("compress", "reinforce", "unify")]
    batches = [f"stages.{stage}.batch_size=8" for stage in ("compress", "reinforce", "unify")]
    return load_spec("preset:tiny", registry=registry, sets=[*sets, *presets, *batches, *FORM])


def test_the_paper_and_official_forms_run_and_reach_every_parameter(
    formed: Resolved, registry: Registry, tmp_path: Path
) -> None:
    summary = run_experiment(formed, registry, tmp_path / "run", smoke=True)
    assert summary["smoke"] is True
    for stage in ("compress", "reinforce", "unify"):
        gradients = json.loads((tmp_path / "run" / "evaluation" / f"gradients-{stage}.json").read_text())
        assert all(value > 0 for value in gradients.values())
    assert formed.spec.stages.unify is not None
    assert formed.spec.stages.unify.token_gradient == 1.0
    assert formed.spec.stages.compress is not None
    assert formed.spec.stages.compress.ce_weight == 0.5


@pytest.mark.parametrize(
    ("swap", "part"),
    [
        (["memory={name: in-memory}"], "memory"),
        pytest.param(["reinforcer={name: exact}"], "reinforcer", marks=pytest.mark.slow),
        pytest.param(["emotion_space={name: kde}"], "emotion_space", marks=pytest.mark.slow),
        pytest.param(["emotion_space={name: mixture}"], "emotion_space", marks=pytest.mark.slow),
        pytest.param(["fusion={name: concat}"], "fusion", marks=pytest.mark.slow),
        pytest.param(["fusion={name: gated, params: {context: flatten}}"], "fusion", marks=pytest.mark.slow),
        pytest.param(["fusion={name: resampler, params: {width: 64}}"], "fusion", marks=pytest.mark.slow),
        (["compressor={name: none}", "knowledge=null", "text_encoder=null"], "compressor"),
        (["knowledge.params={field: reasoning, shuffle: true}"], "knowledge"),
        (
            ["labels=binary", "rewards=[label]", "judges={bank: null, evaluate: null}", "metrics=[accuracy]"],
            "labels",
        ),
    ],
)
def test_one_line_swaps_a_component_and_everything_else_still_works(
    swap: list[str], part: str, registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    resolved = load_spec("preset:tiny", registry=registry, sets=[*sets, *swap])
    summary = run_experiment(resolved, registry, tmp_path / part, smoke=True)
    assert 0 <= summary["understanding"]["accuracy"] <= 1
    assert (tmp_path / part / "report.html").exists()


def test_a_backbone_that_shares_no_prefixes_is_passed_through_whole(
    registry: Registry, sets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emosym_vlm.base import VisionLanguageBackbone

    def refuse(*_: object) -> None:
        raise AssertionError("asked for a prefix that it cannot share")

    monkeypatch.setattr(VisionLanguageBackbone, "shares_prefixes", False)
    monkeypatch.setattr(VisionLanguageBackbone, "encode", refuse)
    resolved = load_spec("preset:tiny", registry=registry, sets=sets)
    assert resolved.spec.stages.reinforce is not None
    assert resolved.spec.stages.reinforce.share_prefix
    run_experiment(resolved, registry, tmp_path / "run", smoke=True, only=["reinforce"])
    gradients = json.loads((tmp_path / "run" / "evaluation" / "gradients-reinforce.json").read_text())
    assert all(value > 0 for value in gradients.values())
