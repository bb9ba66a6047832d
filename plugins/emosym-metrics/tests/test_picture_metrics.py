"""Figures of pictures against slow references, the weights that others publish, and what is said where they are not there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from emosym_metrics.files import read_tensors
from emosym_metrics.metrics.frechet import frechet_distance
from emosym_metrics.metrics.kernel import subset_distances
from emosym_metrics.metrics.lpips import FILES
from emosym_metrics.metrics.pairs import drawn_pairs, pair_mean
from emosym_registry import EmosymError, Registry
from PIL import Image, ImageOps
from pydantic import ValidationError
from scipy.linalg import sqrtm
from scipy.special import kl_div
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.functional.image.lpips import _LPIPS
from torchvision.models import alexnet, resnet18

from emosym.contracts import MIKELS_8, Context, Evidence, Generated, LabelSet, Metric, Sample

NAMES = ("awe", "fear")
LABELS = [0, 1, 0, 1, 0, 1]


def _metric(registry: Registry, name: str, labels: Sequence[str] = NAMES, **params: Any) -> Metric:
    registered = registry.find("metric", name)
    context = Context(labels=LabelSet(tuple(labels)), kind="metric", component=name)
    return registered.load()(registered.load_config()(**params), context)


def _evidence(generated: Sequence[Image.Image], real: Sequence[Image.Image] = (), **more: Any) -> Evidence:
    made = [Generated(image, label, 0, "") for image, label in zip(generated, LABELS, strict=False)]
    samples = [
        Sample(f"{i}", (image,), label) for i, (image, label) in enumerate(zip(real, LABELS, strict=False))
    ]
    return Evidence(NAMES, real=samples, generated=made, **more)


def _features(count: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1 + shift, (count, 5))


def test_fid_is_heusels_formula_with_scipys_root_of_a_matrix() -> None:
    real, generated = _features(40, 0.0, 1), _features(30, 0.3, 2)
    root = sqrtm(np.cov(real.T) @ np.cov(generated.T)).real
    slow = np.square(real.mean(0) - generated.mean(0)).sum()
    slow += np.trace(np.cov(real.T) + np.cov(generated.T) - 2 * root)
    assert frechet_distance(real, generated) == pytest.approx(slow, rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6)
    with pytest.raises(EmosymError, match="two pictures of each side, here are 1 real and 30"):
        frechet_distance(real[:1], generated)


def _slow_kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    def kernel(one: np.ndarray, other: np.ndarray) -> float:
        return float((one @ other / len(one) + 1) ** 3)

    count = len(real)
    within = sum(
        kernel(side[i], side[j])
        for side in (real, generated)
        for i in range(count)
        for j in range(count)
        if i != j
    )
    across = sum(kernel(one, other) for one in real for other in generated)
    return within / (count * (count - 1)) - 2 * across / count**2


def test_kid_of_a_subset_is_the_double_loop_over_the_polynomial_kernel() -> None:
    real, generated = _features(8, 0.0, 3), _features(8, 0.4, 4)
    whole = subset_distances(real, generated, 8, 3, seed=0)
    assert whole == pytest.approx([_slow_kernel_distance(real, generated)] * 3)
    halves = subset_distances(real, generated, 4, 50, seed=0)
    turned = subset_distances(real[::-1].copy(), generated[::-1].copy(), 4, 50, seed=0)
    assert halves == pytest.approx(turned)
    assert halves.std() > 0


def test_kids_interval_holds_the_truth_in_about_19_of_20_samples() -> None:
    """The truth is the mean over many samples; halves of 60 stand for 60, as the interval says."""
    bounds, values = [], []
    for number in range(40):
        found = subset_distances(
            _features(60, 0.0, 2 * number), _features(60, 0.5, 2 * number + 1), 30, 60, 0
        )
        half = 1.96 * found.std(ddof=1) * np.sqrt(1 + 1 / 25)
        values.append(found.mean())
        bounds.append((found.mean() - half, found.mean() + half))
    truth = np.mean(values)
    covered = np.mean([low <= truth <= high for low, high in bounds])
    assert covered >= 0.85


def test_the_figures_name_says_which_network_saw(registry: Registry, clip_folder: Path, images: Any) -> None:
    params = {"features": "clip", "model": str(clip_folder)}
    fid, kid = (_metric(registry, name, **params) for name in ("fid", "kid"))
    figures = {
        **fid.compute(_evidence(images[:5], images[1:])),
        **kid.compute(_evidence(images[:5], images[1:])),
    }
    assert set(figures) == {"fid_clip", "kid_clip", "kid_clip_low", "kid_clip_high"}
    assert fid.figures["fid_clip"].title == "FID in CLIP's features"
    judged = _metric(registry, "fid", features="judge")
    assert judged.config.needs(judged.needs) == ("judge", "diffusion")
    assert fid.config.needs(fid.needs) == ("diffusion",)
    with pytest.raises(ValidationError, match="model belongs to features: clip"):
        _metric(registry, "fid", model="tiny")
    with pytest.raises(ValidationError, match="weights belongs to features: inception"):
        _metric(registry, "fid", features="judge", weights="here.pth")
    with pytest.raises(EmosymError, match="fid compares with real pictures"):
        fid.compute(_evidence(images))


def _settle(network: torch.nn.Module, pixels: torch.Tensor) -> None:
    """Give a random network the batch statistics of some pictures; without them its features are all but constant."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(pixels)
    network.eval()


