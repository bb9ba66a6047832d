"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl

_HERE = "emosym_reasoning"
_OFFERS = (
    ("compressor", "contrastive", "compressors.contrastive:Contrastive", "ContrastiveConfig", "InfoNCE between context states and reasoning text"),
    ("compressor", "none", "compressors.tokens:TokensOnly", "TokensConfig", "reasoning tokens without knowledge"),
    ("reward", "label", "rewards.label:LabelReward", "LabelRewardConfig", "1 where the action is the annotated emotion"),
    ("reward", "confidence", "rewards.paper:ConfidenceReward", "ConfidenceRewardConfig", "the paper's 0.3·correct + 0.7·p_y (not verifiable)"),
    ("reward", "valence", "rewards.valence:ValenceReward", "ValenceRewardConfig", "1 where the action is as positive as the annotation"),
    ("reward", "wheel", "rewards.wheel:WheelReward", "WheelRewardConfig", "nearness on Mikels' wheel"),
    ("reward", "brier", "rewards.brier:BrierReward", "BrierRewardConfig", "calibration of the reading"),
    ("reward", "attributes", "rewards.attributes:AttributesReward", "AttributesRewardConfig", "context features find their own scene and objects"),
    ("reward", "consistency", "rewards.consistency:ConsistencyReward", "ConsistencyRewardConfig", "probability of the action on a changed copy (not verifiable)"),
    ("reward", "judge", "rewards.judge:JudgeReward", "JudgeRewardConfig", "probability an independent judge gives the action"),
    ("reinforcer", "paper", "reinforcers.paper:Paper", "PaperConfig", "the paper's objective on the deterministic reading"),
    ("reinforcer", "exact", "reinforcers.exact:Exact", "ExactConfig", "expected reward summed over all emotions"),
    ("reinforcer", "grpo", "reinforcers.grpo:Grpo", "GrpoConfig", "group-relative policy gradient over latent context tokens"),
    ("fusion", "additive", "fusions.additive:AdditiveFusion", "FusionConfig", "M_e(e) + M_c(c)"),
    ("fusion", "concat", "fusions.concat:ConcatFusion", "FusionConfig", "M([e; c])"),
    ("emotion_space", "diagonal", "spaces.diagonal:Diagonal", "DiagonalConfig", "independent Gaussians per feature"),
    ("emotion_space", "gaussian", "spaces.gaussian:Gaussian", "GaussianConfig", "a joint low-rank Gaussian per emotion"),
    ("emotion_space", "kde", "spaces.kde:Kde", "KdeConfig", "real states with a little noise"),
)  # fmt: skip
_NEEDS = {
    **dict.fromkeys(("label", "confidence", "valence", "wheel", "brier"), ("labels",)),
    # The compressor projects context into the text space only where there is knowledge to press into it.
    "attributes": ("attributes", "knowledge", "text_encoder"),
    "judge": ("judge",),
}
"""What rewards need beside them."""


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo(
        "emosym-reasoning", API_VERSION, "Compressors, rewards, reinforcers, fusions and emotion spaces"
    )


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    for kind, name, target, config, summary in _OFFERS:
        needs = _NEEDS.get(name, ()) if kind == "reward" else ()
        yield ComponentSpec(kind, name, f"{_HERE}.{target}", f"{_HERE}.config:{config}", summary, needs)
