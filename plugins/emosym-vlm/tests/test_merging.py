"""Adapters merged, dropped, and the model handed on as a stock folder."""

from __future__ import annotations

import shutil

import pytest
import torch
import transformers as hf
from emosym_registry import EmosymError
from emosym_vlm import backbones
from emosym_vlm.config import HFVLMConfig

from .test_adapters import step

# The update joins the weight instead of following it: sums in another order, over states of unit variance.
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture
def trained(build, samples, tokens):
    """``trained(family, **adapter)``: a backbone whose adapters learnt, its tokens, and what it reads."""

    def make(family, **adapter):
        backbone = build(family, adapter={"dropout": 0.0, **adapter})
        vectors = tokens(backbone, len(samples))
        for _ in range(3):
            step(backbone.train(), samples, vectors)
        backbone.eval()
        return backbone, vectors, backbone(samples, vectors).detach()

    return make


@pytest.mark.parametrize(
    ("family", "adapter"),
    [
        ("qwen2_vl", {"type": "lora"}),
        ("llava", {"type": "dora", "targets": ["language", "projector"]}),
        ("qwen3_vl", {"type": "rslora", "targets": ["language", "vision", "projector"]}),
        ("gemma3", {"type": "lora"}),
    ],
)
@torch.no_grad()
def test_merged_adapters_read_the_same_and_are_gone(family, adapter, trained, samples, build):
    with torch.enable_grad():
        backbone, vectors, wanted = trained(family, **adapter)
    untouched = build(family, training="frozen")
    assert (untouched(samples, vectors) - wanted).abs().max() > 0.01
    before = backbone.fingerprint()
    backbone.merge()
    torch.testing.assert_close(backbone(samples, vectors), wanted, **CLOSE)
    assert backbone.adapters() == backbone.adapter_state() == {}
    assert backbone.adapter_targets == []
    assert backbone.fingerprint() != before
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert set(backbone.state_dict()) == set(untouched.state_dict())


@torch.no_grad()
def test_unloaded_adapters_leave_the_model_as_it_was(trained, samples, build):
    with torch.enable_grad():
        backbone, vectors, learnt = trained("qwen2_vl")
    backbone.unload()
    plain = build("qwen2_vl", training="frozen")
    torch.testing.assert_close(backbone(samples, vectors), plain(samples, vectors), rtol=0, atol=1e-5)
    assert not torch.allclose(backbone(samples, vectors), learnt)
    assert backbone.adapters() == {}


def test_a_prefix_from_before_a_merge_is_stale(trained, samples):
    backbone, vectors, _ = trained("qwen2_vl")
    prefix = backbone.encode(samples)
    backbone.merge()
    with pytest.raises(EmosymError) as caught:
        backbone.read(prefix, vectors)
    assert caught.value.id == "backbone.stale-prefix"


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "llava_next", "internvl"])
@torch.no_grad()
def test_a_merged_folder_is_a_stock_model_that_reads_the_same(family, trained, samples, context, tmp_path):
    with torch.enable_grad():
        backbone, vectors, wanted = trained(family)
    backbone.merge()
    folder = backbone.save_pretrained(tmp_path / "models" / "merged")
    assert [path.name for path in folder.parent.iterdir()] == ["merged"]
    ours = backbones.HFVLM(HFVLMConfig(model=str(folder), training="frozen"), context)
    torch.testing.assert_close(ours(samples, vectors), wanted, **CLOSE)
    stock = hf.AutoModelForImageTextToText.from_pretrained(folder)
    processor = hf.AutoProcessor.from_pretrained(folder)
    text = backbone._reader.text("What is the emotion?", 1)
    inputs = processor(text=[text], images=[samples[1].open()], return_tensors="pt")
    written = stock.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    ours_written = backbone.write(backbone.encode(samples[1:2], "What is the emotion?"), max_new_tokens=4)
    assert [processor.tokenizer.decode(written, skip_special_tokens=True).strip()] == ours_written


def test_unmerged_adapters_are_not_saved_as_a_stock_model(trained, tmp_path):
    backbone, _, _ = trained("qwen2_vl")
    with pytest.raises(EmosymError) as caught:
        backbone.save_pretrained(tmp_path / "merged")
    assert caught.value.id == "backbone.unmerged-adapters"
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten_and_nothing_half_written(build, tmp_path, monkeypatch):
    backbone = build("qwen2_vl", training="frozen")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(EmosymError) as caught:
        backbone.save_pretrained(tmp_path / "mine")
    assert caught.value.id == "backbone.folder-exists"
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    shutil.rmtree(tmp_path / "mine")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backbone.processor, "save_pretrained", full)
    with pytest.raises(EmosymError, match="No space left") as caught:
        backbone.save_pretrained(tmp_path / "mine")
    assert caught.value.id == "files.disk-full"
    assert not list(tmp_path.iterdir())


def test_other_targets_are_an_error_that_lists_the_difference(trained, build):
    backbone, _, _ = trained("qwen2_vl")
    wider = build("qwen2_vl", adapter={"targets": ["language", "projector"]})
    saved = backbone.adapter_state()
    with pytest.raises(EmosymError) as caught:
        wider.load_adapter_state(saved)
    assert caught.value.id == "backbone.adapter-mismatch"
    assert caught.value.message.endswith(
        "does not fit: layers newly matched: model.visual.merger.mlp.0, model.visual.merger.mlp.2"
    )


def test_renamed_modules_are_an_error_that_lists_the_difference(trained, build):
    """As when another transformers calls the layers otherwise."""
    backbone, _, _ = trained("qwen2_vl")
    saved = {name.replace("mlp", "feed_forward"): value for name, value in backbone.adapter_state().items()}
    with pytest.raises(EmosymError) as caught:
        backbone.load_adapter_state(saved)
    for layer in ("gate_proj", "up_proj", "down_proj"):
        assert f"model.language_model.layers.*.mlp.{layer} (2 times)" in caught.value.message
        assert f"model.language_model.layers.*.feed_forward.{layer} (2 times)" in caught.value.message
    assert "self_attn" not in caught.value.message


def test_another_kind_of_adapter_is_an_error_that_names_its_tensors(trained, build):
    backbone, _, _ = trained("llava", type="lora")
    with pytest.raises(EmosymError, match=r"missing .*lora_magnitude_vector"):
        build("llava", adapter={"type": "dora"}).load_adapter_state(backbone.adapter_state())
