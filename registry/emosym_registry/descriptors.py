"""What a plugin says of itself: plain strings, so that listing plugins imports no implementation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emosym_registry.errors import EmosymError

API_VERSION = "1.0"
"""Version of the plugin API. Same major: compatible; a plugin asking for a newer minor than this is refused."""

KINDS = (
    "backbone",
    "compressor",
    "reward",
    "diffusion",
    "memory",
    "dataset",
    "knowledge",
    "text_encoder",
    "judge",
    "reinforcer",
    "fusion",
    "emotion_space",
    "metric",
)

_TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]*$")


@dataclass(frozen=True)
class PluginInfo:
    """A plugin's name, the plugin API it was written for ("major.minor"), and one line about it."""

    name: str
    api_version: str
    summary: str


@dataclass(frozen=True)
class ComponentSpec:
    """One component: what it is and where its code is, without importing that code.

    ``target`` is ``"package.module:Class"`` of the implementation and ``config`` that of its pydantic model, which must
    import no torch. ``capabilities`` are words the framework asks for (``"prefix"``, ``"attributes"``); ``requires``
    names distributions that must be installed beside the plugin's own requirements. ``conformance`` is the suite (a
    subclass of one in ``emosym.testing``) that `emosym plugins check` runs; the kind's own with default parameters where empty.
    """

    kind: str
    name: str
    target: str
    config: str
    summary: str = ""
    capabilities: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    conformance: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EmosymError(
                "plugin.unknown-kind", f"unknown kind {self.kind!r}", hint=f"kinds: {', '.join(KINDS)}"
            )
        if not _NAME.match(self.name):
            raise EmosymError(
                "plugin.bad-name",
                f"component name {self.name!r} must be lower case letters, digits, dots and dashes",
            )
        for field in (self.target, self.config, *filter(None, [self.conformance])):
            if not _TARGET.match(field):
                raise EmosymError("plugin.bad-target", f"{field!r} is not of the form 'package.module:Class'")


@dataclass(frozen=True)
class Alias:
    """A name for weights: ``model: NAME`` of component ``component`` means the folder ``package`` + ``path``.

    ``package`` is an importable package and ``path`` a path inside it, so nothing is imported to offer an alias.
    """

    kind: str
    component: str
    name: str
    package: str
    path: str
    licence: str = ""
    summary: str = ""


@dataclass(frozen=True)
class Preset:
    """A spec that others extend with ``extends: preset:NAME``: a YAML file at ``path`` inside ``package``."""

    name: str
    package: str
    path: str
    summary: str = ""
