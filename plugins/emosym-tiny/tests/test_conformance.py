"""The plugin's dataset keeps what its kind promises."""

from __future__ import annotations

from emosym_tiny.conformance import TinyWorld as TestTinyWorld  # noqa: F401
