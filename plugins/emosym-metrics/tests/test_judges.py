"""Judges: probabilities in the run's order, features, attributes, identity, and refusals."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from emosym_metrics.clip import load_clip
from emosym_metrics.config import ImageClassifierConfig, OpenClipJudgeConfig
from emosym_metrics.judges.image_classifier import ImageClassifierJudge
from emosym_metrics.judges.labels import select
from emosym_metrics.judges.open_clip import OpenClipJudge
from emosym_registry import EmosymError
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForImageClassification

from emosym.contracts import Context, LabelSet

MIKELS = LabelSet.of("mikels-8")
BINARY = LabelSet.of("binary")
Pictures = list[Image.Image]


def _context(component: str, labels: LabelSet = MIKELS) -> Context:
    return Context(labels=labels, kind="judge", component=component)


def _clip_judge(folder: Path, labels: LabelSet = MIKELS, **params: object) -> OpenClipJudge:
    return OpenClipJudge(OpenClipJudgeConfig(model=str(folder), **params), _context("open-clip", labels))  # type: ignore[arg-type]


def _classifier(folder: Path, labels: LabelSet = MIKELS, **params: object) -> ImageClassifierJudge:
    return ImageClassifierJudge(
        ImageClassifierConfig(model=str(folder), **params), _context("image-classifier", labels)
    )  # type: ignore[arg-type]


@torch.no_grad()
def _features(clip_folder: Path, images: Pictures) -> torch.Tensor:
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    return model.eval().encode_image(torch.stack([transform(image) for image in images]))


@torch.no_grad()
def test_a_head_folder_gives_what_its_layers_say(
    head_folder: Path, clip_folder: Path, images: Pictures
) -> None:
    judge = _clip_judge(head_folder)
    head = load_file(head_folder / "head.safetensors")
    features = F.normalize(_features(clip_folder, images), dim=-1)
    hidden = F.relu(features @ head["layers.0.weight"].T + head["layers.0.bias"])
    logits = hidden @ head["layers.2.weight"].T + head["layers.2.bias"]
    order = [sorted(MIKELS.names).index(name) for name in MIKELS.names]
    torch.testing.assert_close(judge.probabilities(images), logits.softmax(-1)[:, order])
    torch.testing.assert_close(judge.features(images), features)
    assert judge.attributes(images) == [{}] * len(images)
    assert judge.probabilities([]).shape == (0, 8)
    assert not any(parameter.requires_grad for parameter in judge.parameters())


@torch.no_grad()
def test_a_published_head_reads_unnormalised_features_in_the_stated_order(
    clip_folder: Path, images: Pictures, tmp_path: Path
) -> None:
    weight, bias = torch.randn(8, 12, generator=torch.Generator().manual_seed(0)), torch.arange(8.0)
    torch.save({"fc.weight": weight, "fc.bias": bias}, tmp_path / "head.pth")
    names = list(reversed(MIKELS.names))
    config = OpenClipJudgeConfig(head=str(tmp_path / "head.pth"), clip=str(clip_folder), head_labels=names)
    judge = OpenClipJudge(config, _context("open-clip"))
    logits = _features(clip_folder, images) @ weight.T + bias
    torch.testing.assert_close(judge.probabilities(images), logits.softmax(-1).flip(1))


def test_a_head_may_be_safetensors(clip_folder: Path, images: Pictures, tmp_path: Path) -> None:
    tensors = {
        "fc.weight": torch.randn(8, 12, generator=torch.Generator().manual_seed(0)),
        "fc.bias": torch.arange(8.0),
    }
    torch.save(tensors, tmp_path / "head.pth")
    save_file(tensors, tmp_path / "head.safetensors")
    read = [
        OpenClipJudge(
            OpenClipJudgeConfig(
                head=str(tmp_path / name), clip=str(clip_folder), head_labels=list(MIKELS.names)
            ),
            _context("open-clip"),
        ).probabilities(images)
        for name in ("head.pth", "head.safetensors")
    ]
    assert torch.equal(*read)


def test_a_pickle_that_holds_code_is_not_run(
    clip_folder: Path, tmp_path: Path, dangerous: Callable[..., Path]
) -> None:
    trace = dangerous(tmp_path / "head.pth", {"fc.weight": torch.zeros(8, 12), "fc.bias": torch.zeros(8)})
    config = OpenClipJudgeConfig(
        head=str(tmp_path / "head.pth"), clip=str(clip_folder), head_labels=list(MIKELS.names)
    )
    with pytest.raises(EmosymError, match="cannot be read safely") as caught:
        OpenClipJudge(config, _context("open-clip"))
    assert caught.value.id == "judge.bad-head"
    assert not trace.exists()
    torch.load(tmp_path / "head.pth", weights_only=False)
    assert trace.exists()  # The payload works; only the way of loading kept it from running.


def test_a_classifiers_pickle_that_holds_code_is_not_run(
    classifier_folder: Path, tmp_path: Path, dangerous: Callable[..., Path]
) -> None:
    folder = shutil.copytree(classifier_folder, tmp_path / "resnet")
    trace = dangerous(folder / "pytorch_model.bin", load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(EmosymError, match="more than tensors") as caught:
        _classifier(folder)
    assert caught.value.id == "model.unsafe-pickle"
    assert not trace.exists()


@pytest.mark.parametrize(
    "named",
    [
        {"attn_implementation": "owner/kernel"},
        {"backbone_config": {"_attn_implementation": {"": "owner/kernel@v1"}}},
    ],
)
def test_a_classifier_that_names_a_kernel_of_the_hub_is_refused(
    classifier_folder: Path, tmp_path: Path, named: dict[str, object]
) -> None:
    folder = shutil.copytree(classifier_folder, tmp_path / "resnet")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | named))
    with pytest.raises(EmosymError, match="owner/kernel.*, code of the hub") as caught:
        _classifier(folder)
    assert caught.value.id == "model.untrusted-code"


def test_a_clip_whose_tokenizer_brings_code_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"trust_remote_code": True}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(EmosymError, match="trust_remote_code") as caught:
        load_clip(str(folder), None, _context("open-clip"))
    assert caught.value.id == "model.untrusted-code"


def test_a_clip_whose_text_tower_brings_code_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    folder, tower = shutil.copytree(clip_folder, tmp_path / "clip"), tmp_path / "tower"
    tower.mkdir()
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] = {"hf_model_name": str(tower), "hf_tokenizer_name": str(tower)}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    for own in ({"_attn_implementation": "owner/kernel"}, {"auto_map": {"AutoModel": "code.Evil"}}):
        (tower / "config.json").write_text(json.dumps({"model_type": "bert", **own}))
        with pytest.raises(EmosymError) as caught:
            load_clip(str(folder), None, _context("open-clip"))
        assert caught.value.id == "model.untrusted-code"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "either model or head"),
        ({"model": "a", "head": "b"}, "either model or head"),
        ({"head": "b", "clip": "c"}, "head_labels"),
        ({"model": "a", "head_labels": ["x"]}, "belongs to head"),
    ],
)
def test_the_sources_of_a_head_exclude_each_other(params: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OpenClipJudgeConfig.model_validate(params)


def test_a_head_that_does_not_fit_is_refused(head_folder: Path, clip_folder: Path, tmp_path: Path) -> None:
    described = json.loads((head_folder / "head.json").read_text())
    (tmp_path / "head.safetensors").write_bytes((head_folder / "head.safetensors").read_bytes())

    def refused(change: dict[str, object], match: str) -> None:
        (tmp_path / "head.json").write_text(json.dumps({**described, "clip": str(clip_folder), **change}))
        with pytest.raises(EmosymError, match=match):
            _clip_judge(tmp_path)

    refused({"labels": described["labels"][:7]}, "8 rows, 7 labels")
    refused({"layers": ["layers.9"]}, "expected a matrix layers.9.weight")
    refused({"layers": ["layers.2"]}, "features of width 6")
    refused({"clip": None}, "does not say which CLIP")
    refused({"labels": ["joy", *described["labels"][1:]]}, "does not know amusement")
    (tmp_path / "head.json").write_text("{")
    with pytest.raises(EmosymError, match="cannot be read"):
        _clip_judge(tmp_path)
    with pytest.raises(EmosymError, match=r"has no head\.json"):
        _clip_judge(tmp_path / "none")


@torch.no_grad()
def test_a_classifier_takes_the_logits_named_as_the_labels(classifier_folder: Path, images: Pictures) -> None:
    judge = _classifier(classifier_folder, batch_size=4)
    model = AutoModelForImageClassification.from_pretrained(classifier_folder).eval()
    pixels = AutoImageProcessor.from_pretrained(classifier_folder)(images=images, return_tensors="pt")
    logits = model(**pixels).logits
    columns = [model.config.label2id[name] for name in MIKELS.names]
    torch.testing.assert_close(judge.probabilities(images), logits[:, columns].softmax(-1))
    pooled = model.resnet(**pixels).pooler_output.flatten(1)
    torch.testing.assert_close(judge.features(images), pooled)
    assert judge.features([]).shape == (0, 8)


@torch.no_grad()
def test_a_classifier_reads_attributes_by_group(classifier_folder: Path, images: Pictures) -> None:
    judge = _classifier(classifier_folder)
    model = judge.model
    logits = model(**judge.processor(images=images, return_tensors="pt")).logits
    scene = {name: model.config.label2id[f"scene:{name}"] for name in ("beach", "forest")}
    read = judge.attributes(images)
    assert [set(one) for one in read] == [{"scene", "object"}] * len(images)
    for row, one in zip(logits, read, strict=True):
        assert row[scene[one["scene"]]] == max(row[column] for column in scene.values())


def test_a_classifier_sums_signs_for_binary_labels(
    classifier_folder: Path, head_folder: Path, images: Pictures
) -> None:
    for fine, binary in (
        (_classifier(classifier_folder), _classifier(classifier_folder, BINARY)),
        (_clip_judge(head_folder), _clip_judge(head_folder, BINARY)),
    ):
        positive = [i for i in range(8) if MIKELS.positive(i)]
        torch.testing.assert_close(
            binary.probabilities(images)[:, 1], fine.probabilities(images)[:, positive].sum(1)
        )


def test_a_classifier_can_rename(classifier_folder: Path, images: Pictures) -> None:
    labels = LabelSet(("joy", "fear"))
    judge = _classifier(classifier_folder, labels, rename={"Amusement": "joy"})
    both = _classifier(classifier_folder).probabilities(images)[
        :, [MIKELS.index("amusement"), MIKELS.index("fear")]
    ]
    torch.testing.assert_close(judge.probabilities(images), both / both.sum(1, keepdim=True))
    with pytest.raises(EmosymError, match="does not know joy; it knows sadness") as caught:
        _classifier(classifier_folder, labels)
    assert caught.value.id == "judge.missing-labels"


def test_identity_names_the_weights(classifier_folder: Path, head_folder: Path) -> None:
    first, again = _classifier(classifier_folder), _classifier(classifier_folder, batch_size=2)
    assert first.identity == again.identity
    assert len(first.identity) == 64
    other = _classifier(classifier_folder)
    with torch.no_grad():
        next(other.model.parameters()).flatten()[0] += 1e-3
    assert other.identity != first.identity
    assert _clip_judge(head_folder).identity == _clip_judge(head_folder).identity != first.identity


def test_a_classifier_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="cannot be loaded") as caught:
        _classifier(tmp_path)
    assert caught.value.id == "model.cannot-load"


def test_selection_ignores_case_and_order() -> None:
    logits = torch.tensor([[1.0, 9.0, 2.0]])
    selection = select(["FEAR", "thing:cat", "Awe"], LabelSet(("awe", "fear")), "judge")
    torch.testing.assert_close(selection.probabilities(logits), torch.tensor([[2.0, 1.0]]).softmax(-1))


@pytest.mark.reference
@torch.no_grad()
def test_the_published_classifier_is_read_unchanged(wide_clip_folder: Path, images: Pictures) -> None:
    """EmoGen's file over a small CLIP of its width: the logits are those of its tensors, whatever order is
    stated."""
    reference = os.environ.get("EMOSYM_REFERENCE_DIR")
    if not reference:
        pytest.skip("EMOSYM_REFERENCE_DIR is not set")
    file = Path(reference) / "emogen" / "clip_emotion_classifier.pth"
    published = torch.load(file, map_location="cpu", weights_only=True)
    names = list(reversed(MIKELS.names))
    config = OpenClipJudgeConfig(head=str(file), clip=str(wide_clip_folder), head_labels=names)
    judge = OpenClipJudge(config, _context("open-clip"))
    assert [tuple(parameter.shape) for parameter in judge.layers.parameters()] == [(8, 768), (8,)]
    assert not judge.normalize
    logits = _features(wide_clip_folder, images) @ published["fc.weight"].T + published["fc.bias"]
    torch.testing.assert_close(judge.probabilities(images), logits.softmax(-1).flip(1))
