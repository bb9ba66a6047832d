"""The script for cards runs through everything on a CPU: published layouts made small, then real stages."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import folders
from benchmarks.gpu.bench import SIZES, Bench
from benchmarks.gpu.cases import STAGES, textual_inversion

sys.path.insert(0, str(Path(__file__).parent))
import real_step

TEXT = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
CLIP = {**TEXT, "projection_dim": 64, "hidden_act": "gelu"}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "qwen2-vl-2b/config.json": {
        "text_config": {**TEXT, "num_key_value_heads": 2, "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}},
        "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 2, "hidden_size": 64},
    },
    "llava-1.5-7b/config.json": {
        "text_config": {**TEXT, "num_key_value_heads": 4},
        "vision_config": {**CLIP, "image_size": 28, "patch_size": 14},
    },
    "llava-1.5-7b/preprocessor_config.json": {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}},
    "sd15/unet/config.json": {"block_out_channels": [32] * 4, "cross_attention_dim": 64, "sample_size": 8},
    "sd15/vae/config.json": {"block_out_channels": [32] * 4},
    "sd15/text_encoder/config.json": CLIP,
    "sdxl-base/unet/config.json": {
        "block_out_channels": [32] * 3, "cross_attention_dim": 128, "sample_size": 8, "attention_head_dim": 4,
        "transformer_layers_per_block": 1, "projection_class_embeddings_input_dim": 64 + 6 * 256,
    },
    "sdxl-base/vae/config.json": {"block_out_channels": [32] * 4},
    "sdxl-base/text_encoder/config.json": CLIP,
    "sdxl-base/text_encoder_2/config.json": CLIP,
}  # fmt: skip


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The published layouts with small numbers in place of large ones."""
    for name, source in (("backbones", "BACKBONE_SIZES"), ("heads", "DIFFUSION_SIZES")):
        copy = tmp_path / name
        shutil.copytree(getattr(folders, source), copy)
        monkeypatch.setattr(folders, source, copy)
        for file, numbers in SMALL.items():
            if (copy / file).is_file():
                config = json.loads((copy / file).read_text())
                for key, value in numbers.items():
                    config[key] = {**config[key], **value} if isinstance(config.get(key), dict) else value
                (copy / file).write_text(json.dumps(config))


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("backbone", "diffusion"), [("llava-1.5-7b", "sdxl-base")])
def test_every_stage_is_timed(backbone: str, diffusion: str, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    words = f"--backbone {backbone} --diffusion {diffusion} --device cpu --precision fp32 --batch 2 --steps 1 --side 64"
    rows = real_step.main([*words.split(), "--peak-tflops", "1"])
    assert [row["stage"] for row in rows] == ["compress", "reinforce", "unify"]
    for row in rows:
        assert row["batch"] == 2
        assert row["images/s"] == pytest.approx(2 / row["seconds"])
        assert row["tokens/s"] > 5 * row["images/s"]
        assert 0 < row["utilisation"] == pytest.approx(row["TFLOP/s"])
        assert row["peak GiB"] > 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.usefixtures("_small")
def test_published_layouts_are_measured_beside_plain_textual_inversion(tmp_path: Path) -> None:
    size = replace(SIZES["real"], batches=dict.fromkeys(STAGES, 2), side=64, steps=1, warmup=1)
    rows = {one.name: one for one in textual_inversion(Bench(size, torch.device("cpu"), "fp32", tmp_path))}
    for name in ("seconds", "images", "unify"):
        found = rows[f"textual-inversion/{name}"].value
        assert found is not None
        assert found > 0
