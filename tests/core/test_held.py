"""What components return is held to the contract of their kind, whoever has written them."""

from __future__ import annotations

import copy
import inspect
import pickle
import weakref
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from emosym_registry import ComponentSpec, EmosymError, InstalledPlugin, RegisteredComponent, Registry
from PIL import Image
from torch import Tensor

from emosym import contracts
from emosym.assembly import Builder
from emosym.contracts import (
    CONTRACTS,
    ComponentConfig,
    Condition,
    Context,
    Judge,
    LabelSet,
    LossTerms,
    Refresh,
    Rollouts,
    Sample,
    States,
)
from emosym.guards import PROMISES, hold

CONTEXT = Context(
    LabelSet(("awe", "fear")), hidden_size=4, text_width=5, context_tokens=3, token_widths=(5, 6)
)
PICTURES = [Image.new("RGB", (4, 4))] * 2
SAMPLES = [Sample("s0", ()), Sample("s1", ())]
TOKENS, STATES = torch.zeros(2, 4, 4), States(torch.zeros(2, 3, 4), torch.zeros(2, 4))
PIXELS, CONDITION = torch.zeros(2, 3, 8, 16), Condition(torch.zeros(2, 7, 5))
ROLLOUTS = Rollouts(
    SAMPLES, torch.zeros(2), torch.zeros(2, 3), torch.full((2, 3, 2), 0.5), States(TOKENS[:, None], STATES.emotion)
)  # fmt: skip
GIVEN: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "backbone": {
        "forward": (SAMPLES, TOKENS),
        "layer_states": (SAMPLES, TOKENS),
        "read": (None, TOKENS),
        "encode": (SAMPLES,),
        "compose": (SAMPLES, [["why", "so"]] * 2),
        "conclude": (SAMPLES, "so:", ["a", "b"]),
    },
    "compressor": {"tokens": (2,), "loss": (None,), "project": (STATES,)},
    "fusion": {"forward": (STATES,)},
    "emotion_space": {"sample": (torch.eye(2), torch.Generator())},
    "diffusion": {
        "condition": (None, ["a", "b"]),
        "latents": (PIXELS,),
        "loss": (torch.zeros(2, 4, 1, 2), CONDITION, torch.Generator()),
        "sample": (CONDITION,),
    },
    "judge": {"probabilities": (PICTURES,), "features": (PICTURES,)},
    "reward": {"score": (ROLLOUTS,), "applies": (SAMPLES,)},
    "reinforcer": {"loss": (None,)},
    "memory": {"refresh": (1, [], {}), "view": (SAMPLES,), "snapshot": (), "ledger": ()},
    "knowledge": {"texts": (SAMPLES,), "plan": (SAMPLES,)},
    "text_encoder": {"encode": (["a", "b"],)},
}
"""Two images, whatever is asked of them."""
MAY_BE_NONE = [("compressor", "project")]
EVERY = [
    (kind, method)
    for kind, methods in PROMISES.items()
    for method in methods
    if (kind, method) not in MAY_BE_NONE
]


def offer(kind: str) -> RegisteredComponent:
    plugin = InstalledPlugin("lab", "lab.plugin", "lab-flip", "0.1")
    return RegisteredComponent(plugin, ComponentSpec(kind, "flip", "lab:Flip", "lab:Config"))


def told(kind: str, method: str, answer: Any) -> Any:
    """A component of a kind that answers what it is told."""
    contract = getattr(contracts, CONTRACTS[kind])
    members = {
        **dict.fromkeys(contract.__abstractmethods__),
        "context_tokens": 3, "vectors": 1, "image_size": (16, 8), "width": 6,
        method: lambda self, *_, **__: answer,
    }  # fmt: skip
    component = type("Told", (contract,), members)(ComponentConfig(), CONTEXT)
    hold(component, offer(kind))
    return component


def asked(kind: str, method: str, answer: Any) -> Any:
    return getattr(told(kind, method, answer), method)(*GIVEN[kind][method])


@pytest.mark.parametrize(("kind", "method"), EVERY)
def test_nothing_at_all_names_component_package_and_method(kind: str, method: str) -> None:
    with pytest.raises(EmosymError) as error:
        asked(kind, method, None)
    assert error.value.message.startswith(f"{kind} lab/flip (lab-flip 0.1): {method} returned NoneType, no ")
    assert (error.value.id, error.value.ours) == ("plugin.bad-answer", True)
    assert "emosym plugins check lab/flip" in error.value.hint


