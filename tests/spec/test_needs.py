"""What components need beside them: told in their descriptors, checked for every kind before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from emosym_registry import Registry

from emosym.spec import Resolved

CHILD = "emosym: 1\nextends: preset:base\n"


@pytest.fixture
def needing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Let a component of the tests' plugin need something."""

    def needing(kind: str, name: str, *needs: str) -> None:
        plugin = registry.plugins["spec-example"]
        components = tuple(
            replace(one, spec=replace(one.spec, needs=needs))
            if (one.spec.kind, one.spec.name) == (kind, name)
            else one
            for one in plugin.components
        )
        monkeypatch.setitem(registry.plugins, "spec-example", replace(plugin, components=components))

    return needing


@pytest.mark.parametrize(
    ("kind", "name", "need", "text", "message"),
    [
        ("metric", "accuracy", "judge", "judges: {evaluate: null}",
         "3:10 metrics.0: expected a judge for accuracy, found none; add judges.evaluate, or leave accuracy out"),
        ("reward", "wheel", "judge", "judges: {evaluate: one}",
         "rewards.1: expected a judge for wheel, found none; add judges.reward, or leave wheel out"),
        ("memory", "sql", "judge", "judges: {bank: null}", "3:10 memory: expected a judge for sql, found none; add judges.bank"),
        ("reinforcer", "grpo", "judge", "judges: {bank: two}", "reinforcer: expected a judge for grpo, found none; add judges.reward"),
        ("fusion", "additive", "text_encoder", "text_encoder: null\nknowledge: null",
         "3:1 fusion: expected a text_encoder for additive, found none; add text_encoder"),
        ("compressor", "contrastive", "knowledge", "knowledge: null",
         "3:1 compressor: expected knowledge for contrastive, found none; add knowledge"),
        ("emotion_space", "gaussian", "diffusion", "diffusion: null\nstages: {unify: null}",
         "3:1 emotion_space: expected a diffusion head for gaussian, found none; add diffusion"),
    ],
)  # fmt: skip
def test_a_need_that_nothing_meets_is_said_at_its_place(
    needing: Callable[..., None],
    problems: Callable[..., list[str]],
    kind: str,
    name: str,
    need: str,
    text: str,
    message: str,
) -> None:
    needing(kind, name, need)
    found = problems(f"{CHILD}{text}\n")
    assert len(found) == 1, found
    assert message in found[0]


def test_needs_that_are_met_and_needs_of_the_data_are_no_problem(
    needing: Callable[..., None], load: Callable[..., Resolved]
) -> None:
    needing("reward", "wheel", "labels", "attributes", "text_encoder", "knowledge", "diffusion")
    resolved = load()
    assert resolved.needs("rewards.1") == ("labels", "attributes", "text_encoder", "knowledge", "diffusion")
    assert resolved.needs("rewards.0") == ()


def test_parameters_may_do_without_a_need(
    registry: Registry, needing: Callable[..., None], load: Callable[..., Resolved], problems: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    needing("reward", "wheel", "judge", "labels")
    model = registry.find("reward", "wheel").load_config()
    monkeypatch.setattr(model, "needs", lambda self, declared: declared if self.low else ("labels",))
    assert load().needs("rewards.1") == ("labels",)
    assert (
        "expected a judge for wheel" in problems(CHILD + "rewards: [{name: wheel, params: {low: 0.5}}]\n")[0]
    )


def test_a_component_that_is_not_used_needs_nothing(
    needing: Callable[..., None], load: Callable[..., Resolved], registry: Registry, tmp_path: object
) -> None:
    from emosym.spec import load_spec

    needing("memory", "sql", "judge")
    assert load_spec("preset:base", registry=registry, sets=["judges.bank=null"], use=("backbone",)).offers
