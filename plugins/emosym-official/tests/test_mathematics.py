"""An imported system computes what the checkpoint's tensors say, each applied by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from emosym_registry import Registry
from PIL import Image
from torch import Tensor

from emosym import System
from emosym.contracts import Backbone, Sample, States

from .checkpoints import ALPHA, RANK, adapter, load, rename
from .conftest import SETS, SPEC, Importing, Writing

SAMPLES = [
    Sample("a", (Image.linear_gradient("L").convert("RGB"),)),
    Sample("b", (Image.new("RGB", (90, 40), "navy"),)),
]
KEY = "base_model.model."


@pytest.fixture(scope="module")
def plain(registry: Registry) -> Backbone:
    """The backbone without an adapter, which is told how the authors' code asks and counts."""
    asked = "What is the emotion of the image?\\nSummarize above image and sentence in one word: "
    sets = [
        f'backbone.params.question="{asked}"',
        "backbone.params.positions=sequential",
        "backbone.params.training=frozen",
    ]
    return System.new(SPEC, sets=[*SETS, *sets], registry=registry).backbone


def merged_states(plain: Backbone, folder: Path, scale: float) -> States:
    """States of the plain backbone with W + scale·B·A written into its layers; it is put back afterwards."""
    tensors, rest = adapter(folder), load(folder / "non_lora_state_dict.bin")
    weights = dict(plain.model.named_parameters())
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    changed = 0
    with torch.no_grad():
        for key, up in tensors.items():
            if ".lora_B." in key:
                down = tensors[key.replace(".lora_B.", ".lora_A.")]
                weights[key.removeprefix(KEY).replace("lora_B.", "")] += scale * up @ down
                changed += 1
        tokens = torch.cat([rest[f"{KEY}CTX_embed"], rest[f"{KEY}EMO_embed"]])
        states = States.split(plain(SAMPLES, tokens[None].expand(len(SAMPLES), -1, -1)))
        for name, weight in weights.items():
            weight.copy_(before[name])
    assert changed == 28  # 4 layers of 7 linear maps
    return states


def two_layers(tensors: dict[str, Tensor], prefix: str, rows: Tensor) -> Tensor:
    inner = F.relu(rows @ tensors[f"{prefix}.0.weight"].T + tensors[f"{prefix}.0.bias"])
    return inner @ tensors[f"{prefix}.2.weight"].T + tensors[f"{prefix}.2.bias"]


def test_states_are_those_of_the_base_with_the_adapter_merged(
    system: System, shared: Path, plain: Backbone
) -> None:
    states, _ = system.read(SAMPLES)
    wanted = merged_states(plain, shared, ALPHA / RANK)
    without = merged_states(plain, shared, 0.0)
    torch.testing.assert_close(states.joined(), wanted.joined(), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(states.joined(), without.joined(), atol=1e-2)


def test_spec_and_set_may_ask_in_other_words(system: System, checkpoint: Path, importing: Importing) -> None:
    other = importing(
        checkpoint, "backbone.params.question=Which emotion?", "backbone.params.positions=stock"
    )
    config = other.resolved.config("backbone")
    assert (config.question, config.positions) == ("Which emotion?", "stock")
    assert not torch.allclose(other.read(SAMPLES)[0].joined(), system.read(SAMPLES)[0].joined(), atol=1e-2)


def test_probabilities_are_the_head_applied_by_hand(system: System, shared: Path) -> None:
    states, probabilities = system.read(SAMPLES)
    logits = two_layers(load(shared / "non_lora_state_dict.bin"), f"{KEY}cls_head", states.emotion)
    torch.testing.assert_close(probabilities, logits.softmax(-1))


def test_vectors_are_the_sum_of_both_mappers(system: System, shared: Path) -> None:
    states = States(torch.randn(3, 1, 128), torch.randn(3, 128))
    wanted = two_layers(load(shared / "mapper.pth"), "mlp", states.emotion)
    wanted = wanted + two_layers(load(shared / "mapper_context.pth"), "mlp", states.context[:, 0])
    (vectors,) = system.require_generation().fuse(states)
    torch.testing.assert_close(vectors[:, 0], wanted)


def test_the_emotion_space_has_the_means_and_deviations_of_its_files(system: System, shared: Path) -> None:
    space = system.require_generation().emotion_space
    for row, emotion in enumerate(system.labels.names):
        onehot = torch.eye(8)[[row]]
        drawn = space.sample(onehot, torch.Generator().manual_seed(3)).joined().flatten()
        noise = torch.randn((1, 256), generator=torch.Generator().manual_seed(3)).flatten()
        folder = shared / "emotion_space"
        mean, std = (
            torch.cat(
                [load(folder / f"{emotion}_{state}_{figure}.pt").float() for state in ("context", "cls_fea")]
            )
            for figure in ("mean", "std")
        )
        torch.testing.assert_close(drawn, mean + std * noise)


def test_it_generates_and_the_same_seed_gives_the_same_bytes(system: System) -> None:
    first, second = (system.generate("awe", n=1, seed=5, steps=3)[0].image.tobytes() for _ in range(2))
    assert first == second
    assert first != system.generate("fear", n=1, seed=5, steps=3)[0].image.tobytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model.language_model.", "model."),
        ("model.language_model.", "language_model.model."),
        ("model.visual.", "visual."),
        ("lora_A.weight", "lora_A.default.weight"),
    ],
)
def test_names_of_other_versions_are_the_same_tensors(
    system: System, checkpoint: Path, importing: Importing, old: str, new: str
) -> None:
    rename(checkpoint, old, new)
    other = importing(checkpoint).state()["adapters"]
    for name, tensor in system.state()["adapters"].items():
        assert torch.equal(other[name], tensor), name


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_adapter_is_the_same_adapter(
    system: System, checkpoint: Path, importing: Importing, zipped: bool
) -> None:
    tensors = adapter(checkpoint)
    torch.save(tensors, checkpoint / "adapter_model.bin", _use_new_zipfile_serialization=zipped)
    (checkpoint / "adapter_model.safetensors").unlink()
    other = importing(checkpoint).state()["adapters"]
    assert all(torch.equal(other[name], tensor) for name, tensor in system.state()["adapters"].items())


