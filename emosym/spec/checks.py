"""What must fit together between the sections of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emosym_registry import EmosymError, RegisteredComponent
from emosym_registry.errors import some
from pydantic import BaseModel

from emosym.contracts.config import ComponentConfig
from emosym.contracts.labels import LabelSet
from emosym.contracts.placeholder import PLACEHOLDER
from emosym.spec.errors import Problem
from emosym.spec.model import COMPONENT_LISTS, STAGES
from emosym.spec.nodes import Node, Path, dotted, key_path
from emosym.spec.text import found

_JUDGES = {"metric": "evaluate", "memory": "bank"}
"""The judge that a component asks, by kind; what trains asks the reward judge."""
HIDING = ("labelled", "label_fraction")
"""Parameters by which datasets leave training pictures without their label."""
_SECTIONS = {
    "knowledge": "knowledge",
    "text_encoder": "a text_encoder",
    "diffusion": "a diffusion head",
    "judge": "a judge",
    "rewards": "rewards",
}
"""Needs that a section of the spec meets; the others are for the data to meet."""


def cross_checks(
    root: Node,
    configs: Mapping[str, BaseModel],
    offers: Mapping[str, RegisteredComponent],
    messages: list[str],
) -> tuple[Node, list[Problem]]:
    """The tree, perhaps without what cannot be used, and everything that does not fit together."""
    root = _bank_without_memory(root, messages)
    problems = [
        *_labels(root, configs),
        *_plugins(root),
        *_judges(root, configs, offers),
        *_stages(root),
        *_reading(root, offers, messages),
        *_bank(root),
        *_prompts(root),
        *_needs(root, configs, offers),
        *_twice(root, configs, offers),
    ]
    if (
        _given(root, "memory")
        and _given(root, "stages", "unify")
        and not _given(root, "stages", "unify", "refresh")
    ):
        messages.append("memory is given but not used: stages.unify.refresh is null")
    messages += _knowing_judges(root, offers)
    return root, problems


def _given(root: Node, *path: str) -> bool:
    node = root.at(path)
    return node is not None and node.value not in (None, [])


def _explicit(root: Node) -> bool:
    node = root.fields.get("reading")
    return node is not None and node.value == "explicit"


def _missing(root: Node, path: Path, wanted: Path, what: str, hint: str) -> Problem:
    """``path`` wants something at ``wanted`` that is not there.

    The place is where that was set to nothing, else the nearest to ``path`` that somebody wrote.
    """
    written = wanted if root.at(wanted) is not None else path
    node = root.at(written)
    while written and (node is None or node.where.kind in ("default", "stage-preset")):
        written = written[:-1]
        node = root.at(written)
    return Problem.at((node or root).where, dotted(path), f"expected {what}, found none", hint)


def _labels(root: Node, configs: Mapping[str, BaseModel]) -> Iterator[Problem]:
    node = root.fields.get("labels")
    if node is None:
        return
    value = node.plain()
    listed = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not (isinstance(value, str) or listed or isinstance(value, dict)):
        return  # the spec's own model says so
    try:
        labels = LabelSet.of(value)
    except EmosymError as error:
        yield Problem.at(node.origin, "labels", error.message, error.hint)
        return
    if not any(_given(root, "stages", stage) for stage in STAGES):
        return  # a protocol leaves out what does not fit the emotions that it is given
    for path, config in configs.items():
        if path.startswith("rewards.") and not _given(root, "stages", "reinforce"):
            continue  # never built
        try:
            if isinstance(config, ComponentConfig):
                config.check_labels(labels)
        except EmosymError as error:
            own = root.at(key_path(path))
            where = own.where if own is not None and own.where.kind in ("file", "set") else node.where
            yield Problem.at(where, path, error.message, error.hint)


def _plugins(root: Node) -> Iterator[Problem]:
    """An allow-list is read before any plugin loads, so a plugin's preset cannot bring it."""
    only = root.at(("plugins", "only"))
    if only is not None and only.value is not None and only.where.kind == "preset":
        message = f"expected null in a preset, found {found(only.plain())}"
        yield Problem.at(only.where, "plugins.only", message, "write plugins: {only: …} in your own spec")


