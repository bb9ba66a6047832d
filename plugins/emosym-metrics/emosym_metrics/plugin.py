"""What this plugin has: components by name; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-metrics", API_VERSION, "Metrics, judges and text encoders")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    yield ComponentSpec(
        "text_encoder",
        "open-clip",
        "emosym_metrics.text_encoder:OpenClipTextEncoder",
        "emosym_metrics.config:TextEncoderConfig",
        "Text features of any open_clip model; long text is split and averaged",
        conformance="emosym_metrics.conformance:OpenClipText",
    )
    yield ComponentSpec(
        "text_encoder",
        "sentence",
        "emosym_metrics.sentence:SentenceEncoder",
        "emosym_metrics.config:SentenceConfig",
        "Text features of any sentence encoder of transformers; long text is split and averaged",
        conformance="emosym_metrics.conformance:SentenceText",
    )
    yield ComponentSpec(
        "judge",
        "open-clip",
        "emosym_metrics.judges.open_clip:OpenClipJudge",
        "emosym_metrics.config:OpenClipJudgeConfig",
        "A head on CLIP image features, EmoGen's classifier included",
        conformance="emosym_metrics.conformance:OpenClipJudge",
    )
    yield ComponentSpec(
        "judge",
        "image-classifier",
        "emosym_metrics.judges.image_classifier:ImageClassifierJudge",
        "emosym_metrics.config:ImageClassifierConfig",
        "Any image classifier of transformers",
        conformance="emosym_metrics.conformance:ImageClassifierJudge",
    )
    yield ComponentSpec(
        "judge",
        "probe",
        "emosym_metrics.judges.probe:ProbeJudge",
        "emosym_metrics.config:ProbeConfig",
        "A linear classifier on CLIP image features, taught by the run's labelled pictures alone",
        capabilities=("within-run",),
        conformance="emosym_metrics.conformance:ProbeJudge",
    )
    for name, target, config, summary in (
        (
            "accuracy",
            "accuracy:Accuracy",
            "MetricConfig",
            "Share of images read right, with Wilson's interval",
        ),
        (
            "positive-accuracy",
            "accuracy:PositiveAccuracy",
            "PositiveAccuracyConfig",
            "Share of images read right as positive or negative",
        ),
        ("f1", "f1:MacroF1", "BootstrapConfig", "Mean of the emotions' F1"),
        ("ece", "calibration:CalibrationError", "CalibrationConfig", "Expected calibration error"),
        ("confusion", "confusion:Confusion", "MetricConfig", "How often each emotion is read as each"),
        ("vote-distance", "vote_distance:VoteDistance", "BootstrapConfig", "Distance to annotators' votes"),
        (
            "wheel-distance",
            "wheel_distance:WheelDistance",
            "WheelDistanceConfig",
            "Steps around Mikels' wheel between reading and label",
        ),
        (
            "reading-time",
            "reading_time:ReadingTime",
            "ReadingTimeConfig",
            "Milliseconds that an image costs to read, in batches and one by one",
        ),
        (
            "distributions",
            "distributions:Distributions",
            "DistributionsConfig",
            "KL divergence and cosine of readings and annotated distributions",
        ),
    ):
        yield _metric(name, target, config, summary)
    summary = "What noise in place of the reasoning tokens costs, their mean, and none"
    yield _metric("token-effect", "token_effect:TokenEffect", "BootstrapConfig", summary, ("system",))
    summary = "What the spec's rewards give held-out readings: what reinforce is for"
    yield _metric("reward", "reward:ExpectedReward", "RewardConfig", summary, ("rewards",))
    seen = ("judge", "diffusion")
    summary = "Share of generated images that the judge reads as meant"
    yield _metric("emo-a", "emo_a:EmotionAccuracy", "GenerationConfig", summary, seen)
    summary = "How different the images of one emotion are"
    yield _metric("diversity", "diversity:Diversity", "DiversityConfig", summary, seen)
    summary = "How well images agree with the text of their emotion, seen by CLIP"
    alone = ("diffusion",)
    yield _metric("clip-score", "clip_score:ClipScore", "ClipScoreConfig", summary, alone)
    summary = "The judge's mean probability of the emotion that was meant"
    yield _metric("emo-score", "emo_score:EmotionScore", "EmotionScoreConfig", summary, seen)
    summary = "Fréchet distance of generated and real images (FID)"
    yield _metric("fid", "frechet:FrechetDistance", "FeatureConfig", summary, seen)
    summary = "Kernel distance of generated and real images (KID), with an interval"
    yield _metric("kid", "kernel:KernelDistance", "KernelConfig", summary, seen)
    summary = "How different two images of one emotion look (LPIPS)"
    yield _metric("lpips", "lpips:PerceptualDistance", "LpipsConfig", summary, alone)
    summary = "How sure classifiers are of a scene or an object (EmoGen's Sem-C)"
    yield _metric("sem-c", "sem_c:SemanticClarity", "SemanticClarityConfig", summary, alone)
    summary = "How different what two images of one emotion show is (EmoGen's Sem-D)"
    yield _metric("sem-d", "sem_d:SemanticDiversity", "SemanticDiversityConfig", summary, alone)
    summary = "What pictures made from others keep of them, and by which states"
    needs = (*seen, "system")
    yield _metric("context-effect", "context_effect:ContextEffect", "ContextEffectConfig", summary, needs)
    summary = "Distance of generated images to the nearest training image"
    yield _metric("nearest", "nearest:NearestTraining", "NearestConfig", summary, seen)


def _metric(name: str, target: str, config: str, summary: str, needs: tuple[str, ...] = ()) -> ComponentSpec:
    return ComponentSpec(
        "metric",
        name,
        f"emosym_metrics.metrics.{target}",
        f"emosym_metrics.config:{config}",
        summary,
        needs=needs,
        conformance=f"emosym_metrics.conformance:{target.partition(':')[2]}",
    )
