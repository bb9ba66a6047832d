"""Pictures that others made: what is measured, in which order it comes out, and what is said where
something is missing."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from emosym_registry import EmosymError, Registry
from emosym_tiny.dataset import make
from PIL import Image, ImageFilter
from safetensors.torch import save_file

from emosym.contracts import MIKELS_8, LabelSet
from emosym.evaluation.protocol import BUILT_IN, Protocol, load_protocol
from emosym.evaluation.score import score_pictures
from emosym.evaluation.shown import read_pictures
from emosym.spec import SpecErrors

CPU = torch.device("cpu")
LABELS = LabelSet(MIKELS_8)
EACH = 5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by emotion: held-out pictures ``real`` and ``others``, ``others`` blurred, and noise."""
    folder = tmp_path_factory.mktemp("score")
    make(folder / "world", train=160, val=8, test=8, workers=1)
    chance = np.random.default_rng(0)
    for emotion in MIKELS_8:
        own = sorted((folder / "world" / "image" / emotion).iterdir())
        for number, file in enumerate(own[: 2 * EACH]):
            picture = Image.open(file)
            if number < EACH:
                made = {"real": picture}
            else:
                noise = Image.fromarray(chance.integers(0, 256, (64, 64, 3), dtype=np.uint8))
                made = {
                    "others": picture,
                    "blurred": picture.filter(ImageFilter.GaussianBlur(3)),
                    "noise": noise,
                }
            for name, image in made.items():
                (folder / name / emotion).mkdir(parents=True, exist_ok=True)
                image.save(folder / name / emotion / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def tiny(registry: Registry) -> Protocol:
    return load_protocol("tiny", registry, sets=["lpips.pairs=3", "sem-d.pairs=10"])


@pytest.fixture(scope="module")
def results(pictures: Path, tiny: Protocol, registry: Registry) -> dict[str, dict[str, Any]]:
    return {
        name: score_pictures(pictures / name, tiny, registry, real=pictures / "real", device=CPU)
        for name in ("others", "blurred", "noise")
    }


@pytest.mark.parametrize(
    "figure",
    ["emo_a", "emo_score", "lpips_model", "sem_c", "sem_d", "diversity", "-fid_clip", "-kid_clip", "-nearest"],
)  # fmt: skip
def test_real_pictures_come_out_better_than_blurred_ones_and_noise(
    results: dict[str, dict[str, Any]], figure: str
) -> None:
    sign = -1 if figure.startswith("-") else 1
    values = [sign * results[name]["results"][figure.lstrip("-")] for name in ("others", "blurred", "noise")]
    assert values[0] > values[1]
    assert values[0] > values[2]


@pytest.mark.slow
def test_what_the_embedded_diffusion_paints_comes_out_between_real_pictures_and_noise(
    results: dict[str, dict[str, Any]], pictures: Path, tiny: Protocol, registry: Registry
) -> None:
    from diffusers import StableDiffusionPipeline

    paint = StableDiffusionPipeline.from_pretrained(registry.folders[("diffusion", "sd", "tiny")])
    described = [
        (emotion, file)
        for emotion in MIKELS_8
        for file in sorted((pictures / "world" / "annotation" / emotion).iterdir())[EACH : 2 * EACH]
    ]
    captions = [json.loads(file.read_text())["caption"] for _, file in described]
    chance = torch.Generator().manual_seed(0)
    painted = paint(
        captions, num_inference_steps=20, guidance_scale=3.0, height=64, width=64, generator=chance
    ).images
    for number, ((emotion, _), picture) in enumerate(zip(described, painted, strict=True)):
        (pictures / "painted" / emotion).mkdir(parents=True, exist_ok=True)
        picture.save(pictures / "painted" / emotion / f"{number}.png")
    made = score_pictures(pictures / "painted", tiny, registry, real=pictures / "real", device=CPU)["results"]
    real, noise = (results[name]["results"] for name in ("others", "noise"))
    for figure in ("emo_a", "emo_score"):
        assert real[figure] > made[figure] > noise[figure]
    for figure in ("fid_clip", "kid_clip", "nearest"):
        assert real[figure] < made[figure] < noise[figure]
    for figure in (
        "lpips_model",
        "sem_d",
        "diversity",
        "sem_c",
    ):  # as diverse and as clear as real ones, unlike noise
        assert abs(real[figure] - made[figure]) < real[figure] - noise[figure]


def test_the_clip_score_of_prompts_is_right_for_pictures_of_them_and_not_for_noise(
    pictures: Path, registry: Registry, tmp_path: Path
) -> None:
    protocol = load_protocol("tiny", registry, metrics=["clip-score"], sets=["clip-score.text='{prompt}'"])
    found = {}
    for name in ("others", "noise"):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "emotion", "prompt"])
            for one in sorted((pictures / name).rglob("*.png")):
                described = sorted((pictures / "world" / "annotation" / one.parent.name).iterdir())
                annotated = json.loads(described[int(one.stem)].read_text())
                rows.writerow(
                    [one, one.parent.name, f"a {annotated['object'][0]} at the {annotated['scene']}"]
                )
        found[name] = score_pictures(tmp_path / f"{name}.csv", protocol, registry, device=CPU)["results"]
    assert found["others"]["clip_score"] > 0.6 > 0.4 > found["noise"]["clip_score"]
    assert found["others"]["clip_margin_low"] > 0.4 > 0.2 > found["noise"]["clip_margin_high"]
    with pytest.raises(EmosymError, match="clip-score compares with prompts, and 40 pictures have none"):
        score_pictures(pictures / "noise", protocol, registry, device=CPU)