def _judges(
    root: Node, configs: Mapping[str, BaseModel], offers: Mapping[str, RegisteredComponent]
) -> Iterator[Problem]:
    """Emo-A must not be measured by the classifier that filtered or rewarded the training; by weights, whatever the spec
    calls them: :mod:`emosym.judges`."""
    own = "judges.evaluate"
    for role in ("reward", "bank"):
        other, node = f"judges.{role}", root.at(("judges", "evaluate"))
        if node is None or own not in configs or other not in configs:
            continue
        if (offers[own].qualified, configs[own]) == (offers[other].qualified, configs[other]):
            message = f"expected a judge of its own, found the {role} judge again"
            hint = "figures measured by the judge that chose the training images say nothing; take another "
            yield Problem.at(node.where, own, message, hint + "judge for one of the two")


def _knowing_judges(root: Node, offers: Mapping[str, RegisteredComponent]) -> Iterator[str]:
    """Judges that have learned from labels which the learner of a few-label run does not get."""
    hides = [key for key in HIDING if _given(root, "data", "params", key)]
    for role, asked in (("reward", ("reinforce",)), ("bank", ("unify", "refresh"))):
        offer = offers.get(f"judges.{role}")
        if hides and offer and "within-run" not in offer.spec.capabilities and _given(root, "stages", *asked):
            yield (
                f"judges.{role} ({offer.spec.name}) may have learned from labels that this run hides from its learner "
                f"(data.params.{hides[0]}), so its figures say nothing of few labels; judges that a run teaches itself "
                f"have the capability within-run, such as probe, or set judges.{role}: null"
            )


def _stages(root: Node) -> Iterator[Problem]:
    reinforce, unify, knowledge = ("stages", "reinforce"), ("stages", "unify"), ("knowledge",)
    off = "or leave the stage out with stages: {reinforce: null}"
    wanted: list[tuple[Path, str, str, str]] = []
    if _given(root, *reinforce):
        wanted += [(reinforce, "reinforcer", "a reinforcer", f"add one, {off}")]
        wanted += [(reinforce, "rewards", "rewards", f"add at least one, {off}")]
        yield from _weightless(root, off)
    if _given(root, *unify):
        hint = "add it, or leave the stage out with stages: {unify: null}"
        parts = ("diffusion", "fusion", "emotion_space")
        wanted += [(unify, part, f"{part} for the unify stage", hint) for part in parts]
    weight = root.at(("stages", "compress", "knowledge_weight"))
    if (
        weight is not None
        and isinstance(weight.value, int | float)
        and weight.value
        and _given(root, *knowledge)
        and not _explicit(root)
    ):
        hint = "add one, or set stages.compress.knowledge_weight: 0"
        wanted += [(knowledge, "text_encoder", "a text_encoder for the knowledge", hint)]
    for path, section, what, hint in wanted:
        if not _given(root, section):
            yield _missing(root, path, (section,), what, hint)


def _reading(root: Node, offers: Mapping[str, RegisteredComponent], messages: list[str]) -> Iterator[Problem]:
    """What a backbone that writes its reasons cannot have beside it, and what it must be able to do."""
    if not _explicit(root):
        return
    node = root.fields["reading"]
    for stage, what in _OF_TOKENS.items():
        given = root.at(("stages", stage))
        if given is not None and given.value is not None:
            # A stage that only a preset brought is no line of the reader's: what asks for it to go is.
            place = given.where if given.where.kind in ("file", "set") else node.where
            message = (
                f"expected null with reading: explicit, found a stage that {what}, of which there are none"
            )
            yield Problem.at(place, f"stages.{stage}", message, f"write stages: {{{stage}: null}}")
    backbone = offers.get("backbone")
    if backbone is not None and "text" not in backbone.spec.capabilities:
        message = f"expected a backbone that writes reasons and answers, found {backbone.spec.name}"
        yield Problem.at(
            node.where, "reading", message, "take one with the capability text, or reading: latent"
        )
    messages.append("reading is explicit: compressor, text_encoder and the emotion head are not used")
    without = [
        offer.spec.name
        for path, offer in offers.items()
        if path.startswith("metrics.") and {"system", "rewards"} & {*offer.spec.needs}
    ]
    if without:
        messages.append(f"reading is explicit: {some(without)} wants reasoning tokens and is not measured")


