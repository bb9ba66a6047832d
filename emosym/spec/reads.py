"""What each stage's result depends on, as a hash: equal hashes are equal stages, whichever specs they stand in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from emosym_registry.descriptors import package_path

from emosym.spec.model import STAGES
from emosym.spec.nodes import key_path
from emosym.spec.resolved import Resolved

SYSTEM = (
    "seed",
    "labels",
    "data",
    "knowledge",
    "text_encoder",
    "backbone",
    "compressor",
    "head",
    "reading",
    "reason_tokens",
)
"""Sections that every stage reads; knowledge and its encoder give the compressor its width."""
OF_STAGE: Mapping[str, tuple[str, ...]] = {
    "compress": (),
    "reinforce": ("rewards", "reinforcer", "judges.reward"),
    "unify": ("fusion", "emotion_space", "diffusion", "memory", "judges.bank"),
}
OF_TRAINING = ("optim", "compute.gradient_accumulation", "compute.device", "compute.precision")
OF_EVALUATION = ("metrics", "evaluation", "judges.evaluate")
KEY = 16
"""Characters of a key in the name of a folder."""
LIBRARIES = ("torch", "transformers", "diffusers", "peft", "accelerate")
"""Whose versions may change a result."""
WITHOUT_EFFECT = frozenset({"ablation", "cli", "diagnosis", "report", "testing", "web"})
"""Parts of the core that train nothing: a change in them leaves every result as it is."""


def stage_keys(resolved: Resolved, files: Mapping[str, str] | None = None, **more: Any) -> dict[str, str]:
    """For each stage of a spec, in order, a hash of all that its weights come from: the sections that it and the stages
    before it read, the versions (and, installed for editing, the code) of core and plugins, the content of ``files`` that
    components name (by path of the spec), and ``more``, such as the fingerprint of the data."""
    data, keys, files = resolved.data(), {}, files or {}
    system = _sections(resolved, data, (*SYSTEM, *OF_TRAINING), files)
    before = _hash({"core": _core(), "more": more, **system})
    for stage in STAGES:
        settings = data["stages"][stage]
        if settings is not None:
            own = {"stage": settings, **_sections(resolved, data, OF_STAGE[stage], files)}
            before = keys[stage] = _hash({"before": before, **own})
    return keys


def evaluation_key(resolved: Resolved) -> str:
    """A hash of all that figures come from beside the weights that are measured: the rewards too, where a metric asks
    them."""
    rewards = OF_STAGE["reinforce"] if measures_rewards(resolved) else ()
    return _hash(_sections(resolved, resolved.data(), (*OF_EVALUATION, *rewards), {}))


def measures_rewards(resolved: Resolved) -> bool:
    """Whether a metric of a spec asks its rewards."""
    return any("rewards" in resolved.needs(path) for path in resolved.offers if path.startswith("metrics."))


def _sections(
    resolved: Resolved, data: Mapping[str, Any], names: tuple[str, ...], files: Mapping[str, str]
) -> dict[str, Any]:
    """Sections of the spec by name, with who offers the components in them and what the files hold that they name."""
    found: dict[str, Any] = {}
    for name in names:
        value: Any = data
        for part in key_path(name):
            value = value[part]
        found[name] = value
    offers = {path: one for path, one in resolved.offers.items() if _within(path, names)}
    found["components"] = {
        path: [one.qualified, one.plugin.package, _code(one.plugin.distribution, one.spec.target)]
        for path, one in sorted(offers.items())
    }
    found["files"] = {path: content for path, content in files.items() if _within(path, names)}
    return found


def _within(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _core() -> list[str]:
    versions = [f"{name} {metadata.version(name)}" for name in ("emosym", *LIBRARIES) if _installed(name)]
    return [*versions, _code("emosym", "emosym:")]


def _installed(distribution: str) -> bool:
    return any(metadata.distributions(name=distribution))


@cache
def _code(distribution: str, target: str) -> str:
    """sha256 over the modules of a package that is installed for editing, whose version says nothing of its code; empty
    for any other."""
    try:
        origin = json.loads(metadata.distribution(distribution).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return ""
    if not origin.get("dir_info", {}).get("editable"):
        return ""
    digest = hashlib.sha256()
    for file in _modules(package_path(target.partition(":")[0].partition(".")[0])):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _modules(package: Path) -> Iterator[Path]:
    for file in sorted(package.rglob("*.py")):
        if package.name != "emosym" or file.relative_to(package).parts[0] not in WITHOUT_EFFECT:
            yield file