@pytest.mark.slow
def test_the_inception_file_of_torch_fidelity_is_read_and_nothing_else_is(
    registry: Registry, images: Any, tmp_path: Path, dangerous: Callable[..., Path]
) -> None:
    module = "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url"
    with mock.patch(module), mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        torch.manual_seed(0)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    sized = [image.resize((299, 299), Image.Resampling.BILINEAR) for image in images]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in sized])).permute(0, 3, 1, 2)
    _settle(network, pixels)
    file = tmp_path / "inception.pth"
    torch.save(network.state_dict(), file)
    fid, kid = (_metric(registry, name, weights=str(file)) for name in ("fid", "kid"))
    evidence = _evidence(images[:4], images[2:])
    seen = network(pixels)[0].double().numpy()
    assert fid.compute(evidence)["fid"] == pytest.approx(
        frechet_distance(seen[2:], seen[:4]), rel=1e-3, abs=1e-4
    )
    assert set(kid.compute(evidence)) == {"kid", "kid_low", "kid_high"}
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, file)
    with pytest.raises(EmosymError, match="is not the InceptionV3 of FID"):
        _metric(registry, "fid", weights=str(file))
    trace = dangerous(file, network.state_dict())
    with pytest.raises(EmosymError, match="could run code"):
        _metric(registry, "fid", weights=str(file))
    assert not trace.exists()


def test_pairs_stay_within_emotions_and_follow_the_pictures_not_their_order(images: Any) -> None:
    labels = np.array(LABELS)
    pairs = drawn_pairs(images, labels, 100, seed=1)
    assert {frozenset(pair) for pair in pairs.tolist()} == {
        frozenset(pair) for own in ((0, 2, 4), (1, 3, 5)) for pair in itertools.combinations(own, 2)
    }
    few = drawn_pairs(images, labels, 2, seed=1)
    assert len(few) == 4
    backwards = drawn_pairs(images[::-1], labels[::-1], 2, seed=1)
    assert {frozenset(pair) for pair in few.tolist()} == {
        frozenset(5 - i for i in pair) for pair in backwards.tolist()
    }
    assert drawn_pairs(images, labels, 2, seed=1).tolist() == few.tolist()


def test_a_pair_mean_is_the_mean_of_the_emotions_means_and_its_interval_draws_images() -> None:
    rng = np.random.default_rng(0)
    hidden, labels = rng.normal(size=60), np.repeat([0, 1], 30)
    pairs = np.array([pair for own in (range(30), range(30, 60)) for pair in itertools.combinations(own, 2)])
    distances = np.square(hidden[pairs[:, 0]] - hidden[pairs[:, 1]])
    figures = pair_mean("d", distances, pairs, labels, 500, seed=0)
    slow = [
        np.mean([(hidden[i] - hidden[j]) ** 2 for i in own for j in own if i < j])
        for own in (range(30), range(30, 60))
    ]
    assert figures["d"] == pytest.approx(np.mean(slow))
    # The mean squared difference is twice the variance, whose standard error for normal data is known.
    expected = 2 * 1.96 * np.sqrt(2 / 29) / np.sqrt(2)
    assert (figures["d_high"] - figures["d_low"]) / 2 == pytest.approx(expected, rel=0.5)


def _alexnet_file(folder: Path) -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(7)
    network = alexnet(weights=None)
    file = folder / FILES["alex"]
    kept = {name: value for name, value in network.state_dict().items() if name.startswith("features.")}
    torch.save(kept, file)
    return file, network.features.eval()