_OF_TOKENS = {
    "reinforce": "sharpens reasoning tokens by rewards",
    "unify": "paints, and fills the memory bank, from the states of reasoning tokens",
}


def _weightless(root: Node, off: str) -> Iterator[Problem]:
    """A total reward that is always zero teaches nothing."""
    rewards = root.fields.get("rewards")
    weights = [item.fields.get("weight") for item in rewards.items] if rewards else []
    if rewards and weights and all(weight is not None and weight.value == 0 for weight in weights):
        message = "expected a reward with a weight above 0, found none"
        yield Problem.at(rewards.where, "rewards", message, f"give one a weight, {off}")


def _bank_without_memory(root: Node, messages: list[str]) -> Node:
    """Refreshing that only the stage's preset asked for goes where the spec has no memory."""
    path = ("stages", "unify", "refresh")
    refresh = root.at(path)
    if _given(root, "memory") or not _given(root, "stages", "unify"):
        return root
    if refresh is not None and (refresh.value is None or _written(refresh)):
        return root
    messages.append("no memory is given, so unify trains without the bank (stages.unify.refresh: null)")
    return root.put(path, Node(None, (refresh or root).origin))


def _written(node: Node) -> bool:
    """Whether any value below was written by somebody, not filled in from a stage's preset."""
    return any(item.origin.kind != "stage-preset" for _, item in node.walk())


def _bank(root: Node) -> Iterator[Problem]:
    path = ("stages", "unify", "refresh")
    if _given(root, *path) and not _given(root, "memory"):
        hint = "add memory: {name: sql}, or set refresh: null"
        yield _missing(root, path, ("memory",), "a memory to refresh", hint)


def _prompts(root: Node) -> Iterator[Problem]:
    paths: list[Path] = [("evaluation", "prompt")]
    for listed in (("stages", "unify", "prompts"), ("stages", "unify", "refresh", "prompts")):
        prompts = root.at(listed)
        paths += [(*listed, i) for i in range(len(prompts.items if prompts else []))]
    for path in paths:
        node = root.at(path)
        if node is not None and isinstance(node.value, str) and node.value.count(PLACEHOLDER) != 1:
            message = f"expected {PLACEHOLDER} once, found {found(node.value)}"
            hint = f'the fused vectors go there: "a picture of {PLACEHOLDER}"'
            yield Problem.at(node.origin, dotted(path), message, hint)


def needs_of(component: RegisteredComponent, config: BaseModel | None) -> tuple[str, ...]:
    """What must stand beside a component with these parameters."""
    declared = component.spec.needs
    return config.needs(declared) if isinstance(config, ComponentConfig) else declared


def _needs(
    root: Node, configs: Mapping[str, BaseModel], offers: Mapping[str, RegisteredComponent]
) -> Iterator[Problem]:
    for path, offer in offers.items():
        for need in needs_of(offer, configs.get(path)):
            section = ("judges", _JUDGES.get(offer.spec.kind, "reward")) if need == "judge" else (need,)
            if need in _SECTIONS and not _given(root, *section):
                name = offer.spec.name
                hint = f"add {dotted(section)}, or leave {name} out"
                yield _missing(root, key_path(path), section, f"{_SECTIONS[need]} for {name}", hint)


def _twice(
    root: Node, configs: Mapping[str, BaseModel], offers: Mapping[str, RegisteredComponent]
) -> Iterator[Problem]:
    """A reward listed again, whatever its parameters, and a metric listed again with the same ones."""
    first: dict[object, str] = {}
    for path, offer in offers.items():
        section, _, place = path.partition(".")
        if section not in COMPONENT_LISTS:
            continue
        config = configs.get(path)
        params = config.model_dump_json() if config is not None and section == "metrics" else ""
        before = first.setdefault((section, offer.qualified, params), path)
        if before != path:
            node = root.at((section, int(place)))
            message = f"expected each of {section} once, found {offer.spec.name} again"
            yield Problem.at((node or root).where, path, message, f"it is {before} already; leave one out")
