"""What a bank's URL may say: secrets by the name of an environment variable only; imports no SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from emosym.toolkit import named_secrets

_SECRET = re.compile(r"\{secret:([A-Za-z_]\w*)\}", re.ASCII)
_USER = re.compile(r"^[^/]*//[^:/]*:(?P<password>[^@]*)@")
"""As SQLAlchemy reads it: a password may hold anything but ``@``."""
_CONFIDENTIAL = re.compile(r"password|passwd|pwd|secret|scram", re.IGNORECASE)
"""Keys of a query that hold what ``user:password@`` does."""
_MARK, _MARKED = r"{secret \1}", re.compile(r"\{secret (\w+)\}", re.ASCII)
_ASK = "write {secret:NAME}, which is the environment variable NAME when the bank opens"


def check(url: str) -> None:
    """ValueError where ``url`` holds a password as it is, or a ``{secret:…}`` that names no variable."""
    marked = mark(url)
    if "{secret" in _MARKED.sub("", marked):
        raise ValueError(f"expected {{secret:NAME}} with the name of an environment variable; {_ASK}")
    user = _USER.match(marked)
    query = marked[user.end() if user else 0 :].partition("?")[2]
    confidential = [value for key, value in parse_qsl(query) if _CONFIDENTIAL.search(key)]
    if any(not _MARKED.fullmatch(one) for one in [*confidential, user["password"] if user else ""] if one):
        raise ValueError(f"expected no password in the url, which would be kept with every run; {_ASK}")


def mark(url: str) -> str:
    """``url`` with its secrets written without the colon, which separates the parts of a URL."""
    return _SECRET.sub(_MARK, url)


def fill(part: str, values: Mapping[str, str], run: str) -> str:
    """One part of a marked and parsed URL with secrets and run folder in place; neither is read again."""
    return re.sub(
        rf"\{{run\}}|{_MARKED.pattern}",
        lambda match: values[match[1]] if match[1] else run,
        part,
        flags=re.ASCII,
    )


def secrets(url: str) -> dict[str, str]:
    """The variables that ``url`` names, with their values.

    Errors: ``memory.secret-not-allowed``, ``memory.missing-secret``.
    """
    return named_secrets(list(dict.fromkeys(_SECRET.findall(url))), f"memory url {url!r}", "memory")
