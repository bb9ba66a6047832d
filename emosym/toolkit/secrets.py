"""Secrets that a spec names and only the environment holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from emosym_registry import EmosymError

ALLOWED = "EMOSYM_SECRETS"
"""The environment variable that lists those which a spec may name, with commas: specs come from other people."""


def named_secrets(names: Sequence[str], where: str, kind: str) -> dict[str, str]:
    """The values of environment variables that ``where`` in a spec names, for a component of ``kind``.

    Errors: ``KIND.secret-not-allowed`` for one that the user has not listed in ``EMOSYM_SECRETS``,
    ``KIND.missing-secret`` for one that is not set.
    """
    allowed = {name.strip() for name in os.environ.get(ALLOWED, "").split(",")}
    refused = [name for name in names if name not in allowed]
    if refused:
        raise EmosymError(
            f"{kind}.secret-not-allowed",
            f"{where} would send the environment variable {refused[0]} to the host that it names",
            hint=f"if that is meant: export {ALLOWED}={','.join(names)}",
        )
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        what = "variable" if len(missing) == 1 else "variables"
        raise EmosymError(
            f"{kind}.missing-secret",
            f"{where}: the environment {what} {', '.join(missing)} must be set",
            hint=f"export {missing[0]} in the shell that starts the run",
        )
    return {name: os.environ[name] for name in names}


def without_secrets(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every value of a secret, plain or as URLs write it, replaced by its name."""
    known = {
        form: name for name, value in values.items() for form in (value, quote(value), quote(value, safe=""))
    }
    for form in sorted(known, key=len, reverse=True):
        text = text.replace(form, f"{{secret:{known[form]}}}")
    return text
