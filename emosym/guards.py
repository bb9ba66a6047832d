"""What the core asks of components, whoever has written them: that what they return is what the contract of their kind says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from typing import Any

import torch
from emosym_registry import EmosymError, RegisteredComponent
from torch import Tensor

from emosym.contracts import (
    Backbone,
    Conclusion,
    Condition,
    DiffusionHead,
    EmotionSpace,
    Fusion,
    Judge,
    LedgerEntry,
    LossTerms,
    Prefix,
    ReasoningCompressor,
    Refresh,
    RewardVerifier,
    Rollouts,
    Sample,
    States,
    TextEncoder,
)

ROUNDING = 1e-4
"""How far float32 scores may stray outside a reward's range."""


def hold(component: Any, offer: RegisteredComponent) -> None:
    """Refuse what ``component`` returns from now on where it is not what its contract says: ``plugin.bad-answer``.

    Its class becomes one of the same name that is derived from its own, so it is copied, pickled and freed as before.
    """
    if offer.spec.kind in PROMISES:
        own: Any = type(component)
        component.__class__ = _held(own, offer)


@cache
def _held(own: Any, offer: RegisteredComponent) -> type:
    methods = {name: _checked(own, name, check, offer) for name, check in PROMISES[offer.spec.kind].items()}

    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        make, args, *rest = own.__reduce_ex__(self, protocol)
        return (_again, (own, offer, *args[1:]), *rest) if args[:1] == (held,) else (make, args, *rest)

    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__slots__": ()}
    held: type = type(own)(own.__name__, (own,), {**names, **methods, "__reduce_ex__": reduce})
    return held


def _again(own: type, offer: RegisteredComponent, *args: Any) -> Any:
    held = _held(own, offer)
    return held.__new__(held, *args)


def _checked(
    own: Any, name: str, check: Callable[..., str], offer: RegisteredComponent
) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = getattr(own, name)(self, *args, **kwargs)
        problem = check(self, answer, *args, **kwargs)
        if problem:
            raise EmosymError(
                "plugin.bad-answer",
                f"{offer.described}: {name} returned {problem}",
                hint=f"check its parameters; its author sees more with: emosym plugins check {offer.qualified}",
                ours=True,
            )
        return answer

    method.__code__ = method.__code__.replace(
        co_name=name
    )  # for tracebacks, and who looks there for a method
    return wraps(getattr(own, name))(method)


def _tensor(answer: Any, letters: str, *shape: int) -> str:
    """What is wrong with what should be a tensor of a shape, which ``letters`` explain."""
    if not isinstance(answer, Tensor):
        return f"{type(answer).__name__}, no tensor [{letters}]"
    if tuple(answer.shape) != shape:
        return f"a tensor {list(answer.shape)}, not [{letters}] = {list(shape)}"
    return ""


def _rows(answer: Any, letters: str, count: int) -> str:
    """What is wrong with what should be a tensor of so many rows."""
    rest = tuple(answer.shape[1:]) if isinstance(answer, Tensor) else ()
    return _tensor(answer, letters, count, *rest)


def _a(kind: type) -> Callable[..., str]:
    """The check that an answer is of a class."""
    return lambda component, answer, *_, **__: _instance(answer, kind)


def _instance(answer: Any, kind: type) -> str:
    return "" if isinstance(answer, kind) else f"{type(answer).__name__}, no {kind.__name__}"


def _list(answer: Any, of: type | tuple[type, ...], what: str) -> str:
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        return f"{type(answer).__name__}, no list of {what}"
    odd = next((one for one in answer if not isinstance(one, of)), answer)
    return "" if odd is answer else f"a list with {type(odd).__name__} among the {what}"


def _like_tokens(backbone: Backbone, answer: Any, given: Any, tokens: Tensor, *_: Any, **__: Any) -> str:
    return _tensor(answer, "B,T,D", *tokens.shape)


def _layers(backbone: Backbone, answer: Any, samples: Any, tokens: Tensor, *_: Any, **__: Any) -> str:
    count = len(answer) if isinstance(answer, Tensor) and answer.ndim else 1
    return _tensor(answer, "L,B,T,D", count, *tokens.shape)


def _parts(backbone: Backbone, answer: Any, samples: Any, turns: Sequence[Sequence[str]], **_: Any) -> str:
    return _tensor(answer, "B,P", len(turns), len(turns[0]))


def _concluded(
    backbone: Backbone,
    answer: Any,
    samples: Sequence[Sample],
    cue: str,
    answers: Sequence[str],
    *_: Any,
    **__: Any,
) -> str:
    if not isinstance(answer, Conclusion):
        return _instance(answer, Conclusion)
    problem = _tensor(answer.log_probabilities, "B,C", len(samples), len(answers))
    texts = _list(answer.texts, str, "texts")
    return problem or texts or ("" if len(answer.texts) == len(samples) else f"{len(answer.texts)} texts")


def _tokens(compressor: ReasoningCompressor, answer: Any, batch: int, **_: Any) -> str:
    width = compressor.context.hidden_size
    return _tensor(answer, "B,K+1,D", batch, compressor.context_tokens + 1, width)


def _projected(compressor: ReasoningCompressor, answer: Any, states: States, **_: Any) -> str:
    leading = tuple(states.emotion.shape[:-1])
    return "" if answer is None else _tensor(answer, "…,W", *leading, compressor.context.text_width)