@pytest.mark.parametrize(
    ("kind", "method", "answer", "words"),
    [
        ("backbone", "layer_states", TOKENS, "a tensor [2, 4, 4], not [L,B,T,D] = [2, 2, 4, 4]"),
        ("compressor", "tokens", TOKENS[:, :3], "a tensor [2, 3, 4], not [B,K+1,D] = [2, 4, 4]"),
        ("compressor", "loss", torch.zeros(()), "Tensor, no LossTerms"),
        ("compressor", "loss", LossTerms(torch.zeros(2)), "LossTerms with a tensor [2] as its loss"),
        ("compressor", "project", torch.zeros(2, 3, 5), "a tensor [2, 3, 5], not […,W] = [2, 5]"),
        ("fusion", "forward", (torch.zeros(2, 1, 5),), "tuple of 1, no tuple of 2 tensors [B,n,w]"),
        ("fusion", "forward", (torch.zeros(2, 1, 5),) * 2, "a tensor [2, 1, 5], not [B,n,w] = [2, 1, 6]"),
        ("emotion_space", "sample", STATES[:1], "a tensor [1, 3, 4], not [B,K,D] = [2, 3, 4]"),
        ("diffusion", "loss", torch.zeros(()), "a tensor [], not [B] = [2]"),
        ("diffusion", "latents", torch.zeros(1, 4, 1, 2), "a tensor [1, 4, 1, 2], not [B,…] = [2, 4, 1, 2]"),
        ("diffusion", "sample", torch.zeros(2, 3, 16, 8), "a tensor [2, 3, 16, 8], not [B,3,H,W] = [2, 3, 8, 16]"),
        ("judge", "probabilities", torch.ones(2, 2), "no probabilities: the smallest is 1, a row sums to 2"),
        ("judge", "probabilities", torch.tensor([[1.5, -0.5]] * 2), "no probabilities: the smallest is -0.5"),
        ("judge", "probabilities", torch.tensor([[float("nan"), 1.0]] * 2), "no probabilities"),
        ("judge", "probabilities", torch.ones(2, 1), "a tensor [2, 1], not [B,C] = [2, 2]"),
        ("reward", "score", [[0.0] * 3] * 2, "list, no tensor [B,G]"),
        ("reward", "score", torch.zeros(2), "a tensor [2], not [B,G] = [2, 3]"),
        ("reward", "score", torch.tensor([[0, 1, 1], [0, 1.5, 0]]), "1.5 for sample s1, and its range is [0.0, 1.0]"),
        ("reward", "score", torch.tensor([[0, 1, 1], [0, float("nan"), 0]]), "nan for sample s1"),
        ("reward", "applies", torch.ones(2), "a tensor of torch.float32, no bool"),
        ("memory", "view", [], "no sample, of 2 originals"),
        ("memory", "view", ["s0"], "a list with str among the samples"),
        ("knowledge", "texts", ["one"], "1 texts for 2 samples"),
        ("knowledge", "plan", ["one"], "list, no str"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(kind: str, method: str, answer: Any, words: str) -> None:
    with pytest.raises(EmosymError) as error:
        asked(kind, method, answer)
    assert f"{method} returned {words}" in error.value.message
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    ("kind", "method", "answer"),
    [
        ("backbone", "forward", TOKENS),
        ("backbone", "layer_states", TOKENS[None]),
        ("compressor", "tokens", TOKENS),
        ("compressor", "loss", LossTerms(torch.zeros(()))),
        ("compressor", "project", None),
        ("compressor", "project", torch.zeros(2, 5)),
        ("fusion", "forward", (torch.zeros(2, 1, 5), torch.zeros(2, 1, 6))),
        ("emotion_space", "sample", STATES),
        ("diffusion", "loss", torch.zeros(2)),
        ("diffusion", "sample", PIXELS),
        ("judge", "probabilities", torch.tensor([[0.25, 0.75], [1.0, 0.0]])),
        ("reward", "score", torch.tensor([[1.00005, -0.00005, 0.5]] * 2)),
        ("reward", "applies", torch.tensor([True, False])),
        ("memory", "refresh", Refresh(1, [], [], [], 0, 0.0)),
        ("memory", "view", SAMPLES),
        ("knowledge", "texts", ["one", None]),
        ("text_encoder", "encode", torch.zeros(2, 6)),
    ],
)
def test_what_is_right_comes_through_as_it_is(kind: str, method: str, answer: Any) -> None:
    assert asked(kind, method, answer) is answer


class Sure(Judge):
    """Sure of the first emotion; other copies of it may be sure of another."""

    identity = "sure"

    def __init__(self, config: ComponentConfig, context: Context) -> None:
        super().__init__(config, context)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.row = (1.0, 0.0)

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.tensor([self.row] * len(images))

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.zeros(len(images), 1)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_held_too_and_answers_for_itself(again: Any) -> None:
    judge = Sure(ComponentConfig(), CONTEXT)
    hold(judge, offer("judge"))
    other = again(judge)
    other.row = (0.0, 1.0)
    assert other.probabilities(PICTURES).tolist() == [[0, 1], [0, 1]]
    assert judge.probabilities(PICTURES).tolist() == [[1, 0], [1, 0]]
    assert list(other.state_dict()) == ["weight"]
    other.row = (1.0, 1.0)
    with pytest.raises(EmosymError, match="no probabilities"):
        other.probabilities(PICTURES)


def test_it_is_what_it_was_and_goes_when_nobody_has_it() -> None:
    judge = Sure(ComponentConfig(), CONTEXT)
    hold(judge, offer("judge"))
    assert isinstance(judge, Sure)
    assert repr(type(judge)) == repr(Sure)
    assert list(inspect.signature(judge.probabilities).parameters) == ["images"]
    gone = weakref.ref(judge)
    del judge
    assert gone() is None, "without the garbage collector, or a GPU's memory would wait for it"


class Asks:
    """Stands for a reinforcer that asks a reward."""

    def loss(self, reward: Any, *more: Any) -> None:
        reward.score(ROLLOUTS, *more)


def test_a_reward_is_blamed_and_not_the_reinforcer_that_asked_it() -> None:
    offers = {"reinforcer": offer("reinforcer"), "rewards.0": offer("reward")}
    reward = told("reward", "score", None)
    resolved: Any = SimpleNamespace(offers=offers)
    built = {"reinforcer": Asks(), "rewards.0": reward}
    builder = Builder(resolved, Registry(), CONTEXT, torch.device("cpu"), "fp32", built)
    with pytest.raises(EmosymError, match="^reward lab/flip") as error, builder.naming():
        builder.built["reinforcer"].loss(reward)
    assert not getattr(error.value, "__notes__", [])
    with pytest.raises(EmosymError, match=r"reward lab/flip \(lab-flip 0.1\) failed in score: TypeError"), builder.naming():  # fmt: skip
        reward.score()
