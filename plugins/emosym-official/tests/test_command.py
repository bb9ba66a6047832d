"""``emosym import official`` and what follows it on the command line."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from emosym import System

from .checkpoints import edit
from .conftest import SETS, SPEC, Importing

Emosym = Callable[..., tuple[int, str, str]]
KEY = "base_model.model."


@pytest.fixture
def imports(emosym: Emosym, tmp_path: Path) -> Callable[..., tuple[Path, str]]:
    def run(folder: Path, *words: object) -> tuple[Path, str]:
        out = tmp_path / "runs" / "official"
        sets = [word for value in SETS for word in ("--set", value)]
        status, printed, err = emosym(
            "import", "official", folder, "--out", out, "--spec", SPEC, *sets, *words
        )
        assert status == 0, err
        return out, printed

    return run


def test_an_imported_system_understands_and_generates(
    imports: Callable[..., tuple[Path, str]], emosym: Emosym, shared: Path, tmp_path: Path
) -> None:
    out, _ = imports(shared)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "orange").save(photo)
    status, printed, err = emosym("understand", photo, "--system", out, "--json", "--device", "cpu")
    assert status == 0, err
    assert sum(json.loads(printed)[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    status, printed, err = emosym(
        "generate",
        "--emotion",
        "awe",
        "--steps",
        2,
        "--system",
        out,
        "--out",
        tmp_path / "made",
        "--device",
        "cpu",
    )
    assert status == 0, err
    assert Path(printed.strip()).is_file()


def test_the_table_says_what_came_from_which_file(
    imports: Callable[..., tuple[Path, str]], shared: Path
) -> None:
    _, printed = imports(shared)
    rows = [line.split() for line in printed.splitlines()]
    assert [
        "adapter_model.safetensors",
        "28",
        "×",
        "…lora_A.weight",
        "adapters.….lora_A.weight",
        "4×128",
        "…",
        "4×256",
    ] in rows
    assert ["non_lora_state_dict.bin", "CTX_embed,", "EMO_embed", "compressor.tokens", "2×128"] in rows
    assert any(row[:2] == ["mapper_context.pth", "mlp.2.weight"] for row in rows)
    assert "not opened: README.md, trainer_state.json" in printed


def test_import_json_records_files_hashes_and_every_tensor(
    imported: Path, shared: Path, system: System
) -> None:
    record = json.loads((imported / "import.json").read_text())
    hashes = {entry["file"]: entry["sha256"] for entry in record["files"]}
    assert len(hashes) == 5 + 32
    for file, digest in hashes.items():
        assert hashlib.sha256(Path(file).read_bytes()).hexdigest() == digest
    state = {key: system.state()[key] for key in ("adapters", "head", "fusion")}
    expected = {f"{part}.{name}" for part, tensors in state.items() for name in tensors}
    expected |= {"compressor.tokens", "emotion_space.mean", "emotion_space.std"}
    assert {entry["tensor"] for entry in record["tensors"]} == expected
    assert (
        record["base_tensors_equal"]
        == len(torch.load(shared / "non_lora_state_dict.bin", weights_only=True)) - 6
    )
    assert record["settings"]["backbone.params.adapter"]["alpha"] == 12


def test_the_folder_is_a_saved_system_like_any_other(imported: Path) -> None:
    assert {path.name for path in imported.iterdir()} == {
        *(f"{part}.safetensors" for part in ("adapters", "compressor", "emotion_space", "fusion", "head")),
        "components.json",
        "import.json",
        "spec.yaml",
        "system.json",
    }


def test_what_training_alone_needs_is_left_aside_and_said(
    imports: Callable[..., tuple[Path, str]], checkpoint: Path
) -> None:
    aside = {
        f"{KEY}rf_model.EMO_embed": torch.zeros(1, 128),
        f"{KEY}con_head.0.weight": torch.zeros(2, 2),
        f"{KEY}lm_head.weight": torch.zeros(2, 2),
    }
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | aside)
    _, printed = imports(checkpoint)
    assert "not read: the frozen reference model of stage 2 (1 tensors)" in printed
    assert "not read: the knowledge projection of stage 1 (1 tensors)" in printed


def test_a_tuned_vision_tower_is_left_out_with_a_note(
    imports: Callable[..., tuple[Path, str]], checkpoint: Path
) -> None:
    name = f"{KEY}model.visual.merger.mlp.0.weight"
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | {name: tensors[name] + 1})
    _, printed = imports(checkpoint)
    assert "note: non_lora_state_dict.bin: visual.merger.mlp.0.weight differ" in printed


def test_mappers_and_statistics_may_lie_elsewhere(
    imports: Callable[..., tuple[Path, str]], checkpoint: Path, tmp_path: Path
) -> None:
    epoch = tmp_path / "joint" / "1"
    epoch.mkdir(parents=True)
    for path in checkpoint.glob("mapper*.pth"):
        path.rename(epoch / path.name)
    (epoch.parent / "params.json").write_text('{"model": "MLP", "num_fc_layers": 2, "need_ReLU": true}')
    (checkpoint / "emotion_space").rename(tmp_path / "space")
    out, _ = imports(checkpoint, "--mappers", epoch, "--emotion-space", tmp_path / "space")
    record = json.loads((out / "import.json").read_text())
    assert str(epoch.parent / "params.json") in {entry["file"] for entry in record["files"]}


def test_a_half_precision_checkpoint_is_compared_at_its_own_precision(
    checkpoint: Path, importing: Importing
) -> None:
    edit(
        checkpoint / "non_lora_state_dict.bin", lambda tensors: {k: v.bfloat16() for k, v in tensors.items()}
    )
    assert importing(checkpoint).head[0].weight.dtype == torch.float32


def test_backbone_and_diffusion_name_the_models(
    imports: Callable[..., tuple[Path, str]], shared: Path, base: Path
) -> None:
    out, _ = imports(shared, "--backbone", base, "--diffusion", "tiny")
    assert f"model: {base}" in (out / "spec.yaml").read_text()


def test_the_pages_commands_work_on_the_pages_spec(
    emosym: Emosym, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/official-checkpoints.md").read_text(encoding="utf-8")
    (tmp_path / "official.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    (tmp_path / "CHECKPOINT").symlink_to(shared)
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    small = ["--backbone", "tiny", "--diffusion", "tiny", "--set", "compute.precision=fp32"]
    lines = [
        line
        for block in page.replace("\\\n", "").split("```console\n")[1:]
        for line in block.split("```")[0].splitlines()
    ]
    assert len(lines) == 6
    for line in lines:
        _, *words = shlex.split(line)
        if words[0] == "evaluate":
            continue  # it needs EmoSet itself
        if words[0] == "import":
            shutil.rmtree("runs/official", ignore_errors=True)
            words += small[:2] if "diffusion=null" in words else small
        if words[0] == "generate":
            words += ["--steps", "2"]
        status, _, err = emosym(*words)
        assert status == 0, err