def _terms(component: Any, answer: Any, *_: Any, **__: Any) -> str:
    if not isinstance(answer, LossTerms):
        return _instance(answer, LossTerms)
    loss = answer.loss
    if isinstance(loss, Tensor) and loss.ndim == 0:
        return ""
    saw = f"a tensor {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    return f"LossTerms with {saw} as its loss, no scalar tensor"


def _vectors(fusion: Fusion, answer: Any, states: States, **_: Any) -> str:
    widths = fusion.context.token_widths
    if not isinstance(answer, tuple) or len(answer) != len(widths):
        many = f" of {len(answer)}" if isinstance(answer, Sequence) else ""
        return f"{type(answer).__name__}{many}, no tuple of {len(widths)} tensors [B,n,w]"
    problems = (
        _tensor(one, "B,n,w", len(states), fusion.vectors, width)
        for one, width in zip(answer, widths, strict=True)
    )
    return next(filter(None, problems), "")


def _states(space: EmotionSpace, answer: Any, mixture: Tensor, *_: Any, **__: Any) -> str:
    count, told = len(mixture), space.context
    return (
        _instance(answer, States)
        or _tensor(answer.context, "B,K,D", count, told.context_tokens, told.hidden_size)
        or _tensor(answer.emotion, "B,D", count, told.hidden_size)
    )


def _latents(head: DiffusionHead, answer: Any, pixels: Tensor, *_: Any, **__: Any) -> str:
    return _rows(answer, "B,…", len(pixels))


def _denoising(head: DiffusionHead, answer: Any, latents: Tensor, *_: Any, **__: Any) -> str:
    return _tensor(answer, "B", len(latents))


def _pictures(head: DiffusionHead, answer: Any, condition: Condition, **_: Any) -> str:
    width, height = head.image_size
    return _tensor(answer, "B,3,H,W", len(condition), 3, height, width)


def _probabilities(judge: Judge, answer: Any, images: Sequence[Any], **_: Any) -> str:
    problem = _tensor(answer, "B,C", len(images), len(judge.context.labels))
    if problem or not len(images):
        return problem
    sums = answer.float().sum(-1)
    if bool((answer >= 0).all() and torch.isclose(sums, sums.new_ones(()), atol=1e-3).all()):
        return ""
    return (
        f"no probabilities: the smallest is {float(answer.min()):.4g}, a row sums to {float(sums.min()):.4g}"
    )


def _features(judge: Judge, answer: Any, images: Sequence[Any], **_: Any) -> str:
    return _rows(answer, "B,F", len(images))


def _scores(reward: RewardVerifier, answer: Any, rollouts: Rollouts, **_: Any) -> str:
    problem = _tensor(answer, "B,G", *rollouts.actions.shape)
    if problem:
        return problem
    low, high = reward.range
    inside = (answer >= low - ROUNDING) & (answer <= high + ROUNDING)  # NaN compares false
    if not bool(inside.all()):
        inside |= ~reward.applies(rollouts.samples).to(inside.device)[:, None]
    if bool(inside.all()):
        return ""
    sample = rollouts.samples[int((~inside).nonzero()[0, 0])].id
    return f"{answer[~inside][0].item():.4g} for sample {sample}, and its range is [{low}, {high}]"


def _applies(reward: RewardVerifier, answer: Any, samples: Sequence[Sample], **_: Any) -> str:
    problem = _tensor(answer, "B", len(samples))
    return problem or ("" if answer.dtype == torch.bool else f"a tensor of {answer.dtype}, no bool")


def _view(memory: Any, answer: Any, originals: Sequence[Sample], **_: Any) -> str:
    problem = _list(answer, Sample, "samples")
    return problem or ("" if answer or not originals else f"no sample, of {len(originals)} originals")


def _texts(knowledge: Any, answer: Any, samples: Sequence[Sample], **_: Any) -> str:
    problem = _list(answer, (str, type(None)), "texts")
    return problem or (
        "" if len(answer) == len(samples) else f"{len(answer)} texts for {len(samples)} samples"
    )


def _encoded(encoder: TextEncoder, answer: Any, texts: Sequence[str], **_: Any) -> str:
    return _tensor(answer, "B,W", len(texts), encoder.width)


PROMISES: Mapping[str, Mapping[str, Callable[..., str]]] = {
    "backbone": {
        "forward": _like_tokens,
        "layer_states": _layers,
        "read": _like_tokens,
        "encode": _a(Prefix),
        "compose": _parts,
        "conclude": _concluded,
    },
    "compressor": {"tokens": _tokens, "loss": _terms, "project": _projected},
    "fusion": {"forward": _vectors},
    "emotion_space": {"sample": _states},
    "diffusion": {
        "condition": _a(Condition),
        "latents": _latents,
        "loss": _denoising,
        "sample": _pictures,
    },
    "judge": {"probabilities": _probabilities, "features": _features},
    "reward": {"score": _scores, "applies": _applies},
    "reinforcer": {"loss": _terms},
    "memory": {
        "refresh": _a(Refresh),
        "view": _view,
        "snapshot": _a(str),
        "ledger": lambda memory, answer, **_: _list(answer, LedgerEntry, "lines"),
    },
    "knowledge": {"texts": _texts, "plan": _a(str)},
    "text_encoder": {"encode": _encoded},
}
"""What is asked of the answers of each kind's methods: a function of the component, the answer and what was given, which says
what is wrong, or nothing."""
