"""The assembled system in the hands of a user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_registry import EmosymError, Registry
from PIL import Image

from emosym.contracts import LabelSet, Sample, States
from emosym.request import PROMPT, Request
from emosym.system import System
from emosym.toolkit import to_image


@pytest.fixture(scope="module")
def system(run: Path, registry: Registry) -> System:
    return System.load(run, registry=registry, device="cpu", precision="fp32")


def _bytes(generated: list) -> list[bytes]:
    return [one.image.tobytes() for one in generated]


def test_a_reading_is_a_distribution_over_the_labels(system: System) -> None:
    reading = system.understand([Image.new("RGB", (200, 90), "orange")])[0]
    assert sum(reading.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert reading.emotion in system.labels.names
    assert reading.positive == pytest.approx(
        sum(reading.probabilities[name] for name in ("amusement", "awe", "contentment", "excitement")),
        abs=1e-5,
    )


def test_a_reading_does_not_depend_on_its_batch(system: System) -> None:
    images = [Image.new("RGB", (64, 64), color) for color in ("red", "green", "blue")]
    together = system.understand(images)
    alone = [system.understand([image])[0] for image in images]
    for a, b in zip(together, alone, strict=True):
        assert list(a.probabilities.values()) == pytest.approx(list(b.probabilities.values()), abs=1e-4)


def test_while_a_batch_is_read_the_next_is_prepared(
    run: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ["compute.workers=1"]
    system = System.load(run, registry=registry, device="cpu", precision="fp32", sets=sets, generate=False)
    samples = [Sample.of(Image.new("RGB", (64, 64), (40 * i, 0, 90)), i) for i in range(5)]
    prepared: list[list[str]] = []
    plain = system.backbone.prepare

    def prepare(batch: Sequence[Sample]) -> None:
        prepared.append([one.id for one in batch])
        plain(batch)

    monkeypatch.setattr(system.backbone, "prepare", prepare)
    together, _ = system.read(samples)
    assert prepared == []
    apart, _ = system.read(samples, batch_size=2)
    assert prepared == [["image-2", "image-3"], ["image-4"]]
    torch.testing.assert_close(apart.context, together.context, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(apart.emotion, together.emotion, atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(system: System) -> None:
    first = system.generate("awe", n=2, seed=3, steps=4)
    assert _bytes(first) == _bytes(system.generate("awe", n=2, seed=3, steps=4))
    assert _bytes(first) != _bytes(system.generate("awe", n=2, seed=5, steps=4))


def test_picture_i_is_the_same_however_many_are_made(system: System) -> None:
    two = system.generate("fear", n=2, seed=10, steps=4)
    second = system.generate("fear", n=1, seed=11, steps=4)
    difference = max(
        abs(a - b) for a, b in zip(two[1].image.tobytes(), second[0].image.tobytes(), strict=True)
    )
    assert difference <= 2  # batched arithmetic may round the last bit otherwise


def test_mixture_image_and_content_prompt_each_change_the_picture(system: System) -> None:
    plain = _bytes(system.generate("awe", seed=1, steps=4))
    picture = Image.new("RGB", (64, 64), "navy")
    assert plain != _bytes(system.generate(mixture={"awe": 0.5, "fear": 0.5}, seed=1, steps=4))
    assert plain != _bytes(system.generate("awe", prompt="a {emotion} street", seed=1, steps=4))
    from_image = _bytes(system.generate(image=picture, seed=1, steps=4))
    assert from_image != _bytes(system.generate(image=picture, strength=0.5, seed=1, steps=4))


def test_valence_is_a_mixture_of_the_emotions_of_each_sign(system: System) -> None:
    positive, negative = (
        ("amusement", "awe", "contentment", "excitement"),
        ("anger", "disgust", "fear", "sadness"),
    )
    mixture = dict.fromkeys(positive, 0.75 / 4) | dict.fromkeys(negative, 0.25 / 4)
    assert _bytes(system.generate(valence=0.5, seed=1, steps=4)) == _bytes(
        system.generate(mixture=mixture, seed=1, steps=4)
    )
    ends = [_bytes(system.generate(valence=value, seed=1, steps=4)) for value in (-1, 1)]
    assert ends[0] != ends[1]
    assert ends[1] == _bytes(system.generate(mixture=dict.fromkeys(positive, 1), seed=1, steps=4))


def test_painting_onto_a_picture_takes_its_context_and_the_emotion_of_the_space(system: System) -> None:
    generation = system.require_generation()
    navy, sand = Image.new("RGB", (64, 64), "navy"), Image.new("RGB", (64, 64), "bisque")
    seen, _ = system.read([Sample.of(navy)])
    drawn = generation.draw_states(torch.eye(8)[[1]], [3])
    wanted, _ = generation.paint(States(seen.context, drawn.emotion), [PROMPT], [3], steps=4)
    made = system.generate("awe", onto=navy, seed=3, steps=4)
    assert _bytes(made) == [to_image(wanted[0]).tobytes()]
    assert made[0].settings["onto"] == "a picture"
    plain, other = (_bytes(system.generate("awe", onto=onto, seed=3, steps=4)) for onto in (None, sand))
    started = _bytes(system.generate("awe", onto=navy, strength=0.5, seed=3, steps=4))
    assert len({*plain, *other, *started, *_bytes(made)}) == 4


def test_a_reading_may_be_painted_onto_another_picture(system: System) -> None:
    navy, sand = Image.new("RGB", (64, 64), "navy"), Image.new("RGB", (64, 64), "bisque")
    both = _bytes(system.generate(image=sand, onto=navy, seed=3, steps=4))
    assert both not in [_bytes(system.generate(image=one, seed=3, steps=4)) for one in (navy, sand)]
    kept = system.generate(image=sand, onto=navy, strength=0, seed=3, steps=4)[0].image
    away = abs(np.asarray(kept, float) - np.asarray(navy, float)).mean()
    # Strength 0 keeps the picture that is painted onto, as far as the autoencoder can show it.
    assert away < 0.5 * abs(np.asarray(sand, float) - np.asarray(navy, float)).mean()


@pytest.mark.parametrize(
    ("labels", "id"),
    [(["awe", "spleen", "mirth"], "spec.unknown-sign"), (["awe", "joy"], "generate.one-sided")],
)
def test_labels_without_both_signs_have_no_valence(labels: list[str], id: str) -> None:
    with pytest.raises(EmosymError) as caught:
        Request(valence=0.5).weights(LabelSet.of(labels))
    assert caught.value.id == id
    assert "valence" in caught.value.message


@pytest.mark.parametrize(
    ("labels", "name", "opposite"),
    [
        ("mikels-8", "AWE", {"fear": 1.0}),
        ("mikels-8", "fear", {"awe": 1.0}),
        ("binary", "positive", {"negative": 1.0}),
        (["awe", "fear", "anger", "joy"], "joy", {"fear": 0.5, "anger": 0.5}),
    ],
)
def test_the_opposite_is_across_the_wheel_or_of_the_other_sign(
    labels: str | list[str], name: str, opposite: dict[str, float]
) -> None:
    assert LabelSet.of(labels).opposite(name) == opposite


def test_the_opposite_of_an_emotion_of_unknown_sign_is_refused() -> None:
    with pytest.raises(EmosymError, match="nobody has said it"):
        LabelSet.of(["awe", "odd"]).opposite("awe")
    with pytest.raises(EmosymError, match="unknown emotion 'aw'"):
        LabelSet.of("mikels-8").opposite("aw")


def test_valence_of_uneven_signs_is_shared_among_those_of_each() -> None:
    weights = Request(valence=-0.5).weights(LabelSet.of(["awe", "fear", "joy", "love"]))
    assert weights == pytest.approx([0.25 / 3, 0.75, 0.25 / 3, 0.25 / 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"emotion": "joy"}, "unknown emotion"),
        ({"emotion": "aw"}, 'did you mean "awe"'),
        ({"emotion": "awe", "prompt": "a street"}, "must have {emotion} once"),
        ({"emotion": "awe", "n": 0}, "cannot make 0"),
        ({"mixture": {"awe": -1}}, "no mixture"),
        ({}, "nothing to evoke"),
        ({"emotion": "awe", "image": "x.png"}, "emotion and image were both given"),
        ({"emotion": "awe", "valence": 0.0}, "emotion and valence were both given"),
        ({"valence": 1.5}, "valence is 1.5"),
        ({"emotion": "awe", "steps": 0}, "cannot denoise in 0 steps"),
        ({"emotion": "awe", "steps": -3}, "cannot denoise in -3 steps"),
        ({"emotion": "awe", "guidance_scale": -1}, "guidance_scale is -1"),
        ({"emotion": "awe", "guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"emotion": "awe", "seed": -1}, "seed -1 is not from 0"),
        ({"valence": float("nan")}, "valence is nan"),
        ({"onto": "x.png"}, "nothing to evoke"),
        ({"emotion": "awe", "onto": "no-such.png"}, "no-such.png: no such file"),
    ],
)
def test_bad_requests_say_what_is_wrong(system: System, arguments: dict, message: str) -> None:
    with pytest.raises(EmosymError, match=message):
        system.generate(**arguments)


def test_a_saved_system_says_and_paints_the_same(system: System, registry: Registry, tmp_path: Path) -> None:
    system.save(tmp_path / "copy")
    again = System.load(tmp_path / "copy", registry=registry, device="cpu", precision="fp32")
    image = Image.new("RGB", (64, 64), "teal")
    assert again.understand([image]) == system.understand([image])
    assert _bytes(again.generate("sadness", seed=4, steps=4)) == _bytes(
        system.generate("sadness", seed=4, steps=4)
    )


def test_a_saved_system_is_small_and_holds_no_base(system: System, tmp_path: Path) -> None:
    folder = system.save(tmp_path / "copy")
    adapters = folder / "adapters.safetensors"
    base = sum(p.numel() for p in system.backbone.parameters())
    assert adapters.stat().st_size < 4 * base / 4


def test_a_damaged_file_is_named(system: System, registry: Registry, tmp_path: Path) -> None:
    folder = system.save(tmp_path / "copy")
    (folder / "head.safetensors").write_bytes(b"not tensors")
    with pytest.raises(EmosymError, match=r"head\.safetensors is damaged"):
        System.load(folder, registry=registry, device="cpu")


def test_an_empty_folder_is_no_system(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="holds no saved system"):
        System.load(tmp_path, registry=registry)


def test_an_unreadable_picture_is_named(system: System, tmp_path: Path) -> None:
    path = tmp_path / "note.jpg"
    path.write_text("not a picture")
    with pytest.raises(EmosymError, match=r"note\.jpg"):
        system.understand([path])
