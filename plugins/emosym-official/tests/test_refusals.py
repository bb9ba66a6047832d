"""A checkpoint that is broken, foreign or hostile: one clear error, exit status 2, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from .checkpoints import edit
from .conftest import SETS, SPEC

KEY = "base_model.model."
Emosym = Callable[..., tuple[int, str, str]]


class Hostile:
    """Unpickled without care it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def refused(emosym: Emosym, checkpoint: Path, tmp_path: Path) -> Callable[..., str]:
    """Import the checkpoint by the command line; the message of the one error it must give."""

    def run(*words: object, out: Path | None = None) -> str:
        out = out or tmp_path / "systems" / "imported"
        before = _listing(tmp_path)
        sets = [word for value in SETS for word in ("--set", value)]
        status, _, err = emosym("import", "official", checkpoint, "--out", out, "--spec", SPEC, *sets, *words)
        assert status == 2, err
        assert err.count("error:") == 1
        assert _listing(tmp_path) == before
        return err

    return run


def _listing(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def change_adapter(folder: Path, change: Callable[[dict], dict]) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)


def change_config(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    "name",
    [
        "adapter_config.json",
        "adapter_model.safetensors",
        "non_lora_state_dict.bin",
        "mapper.pth",
        "mapper_context.pth",
        "emotion_space/fear_context_std.pt",
    ],
)
def test_a_missing_file_is_named(refused: Callable[..., str], checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    message = refused()
    assert str(checkpoint / name) in message
    assert "1 of its files" in message


def test_all_missing_files_are_named_at_once(refused: Callable[..., str], checkpoint: Path) -> None:
    (checkpoint / "mapper.pth").unlink()
    shutil.rmtree(checkpoint / "emotion_space")
    message = refused()
    assert "33 of its files" in message
    assert "awe_cls_fea_mean.pt" in message
    assert "--emotion-space" in message


def test_a_folder_of_something_else_is_not_a_checkpoint(
    refused: Callable[..., str], checkpoint: Path
) -> None:
    for path in checkpoint.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "holds none of the files" in refused()


def test_no_folder_at_all(refused: Callable[..., str], checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)
    assert "no such folder" in refused()


def test_an_existing_system_is_never_overwritten(refused: Callable[..., str], tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.mkdir()
    assert "exists already" in refused(out=out)


@pytest.mark.parametrize(
    "name",
    ["non_lora_state_dict.bin", "mapper.pth", "emotion_space/awe_context_mean.pt", "adapter_model.bin"],
)
def test_an_object_that_would_run_code_is_refused_and_does_not_run(
    refused: Callable[..., str], checkpoint: Path, tmp_path: Path, name: str
) -> None:
    if name == "adapter_model.bin":
        (checkpoint / "adapter_model.safetensors").unlink()
    victim = tmp_path / "made-by-a-pickle"
    torch.save({"EMO_embed": torch.zeros(1, 128), "more": Hostile(victim)}, checkpoint / name)
    message = refused()
    assert "cannot be read as plain tensors" in message
    assert str(checkpoint / name) in message
    assert not victim.exists()


def test_the_hostile_object_does_run_where_nobody_takes_care(tmp_path: Path) -> None:
    torch.save(Hostile(tmp_path / "made"), tmp_path / "file.pt")
    torch.load(tmp_path / "file.pt", weights_only=False)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["non_lora_state_dict.bin", "adapter_model.safetensors", "mapper.pth"])
def test_a_damaged_file_is_named(refused: Callable[..., str], checkpoint: Path, name: str) -> None:
    path = checkpoint / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{path} cannot be read" in refused()


def test_everything_that_does_not_fit_is_one_list(refused: Callable[..., str], checkpoint: Path) -> None:
    change_adapter(
        checkpoint,
        lambda tensors: (
            dict(list(tensors.items())[1:]) | {"base_model.model.other.lora_A.weight": torch.zeros(4, 8)}
        ),
    )
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | {f"{KEY}extra": torch.zeros(3)})
    edit(checkpoint / "mapper.pth", lambda tensors: tensors | {"mlp.2.weight": torch.zeros(7, 48)})
    message = refused()
    assert "4 problems" in message
    assert "nothing in the checkpoint for adapters." in message
    assert "base_model.model.other.lora_A.weight have no place in the backbone" in message
    assert "extra have no place in a system" in message
    assert "fusion.emotion_mapper.2.weight: [7, 48] in mapper.pth" in message


def test_tensors_of_another_width_are_listed_with_both_shapes(
    refused: Callable[..., str], checkpoint: Path
) -> None:
    wide = {
        f"{KEY}EMO_embed": torch.zeros(1, 64),
        f"{KEY}CTX_embed": torch.zeros(1, 64),
        f"{KEY}cls_head.0.weight": torch.zeros(256, 64),
    }
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | wide)
    for path in (checkpoint / "emotion_space").iterdir():
        torch.save(torch.zeros(64), path)
    message = refused()
    assert "compressor.tokens: [2, 64] in non_lora_state_dict.bin, [2, 128] in the system" in message
    assert "head.0.weight: [256, 64]" in message