def test_figures_have_intervals_and_stand_beside_those_of_real_pictures(
    results: dict[str, dict[str, Any]],
) -> None:
    figures = results["others"]["results"]
    for name in ("emo_a", "emo_score", "kid_clip", "lpips_model", "sem_c", "sem_d", "clip_score", "nearest"):
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
        assert name == "kid_clip" or f"{name}_real" in figures
    assert results["others"]["missing"] == {}
    assert results["others"]["figures"]["fid_clip"]["title"] == "FID in CLIP's features"


def test_a_result_says_of_what_by_what_and_where_it_leaves_the_protocol(
    results: dict[str, dict[str, Any]], pictures: Path
) -> None:
    result = results["others"]
    assert (result["protocol"]["name"], result["protocol"]["version"]) == ("tiny", 1)
    assert result["protocol"]["differences"] == [
        "5 pictures of each emotion, where the protocol has 16",
        "lpips.pairs=3",
        "sem-d.pairs=10",
    ]
    about = result["pictures"]["measured"]
    assert (about["count"], about["sizes"]) == (8 * EACH, ["64 x 64"])
    assert about["per_emotion"] == dict.fromkeys(MIKELS_8, EACH)
    judge = result["components"][0]
    assert (judge["kind"], judge["name"]) == ("judge", "emosym-metrics/open-clip")
    assert judge["params"]["model"] == "alias:tiny"
    json.dumps(result)


def test_the_same_pictures_as_a_list_and_by_their_names_give_the_same_figures(
    pictures: Path, registry: Registry, tmp_path: Path
) -> None:
    protocol = load_protocol("tiny", registry, metrics=["emo-a", "sem-d"])
    with (tmp_path / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "emotion", "prompt"])
        for one in sorted((pictures / "others").rglob("*.png")):
            rows.writerow([one, one.parent.name.upper(), "a picture"])
    named = tmp_path / "named"
    named.mkdir()
    for number, one in enumerate(sorted((pictures / "others").rglob("*.png"))):
        shutil.copy(one, named / f"{one.parent.name}-{number:03d}.png")
    ways = [
        score_pictures(pictures / "others", protocol, registry, device=CPU),
        score_pictures(tmp_path / "list.csv", protocol, registry, device=CPU),
        score_pictures(named, protocol, registry, layout="emotion-names", device=CPU),
    ]
    first = ways[0]["results"]
    assert set(first) == {f"{name}{end}" for name in ("emo_a", "sem_d") for end in ("", "_low", "_high")}
    for way in ways[1:]:
        assert {name: way["results"][name] for name in ("emo_a", "sem_d")} == pytest.approx(
            {name: first[name] for name in ("emo_a", "sem_d")}
        )


