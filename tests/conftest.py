"""Fixtures shared by the tests of the core."""

from __future__ import annotations

import pytest
from emosym_registry import Registry, load_registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The installed plugins; a test that registers something unregisters it."""
    return load_registry(strict=True)
