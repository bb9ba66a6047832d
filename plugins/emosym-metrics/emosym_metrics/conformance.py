"""How the conformance checks make the components that need weights (the embedded ones of ``emosym-tiny``),
and what metrics give where everything is read right, or wrong."""

from __future__ import annotations

from typing import ClassVar

from emosym.testing import JudgeSuite, MetricSuite, TextEncoderSuite


class OpenClipText(TextEncoderSuite):
    """Text encoder ``open-clip``."""

    component = "emosym-metrics/open-clip"
    params: ClassVar = {"model": "tiny"}


class SentenceText(TextEncoderSuite):
    """Text encoder ``sentence``, by the embedded model, which knows the words of its world alone."""

    component = "emosym-metrics/sentence"
    params: ClassVar = {"model": "tiny"}
    texts: ClassVar = (
        "a ghost in a graveyard",
        "a clown at a fair, bright",
        "a kitten in a room",
        "a rocket over a mountain, vivid colors",
        "a candle on a street",
        "a spider in a swamp",
    )


class OpenClipJudge(JudgeSuite):
    """Judge ``open-clip``."""

    component = "emosym-metrics/open-clip"
    params: ClassVar = {"model": "tiny"}


class ImageClassifierJudge(JudgeSuite):
    """Judge ``image-classifier``."""

    component = "emosym-metrics/image-classifier"
    params: ClassVar = {"model": "tiny"}


class ProbeJudge(JudgeSuite):
    """Judge ``probe``."""

    component = "emosym-metrics/probe"
    params: ClassVar = {"model": "tiny"}


class ClipScore(MetricSuite):
    """Metric ``clip-score``."""

    component = "emosym-metrics/clip-score"
    params: ClassVar = {"model": "tiny"}


class ReadingTime(MetricSuite):
    """Metric ``reading-time``."""

    component = "emosym-metrics/reading-time"


class Accuracy(MetricSuite):
    """Metric ``accuracy``."""

    component = "emosym-metrics/accuracy"
    best: ClassVar = {"accuracy": 1.0}
    worst: ClassVar = {"accuracy": 0.0}


class PositiveAccuracy(MetricSuite):
    """Metric ``positive-accuracy``."""

    component = "emosym-metrics/positive-accuracy"
    best: ClassVar = {"positive_accuracy": 1.0}


class MacroF1(MetricSuite):
    """Metric ``f1``."""

    component = "emosym-metrics/f1"
    best: ClassVar = {"macro_f1": 1.0}
    worst: ClassVar = {"macro_f1": 0.0}


class CalibrationError(MetricSuite):
    """Metric ``ece``."""

    component = "emosym-metrics/ece"
    best: ClassVar = {"ece": 0.0}
    worst: ClassVar = {"ece": 1.0}


class ExpectedReward(MetricSuite):
    """Metric ``reward``."""

    component = "emosym-metrics/reward"
    best: ClassVar = {"reward_label": 1.0}
    worst: ClassVar = {"reward_label": 0.0}


class Confusion(MetricSuite):
    """Metric ``confusion``."""

    component = "emosym-metrics/confusion"
    worst: ClassVar = {"confusion/amusement/amusement": 0.0}


class VoteDistance(MetricSuite):
    """Metric ``vote-distance``."""

    component = "emosym-metrics/vote-distance"
    best: ClassVar = {"vote_distance": 0.0}
    worst: ClassVar = {"vote_distance": 1.0}


class Diversity(MetricSuite):
    """Metric ``diversity`` in the judge's features."""

    component = "emosym-metrics/diversity"


class DiversityByClip(Diversity):
    """Metric ``diversity`` in the features of a CLIP, without a judge."""

    params: ClassVar = {"clip": "tiny"}


class EmotionAccuracy(MetricSuite):
    """Metric ``emo-a``."""

    component = "emosym-metrics/emo-a"
    best: ClassVar = {"emo_a": 1.0}
    worst: ClassVar = {"emo_a": 0.0}


class EmotionScore(MetricSuite):
    """Metric ``emo-score``."""

    component = "emosym-metrics/emo-score"


class WheelDistance(MetricSuite):
    """Metric ``wheel-distance``."""

    component = "emosym-metrics/wheel-distance"
    best: ClassVar = {"wheel_distance": 0.0}


class Distributions(MetricSuite):
    """Metric ``distributions``."""

    component = "emosym-metrics/distributions"
    best: ClassVar = {"kl_divergence": 0.0, "cosine_similarity": 1.0}
    worst: ClassVar = {"cosine_similarity": 0.0}


class FrechetDistance(MetricSuite):
    """Metric ``fid`` in the features of a CLIP."""

    component = "emosym-metrics/fid"
    params: ClassVar = {"features": "clip", "model": "tiny"}


class KernelDistance(MetricSuite):
    """Metric ``kid`` in the judge's features."""

    component = "emosym-metrics/kid"
    params: ClassVar = {"features": "judge"}


class PerceptualDistance(MetricSuite):
    """Metric ``lpips`` by the layers of an image classifier."""

    component = "emosym-metrics/lpips"
    params: ClassVar = {"model": "tiny", "size": 64, "pairs": 3}


class SemanticClarity(MetricSuite):
    """Metric ``sem-c``."""

    component = "emosym-metrics/sem-c"
    params: ClassVar = {"scene": "tiny", "object": "tiny"}


class SemanticDiversity(MetricSuite):
    """Metric ``sem-d``."""

    component = "emosym-metrics/sem-d"
    params: ClassVar = {"model": "tiny", "pairs": 2}


class NearestTraining(MetricSuite):
    """Metric ``nearest``."""

    component = "emosym-metrics/nearest"


class TokenEffect(MetricSuite):
    """Metric ``token-effect``."""

    component = "emosym-metrics/token-effect"


class ContextEffect(MetricSuite):
    """Metric ``context-effect``."""

    component = "emosym-metrics/context-effect"