def test_everything_wrong_with_pictures_is_said_at_once(pictures: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(pictures / "others", tmp_path / "broken")
    (broken / "awe").rename(broken / "aw")
    (broken / "fear" / "torn.png").write_bytes((broken / "fear" / "5.png").read_bytes()[:100])
    (broken / "joy").mkdir()
    (broken / "joy" / "notes.txt").write_text("no picture")
    with pytest.raises(EmosymError) as caught:
        read_pictures(broken, LABELS)
    assert caught.value.id == "score.bad-pictures"
    assert "has 2 problems" in caught.value.message
    assert "folder aw: no emotion 'aw'; did you mean \"awe\"?" in caught.value.message
    assert "torn.png: not a readable image" in caught.value.message
    (tmp_path / "list.csv").write_text("path,emotion\nnowhere.png,awe\nx.png,glee\n")
    with pytest.raises(EmosymError, match=r"(?s)line 3: no emotion 'glee'.*nowhere.png: no such file"):
        read_pictures(tmp_path / "list.csv", LABELS)
    (tmp_path / "list.csv").write_text("file,emotion\n")
    with pytest.raises(EmosymError, match="no column path"):
        read_pictures(tmp_path / "list.csv", LABELS)
    with pytest.raises(EmosymError, match="no pictures of emotions in it"):
        read_pictures(broken / "joy", LABELS)


def test_without_weights_the_protocol_says_in_a_sentence_each_what_to_bring(
    pictures: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    emogen = load_protocol("emogen", registry)
    with pytest.raises(EmosymError) as caught:
        score_pictures(pictures / "others", emogen, registry, real=pictures / "real", device=CPU)
    assert caught.value.id == "score.nothing-measured"
    for words in (
        "fid, kid: needs weights-inception-2015-12-05-6726825d.pth, InceptionV3, published with torch-fidelity",
        "lpips: needs alexnet-owt-7be5be79.pth",
        "sem-c: needs resnet50_places365.pth.tar, the ResNet-50 of Places365, published by MIT",
        "emo-a, emo-score: its judge needs clip_emotion_classifier.pth",
        "sem-d: open_clip model ViT-L-14-quickgelu needs its weights 'openai', which are not on this machine",
    ):
        assert words in caught.value.message
    with pytest.raises(EmosymError, match="^fid needs weights-inception"):
        score_pictures(
            pictures / "others",
            load_protocol("emogen", registry, metrics=["fid"]),
            registry,
            real=pictures / "real",
            device=CPU,
        )


def test_files_are_found_in_the_folder_of_weights_or_named(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "resnet50_places365.pth.tar").touch()
    (tmp_path / "clip_emotion_classifier.pth").touch()
    found = load_protocol("emogen", registry, weights=tmp_path, sets=["sem-c.object=mine.pth"])
    assert set(found.absent) == {"fid", "kid", "lpips"}
    assert found.changes == ()
    names = [found.resolved.component(f"metrics.{i}") for i in range(len(found.resolved.spec.metrics))]
    assert names == ["emo-a", "emo-score", "sem-c", "sem-d"]
    clarity: Any = found.resolved.config("metrics.2")
    assert (clarity.scene, clarity.object) == (str(tmp_path / "resnet50_places365.pth.tar"), "mine.pth")
    judge: Any = found.resolved.config("judges.evaluate")
    assert judge.head == str(tmp_path / "clip_emotion_classifier.pth")
    assert judge.head_labels == list(MIKELS_8)


def test_what_is_missing_for_some_leaves_the_others(pictures: Path, registry: Registry) -> None:
    protocol = load_protocol(
        "tiny", registry, sets=["sem-c.scene=nowhere.pth", "sem-d.pairs=3", "lpips.pairs=1"]
    )
    result = score_pictures(pictures / "noise", protocol, registry, device=CPU)
    assert set(result["missing"]) == {"fid", "kid", "nearest", "sem-c"}
    assert "no file 'nowhere.pth'" in result["missing"]["sem-c"]
    assert (
        "fid compares with real pictures, and there are none; name them with --real"
        in result["missing"]["fid"]
    )
    assert "not measured: fid, kid, nearest, sem-c" in str(sorted(result["protocol"]["differences"]))[
        :2000
    ] or any(
        set(line.removeprefix("not measured: ").split(", ")) == {"fid", "kid", "nearest", "sem-c"}
        for line in result["protocol"]["differences"]
    )
    assert "emo_a" in result["results"]


def test_another_judge_and_other_metrics_are_told(registry: Registry) -> None:
    protocol = load_protocol(
        "tiny", registry, metrics=["emo-a"], judge="image-classifier:alias:tiny", sets=["seed=4"]
    )
    assert protocol.resolved.component("judges.evaluate") == "image-classifier"
    assert protocol.resolved.spec.seed == 4
    assert "judge image-classifier:alias:tiny" in protocol.changes
    assert any(text.startswith("without emo-score, fid") for text in protocol.changes)
    assert "seed=4" in protocol.changes


def test_protocols_that_are_wrong_are_errors_with_places(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="unknown protocol 'emogn'; did you mean \"emogen\""):
        load_protocol("emogn", registry)
    file = tmp_path / "mine.yaml"
    file.write_text("emosym: 1\nname: mine\nprotocol: {version: 0, about: x}\nmetrics: [emo-a]\n")
    with pytest.raises(SpecErrors, match=r"mine.yaml:3:21 protocol.version: expected at least 1, found 0"):
        load_protocol(str(file), registry)
    file.write_text("emosym: 1\nname: mine\nprotocol: {version: 1, about: x}\nmetrics: [emo-b]\n")
    with pytest.raises(SpecErrors, match=r"mine.yaml:4:11 metrics.0.name: .*emo-b"):
        load_protocol(str(file), registry)
    with pytest.raises(SpecErrors, match=r"unknown key 'weight'"):
        load_protocol("tiny", registry, sets=["fid.weight=x"])
    file.write_text("emosym: 1\nname: mine\nmetrics: [emo-a]\n")
    with pytest.raises(EmosymError, match="expected a section protocol"):
        load_protocol(str(file), registry)


def test_every_protocol_of_emosym_resolves(registry: Registry) -> None:
    assert set(BUILT_IN) == {"emogen", "predicted-names", "predictions", "tiny"}
    for name in BUILT_IN:
        assert load_protocol(name, registry).name == name


def test_a_metric_of_the_other_kind_is_refused(pictures: Path, registry: Registry) -> None:
    with pytest.raises(EmosymError, match="metric accuracy is of readings") as caught:
        score_pictures(
            pictures / "noise", load_protocol("tiny", registry, metrics=["accuracy"]), registry, device=CPU
        )
    assert caught.value.hint == "give it --predictions"


@pytest.mark.reference
def test_emogens_published_classifier_judges_as_its_tensors_say(
    pictures: Path, registry: Registry, tmp_path: Path
) -> None:
    """Over a small CLIP of its width in place of ViT-L/14, which is not here."""
    reference = os.environ.get("EMOSYM_REFERENCE_DIR")
    if not reference:
        pytest.skip("EMOSYM_REFERENCE_DIR is not set")
    clip = _wide_clip(tmp_path / "clip")
    protocol = load_protocol(
        "emogen",
        registry,
        metrics=["emo-a", "emo-score"],
        weights=Path(reference) / "emogen",
        sets=[f"judge.clip={clip}", "judge.pretrained=null"],
    )
    found = score_pictures(pictures / "others", protocol, registry, device=CPU)["results"]
    tensors = torch.load(
        Path(reference) / "emogen" / "clip_emotion_classifier.pth", map_location="cpu", weights_only=True
    )
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{clip}")
    hits, sure = [], []
    for file in sorted((pictures / "others").rglob("*.png")):
        with torch.no_grad():
            features = model.encode_image(transform(Image.open(file))[None])
        read = (features @ tensors["fc.weight"].T + tensors["fc.bias"]).softmax(-1)[0]
        hits.append(int(read.argmax()) == MIKELS_8.index(file.parent.name))
        sure.append(float(read[MIKELS_8.index(file.parent.name)]))
    assert found["emo_a"] == pytest.approx(np.mean(hits))
    assert found["emo_score"] == pytest.approx(np.mean(sure), rel=1e-4)


def _wide_clip(folder: Path) -> Path:
    """A random CLIP whose features are as wide as those of ViT-L/14."""
    config = {
        "embed_dim": 768,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "layers": 1, "width": 16, "head_width": 8},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    torch.manual_seed(0)
    folder.mkdir()
    state = {name: value.contiguous() for name, value in open_clip.CLIP(**config).state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return folder