@torch.no_grad()
def test_lpips_is_zhangs_formula_over_pairs_of_one_emotion(
    registry: Registry, images: Any, tmp_path: Path
) -> None:
    file, network = _alexnet_file(tmp_path)
    metric = _metric(registry, "lpips", weights=str(file), size=64)
    calibration = [_LPIPS(pnet_rand=True).lins[i].model[-1].weight for i in range(5)]
    shift, scale = (
        torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1),
        torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1),
    )

    def layers(image: Image.Image) -> list[torch.Tensor]:
        array = np.asarray(ImageOps.fit(image, (64, 64), Image.Resampling.LANCZOS))
        state = ((torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 127.5 - 1) - shift) / scale
        kept = []
        for number, layer in enumerate(network):
            state = layer(state[None])[0].clone()
            if number in (1, 4, 7, 9, 11):
                kept.append(state.clone())
        return kept

    def slow(one: Image.Image, other: Image.Image) -> float:
        total = 0.0
        for own, theirs, weight in zip(layers(one), layers(other), calibration, strict=True):
            difference = (F.normalize(own, dim=0) - F.normalize(theirs, dim=0)).square()
            total += float((difference * weight[0]).sum(0).mean())
        return total

    within = [
        np.mean([slow(images[i], images[j]) for i, j in itertools.combinations(own, 2)])
        for own in ((0, 2, 4), (1, 3, 5))
    ]
    figures = metric.compute(_evidence(images, images))
    assert figures["lpips"] == pytest.approx(np.mean(within), rel=1e-4)
    assert figures["lpips_real"] == figures["lpips"]
    assert figures["lpips_low"] <= figures["lpips"] <= figures["lpips_high"]


def test_lpips_refuses_another_networks_file(registry: Registry, tmp_path: Path) -> None:
    file, _ = _alexnet_file(tmp_path)
    with pytest.raises(EmosymError, match="has in another shape|lacks") as caught:
        _metric(registry, "lpips", net="squeeze", weights=str(file))
    assert caught.value.id == "model.weights-mismatch"
    with pytest.raises(ValidationError, match="expected weights of net, or model, found both"):
        _metric(registry, "lpips", weights=str(file), model="tiny")


def test_lpips_by_a_classifier_is_named_after_it(
    registry: Registry, classifier_folder: Path, images: Any
) -> None:
    metric = _metric(registry, "lpips", model=str(classifier_folder), size=32, pairs=2)
    figures = metric.compute(_evidence([images[0]] * 6, images))
    assert figures["lpips_model"] == pytest.approx(0, abs=1e-9)
    assert figures["lpips_model_real"] > 0.01


@torch.no_grad()
def test_sem_c_is_the_surer_of_a_scene_and_an_object_classifier(
    registry: Registry, classifier_folder: Path, images: Any, tmp_path: Path
) -> None:
    torch.manual_seed(8)
    network = resnet18(weights=None, num_classes=9).eval()
    file = tmp_path / "resnet18_places365.pth.tar"
    torch.save(
        {"arch": "resnet18", "state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, file
    )
    metric = _metric(registry, "sem-c", scene=str(file), object=str(classifier_folder))
    from torchvision import transforms
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    prepare = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
         transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    )  # fmt: skip
    model = AutoModelForImageClassification.from_pretrained(classifier_folder).eval()
    processor = AutoImageProcessor.from_pretrained(classifier_folder)
    columns = [i for i, name in model.config.id2label.items() if name.startswith("object:")]
    surer = []
    for image in images:
        scene = network(prepare(image)[None])[0].softmax(0).max()
        thing = model(**processor(images=image, return_tensors="pt")).logits[0, columns].softmax(0).max()
        surer.append(float(max(scene, thing)))
    evidence = _evidence(images)
    assert metric.compute(evidence)["sem_c"] == pytest.approx(np.mean(surer), rel=1e-4)
    assert metric.per_image(evidence)["sem_c"] == pytest.approx(surer, rel=1e-4)


@torch.no_grad()
def test_sem_d_is_the_mean_squared_difference_of_raw_clip_features(
    registry: Registry, clip_folder: Path, images: Any
) -> None:
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    raw = [model.encode_image(transform(image)[None])[0] for image in images]
    slow = [
        np.mean([float(F.mse_loss(raw[i], raw[j])) for i, j in itertools.combinations(own, 2)])
        for own in ((0, 2, 4), (1, 3, 5))
    ]
    figures = _metric(registry, "sem-d", model=str(clip_folder)).compute(_evidence(images))
    assert figures["sem_d"] == pytest.approx(np.mean(slow), rel=1e-4)


