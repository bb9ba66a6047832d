"""Help in standard words: no types of Python, no summary that is cut off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_origin

WORDS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
"""What stands for a value of a type, where a parameter has no word of its own."""


def plain(command: Any) -> Any:
    """The command, and the commands below it, as its help is to show them."""
    command.short_help = command.short_help or first_sentence(command.help or "")
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _argument(parameter)
        elif parameter.metavar is None and not parameter.is_flag:
            parameter.metavar = _word(parameter)
    for one in getattr(command, "commands", {}).values():
        plain(one)
    return command


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, without its full stop."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\w)\.(?:\s|$)", paragraph, maxsplit=1)[0]


def _argument(parameter: Any) -> None:
    """An argument is its name alone: ``SPEC``, ``[FILE]`` where it may be left out, ``RUN...`` where there may be many."""
    parameter.metavar = (
        (parameter.metavar or parameter.name.upper()).strip("[]").removesuffix("...").rstrip("…]")
    )
    name = parameter.metavar if parameter.required else f"[{parameter.metavar}]"
    usage = [name if parameter.nargs == 1 else f"{name}..."]
    parameter.display_type_rich = lambda ctx: None
    parameter.get_usage_pieces = lambda ctx: usage


def _word(parameter: Any) -> str:
    described = parameter.type_descriptor
    if described.is_choice:
        return "|".join(str(getattr(one, "value", one)) for one in described.choices or ())
    type = described.annotation
    base = get_args(type)[0] if get_origin(type) is list else type
    word: str = WORDS.get(base) or parameter.name.upper()
    return word
