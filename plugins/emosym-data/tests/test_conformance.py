"""The plugin's components keep what their kinds promise."""

from __future__ import annotations

from emosym_data.conformance import Annotations as TestAnnotations  # noqa: F401
from emosym_data.conformance import Jsonl as TestJsonl  # noqa: F401
from emosym_data.conformance import ShuffledField as TestShuffledField  # noqa: F401
