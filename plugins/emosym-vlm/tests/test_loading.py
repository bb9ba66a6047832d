"""Folders that are damaged, incomplete, foreign or dangerous: one clear error each."""

from __future__ import annotations

import json
import logging
import shutil
import socket
from dataclasses import replace

import huggingface_hub
import pytest
import torch
import transformers as hf
from emosym_registry import EmosymError
from emosym_vlm import backbones
from emosym_vlm.config import HFVLMConfig, QwenVLConfig
from safetensors.torch import load_file, save_file

LAYER = "model.language_model.layers.0.mlp.down_proj.weight"
STORED = "model.layers.0.mlp.down_proj.weight"
"""The same under the name that Qwen2-VL's files give it."""


def loading(path, context):
    config = QwenVLConfig(model=str(path), local_files_only=True)
    return backbones.QwenVL(config, replace(context, component="qwen-vl"))


def refused(path, context, id):
    with pytest.raises(EmosymError) as caught:
        loading(path, context)
    assert caught.value.id == id
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert not caught.value.ours
    return caught.value


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder("qwen2_vl"), tmp_path / "model")


@pytest.fixture
def sharded(copy):
    model = hf.AutoModelForImageTextToText.from_pretrained(copy, dtype=torch.float16)
    (copy / "model.safetensors").unlink()
    model.save_pretrained(copy, max_shard_size="40KB")
    assert len(list(copy.glob("*.safetensors"))) > 2
    return copy


def rewrite(path, change):
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors", {"format": "pt"})


def test_a_sharded_model_loads(sharded, folder, context):
    wanted = load_file(folder("qwen2_vl") / "model.safetensors")[STORED].float()
    assert torch.equal(
        loading(sharded, context).model.get_submodule(f"{LAYER[:-7]}.base_layer").weight, wanted
    )


def test_missing_shards_are_all_named(sharded, context):
    gone = sorted(sharded.glob("*.safetensors"))[1:3]
    for path in gone:
        path.unlink()
    error = refused(sharded, context, "backbone.missing-shard")
    assert all(path.name in error.message for path in gone)


def test_an_index_that_names_a_file_that_never_was(sharded, context):
    index = sharded / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"][STORED] = "model-00099.safetensors"
    index.write_text(json.dumps(content))
    assert "model-00099.safetensors" in refused(sharded, context, "backbone.missing-shard").message


def test_a_damaged_shard_is_named(sharded, context):
    path = sorted(sharded.glob("*.safetensors"))[1]
    path.write_bytes(path.read_bytes()[:-100])
    error = refused(sharded, context, "backbone.damaged-weights")
    assert path.name in error.message
    assert sorted(sharded.glob("*.safetensors"))[0].name not in error.message


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None])
def test_a_damaged_file_is_named(content, copy, context):
    path = copy / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert "model.safetensors is damaged" in refused(copy, context, "backbone.damaged-weights").message


def test_weights_that_would_start_at_random_are_refused(copy, context):
    rewrite(copy, lambda tensors: tensors.pop(STORED))
    assert LAYER in refused(copy, context, "backbone.incomplete-weights").message


def test_weights_of_another_shape_are_refused(copy, context, capfd):
    rewrite(copy, lambda tensors: tensors.update({STORED: tensors[STORED][:1].clone()}))
    error = refused(copy, context, "backbone.weights-mismatch")
    assert f"{LAYER} [1, 48] for [32, 48]" in error.message
    # transformers' own table of keys would say the same less clearly.
    assert capfd.readouterr() == ("", "")


def test_weights_without_a_place_are_told_of(copy, context, caplog):
    rewrite(copy, lambda tensors: tensors.update({"stranger": torch.zeros(2)}))
    with caplog.at_level(logging.WARNING, "emosym.vlm"):
        loading(copy, context)
    assert "1 weights in its files have no place in the model, such as" in caplog.text


@pytest.mark.parametrize(
    "named",
    [{"experts_implementation": "owner/kernel"}, {"vision_config": {"_attn_implementation": "owner/kernel"}}],
)
def test_a_config_that_names_a_kernel_of_the_hub_is_refused(named, copy, context):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | named))
    assert "owner/kernel" in refused(copy, context, "backbone.untrusted-code").message


def test_a_folder_without_weights_is_named(copy, context):
    (copy / "model.safetensors").unlink()
    error = refused(copy, context, "backbone.missing-model")
    assert str(copy) in error.message
    assert "safetensors" in error.hint


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("{", "backbone.missing-model"),
        ('{"model_type": "no-such-thing"}', "backbone.bad-model"),
        ('{"model_type": "qwen2_vl", "vision_config": {"depth": "two"}}', "backbone.bad-model"),
    ],
)
def test_an_unreadable_config_is_one_error(text, id, copy, context):
    (copy / "config.json").write_text(text)
    refused(copy, context, id)


@pytest.mark.parametrize(("name", "text"), [("tokenizer.json", "{"), ("processor_config.json", "{")])
def test_an_unreadable_processor_is_one_error(name, text, copy, context):
    (copy / name).write_text(text)
    refused(copy, context, "backbone.no-processor")


def test_a_missing_tokenizer_is_not_replaced_by_an_empty_one(copy, context):
    for path in copy.glob("tokenizer*"):
        path.unlink()
    refused(copy, context, "backbone.wrong-tokenizer")


