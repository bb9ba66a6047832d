"""Folders that are not whole, damaged, dangerous or of another kind: one clear error each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from emosym_diffusion.config import StableDiffusionConfig
from emosym_diffusion.sd import StableDiffusion
from safetensors.torch import load_file, save_file

WEIGHTED = ("unet", "text_encoder", "vae")


def _weights(folder: Path, component: str) -> Path:
    (file,) = (folder / component).glob("*.safetensors")
    return file


def _as_pickle(folder: Path, component: str, **extra: object) -> Path:
    """Replace the component's safetensors by a pickle of the same tensors and ``extra``."""
    file = _weights(folder, component)
    pickle = file.with_name(
        "pytorch_model.bin" if component == "text_encoder" else "diffusion_pytorch_model.bin"
    )
    torch.save(load_file(file) | extra, pickle)
    file.unlink()
    return pickle


class Payload:
    """What a malicious pickle does, with a file to see it by."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def _sharded(folder: Path, component: str, head: StableDiffusion) -> list[Path]:
    parts = {"unet": head.unet, "vae": head.autoencoder.vae, "text_encoder": head.towers[0].encoder}
    shutil.rmtree(folder / component)
    parts[component].save_pretrained(folder / component, max_shard_size="30KB")
    return sorted((folder / component).glob("*.safetensors"))


@pytest.mark.parametrize("component", WEIGHTED)
def test_a_file_that_lacks_weights_is_refused(copied, refused, component):
    path = copied()
    file = _weights(path, component)
    weights = load_file(file)
    del weights[sorted(weights)[0]]
    save_file(weights, file, metadata={"format": "pt"})
    error = refused("sd", path)
    assert error.id == "diffusion.incomplete-weights"
    assert f"{component}: 1 weights" in str(error)


@pytest.mark.parametrize("component", WEIGHTED)
def test_weights_of_another_shape_are_refused_by_name(copied, refused, component):
    path = copied()
    file = _weights(path, component)
    weights = load_file(file)
    name = sorted(weights)[0]
    weights[name] = torch.zeros(*(side + 1 for side in weights[name].shape))
    save_file(weights, file, metadata={"format": "pt"})
    error = refused("sd", path)
    assert error.id == "diffusion.weights-mismatch"
    assert name.removeprefix("text_model.") in str(error)
    assert str(list(weights[name].shape)) in str(error)


@pytest.mark.parametrize("component", WEIGHTED)
def test_weights_without_a_place_are_named_and_change_nothing(copied, open_head, context, component, caplog):
    path = copied()
    file = _weights(path, component)
    save_file(load_file(file) | {"stray.weight": torch.zeros(1)}, file, metadata={"format": "pt"})
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()
    (warning,) = caplog.messages
    assert f"{component}: 1 weights in its files have no place in the model, such as stray.weight" in warning


@pytest.mark.parametrize("component", WEIGHTED)
def test_a_truncated_file_is_named(copied, refused, component):
    path = copied()
    file = _weights(path, component)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    error = refused("sd", path)
    assert error.id == "diffusion.damaged-weights"
    assert f"{component}: {file.name} is damaged" in str(error)


@pytest.mark.parametrize("component", WEIGHTED)
def test_shards_load_whole_and_a_missing_one_is_named(copied, refused, open_head, context, component):
    path = copied()
    shards = _sharded(path, component, open_head("sd"))
    assert len(shards) > 1
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()
    shards[1].unlink()
    error = refused("sd", path)
    assert error.id == "diffusion.missing-shard"
    assert f"{component}: {shards[1].name} is named by the index but not there" in str(error)


@pytest.mark.parametrize("component", WEIGHTED)
def test_pickled_tensors_load(copied, open_head, context, component):
    path = copied()
    _as_pickle(path, component)
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()


@pytest.mark.parametrize("component", WEIGHTED)
def test_a_pickle_that_holds_code_is_refused_and_not_run(copied, refused, component, tmp_path):
    path, trace = copied(), tmp_path / "trace"
    pickle = _as_pickle(path, component, payload=Payload(trace))
    error = refused("sd", path)
    assert error.id == "diffusion.unsafe-pickle"
    assert f"{path}/{component}" in str(error)
    assert not trace.exists()
    torch.load(pickle, weights_only=False)
    assert trace.exists()  # The payload works; only the way of loading kept it from running.


@pytest.mark.parametrize("component", WEIGHTED)
def test_safetensors_are_preferred_to_a_pickle_beside_them(copied, open_head, context, component, tmp_path):
    path, trace = copied(), tmp_path / "trace"
    safe = _weights(path, component)
    kept = safe.read_bytes()
    _as_pickle(path, component, payload=Payload(trace))
    safe.write_bytes(kept)
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()
    assert not trace.exists()


def test_a_truncated_pickle_is_damaged(copied, refused):
    path = copied()
    pickle = _as_pickle(path, "unet")
    pickle.write_bytes(pickle.read_bytes()[: pickle.stat().st_size // 2])
    assert refused("sd", path).id == "diffusion.damaged-weights"


@pytest.mark.parametrize("component", WEIGHTED)
def test_no_weights_at_all_are_unreadable(copied, refused, component):
    path = copied()
    _weights(path, component).unlink()
    error = refused("sd", path)
    assert error.id == "diffusion.unreadable-component"
    assert f"check the files under {component}/" in str(error)


@pytest.mark.parametrize(
    "file",
    ["unet/config.json", "text_encoder/config.json", "vae/config.json", "scheduler/scheduler_config.json"],
)
def test_a_missing_or_broken_config_is_named(copied, refused, file):
    path = copied()
    (path / file).write_text("{")
    error = refused("sd", path)
    assert error.id == "diffusion.unreadable-component"
    assert file.partition("/")[0] in str(error)
    (path / file).unlink()
    error = refused("sd", path)
    assert error.id == "diffusion.unreadable-component"
    assert file in str(error)


def test_a_broken_index_is_named_and_none_is_needed(copied, refused, context, open_head):
    path = copied()
    (path / "model_index.json").write_text("{")
    error = refused("sd", path)
    assert (error.id, "model_index.json" in str(error)) == ("diffusion.unreadable-component", True)
    (path / "model_index.json").unlink()
    head = StableDiffusion(StableDiffusionConfig(model=str(path)), context)
    assert head.fingerprint() == open_head("sd").fingerprint()


def test_every_missing_component_is_named(copied, refused):
    path = copied()
    for name in ("vae", "tokenizer", "scheduler"):
        shutil.rmtree(path / name)
    error = refused("sd", path)
    assert error.id == "diffusion.missing-component"
    assert "tokenizer, scheduler, vae" in str(error)


def test_a_tokenizer_without_files_is_unreadable(copied, refused):
    path = copied()
    for file in (path / "tokenizer").iterdir():
        file.unlink()
    error = refused("sd", path)
    assert error.id == "diffusion.unreadable-component"
    assert "check the files under tokenizer/" in str(error)


def test_a_missing_variant_is_named(refused, folder):
    error = refused("sd", folder("sd"), variant="fp16")
    assert error.id == "diffusion.unreadable-component"
    assert "'fp16'" in str(error)


def test_a_folder_of_the_other_family_names_the_right_head(refused, folder):
    error = refused("sdxl", folder("sd"))
    assert (error.id, "diffusion.name: sd" in str(error)) == ("diffusion.wrong-family", True)
    error = refused("sd", folder("sdxl"))
    assert (error.id, "diffusion.name: sdxl" in str(error)) == ("diffusion.wrong-family", True)


def test_a_missing_folder_says_what_to_download_and_where_to_put_it(refused, tmp_path):
    error = refused("sd", tmp_path / "none")
    assert error.id == "diffusion.missing-model"
    assert (
        "hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --local-dir models/stable-diffusion-v1-5"
        in str(error)
    )


@pytest.mark.parametrize("how", ["local_files_only", "HF_HUB_OFFLINE"])
def test_offline_a_hub_id_says_what_to_download_and_where_to_put_it(refused, monkeypatch, how):
    if how == "HF_HUB_OFFLINE":
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = refused("sdxl", "nobody/nothing", local_files_only=how == "local_files_only")
    assert error.id == "diffusion.missing-model"
    assert f"nobody/nothing: no folder here, not in the local cache of the hub, and {how} is set" in str(
        error
    )
    assert "hf download nobody/nothing --local-dir models/nothing" in str(error)
    assert "model: models/nothing" in str(error)


def test_a_text_encoder_that_names_a_kernel_of_the_hub_is_refused(copied, refused):
    path = copied()
    file = path / "text_encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"_attn_implementation": "owner/kernel"}))
    error = refused("sd", path)
    assert error.id == "diffusion.untrusted-code"
    assert "owner/kernel" in error.message
