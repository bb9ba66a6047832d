"""Pictures in every form into a system, and what comes back as a notebook shows it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_registry import EmosymError, Registry
from PIL import Image

import emosym
from emosym.contracts import Sample
from emosym.contracts.reading import EMBEDDED
from emosym.spec import load_spec


@pytest.fixture(scope="module")
def system() -> emosym.System:
    return emosym.System.new("preset:tiny", sets=("compute.precision=fp32",), device="cpu")


def test_one_picture_gives_one_reading_and_several_give_a_list(system: emosym.System, tmp_path: Path) -> None:
    image = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    path = tmp_path / "a.png"
    image.save(path)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    pixels = np.asarray(image)
    floats = torch.tensor(pixels).permute(2, 0, 1) / 255
    forms = [str(path), path, path.read_bytes(), image, pixels, pixels / 255, floats, Sample("x", (path,))]
    (wanted,) = system.understand([path])
    for form in forms:
        reading = system.understand(form)
        assert reading.probabilities == pytest.approx(wanted.probabilities, abs=1e-6)
    assert [one.id for one in system.understand(form for form in forms[:2])] == [str(path)] * 2
    with pytest.warns(UserWarning, match=r"left out what cannot be read \(1\)"):
        (found,) = system.understand(tmp_path)
    assert found.id == str(path)
    with warnings.catch_warnings(), pytest.raises(EmosymError, match=r"b\.jpg"):
        system.understand([tmp_path / "a.png", tmp_path / "b.jpg"])
    for nothing, id in (([], "data.nothing-to-read"), (7, "data.no-picture"), ([None], "data.no-picture")):
        with pytest.raises(EmosymError) as caught:
            system.understand(nothing)
        assert caught.value.id == id
    with pytest.raises(EmosymError, match="cannot read 0 pictures at once"):
        system.understand(path, batch_size=0)


def test_embedded_are_the_weights_inside_a_plugin_and_no_folder_of_that_name(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    assert load_spec("preset:tiny", registry=registry).embedded("backbone")
    folder = f"backbone.params.model={tmp_path / 'tiny'}"
    elsewhere = load_spec("preset:tiny", registry=registry, sets=[folder])
    assert not elsewhere.embedded("backbone")
    assert elsewhere.embedded("backbone", "diffusion")


def test_what_shows_in_a_notebook_is_escaped_and_whole_in_itself(system: emosym.System) -> None:
    reading = system.understand(Sample("<b>.jpg", (Image.new("RGB", (40, 30)),)))
    html = reading._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;.jpg" in html
    assert all(name in html for name in system.labels.names)
    assert repr(reading).startswith(f"Reading('<b>.jpg': {reading.emotion} ")
    assert repr(reading).endswith(", …; by embedded models)")
    shown = system._repr_html_()
    assert "emosym-diffusion" in shown
    assert EMBEDDED in html
    assert EMBEDDED in shown
    of_others = replace(reading, embedded=False)
    assert "embedded" not in repr(of_others) + of_others._repr_html_()
    for page in (html, shown):
        assert "http" not in page
        assert "<script" not in page
    assert repr(system) == "System(tiny: qwen-vl + contrastive + additive + kde + sd; 8 emotions; cpu, fp32)"


def test_a_generated_picture_shows_itself_and_is_saved_with_its_recipe(
    run: Path, registry: Registry, tmp_path: Path
) -> None:
    system = emosym.load(run, registry=registry, device="cpu", precision="fp32")
    made, other = system.generate("awe", n=2, seed=4, steps=2, prompt="a {emotion} <i>")
    assert (made.recipe["seed"], other.recipe["seed"]) == (4, 5)
    assert repr(made).startswith("Generated(awe, seed 4, 'a {emotion} <i>', ")
    html = made._repr_html_()
    assert 'src="data:image/png;base64,' in html
    assert "<i>" not in html
    assert made.save(tmp_path / "awe.png").read_bytes() == made.png()