def test_an_adapter_of_another_base_is_noticed(refused: Callable[..., str], checkpoint: Path) -> None:
    name = f"{KEY}model.language_model.layers.1.mlp.up_proj.base_layer.weight"
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | {name: tensors[name] + 1e-3})
    message = refused()
    assert "layers.1.mlp.up_proj.weight differ from the base model" in message
    assert "--backbone" in message


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "biases are frozen"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"use_dora": True, "use_rslora": True}, "one or the other"),
        ({"peft_type": "IA3"}, "expected 'LORA'"),
    ],
)
def test_settings_that_our_adapters_lack_are_reported(
    refused: Callable[..., str], checkpoint: Path, values: dict, says: str
) -> None:
    change_config(checkpoint, **values)
    assert says in refused()


@pytest.mark.parametrize("rank", [None, 0, "8"])
def test_a_rank_that_is_no_number_is_reported(
    refused: Callable[..., str], checkpoint: Path, rank: object
) -> None:
    change_config(checkpoint, r=rank)
    assert f"r is {rank!r}, expected a number above 0" in refused()


@pytest.mark.parametrize("missing", ["EMO_embed", "CTX_embed", "cls_head.2.bias"])
def test_missing_tokens_or_head_are_named(
    refused: Callable[..., str], checkpoint: Path, missing: str
) -> None:
    edit(
        checkpoint / "non_lora_state_dict.bin",
        lambda tensors: {k: v for k, v in tensors.items() if k != KEY + missing},
    )
    assert f"lacks {missing}" in refused()


def test_tokens_of_the_reference_model_are_not_taken_for_its_own(
    refused: Callable[..., str], checkpoint: Path
) -> None:
    edit(
        checkpoint / "non_lora_state_dict.bin",
        lambda tensors: {k.replace(f"{KEY}CTX", f"{KEY}rf_model.CTX"): v for k, v in tensors.items()},
    )
    assert "lacks CTX_embed" in refused()


@pytest.mark.parametrize(
    "layers",
    [
        {"mlp.0": (48, 128), "mlp.1": (32, 48)},
        {"mlp.0": (48, 128)},
        {"fc": (32, 128)},
    ],
)
def test_mappers_of_another_form_are_refused(
    refused: Callable[..., str], checkpoint: Path, layers: dict[str, tuple[int, int]]
) -> None:
    tensors = {f"{name}.weight": torch.zeros(shape) for name, shape in layers.items()}
    tensors |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in layers.items()}
    torch.save(tensors, checkpoint / "mapper.pth")
    assert "mapper.pth is not Linear, ReLU, Linear" in refused()


def test_mappers_trained_without_relu_are_refused_on_the_word_of_their_settings(
    refused: Callable[..., str], checkpoint: Path
) -> None:
    (checkpoint / "params.json").write_text('{"model": "MLP", "num_fc_layers": 2, "need_ReLU": false}')
    assert "need_ReLU: False" in refused()


def test_statistics_that_cannot_be_are_all_listed(refused: Callable[..., str], checkpoint: Path) -> None:
    space = checkpoint / "emotion_space"
    torch.save(torch.zeros(7), space / "awe_context_mean.pt")
    torch.save(torch.full((128,), float("nan")), space / "fear_cls_fea_mean.pt")
    torch.save(-torch.ones(128), space / "anger_cls_fea_std.pt")
    message = refused()
    assert "3 statistics" in message
    assert "expected 128 numbers, found 7" in message
    assert "NaN" in message
    assert "below 0" in message


def test_labels_must_be_those_of_the_head(refused: Callable[..., str]) -> None:
    assert "the spec's labels are" in refused("--labels", "awe,fear")


def test_a_head_of_other_classes_is_noticed(refused: Callable[..., str], checkpoint: Path) -> None:
    three = {f"{KEY}cls_head.2.weight": torch.zeros(3, 256), f"{KEY}cls_head.2.bias": torch.zeros(3)}
    edit(checkpoint / "non_lora_state_dict.bin", lambda tensors: tensors | three)
    assert "cls_head.2.weight is [3, 256], there are 8 labels" in refused()


def test_set_may_not_contradict_the_checkpoint(refused: Callable[..., str]) -> None:
    message = refused("--set", "fusion.params.hidden=7", "--set", "backbone.params.adapter.rank=16")
    assert "fusion.params.hidden: the checkpoint says 48, --set says 7" in message
    assert "backbone.params.adapter" in message


def test_a_model_of_another_width_does_not_fit(refused: Callable[..., str]) -> None:
    assert "the checkpoint does not fit" in refused("--set", "backbone.name=hf-vlm")
