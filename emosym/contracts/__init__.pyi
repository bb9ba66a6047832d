from .adapted import AdaptedModule as AdaptedModule
from .backbone import (
    QUESTION as QUESTION,
    REASONED_QUESTION as REASONED_QUESTION,
    Backbone as Backbone,
    Conclusion as Conclusion,
    Prefix as Prefix,
    with_text as with_text,
)
from .component import Component as Component, ConfigT as ConfigT
from .compressor import (
    CompressBatch as CompressBatch,
    ReasoningCompressor as ReasoningCompressor,
)
from .config import ComponentConfig as ComponentConfig
from .context import Context as Context
from .dataset import SPLITS as SPLITS, Dataset as Dataset
from .diffusion import (
    Condition as Condition,
    DiffusionHead as DiffusionHead,
    Vectors as Vectors,
    Watcher as Watcher,
)
from .emotion_space import EmotionSpace as EmotionSpace
from .footprint import Footprint as Footprint, Operations as Operations, Workload as Workload
from .fusion import Fusion as Fusion
from .judge import Judge as Judge
from .knowledge import Knowledge as Knowledge, KnowledgeResources as KnowledgeResources
from .labels import (
    MIKELS_8 as MIKELS_8,
    MIKELS_WHEEL as MIKELS_WHEEL,
    POSITIVE as POSITIVE,
    LabelSet as LabelSet,
    require_labels as require_labels,
)
from .memory import (
    Candidate as Candidate,
    LedgerEntry as LedgerEntry,
    MemoryBank as MemoryBank,
    Refresh as Refresh,
    Standing as Standing,
    replay as replay,
)
from .metric import Evidence as Evidence, Figure as Figure, Metric as Metric, RewardTable as RewardTable
from .placeholder import PLACEHOLDER as PLACEHOLDER
from .probe import Change as Change, Probe as Probe
from .reading import Generated as Generated, Reading as Reading, Reason as Reason
from .reinforcer import ReinforceBatch as ReinforceBatch, Reinforcer as Reinforcer
from .reward import (
    RewardResources as RewardResources,
    RewardVerifier as RewardVerifier,
    Rollouts as Rollouts,
)
from .sample import (
    SUFFIXES as SUFFIXES,
    ImageSource as ImageSource,
    Sample as Sample,
    open_image as open_image,
    picture_size as picture_size,
)
from .states import LossTerms as LossTerms, States as States
from .text_encoder import TextEncoder as TextEncoder

CONTRACTS: dict[str, str]
