"""Where tokens look: the stock model's own attention over its image tokens, laid out as the picture is."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from emosym.contracts import Sample


def sample(width=64, height=64):
    return Sample("one", (Image.linear_gradient("L").resize((width, height)).convert("RGB"),))


def tokens(backbone, count=3):
    return torch.randn(1, count, backbone.hidden_size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ["qwen2_vl", "llava"])
@torch.no_grad()
def test_it_is_what_the_stock_model_attends_to(family, build):
    backbone, one = build(family, attention="eager", training="frozen"), sample()
    own = tokens(backbone)
    batch = backbone._batch([one], None, own.shape[1])
    attended = backbone._pass(batch, own, output_attentions=True).attentions
    mean = torch.stack(list(attended)).mean((0, 2))[0]
    wanted = mean[batch.columns[0]][:, batch.ids[0] == backbone.model.config.image_token_id]
    (found,) = backbone.gaze([one], own)
    torch.testing.assert_close(found.flatten(1), wanted, atol=1e-6, rtol=1e-4)


def test_rows_and_columns_are_those_of_the_picture(build):
    backbone = build("qwen2_vl", training="frozen")
    (tall,) = backbone.gaze([sample(56, 112)], tokens(backbone))
    (wide,) = backbone.gaze([sample(112, 56)], tokens(backbone))
    assert tall.shape[1] > tall.shape[2]
    assert wide.shape[1:] == (tall.shape[2], tall.shape[1])


def test_the_attention_of_the_config_is_put_back_and_states_stay_the_same(build):
    backbone, one = build("qwen2_vl", attention="sdpa"), sample()
    own = tokens(backbone)
    before = backbone([one], own)
    assert backbone.gaze([one], own)[0] is not None
    assert backbone._text_config._attn_implementation == "sdpa"
    assert torch.equal(backbone([one], own), before)


def test_a_token_that_does_not_see_the_picture_looks_nowhere(build):
    backbone = build("qwen2_vl", training="frozen", emotion_sees="context")
    (found,) = backbone.gaze([sample()], tokens(backbone))
    assert (found[:-1].sum((1, 2)) > 0).all()
    assert found[-1].sum() == 0


@pytest.mark.parametrize(
    ("family", "given"),
    [
        ("gemma3", sample()),
        ("llava", sample(80, 40)),
        ("qwen2_vl", Sample("two", sample().images * 2)),
        ("qwen2_vl", Sample("none", ())),
    ],
)
def test_where_no_grid_is_known_nothing_is_said(family, given, build):
    backbone = build(family)
    assert backbone.gaze([given], tokens(backbone)) == [None]
