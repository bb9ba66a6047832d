"""What a plugin says of itself: plain strings, so that listing plugins imports no implementation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emosym_registry.errors import EmosymError, did_you_mean

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

TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]*$")
_VERSION = re.compile(r"^\d+\.\d+$")


@dataclass(frozen=True)
class PluginInfo:
    """A plugin's name, the plugin API it was written for ("major.minor"), and one line about it."""

    name: str
    api_version: str
    summary: str

    def __post_init__(self) -> None:
        if not isinstance(self.api_version, str) or not _VERSION.match(self.api_version):
            raise EmosymError(
                "plugin.bad-api-version",
                f"api_version {self.api_version!r} is not 'major.minor'",
                hint=f"write the version that the plugin was written for as text: {API_VERSION!r}",
            )


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
        _check_kind(self.kind)
        for words in (self.capabilities, self.requires):
            if not isinstance(words, tuple) or not all(isinstance(word, str) for word in words):
                raise EmosymError(
                    "plugin.bad-words",
                    f"{self.kind} {self.name!r}: capabilities and requires are tuples of strings, found {words!r}",
                    hint='a tuple of one has a comma: ("prefix",)',
                )
        if not _NAME.match(self.name):
            raise EmosymError(
                "plugin.bad-name",
                f"component name {self.name!r} must be lower case letters, digits, dots and dashes",
            )
        for field in (self.target, self.config, *filter(None, [self.conformance])):
            if not TARGET.match(field):
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

    def __post_init__(self) -> None:
        _check_kind(self.kind)


@dataclass(frozen=True)
class Preset:
    """A spec that others extend with ``extends: preset:NAME``: a YAML file at ``path`` inside ``package``."""

    name: str
    package: str
    path: str
    summary: str = ""


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise EmosymError(
            "plugin.unknown-kind",
            f"unknown kind {kind!r}",
            hint=did_you_mean(str(kind), KINDS) or f"kinds: {', '.join(KINDS)}",
        )
