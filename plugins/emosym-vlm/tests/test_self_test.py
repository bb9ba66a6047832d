"""A model that nobody has looked at is looked at once it is loaded."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from emosym_registry import EmosymError
from emosym_vlm import HFVLM, HFVLMConfig
from PIL import Image

from emosym.contracts import Sample
from emosym.toolkit import kept_statistics

from .families import FAMILIES


@pytest.fixture
def load(folder, context):
    def make(family, cls=HFVLM, **params):
        return cls(HFVLMConfig(model=str(folder(family)), **params), context)

    return make


@torch.no_grad()
def test_a_prefix_lm_is_refused_by_its_family(load, folder, samples, tokens):
    with pytest.raises(EmosymError) as caught:
        load("paligemma")
    assert caught.value.id == "backbone.not-causal"
    assert str(folder("paligemma")) in caught.value.message
    assert "'paligemma' model" in caught.value.message
    assert (
        f"plugins check hf-vlm --param model={folder('paligemma')} --param self_test=false"
        in caught.value.hint
    )
    # Without the test it reads, and its first token knows the last one.
    backbone = load("paligemma", self_test=False)
    vectors = tokens(backbone, 1)
    changed = torch.cat([vectors[:, :-1], -vectors[:, -1:]], 1)
    first, other = (backbone(samples[:1], given)[:, 0] for given in (vectors, changed))
    assert not torch.allclose(first, other, atol=1e-2)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_causal_families_pass(family, dtype, load):
    assert load(family, dtype=dtype).config.self_test


class Misplaced(HFVLM):
    """Goes on from a prefix at other positions than one pass has there."""

    def encode(self, samples, question=None):
        prefix = super().encode(samples, question)
        return replace(prefix, next_positions=prefix.next_positions + 9)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_read_that_differs_from_one_pass_is_refused(dtype, load):
    with pytest.raises(EmosymError, match="'smolvlm' model reading after an encoded prompt") as caught:
        load("smolvlm", Misplaced, dtype=dtype)
    assert caught.value.id == "backbone.read-differs"


def test_where_no_prefix_is_shared_none_is_read(load):
    assert not load("gemma3", Misplaced).shares_prefixes


def test_it_costs_four_short_passes_and_two_looks(load):
    backbone = load("smolvlm", self_test=False)
    calls = []
    for name, part in (
        ("vision", backbone.model.get_encoder(modality="image")),
        ("text", backbone.model.get_decoder()),
    ):
        part.register_forward_hook(lambda *_, name=name: calls.append(name))
    backbone.self_test()
    assert sorted(calls) == ["text"] * 4 + ["vision"] * 2


def test_it_leaves_nothing_behind(load, caplog):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    kept_statistics(anew=True)
    with caplog.at_level(logging.WARNING, "emosym.vlm"):
        backbone = load("idefics3")
        assert kept_statistics(anew=True) == {}
        assert torch.equal(torch.get_rng_state(), before)
        assert not backbone.training
        assert caplog.text == ""
        backbone.encode([Sample("large", (Image.new("RGB", (64, 64)),))])
    assert "sample large: scaled down" in caplog.text
