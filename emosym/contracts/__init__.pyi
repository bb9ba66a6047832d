from .adapted import AdaptedModule as AdaptedModule
from .backbone import QUESTION as QUESTION
from .backbone import Backbone as Backbone
from .backbone import Prefix as Prefix
from .component import Component as Component
from .component import ConfigT as ConfigT
from .compressor import ReasoningCompressor as ReasoningCompressor
from .config import ComponentConfig as ComponentConfig
from .context import Context as Context
from .dataset import SPLITS as SPLITS
from .dataset import Dataset as Dataset
from .diffusion import (
    PLACEHOLDER as PLACEHOLDER,
)
from .diffusion import (
    Condition as Condition,
)
from .diffusion import (
    DiffusionHead as DiffusionHead,
)
from .diffusion import (
    Vectors as Vectors,
)
from .emotion_space import EmotionSpace as EmotionSpace
from .footprint import Footprint as Footprint
from .footprint import Workload as Workload
from .fusion import Fusion as Fusion
from .judge import Judge as Judge
from .knowledge import Knowledge as Knowledge
from .labels import (
    MIKELS_8 as MIKELS_8,
)
from .labels import (
    MIKELS_WHEEL as MIKELS_WHEEL,
)
from .labels import (
    POSITIVE as POSITIVE,
)
from .labels import (
    LabelSet as LabelSet,
)
from .labels import (
    require_labels as require_labels,
)
from .memory import (
    Candidate as Candidate,
)
from .memory import (
    LedgerEntry as LedgerEntry,
)
from .memory import (
    MemoryBank as MemoryBank,
)
from .memory import (
    Refresh as Refresh,
)
from .metric import Evidence as Evidence
from .metric import Figure as Figure
from .metric import Metric as Metric
from .reinforcer import ReinforceBatch as ReinforceBatch
from .reinforcer import Reinforcer as Reinforcer
from .reward import (
    RewardResources as RewardResources,
)
from .reward import (
    RewardVerifier as RewardVerifier,
)
from .reward import (
    Rollouts as Rollouts,
)
from .sample import (
    Generated as Generated,
)
from .sample import (
    ImageSource as ImageSource,
)
from .sample import (
    Reading as Reading,
)
from .sample import (
    Sample as Sample,
)
from .sample import (
    open_image as open_image,
)
from .states import LossTerms as LossTerms
from .states import States as States
from .text_encoder import TextEncoder as TextEncoder

CONTRACTS: dict[str, str]