def test_rank_stabilised_adapters_keep_their_scale(
    writing: Writing, importing: Importing, plain: Backbone
) -> None:
    folder = writing(options=(("use_rslora", True), ("r", 9)))
    system = importing(folder)
    assert system.resolved.config("backbone").adapter.type == "rslora"
    wanted = merged_states(plain, folder, ALPHA / 9**0.5)
    torch.testing.assert_close(system.read(SAMPLES)[0].joined(), wanted.joined(), rtol=1e-4, atol=1e-4)


def test_dora_and_adapters_of_the_vision_tower_are_taken_over_whole(
    writing: Writing, importing: Importing
) -> None:
    folder = writing(options=(("use_dora", True),), targets=("language_model", "visual"))
    system = importing(folder)
    settings = system.resolved.config("backbone").adapter
    assert (settings.type, settings.targets) == ("dora", ("language", "vision", "projector"))
    theirs, ours = adapter(folder), system.state()["adapters"]
    assert len(theirs) == len(ours)
    assert sum(float(x.sum()) for x in theirs.values()) == pytest.approx(
        sum(float(x.sum()) for x in ours.values()), rel=1e-4
    )


def test_several_context_tokens_are_read_off_the_shapes(writing: Writing, importing: Importing) -> None:
    folder = writing(tokens=3)
    system = importing(folder)
    rest = load(folder / "non_lora_state_dict.bin")
    assert system.compressor.context_tokens == 3
    assert torch.equal(
        system.compressor.tokens(1)[0], torch.cat([rest[f"{KEY}CTX_embed"], rest[f"{KEY}EMO_embed"]])
    )
    assert system.generate("awe", n=1, seed=5, steps=2)


def test_rows_of_the_head_follow_the_labels(system: System, checkpoint: Path, importing: Importing) -> None:
    turned = list(reversed(system.labels.names))
    other = importing(checkpoint, labels=turned)
    probabilities, reversed_ = system.read(SAMPLES)[1], other.read(SAMPLES)[1]
    torch.testing.assert_close(reversed_, probabilities.flip(1))
    assert other.labels == system.labels


def test_labels_of_the_spec_in_another_order_read_the_same(
    system: System, checkpoint: Path, importing: Importing
) -> None:
    turned = list(reversed(system.labels.names))
    other = importing(checkpoint, f"labels={turned}")
    assert list(other.labels.names) == turned
    one, two = system.understand([SAMPLES[0]])[0], other.understand([SAMPLES[0]])[0]
    assert one.probabilities == pytest.approx(two.probabilities, abs=1e-6)
    drawn = (
        one.require_generation().draw_states(torch.eye(8)[[row]], [1]).joined()
        for one, row in ((system, 1), (other, 6))
    )
    torch.testing.assert_close(*drawn)


def test_joint_training_has_the_last_word_on_tokens_and_head(checkpoint: Path, importing: Importing) -> None:
    rest = load(checkpoint / "non_lora_state_dict.bin")
    joint = {key.removeprefix(KEY).replace("base_layer.", ""): value for key, value in rest.items()}
    joint["cls_head.2.bias"] = joint["cls_head.2.bias"] + 1
    torch.save({"model": joint}, checkpoint / "Qwen_joint.pth")
    assert torch.equal(importing(checkpoint).head[2].bias, rest[f"{KEY}cls_head.2.bias"] + 1)


def test_understanding_alone_needs_no_mappers(checkpoint: Path, importing: Importing, system: System) -> None:
    for path in (*checkpoint.glob("mapper*.pth"), *(checkpoint / "emotion_space").iterdir()):
        path.unlink()
    off = [f"{key}=null" for key in ("diffusion", "fusion", "emotion_space", "stages.unify")]
    other = importing(checkpoint, *off, "metrics=[accuracy]")
    torch.testing.assert_close(other.read(SAMPLES)[1], system.read(SAMPLES)[1])
