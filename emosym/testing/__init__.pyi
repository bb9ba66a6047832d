from .checks import (
    Check as Check,
    ConformanceError as ConformanceError,
    NotApplicable as NotApplicable,
    check as check,
    require as require,
)
from .pictures import (
    HashingTextEncoder as HashingTextEncoder,
    ProjectionConfig as ProjectionConfig,
    ProjectionJudge as ProjectionJudge,
    picture as picture,
    samples as samples,
)
from .runner import Result as Result, run_suite as run_suite, suite_for as suite_for
from .suite import SIZES as SIZES, ConformanceSuite as ConformanceSuite, installed as installed
from .suites import SUITES as SUITES
from .suites.backbone import BackboneSuite as BackboneSuite
from .suites.compressor import CompressorSuite as CompressorSuite
from .suites.dataset import DatasetSuite as DatasetSuite
from .suites.diffusion import DiffusionSuite as DiffusionSuite
from .suites.emotion_space import EmotionSpaceSuite as EmotionSpaceSuite
from .suites.fusion import FusionSuite as FusionSuite
from .suites.judge import JudgeSuite as JudgeSuite
from .suites.knowledge import KnowledgeSuite as KnowledgeSuite
from .suites.memory import MemorySuite as MemorySuite
from .suites.metric import MetricSuite as MetricSuite
from .suites.reinforcer import ReinforcerSuite as ReinforcerSuite
from .suites.reward import RewardSuite as RewardSuite
from .suites.text_encoder import TextEncoderSuite as TextEncoderSuite
from .writing import ColourBackbone as ColourBackbone
