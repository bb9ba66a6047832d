"""What this plugin offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl

_CONFIG = "emosym_metrics.config"
_UNDERSTANDING = "emosym_metrics.metrics.understanding"
_GENERATION = "emosym_metrics.metrics.generation"
_CHECKS = "emosym_metrics.conformance"


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-metrics", API_VERSION, "Metrics, judges and the open-clip text encoder")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    yield ComponentSpec(
        "text_encoder", "open-clip", "emosym_metrics.text_encoder:OpenClipTextEncoder", f"{_CONFIG}:TextEncoderConfig",
        "Text features of any open_clip model; long text is split and averaged", conformance=f"{_CHECKS}:OpenClipText",
    )  # fmt: skip
    yield ComponentSpec(
        "judge", "open-clip", "emosym_metrics.judges.open_clip:OpenClipJudge", f"{_CONFIG}:OpenClipJudgeConfig",
        "A head on CLIP image features, EmoGen's classifier included", conformance=f"{_CHECKS}:OpenClipJudge",
    )  # fmt: skip
    yield ComponentSpec(
        "judge", "image-classifier", "emosym_metrics.judges.image_classifier:ImageClassifierJudge",
        f"{_CONFIG}:ImageClassifierConfig", "Any image classifier of transformers",
        conformance=f"{_CHECKS}:ImageClassifierJudge",
    )  # fmt: skip
    yield ComponentSpec("metric", "accuracy", f"{_UNDERSTANDING}:Accuracy", f"{_CONFIG}:MetricConfig",
                        "Share of images read right, with Wilson's interval", conformance=f"{_CHECKS}:Accuracy")  # fmt: skip
    yield ComponentSpec("metric", "positive-accuracy", f"{_UNDERSTANDING}:PositiveAccuracy", f"{_CONFIG}:MetricConfig",
                        "Share of images read right as positive or negative", conformance=f"{_CHECKS}:PositiveAccuracy")  # fmt: skip
    yield ComponentSpec("metric", "f1", f"{_UNDERSTANDING}:MacroF1", f"{_CONFIG}:BootstrapConfig",
                        "Mean of the emotions' F1", conformance=f"{_CHECKS}:MacroF1")  # fmt: skip
    yield ComponentSpec("metric", "ece", f"{_UNDERSTANDING}:CalibrationError", f"{_CONFIG}:CalibrationConfig",
                        "Expected calibration error", conformance=f"{_CHECKS}:CalibrationError")  # fmt: skip
    yield ComponentSpec("metric", "confusion", f"{_UNDERSTANDING}:Confusion", f"{_CONFIG}:MetricConfig",
                        "How often each emotion is read as each")  # fmt: skip
    yield ComponentSpec("metric", "emo-a", f"{_GENERATION}:EmotionAccuracy", f"{_CONFIG}:GenerationConfig",
                        "Share of generated images that the judge reads as meant", needs=("judge",),
                        conformance=f"{_CHECKS}:EmotionAccuracy")  # fmt: skip
    yield ComponentSpec("metric", "diversity", f"{_GENERATION}:Diversity", f"{_CONFIG}:DiversityConfig",
                        "How different the images of one emotion are", needs=("judge",))  # fmt: skip
    yield ComponentSpec("metric", "clip-score", f"{_GENERATION}:ClipScore", f"{_CONFIG}:ClipScoreConfig",
                        "How well images agree with the text of their emotion, seen by CLIP", conformance=f"{_CHECKS}:ClipScore")  # fmt: skip
