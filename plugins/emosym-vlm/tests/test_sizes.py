"""Published models at their real size, on the meta device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_vlm import adapter, config
from emosym_vlm.footprint import (
    KNOWN,
    SIZES,
    kv_bytes_per_token,
    measure,
    skeleton,
    weight_bytes,
)

from emosym.contracts import Context, Footprint, LabelSet, Workload
from emosym.toolkit import known_folder

QWEN_PIXELS = {"min_pixels": 4 * 28**2, "max_pixels": 512 * 28**2}
LORA = {"rank": 64, "alpha": 128, "dropout": 0.05}
FACTS = {
    # parameters, width, linear layers of language, vision and projector, bytes of a token's keys and values
    "qwen2-vl-2b": (2_208_985_600, 1536, (196, 128, 2), 28 * 2 * 2 * 128 * 2),
    "qwen2-vl-7b": (8_291_375_616, 3584, (196, 128, 2), 28 * 2 * 4 * 128 * 2),
    "qwen2.5-vl-3b": (3_754_622_976, 2048, (252, 160, 2), 36 * 2 * 2 * 128 * 2),
    "llava-1.5-7b": (7_063_427_072, 4096, (224, 144, 2), 32 * 2 * 32 * 128 * 2),
}


@pytest.fixture(scope="module")
def on_card() -> Context:
    return Context(LabelSet.of("mikels-8"), device=torch.device("cuda"), dtype=torch.bfloat16)


def settings(name: str, **params: Any) -> config.BackboneConfig:
    kind = config.LlavaConfig if "llava" in name else config.QwenVLConfig
    hub_id = next(hub_id for hub_id, folder in KNOWN.items() if folder == SIZES / name)
    return kind(model=hub_id, **params)


@pytest.mark.parametrize("name", FACTS)
def test_a_published_model_has_its_published_size(name: str, on_card: Context) -> None:
    parameters, width, layers, cache = FACTS[name]
    model = skeleton(str(SIZES / name), settings(name), on_card)
    assert sum(one.numel() for one in model.parameters()) == parameters
    assert {one.device.type for one in model.parameters()} == {"meta"}
    assert model.config.get_text_config(decoder=True).hidden_size == width
    groups = adapter.linear_layers(model)
    assert tuple(len(groups[part]) for part in ("language", "vision", "projector")) == layers
    assert kv_bytes_per_token(model) == cache
    assert weight_bytes(model, settings(name)) == 2 * parameters


@pytest.mark.parametrize("name", FACTS)
def test_rank_64_trains_r_times_in_plus_out_of_every_language_layer(name: str, on_card: Context) -> None:
    model = skeleton(str(SIZES / name), settings(name), on_card)
    names = adapter.linear_layers(model)["language"]
    shapes = [model.get_submodule(one).weight.shape for one in names]
    with torch.device("meta"):
        adapter.attach(model, config.AdapterConfig(**LORA), seed=0)
    trained = sum(one.numel() for one in adapter.parameters(model).values())
    assert trained == sum(64 * (rows + columns) for rows, columns in shapes)
    facts = {
        "qwen2-vl-2b": 73_859_072,
        "qwen2-vl-7b": 161_480_704,
        "qwen2.5-vl-3b": 119_734_272,
        "llava-1.5-7b": 159_907_840,
    }
    assert trained == facts[name]


def footprint(name: str, context: Context, load: Workload, **params: Any) -> Footprint:
    found = measure(settings(name, **params), context, load)
    assert found is not None
    return found


READ = Workload(1, gradients=False, autocast=torch.bfloat16)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 1024), 22 * 22),
        ((448, 448), 16 * 16),
        ((28, 28), 2 * 2),
        ((4000, 100), 143 * 3),
        ((896, 448), 32 * 16),
    ],
)
def test_a_picture_takes_as_many_tokens_as_its_size_says(
    size: tuple[int, int], tokens: int, on_card: Context
) -> None:
    found = footprint("qwen2-vl-2b", on_card, replace(READ, image=size), **QWEN_PIXELS)
    assert found.details["image_tokens"] == tokens
    assert 4 <= tokens <= 512


def test_llava_takes_576_tokens_whatever_the_picture(on_card: Context) -> None:
    sizes = [(1024, 1024), (200, 600)]
    found = [footprint("llava-1.5-7b", on_card, replace(READ, image=size)) for size in sizes]
    assert [one.details["image_tokens"] for one in found] == [576, 576]


@pytest.mark.slow
def test_what_a_step_holds_grows_with_the_batch_and_shrinks_with_checkpointing(on_card: Context) -> None:
    load = Workload(4, autocast=torch.bfloat16)
    one, two = (footprint("qwen2-vl-2b", on_card, replace(load, samples=n), **QWEN_PIXELS) for n in (4, 8))
    # Casts of the adapter's weights are held once however many pictures there are.
    assert two.held_bytes == pytest.approx(2 * one.held_bytes, rel=0.03)
    less = footprint("qwen2-vl-2b", on_card, load, gradient_checkpointing=True, **QWEN_PIXELS)
    assert less.held_bytes < one.held_bytes / 20
    assert less.peak_bytes < one.peak_bytes / 5
    assert (one.checkpointing, less.checkpointing) == (False, True)


@pytest.mark.slow
def test_a_load_asks_for_checkpointing_or_leaves_it_to_the_parameters(on_card: Context) -> None:
    load = Workload(2, autocast=torch.bfloat16)
    for asked in (False, True):
        by_load, by_parameter = (
            footprint("qwen2-vl-2b", on_card, one, gradient_checkpointing=on, **QWEN_PIXELS)
            for one, on in ((replace(load, checkpointing=asked), not asked), (load, asked))
        )
        assert by_load == by_parameter


def test_a_shared_prefix_costs_its_keys_and_values(on_card: Context) -> None:
    load = Workload(4, tokens=5, readings=(9,), shared=True, autocast=torch.bfloat16)
    shared = footprint("qwen2-vl-2b", on_card, load, **QWEN_PIXELS)
    apart = footprint("qwen2-vl-2b", on_card, replace(load, shared=False), **QWEN_PIXELS)
    prompt = shared.details["image_tokens"] + 48
    assert shared.held_bytes > 4 * prompt * shared.details["kv_bytes_per_token"]
    assert shared.held_bytes < apart.held_bytes / 5


def test_four_bits_weigh_a_quarter(on_card: Context) -> None:
    full = footprint("qwen2-vl-7b", on_card, READ, **QWEN_PIXELS)
    four = footprint("qwen2-vl-7b", on_card, READ, quantization="nf4", **QWEN_PIXELS)
    embeddings = 2 * 2 * 152064 * 3584  # table and head stay as they are
    assert four.weight_bytes - embeddings == pytest.approx((full.weight_bytes - embeddings) / 3.88, rel=0.01)


def test_a_folder_that_is_not_there_yet_is_known_by_its_name() -> None:
    assert known_folder("models/Qwen2-VL-2B-Instruct", KNOWN) == SIZES / "qwen2-vl-2b"
    assert known_folder("Qwen/Qwen2-VL-2B-Instruct", KNOWN) == SIZES / "qwen2-vl-2b"
    assert known_folder("somebody/else", KNOWN) is None


def test_a_local_folder_is_measured_from_its_config(folder: Any, on_card: Context, tmp_path: Path) -> None:
    for family in ("qwen2_5_vl", "llava_next", "idefics3", "gemma3"):
        found = measure(config.HFVLMConfig(model=str(folder(family))), on_card, Workload(2, image=(64, 64)))
        assert found is not None
        assert found.held_bytes > 0
        assert found.source == str(folder(family))
    assert measure(config.HFVLMConfig(model=str(tmp_path)), on_card, READ) is None
