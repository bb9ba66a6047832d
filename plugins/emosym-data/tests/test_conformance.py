"""The plugin's components keep what their kinds promise."""

from __future__ import annotations

from emosym_data.conformance import Annotations as TestAnnotations  # noqa: F401
from emosym_data.conformance import EmoSet as TestEmoSet  # noqa: F401
from emosym_data.conformance import FewLabels as TestFewLabels  # noqa: F401
from emosym_data.conformance import Hf as TestHf  # noqa: F401
from emosym_data.conformance import HfCarved as TestHfCarved  # noqa: F401
from emosym_data.conformance import ImageFolder as TestImageFolder  # noqa: F401
from emosym_data.conformance import Jsonl as TestJsonl  # noqa: F401
from emosym_data.conformance import ShuffledField as TestShuffledField  # noqa: F401
from emosym_data.conformance import SplitFolder as TestSplitFolder  # noqa: F401
