"""What this plugin has: components by name; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl

_COMPONENTS = {
    "compressor": {
        "contrastive": (
            "compressors.contrastive:Contrastive",
            "InfoNCE between context states and reasoning text",
        ),
        "distill": (
            "compressors.distill:Distill",
            "the states of the same backbone reading the text, after every layer",
        ),
        "privileged": (
            "compressors.privileged:Privileged",
            "soft labels of a teacher that reads the text, and InfoNCE",
        ),
        "none": ("compressors.tokens:TokensOnly", "reasoning tokens without knowledge"),
    },
    "reward": {
        "label": ("rewards.label:LabelReward", "1 for the annotated emotion, else 0"),
        "confidence": (
            "rewards.paper:ConfidenceReward",
            "the paper's 0.3·correct + 0.7·p_y (not verifiable)",
        ),
        "valence": ("rewards.valence:ValenceReward", "1 where the action is as positive as the annotation"),
        "wheel": (
            "rewards.wheel:WheelReward",
            "1 for the annotated emotion, less with each step from it around Mikels' wheel",
        ),
        "brier": (
            "rewards.brier:BrierReward",
            "how near the probabilities are to the annotation, whatever the answer",
        ),
        "attributes": (
            "rewards.attributes:AttributesReward",
            "context features find their own scene and objects",
        ),
        "consistency": (
            "rewards.consistency:ConsistencyReward",
            "probability of the action on a changed copy (not verifiable)",
        ),
        "judge": ("rewards.judge:JudgeReward", "probability an independent judge gives the action"),
        "knowledge": (
            "rewards.knowledge:KnowledgeReward",
            "probability that the image's text argues for the action; unlabelled images too",
        ),
    },
    "reinforcer": {
        "paper": ("reinforcers.paper:Paper", "the paper's objective on the deterministic reading"),
        "exact": ("reinforcers.exact:Exact", "expected reward summed over all emotions"),
        "grpo": ("reinforcers.grpo:Grpo", "group-relative policy gradient over latent context tokens"),
    },
    "fusion": {
        "additive": ("fusions.additive:AdditiveFusion", "M_e(e) + M_c(c)"),
        "concat": ("fusions.concat:ConcatFusion", "M([e; c])"),
        "gated": ("fusions.gated:GatedFusion", "g·M_e(e) + (1 − g)·M_c(c), a gate for every feature"),
        "resampler": (
            "fusions.resampler:Resampler",
            "learned queries attend to each context state and the emotion state",
        ),
    },
    "emotion_space": {
        "diagonal": ("spaces.diagonal:Diagonal", "independent Gaussians per feature"),
        "gaussian": ("spaces.gaussian:Gaussian", "a joint low-rank Gaussian per emotion"),
        "kde": ("spaces.kde:Kde", "real states with a little noise"),
        "mixture": ("spaces.mixture:Mixture", "a Gaussian mixture per emotion"),
    },
}
_CONFIGS = {"none": "TokensConfig", **dict.fromkeys(("additive", "concat", "gated"), "FusionConfig")}
"""Config models that are not named after their component's class."""
_NEEDS = {
    **dict.fromkeys(("label", "confidence", "valence", "wheel", "brier"), ("labels",)),
    # The compressor projects context into the text space only where there is knowledge to press into it.
    "attributes": ("attributes", "knowledge", "text_encoder"),
    "judge": ("judge",),
    "knowledge": ("knowledge", "text_encoder"),
}
"""What rewards need beside them."""


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo(
        "emosym-reasoning", API_VERSION, "Compressors, rewards, reinforcers, fusions and emotion spaces"
    )


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    here = "emosym_reasoning"
    for kind, components in _COMPONENTS.items():
        for name, (target, summary) in components.items():
            config = _CONFIGS.get(name, target.partition(":")[2] + "Config")
            needs = _NEEDS.get(name, ()) if kind == "reward" else ()
            yield ComponentSpec(kind, name, f"{here}.{target}", f"{here}.config:{config}", summary, needs)
