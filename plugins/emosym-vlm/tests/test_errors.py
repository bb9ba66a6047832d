"""What goes wrong says where and what to do."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from emosym_registry import EmosymError, load_registry
from emosym_vlm import backbones, loading
from emosym_vlm.config import BackboneConfig, HFVLMConfig, LlavaConfig, QwenVLConfig
from PIL import Image
from pydantic import ValidationError

from emosym.contracts import Sample
from emosym.spec import load_spec


def refused(call, id):
    with pytest.raises(EmosymError) as caught:
        call()
    assert caught.value.id == id
    assert caught.value.hint
    return caught.value


def test_a_missing_model_says_what_to_download(context, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = HFVLMConfig(model="nobody/no-such-model", local_files_only=True)
    error = refused(lambda: backbones.HFVLM(config, context), "backbone.missing-model")
    assert "nobody/no-such-model" in error.message
    assert "hf download nobody/no-such-model --local-dir" in error.hint


def test_an_incomplete_folder_is_named(context, tmp_path):
    error = refused(
        lambda: backbones.HFVLM(HFVLMConfig(model=str(tmp_path)), context), "backbone.missing-model"
    )
    assert str(tmp_path) in error.message


@pytest.mark.parametrize(
    ("cls", "config", "family"), [("Llava", LlavaConfig, "qwen2_vl"), ("QwenVL", QwenVLConfig, "idefics3")]
)
def test_a_model_of_another_family_is_named(cls, config, family, folder, context):
    make = lambda: getattr(backbones, cls)(config(model=str(folder(family))), context)  # noqa: E731
    error = refused(make, "backbone.wrong-family")
    assert repr(family) in error.message
    assert f"backbone.name={'qwen-vl' if family == 'qwen2_vl' else 'hf-vlm'} " in error.hint


def test_a_model_of_a_sibling_is_sent_there(folder, context):
    make = lambda: backbones.QwenVL(QwenVLConfig(model=str(folder("llava"))), context)  # noqa: E731
    assert "backbone.name=llava " in refused(make, "backbone.wrong-family").hint


@pytest.mark.parametrize(
    ("file", "id"), [("config.json", "backbone.missing-model"), ("tokenizer.json", "backbone.no-processor")]
)
def test_a_file_that_was_deleted_is_named_in_one_line(file, id, folder, context, tmp_path):
    path = shutil.copytree(folder("llava"), tmp_path / "torn")
    (path / file).unlink()
    error = refused(lambda: backbones.Llava(LlavaConfig(model=str(path)), context), id)
    assert str(path) in error.message
    assert f"{file} is missing" in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("template", "why"),
    [("{% for m in messages %}\n{{ m", "line 2"), ("{{ raise_exception('no pictures') }}", "no pictures")],
)
def test_a_damaged_chat_template_is_named(template, why, folder, context, tmp_path):
    path = shutil.copytree(folder("llava"), tmp_path / "torn")
    (path / "chat_template.jinja").write_text(template)
    make = lambda: backbones.Llava(LlavaConfig(model=str(path)), context)  # noqa: E731
    message = refused(make, "backbone.bad-chat-template").message
    assert str(path / "chat_template.jinja") in message
    assert why in message


def test_any_family_is_read_by_hf_vlm(folder, context):
    assert backbones.HFVLM(HFVLMConfig(model=str(folder("qwen2_vl"))), context).hidden_size == 32


def test_a_text_model_is_refused(context, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    error = refused(
        lambda: backbones.HFVLM(HFVLMConfig(model=str(tmp_path)), context), "backbone.unsupported-model"
    )
    assert "gpt2" in error.message


def test_a_processor_without_chat_template_is_refused(folder, context, tmp_path):
    path = shutil.copytree(folder("llava"), tmp_path / "bare")
    (path / "chat_template.jinja").unlink()
    refused(lambda: backbones.Llava(LlavaConfig(model=str(path)), context), "backbone.no-chat-template")


def test_a_folder_without_image_processor_is_refused(folder, context, tmp_path):
    path = shutil.copytree(folder("llava"), tmp_path / "blind")
    (path / "processor_config.json").unlink()
    refused(lambda: backbones.Llava(LlavaConfig(model=str(path)), context), "backbone.no-processor")


def test_pixel_limits_need_a_family_that_has_them(build):
    refused(lambda: build("llava", max_pixels=4096), "backbone.no-pixel-limits")


def test_a_prompt_beyond_the_budget_names_the_sample(build, tokens):
    backbone = build("qwen2_vl", max_pixels=512 * 512)
    samples = [
        Sample("fits", (Image.new("RGB", (32, 32)),)),
        Sample("too-large", (Image.new("RGB", (512, 512)),)),
    ]
    error = refused(lambda: backbone(samples, tokens(backbone, 2)), "backbone.prompt-too-long")
    assert "too-large" in error.message
    assert "1024 of them image tokens" in error.message


def test_features_that_do_not_match_the_prompt_name_the_sample(build, samples, tokens):
    backbone = build("llava")
    backbone.processor.patch_size = 16
    error = refused(lambda: backbone(samples, tokens(backbone, len(samples))), "backbone.image-tokens")
    assert samples[0].id in error.message
    assert "4 image tokens" in error.message
    assert "16 features" in error.message


def test_an_image_token_in_the_question_is_refused(shared, samples, tokens):
    backbone = shared("llava")
    with pytest.raises(EmosymError) as caught:
        backbone(samples[:1], tokens(backbone, 1), question="What is <image> ?")
    assert caught.value.id in ("backbone.bad-prompt", "backbone.image-tokens")


def test_of_a_batch_the_picture_that_is_too_long_is_named_alone(shared, samples, tokens):
    backbone = shared("qwen2_vl")
    strip = Sample(id="strip", images=(Image.new("RGB", (2420, 10)),))
    batch = [samples[0], strip, samples[1]]
    error = refused(lambda: backbone(batch, tokens(backbone, 3)), "backbone.bad-prompt")
    assert error.message.startswith("sample strip: ")
    assert "crop it" in error.hint


@pytest.mark.parametrize("shape", [(1, 3, 32), (2, 0, 32), (2, 3, 31), (2, 32)])
def test_tokens_of_another_shape_are_refused(shape, shared, samples):
    backbone = shared("qwen2_vl")
    refused(lambda: backbone(samples[:2], torch.zeros(shape)), "backbone.bad-tokens")
    refused(lambda: backbone.read(backbone.encode(samples[:2]), torch.zeros(shape)), "backbone.bad-tokens")


def test_an_empty_batch_is_refused(shared):
    refused(lambda: shared("qwen2_vl").encode([]), "backbone.empty-batch")


def test_limits_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match="min_pixels is larger"):
        BackboneConfig(model="x", min_pixels=9, max_pixels=4)


@pytest.mark.parametrize("name", ["owner/kernel", "owner/kernel@v1:attend", "paged|owner/kernel"])
def test_a_spec_names_no_code_of_the_hub_as_attention(name, tmp_path):
    spec = tmp_path / "kernel.yaml"
    spec.write_text(
        f"emosym: 1\nextends: preset:tiny\nname: kernel\nbackbone: {{params: {{attention: '{name}'}}}}\n"
    )
    with pytest.raises(EmosymError) as caught:
        load_spec(spec, registry=load_registry())
    (message,) = [line for line in str(caught.value).splitlines() if "kernel.yaml:" in line]
    assert "kernel.yaml:4:32 backbone.params.attention: expected the name of an attention" in message
    assert name in message
    assert "write sdpa, eager, flash_attention_2" in message
    spec.write_text(spec.read_text().replace(f"'{name}'", "eager"))
    assert load_spec(spec, registry=load_registry()).spec.backbone.params["attention"] == "eager"


def test_flash_attention_that_is_not_installed_is_not_taken_from_the_hub(build, monkeypatch):
    monkeypatch.setattr(loading, "is_kernels_available", lambda: True)
    monkeypatch.setitem(
        loading.FLASH_ATTENTION_COMPATIBILITY_MATRIX, 2, {"general_availability_check": lambda: False}
    )
    error = refused(lambda: build("qwen2_vl", attention="flash_attention_2"), "backbone.no-attention")
    assert "of the hub would run" in error.message


def test_half_precision_files_load_as_float32_on_the_cpu(build, folder):
    from safetensors.torch import load_file

    stored = load_file(folder("qwen2_vl") / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert {parameter.dtype for parameter in build("qwen2_vl").parameters()} == {torch.float32}
    halved = build("qwen2_vl", dtype="bf16")
    assert {p.dtype for p in halved.adapters().values()} == {torch.float32}
    assert halved.model.get_input_embeddings().weight.dtype == torch.bfloat16


def test_bfloat16_gives_states_in_the_tokens_dtype(build, samples, tokens):
    backbone = build("qwen2_vl", dtype="bf16")
    vectors = tokens(backbone, len(samples))
    states = backbone(samples, vectors)
    assert states.dtype == vectors.dtype == torch.float32
    assert torch.isfinite(states).all()


def test_typical_embedding_is_that_of_the_vocabulary(shared):
    backbone = shared("gemma3")
    layer, rows = backbone.model.get_input_embeddings(), len(backbone.processor.tokenizer)
    embeddings = layer(torch.arange(rows)).detach()
    # Gemma scales its embeddings by the square root of their width.
    torch.testing.assert_close(embeddings, layer.weight[:rows].detach() * 32**0.5)
    mean, std = backbone.typical_embedding()
    torch.testing.assert_close(mean, embeddings.mean(0))
    assert std == pytest.approx(float((embeddings - mean).square().mean().sqrt()), rel=1e-5)