@torch.no_grad()
def test_nearest_finds_a_picture_that_was_learned_by_heart(
    registry: Registry, clip_folder: Path, images: Any
) -> None:
    metric = _metric(registry, "nearest", clip=str(clip_folder))
    known = [Sample(f"{i}", (image,), 0) for i, image in enumerate(images[:3])]
    evidence = _evidence(images[2:], images[3:], training=known)
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{clip_folder}")
    seen = torch.cat([F.normalize(model.encode_image(transform(image)[None]), dim=-1) for image in images])
    slow = [min(1 - float(seen[i] @ seen[j]) for j in range(3)) for i in range(2, 6)]
    assert metric.per_image(evidence)["nearest"] == pytest.approx(slow, abs=1e-5)
    assert metric.per_image(evidence)["nearest"][0] == pytest.approx(0, abs=1e-5)
    figures = metric.compute(evidence)
    assert figures["nearest"] < figures["nearest_real"]
    with pytest.raises(EmosymError, match="nearest compares with training pictures, and there are none"):
        metric.compute(_evidence(images))


def test_steps_on_the_wheel_and_distances_of_distributions_by_hand(registry: Registry) -> None:
    read = np.full((3, 8), 0.02) + np.eye(8)[[0, 0, 4]] * 0.84
    targets = np.full((3, 8), 0.05) + np.eye(8)[[0, 1, 0]] * 0.6
    samples = [Sample(f"{i}", (), target=tuple(row)) for i, row in enumerate(targets.tolist())]
    evidence = Evidence(MIKELS_8, samples, read)
    # amusement-amusement 0; amusement for awe: two steps; anger for amusement: neighbours across the wheel's top.
    wheel = _metric(registry, "wheel-distance", MIKELS_8)
    assert wheel.per_image(evidence)["wheel_distance"].tolist() == [0, 2, 1]
    figures = _metric(registry, "distributions", MIKELS_8).compute(evidence)
    assert figures["kl_divergence"] == pytest.approx(kl_div(targets, read).sum(1).mean())
    cosines = [
        one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        for one, other in zip(read, targets, strict=True)
    ]
    assert figures["cosine_similarity"] == pytest.approx(np.mean(cosines))
    with pytest.raises(EmosymError, match="metric wheel-distance knows"):
        _metric(registry, "wheel-distance")


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("fid", {}, "fid needs the weights of InceptionV3: bring weights-inception-2015-12-05-6726825d.pth, published with "),
        ("kid", {}, "kid needs the weights of InceptionV3: bring weights-inception-2015-12-05-6726825d.pth, published with "),
        ("lpips", {}, "lpips needs the ImageNet weights of its network alex: bring alexnet-owt-7be5be79.pth, published by "),
        ("lpips", {"net": "vgg"}, "bring vgg16-397923af.pth, published by torchvision"),
        ("sem-c", {}, "bring resnet50_places365.pth.tar and resnet50-0676ba61.pth, published by MIT with Places365"),
        ("sem-c", {"scene": "x"}, "sem-c needs a classifier of objects: bring resnet50-0676ba61.pth, published by torchv"),
    ],
)  # fmt: skip
def test_without_weights_one_sentence_names_the_file_and_who_publishes_it(
    registry: Registry, name: str, params: dict[str, str], sentence: str
) -> None:
    with pytest.raises(EmosymError) as caught:
        _metric(registry, name, **params)
    assert sentence in caught.value.message
    assert caught.value.message.count(". ") == 0


def test_files_of_weights_are_tensors_or_refused(tmp_path: Path, dangerous: Callable[..., Path]) -> None:
    file = tmp_path / "w.pth"
    torch.save({"state_dict": {"module.a": torch.ones(2)}, "epoch": 3}, file)
    assert list(read_tensors(str(file), "test")) == ["a"]
    trace = dangerous(file, {"a": torch.ones(2)})
    with pytest.raises(EmosymError, match="could run code"):
        read_tensors(str(file), "test")
    assert not trace.exists()
    file.write_bytes(b"torn")
    with pytest.raises(EmosymError, match="cannot be read"):
        read_tensors(str(file), "test")
    with pytest.raises(EmosymError, match="no file"):
        read_tensors(str(tmp_path / "none.pth"), "test")
