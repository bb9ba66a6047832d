"""What a plugin says of itself: plain strings, so that listing plugins imports no implementation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emosym_registry.errors import EmosymError, unknown

API_VERSION = "1.0"
"""Version of the plugin API: a plugin of the same major and no newer minor loads."""

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

NEEDS = ("labels", "attributes", "knowledge", "text_encoder", "judge", "diffusion", "rewards", "system")
"""What may have to stand beside a component: labels and attributes in the samples, the system itself for a metric that asks
what it would do otherwise, the others in the spec."""

CAPABILITIES: Mapping[str, Mapping[str, str]] = {
    "backbone": {
        "prefix": "reads share an encoded prefix: rollouts are cheap, and memory estimates count them so",
        "text": "writes a reason and answers, learnt from texts: what `reading: explicit` asks for",
    },
    "diffusion": {"text": "takes prompts: it has at least one text encoder"},
    "judge": {
        "within-run": "is taught by the run, by its labelled training pictures alone, and has seen no other label"
    },
    "memory": {"durable": "what is in the bank outlives the process; its conformance suite opens it again"},
}
"""The capability words of each kind that the framework reads, and what it does with them."""

TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")
NAME = re.compile(r"^[a-z0-9][a-z0-9.-]*$")
NAME_FORM = "lower case letters, digits, dots and dashes"
_NEEDS_BEFORE = {"text": "text_encoder"}
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

    ``target`` is ``"package.module:Class"`` of the implementation and ``config`` that of its pydantic model,
    which must import no torch. ``needs`` are words of :data:`NEEDS`: what must stand beside the component in
    a spec or in its data. ``capabilities`` are words of :data:`CAPABILITIES`; ``requires`` names
    distributions that must be installed beside the plugin's own requirements. ``conformance`` is the suite (a
    subclass of one in ``emosym.testing``) that `emosym plugins check` runs; the kind's own with default
    parameters where empty. ``formerly`` are names that it had in earlier versions, by which specs still find it. Errors: ``plugin.unknown-kind``, ``plugin.unknown-need``,
    ``plugin.unknown-capability``, ``plugin.bad-words``, ``plugin.bad-name``, ``plugin.bad-target``.
    """

    kind: str
    name: str
    target: str
    config: str
    summary: str = ""
    needs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    conformance: str = ""
    formerly: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        self._check_words()
        for name in (self.name, *self.formerly):
            if not NAME.match(name):
                raise EmosymError("plugin.bad-name", f"component name {name!r} must be {NAME_FORM}")
        for field in (self.target, self.config, *filter(None, [self.conformance])):
            if not TARGET.match(field):
                raise EmosymError("plugin.bad-target", f"{field!r} is not of the form 'package.module:Class'")

    def _check_words(self) -> None:
        where = f"{self.kind} {self.name!r}"
        for words in (self.needs, self.capabilities, self.requires, self.formerly):
            if not isinstance(words, tuple) or not all(isinstance(word, str) for word in words):
                raise EmosymError(
                    "plugin.bad-words",
                    f"{where}: needs, capabilities, requires and formerly are tuples of strings, found {words!r}",
                    hint='a tuple of one has a comma: ("prefix",)',
                )
        for word in self.needs:
            if word not in NEEDS:
                raise unknown("plugin.unknown-need", "need", word, NEEDS, where=where)
        known = CAPABILITIES.get(self.kind, {})
        for word in self.capabilities:
            if word not in known:
                prefix, _, need = word.rpartition(":")
                hint = f"write needs=({_NEEDS_BEFORE.get(need, need)!r},)" if prefix == "needs" else ""
                raise unknown("plugin.unknown-capability", "capability", word, known, hint=hint, where=where)


class _InPackage:
    package: str
    path: str

    @property
    def location(self) -> Path:
        """The file or folder; where its package is missing, ``plugin.missing-package``."""
        return package_path(self.package) / self.path


@dataclass(frozen=True)
class Alias(_InPackage):
    """A name for weights: ``model: NAME`` of component ``component`` means the folder ``package`` + ``path``.

    ``package`` is an importable package and ``path`` a path inside it, so nothing is imported to offer an
    alias.
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
        _check_unqualified("alias", self.name)


@dataclass(frozen=True)
class Preset(_InPackage):
    """A spec that others extend with ``extends: preset:NAME``: a YAML file at ``path`` inside ``package``."""

    name: str
    package: str
    path: str
    summary: str = ""

    def __post_init__(self) -> None:
        _check_unqualified("preset", self.name)


@dataclass(frozen=True)
class Cards(_InPackage):
    """Cards for the catalogue of plugins: the ``*.yaml`` files of the folder ``path`` inside ``package``."""

    package: str
    path: str


def package_path(package: str) -> Path:
    """The folder of an importable package, without importing the package itself."""
    try:
        spec = find_spec(package)
    except ImportError:  # the package that should hold it
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise EmosymError("plugin.missing-package", f"package {package!r} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise unknown("plugin.unknown-kind", "kind", str(kind), KINDS)


def _check_unqualified(what: str, name: str) -> None:
    if not name or "/" in name:
        raise EmosymError(
            "plugin.bad-name",
            f"{what} name {name!r} must have no slash",
            hint="specs write plugin-id/name where two plugins offer one name",
        )
