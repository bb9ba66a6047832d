"""The vision side: batched attention, and features that are kept."""

from __future__ import annotations

import logging
from io import BytesIO

import pytest
import torch
from emosym_vlm.images import whole
from emosym_vlm.segments import NAME, segment_attention
from PIL import Image

from emosym.contracts import QUESTION, Sample

from .families import FAMILIES


@pytest.mark.parametrize("lengths", [[4, 4, 4], [3, 5, 3, 1], [7]])
def test_segment_attention_is_attention_within_each_segment(lengths):
    generator = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(
        3, 1, 2, sum(lengths), 8, generator=generator, dtype=torch.float64
    ).unbind()
    query.requires_grad_()
    borders = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()])
    got, _ = segment_attention(torch.nn.Identity(), query, key, value, scaling=0.3, cu_seq_lens_q=borders)
    wanted = torch.cat(
        [
            ((q * 0.3) @ k.mT).softmax(-1) @ v
            for q, k, v in zip(*(states[0].split(lengths, 1) for states in (query, key, value)), strict=True)
        ],
        1,
    ).transpose(0, 1)[None]
    torch.testing.assert_close(got, wanted)
    grads = [torch.autograd.grad(out.square().sum(), query, retain_graph=True)[0] for out in (got, wanted)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(
    ("family", "packs"), [("qwen2_vl", True), ("qwen2_5_vl", True), ("qwen3_vl", True), ("llava", False)]
)
@torch.no_grad()
def test_only_packing_towers_change_their_attention_and_their_features_do_not(family, packs, build, samples):
    ours, eager = build(family), build(family, attention="eager")
    assert (ours.model.get_encoder(modality="image").config._attn_implementation == NAME) is packs
    assert ours.model.get_decoder().config._attn_implementation == "sdpa"
    for mine, stock in zip(ours._prompts(samples, QUESTION), eager._prompts(samples, QUESTION), strict=True):
        for got, wanted in zip(mine.features, stock.features, strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_files_bytes_and_pictures_read_alike(tmp_path, shared, samples, tokens):
    backbone = shared("qwen2_vl")
    picture = samples[1].images[0]
    picture.save(tmp_path / "a.png")
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    sources = picture, tmp_path / "a.png", buffer.getvalue(), picture.convert("RGBA")
    vectors = tokens(backbone, 1)
    readings = [backbone([Sample("same", (source,))], vectors) for source in sources]
    for reading in readings[1:]:
        torch.testing.assert_close(reading, readings[0], atol=1e-5, rtol=1e-5)


def test_pixel_limits_scale_and_never_cut(build):
    large = Sample("large", (Image.new("RGB", (640, 320), "red"),))
    counts = [
        int((build("qwen2_vl", max_pixels=limit)._prompts([large], QUESTION)[0].features[0]).shape[0])
        for limit in (32 * 32, 64 * 64)
    ]
    # At most 1024 and 4096 pixels: 32 x 16 and 80 x 32, in tokens of 16 x 16.
    assert counts == [2, 10]


def test_images_scaled_down_are_said_once(build, caplog):
    """The first one by its id; images within the limit are not worth a word."""
    backbone = build("qwen2_vl", max_pixels=48 * 48)
    sizes = {"fits": (48, 48), "large": (96, 96), "larger": (200, 100)}
    samples = [Sample(id, (Image.new("RGB", size),)) for id, size in sizes.items()]
    with caplog.at_level(logging.WARNING, "emosym.vlm"):
        backbone.encode(samples[:1])
        assert caplog.text == ""
        backbone.encode(samples[1:])
        backbone.encode(samples)
    assert [record.getMessage() for record in caplog.records] == [
        "sample large and perhaps others: scaled down from 96 x 96 to 48 x 48 pixels (backbone.params.max_pixels)"
    ]


@pytest.mark.parametrize(
    ("family", "fits", "large", "made"),
    [
        ("qwen2_vl", (96, 96), (192, 192), (96, 96)),
        ("qwen2_5_vl", (96, 96), (192, 192), (96, 96)),
        ("qwen3_vl", (96, 96), (192, 192), (96, 96)),
        ("llava", (32, 32), (64, 16), (32, 32)),
        ("llava_next", (64, 64), (128, 64), (64, 32)),
        ("llava_onevision", (64, 64), (128, 64), (64, 32)),
        ("idefics3", (32, 32), (40, 40), (32, 32)),
        ("smolvlm", (64, 64), (70, 35), (64, 32)),
        ("internvl", (64, 32), (70, 35), (64, 32)),
        ("gemma3", (32, 32), (36, 36), (32, 32)),
    ],
)
@torch.no_grad()
def test_every_family_says_once_what_it_scales_down(family, fits, large, made, build, caplog):
    """Tiles keep a picture at its size; the small picture of the whole that goes with them is no loss."""
    backbone = build(family)
    one, other = (Sample(id, (Image.new("RGB", size),)) for id, size in (("one", fits), ("other", large)))
    with caplog.at_level(logging.WARNING, "emosym.vlm"):
        backbone.encode([one])
        assert caplog.text == ""
        backbone.encode([one, other])
        backbone.encode([other])
    (record,) = caplog.records
    said = "scaled down from {} x {} to {} x {} pixels".format(*large, *made)
    assert (
        record.getMessage().removesuffix(" (backbone.params.max_pixels)")
        == f"sample other and perhaps others: {said}"
    )
    assert "resize" not in vars(backbone.processor.image_processor)


def test_the_families_that_are_tried_are_all_of_them():
    (mark,) = [
        mark
        for mark in test_every_family_says_once_what_it_scales_down.pytestmark
        if mark.name == "parametrize"
    ]
    assert tuple(case[0] for case in mark.args[1]) == FAMILIES


@torch.no_grad()
def test_a_processor_that_crops_gets_the_whole_image(build):
    """LLaVA 1.5 as published cuts a square from the middle; what lies beyond it must still count."""
    backbone = build("llava")
    processor = backbone.processor.image_processor
    processor.size, processor.crop_size = {"shortest_edge": 32}, {"height": 32, "width": 32}
    processor.do_center_crop = True
    for size in ((96, 32), (32, 96)):
        plain, marked = Image.new("RGB", size, "gray"), Image.new("RGB", size, "gray")
        marked.paste("red", (0, 0, 16, 16))
        cropped = [processor(one, return_tensors="pt")["pixel_values"] for one in (plain, marked)]
        assert torch.equal(*cropped)
        features = [
            backbone._prompts([Sample("one", (one,))], QUESTION)[0].features[0] for one in (plain, marked)
        ]
        assert not torch.allclose(*features)
    square = Image.new("RGB", (64, 64))
    assert whole(square, processor) is square
    assert whole(Image.new("RGB", (64, 32)), processor).size == (64, 64)
