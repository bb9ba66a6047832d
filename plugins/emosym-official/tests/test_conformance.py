"""The fusion keeps what its kind promises, with the mean of the context states and with all of them."""

from __future__ import annotations

from emosym.testing import FusionSuite


class TestFusion(FusionSuite):
    component = "emosym-official/official"


class TestFlattenedFusion(TestFusion):
    params = {"context": "flatten", "hidden": 16}  # noqa: RUF012
