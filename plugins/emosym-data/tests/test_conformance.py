"""The plugin's components keep what their kinds promise."""

from __future__ import annotations

from emosym_data.conformance import (
    Annotations as TestAnnotations,  # noqa: F401
    BackboneKnowledge as TestBackboneKnowledge,  # noqa: F401
    EmoSet as TestEmoSet,  # noqa: F401
    FewLabels as TestFewLabels,  # noqa: F401
    Hf as TestHf,  # noqa: F401
    HfCarved as TestHfCarved,  # noqa: F401
    ImageFolder as TestImageFolder,  # noqa: F401
    Index as TestIndex,  # noqa: F401
    Jsonl as TestJsonl,  # noqa: F401
    OpenAI as TestOpenAI,  # noqa: F401
    ShuffledField as TestShuffledField,  # noqa: F401
    SplitFolder as TestSplitFolder,  # noqa: F401
)
