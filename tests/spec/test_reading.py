"""``reading: explicit``: what a spec may say beside it, and whose results it has nothing to do with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from emosym_registry import Registry

from emosym.spec import Resolved
from emosym.spec.reads import evaluation_key, stage_keys

CHILD = "emosym: 1\nextends: preset:base\n"
ALONE = "stages: {reinforce: null, unify: null}\n"
NOTE = "reading is explicit: compressor, text_encoder and the emotion head are not used"


@pytest.fixture
def writing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the backbones of the tests' plugin write."""
    plugin = registry.plugins["spec-example"]
    components = tuple(
        replace(one, spec=replace(one.spec, capabilities=("text",))) if one.spec.kind == "backbone" else one
        for one in plugin.components
    )
    monkeypatch.setitem(registry.plugins, "spec-example", replace(plugin, components=components))


@pytest.mark.usefixtures("writing")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reading: explicit\nstages: {unify: null}\n", "3:1 stages.reinforce: expected null with reading: explicit, found a stage "
         "that sharpens reasoning tokens by rewards, of which there are none; write stages: {reinforce: null}"),
        ("reading: explicit\nstages: {reinforce: null, unify: {epochs: 2}}\n", "4:27 stages.unify: expected null with "
         "reading: explicit, found a stage that paints, and fills the memory bank, from the states of reasoning tokens, of which "
         "there are none; write stages: {unify: null}"),
        ("reading: both\n", "3:10 reading: expected 'latent' or 'explicit', found \"both\""),
        (f"reading: explicit\nreason_tokens: 0\n{ALONE}", "4:16 reason_tokens: expected at least 1, found 0"),
    ],
)  # fmt: skip
def test_what_cannot_go_with_it_is_one_sentence_at_its_line(
    problems: Callable[..., list[str]], text: str, message: str
) -> None:
    assert problems(CHILD + text) == [f"spec.yaml:{message}"]


def test_a_backbone_that_cannot_write_is_told_before_anything_is_loaded(
    problems: Callable[..., list[str]],
) -> None:
    assert problems(f"{CHILD}reading: explicit\n{ALONE}") == [
        "spec.yaml:3:1 reading: expected a backbone that writes reasons and answers, found qwen-vl; "
        "take one with the capability text, or reading: latent"
    ]


@pytest.mark.usefixtures("writing")
def test_one_line_is_enough_and_says_what_is_not_used(load: Callable[..., Resolved]) -> None:
    latent = load(CHILD + ALONE)
    assert (latent.spec.reading, NOTE in latent.messages) == ("latent", False)
    explicit = load(CHILD + ALONE, sets=("reading=explicit",))
    assert (explicit.spec.reading, NOTE in explicit.messages) == ("explicit", True)
    assert load(CHILD + ALONE, sets=("reading=explicit", "text_encoder=null")).spec.text_encoder is None


@pytest.mark.usefixtures("writing")
def test_its_stage_is_shared_with_no_latent_one(
    load: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emosym.spec.reads._code", lambda *about: "")  # the tests' components have none
    specs = [
        load(CHILD + ALONE, sets=sets)
        for sets in ((), ("reading=explicit",), ("reading=explicit", "reason_tokens=9"))
    ]
    assert len({stage_keys(one)["compress"] for one in specs}) == 3
    assert len({evaluation_key(one) for one in specs}) == 1