def test_a_tokenizer_with_the_image_token_elsewhere_is_refused(copy, context):
    config = json.loads((copy / "config.json").read_text())
    config["image_token_id"] += 1
    (copy / "config.json").write_text(json.dumps(config))
    assert "images stand at token" in refused(copy, context, "backbone.wrong-tokenizer").message


def test_an_unknown_attention_is_one_error(folder, context):
    with pytest.raises(EmosymError, match="nonsense") as caught:
        backbones.HFVLM(HFVLMConfig(model=str(folder("qwen2_vl")), attention="nonsense"), context)
    assert caught.value.id == "backbone.bad-model"


def pickled(copy, content):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(content)


def test_pickled_tensors_load(copy, folder, context, tmp_path):
    tensors = load_file(copy / "model.safetensors")
    torch.save(tensors, tmp_path / "weights")
    pickled(copy, (tmp_path / "weights").read_bytes())
    loaded = loading(copy, context).model.get_submodule(f"{LAYER[:-7]}.base_layer").weight
    assert torch.equal(loaded, tensors[STORED].float())


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_not_opened(zipped, copy, context, tmp_path):
    trap = tmp_path / "sprung"
    torch.save({"weight": Touch(trap)}, tmp_path / "weights", _use_new_zipfile_serialization=zipped)
    pickled(copy, (tmp_path / "weights").read_bytes())
    assert "safetensors" in refused(copy, context, "backbone.unsafe-pickle").hint
    assert not trap.exists()
    # The trap works where pickles are trusted.
    torch.load(copy / "pytorch_model.bin", weights_only=False)
    assert trap.exists()


def test_a_torn_pickle_is_damaged(copy, context, tmp_path):
    torch.save(load_file(copy / "model.safetensors"), tmp_path / "weights")
    pickled(copy, (tmp_path / "weights").read_bytes()[:-5000])
    refused(copy, context, "backbone.damaged-weights")


@pytest.fixture
def asked(monkeypatch):
    """Every attempt to reach another machine, none of which succeeds."""
    attempts = []

    def refuse(*args, **kwargs):
        attempts.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return attempts


@pytest.mark.parametrize("family", ["qwen2_vl", "llava", "internvl"])
def test_a_folder_asks_nobody(family, folder, context, asked):
    config = HFVLMConfig(model=str(folder(family)), local_files_only=False)
    assert backbones.HFVLM(config, context).hidden_size == 32
    assert asked == []


@pytest.fixture
def cached(folder, tmp_path, monkeypatch):
    """``owner/name`` as a download leaves it in the hub's cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "0123abcd"
    shutil.copytree(folder("qwen2_vl"), snapshot)
    (tmp_path / "models--owner--name" / "refs").mkdir()
    (tmp_path / "models--owner--name" / "refs" / "main").write_text("0123abcd")
    return snapshot


def test_a_downloaded_hub_id_loads_offline(cached, context, asked):
    assert loading("owner/name", context).hidden_size == 32
    assert asked == []


def test_a_damaged_download_is_named(cached, context, asked):
    (cached / "model.safetensors").write_bytes(b"torn")
    assert (
        "owner/name: model.safetensors" in refused("owner/name", context, "backbone.damaged-weights").message
    )


HOUSE = """
from pathlib import Path
from transformers import LlavaConfig, LlavaForConditionalGeneration

Path({marker!r}).touch()

class HouseConfig(LlavaConfig):
    model_type = "house"

class HouseLlava(LlavaForConditionalGeneration):
    config_class = HouseConfig
"""


@pytest.fixture
def house(folder, tmp_path, monkeypatch):
    """A LLaVA under a class that comes with its folder, and the file that its code makes when it runs."""
    monkeypatch.setattr(hf.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    path, marker = shutil.copytree(folder("llava"), tmp_path / "house"), tmp_path / "code-ran"
    (path / "house.py").write_text(HOUSE.format(marker=str(marker)))
    config = json.loads((path / "config.json").read_text())
    config["model_type"] = "house"
    config["auto_map"] = {
        "AutoConfig": "house.HouseConfig",
        "AutoModelForImageTextToText": "house.HouseLlava",
    }
    (path / "config.json").write_text(json.dumps(config))
    # Names of weights are translated for the families that transformers knows only.
    stock = hf.AutoModelForImageTextToText.from_pretrained(folder("llava"))
    save_file(stock.state_dict(), path / "model.safetensors", {"format": "pt"})
    return path, marker


def test_code_in_a_folder_is_refused_before_it_runs(house, context):
    with pytest.raises(EmosymError) as caught:
        backbones.HFVLM(HFVLMConfig(model=str(house[0])), context)
    assert caught.value.id == "backbone.untrusted-code"
    assert "--trust-remote-code" in caught.value.hint
    assert not house[1].exists()


@torch.no_grad()
def test_code_in_a_folder_runs_where_the_user_trusts_it(house, context, shared, samples, tokens):
    trusting = replace(context, trust_remote_code=True)
    backbone = backbones.HFVLM(HFVLMConfig(model=str(house[0])), trusting)
    assert house[1].exists()
    assert type(backbone.model).__name__ == "HouseLlava"
    vectors = tokens(backbone, len(samples))
    torch.testing.assert_close(
        backbone(samples, vectors), shared("llava")(samples, vectors), rtol=1e-5, atol=1e-5
    )
