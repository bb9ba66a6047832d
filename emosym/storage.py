"""What training changes, on disk: one safetensors file for each part of a system, nothing of the frozen bases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emosym_registry import EmosymError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from emosym.contracts import AdaptedModule
from emosym.toolkit import is_hub_id

State = Mapping[str, Mapping[str, Tensor]]
"""Tensors by part and name."""

PART = {"backbone": "adapters"}
"""Name of a module's part where it differs from the module's own."""


def gather(modules: Mapping[str, nn.Module]) -> dict[str, dict[str, Tensor]]:
    """Every tensor that training changes, by part, as copies on the CPU."""
    parts = {}
    for name, module in modules.items():
        own = module.adapter_state() if isinstance(module, AdaptedModule) else module.state_dict()
        parts[PART.get(name, name)] = {
            key: value.detach().cpu().clone().contiguous() for key, value in own.items()
        }
    return parts


def spread(modules: Mapping[str, nn.Module], parts: State, misfit: Callable[[str, str], EmosymError]) -> None:
    """The inverse of :func:`gather`; a missing or foreign part or tensor is an error, which ``misfit`` makes of the name of
    a module and of what does not fit."""
    _check_parts({PART.get(name, name): module for name, module in modules.items()}, parts)
    for name, module in modules.items():
        own = parts.get(PART.get(name, name), {})
        try:
            if isinstance(module, AdaptedModule):
                module.load_adapter_state(own)
            else:
                module.load_state_dict(own)
        except Exception as error:  # a component may load its weights in its own way
            raise misfit(name, _complaint(error)) from error


def _complaint(error: Exception) -> str:
    """The first thing that an error complains of, without the heading that torch has."""
    lines = getattr(error, "message", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[len(lines) > 1].strip().rstrip(".")


def _check_parts(modules: Mapping[str, nn.Module], parts: State) -> None:
    foreign = sorted(set(parts) - set(modules))
    if foreign:
        raise EmosymError(
            "system.does-not-fit",
            f"the saved weights do not fit this spec: it has no part {', '.join(foreign)}",
            hint="use the spec they were saved with",
        )
    missing = sorted(name for name in set(modules) - set(parts) if _learns(modules[name]))
    if missing:
        raise EmosymError(
            "system.missing-part",
            f"the saved weights are not whole: {', '.join(f'{name}.safetensors' for name in missing)} is missing",
            hint="copy the whole folder again, or restore it from a checkpoint of the run",
        )


def _learns(module: nn.Module) -> bool:
    """Whether a module has anything to save."""
    return bool(module.adapters() if isinstance(module, AdaptedModule) else module.state_dict())


@dataclass(frozen=True)
class SavedFacts:
    """What ``system.json`` says: ``text_width`` W, the plugin API's version, and the sha256 of each file of weights."""

    text_width: int
    api_version: str
    files: Mapping[str, str]


def find_saved(folder: Path) -> tuple[Path, SavedFacts]:
    """The folder of a saved system (a ``system/`` folder, or a run folder that holds one) and its facts.

    Errors: ``system.not-found``, ``system.unreadable``, ``system.damaged``.
    """
    for place in (folder / "system", folder):
        path = place / "system.json"
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            return place, SavedFacts(
                int(facts["text_width"]), str(facts["api_version"]), dict(facts.get("files") or {})
            )
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise EmosymError(
                "system.unreadable",
                f"{path}: {error.strerror or error}",
                hint="check the permissions of the folder and its files",
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(path, error) from error
    hint = "run a spec first: emosym run preset:tiny"
    if is_hub_id(str(folder)) and not folder.exists():
        hint += f"; or from the hub: emosym.System.from_pretrained({str(folder)!r})"
    raise EmosymError("system.not-found", f"{folder} holds no saved system", hint=hint)


def write_state(folder: Path, parts: State) -> dict[str, str]:
    """``<part>.safetensors`` in an existing folder for each part with tensors; the sha256 of each file.

    Errors: ``training.not-finite`` for a tensor with NaN or infinity, before anything is written.
    """
    refuse_not_finite(parts)
    files = {}
    for name, tensors in parts.items():
        if tensors:
            # Through Python and not safetensors' own writer, whose errors do not say what the system said.
            content = save(dict(tensors))
            (folder / f"{name}.safetensors").write_bytes(content)
            files[f"{name}.safetensors"] = hashlib.sha256(content).hexdigest()
    return files


def refuse_not_finite(parts: State) -> None:
    """Weights with NaN or infinity are worth nothing, and nothing that is saved is overwritten with them."""
    for part, tensors in parts.items():
        for name, value in tensors.items():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise EmosymError(
                    "training.not-finite",
                    f"{part}/{name} is not finite, so nothing of it is saved",
                    hint="lower the learning rate, or use --precision fp32; what was saved before is untouched",
                )


def size_of(parts: State) -> int:
    """Bytes of all tensors: what :func:`write_state` needs, up to its headers."""
    return sum(value.nbytes for tensors in parts.values() for value in tensors.values())


def read_state(folder: Path, files: Mapping[str, str] | None = None) -> dict[str, dict[str, Tensor]]:
    """The tensors that :func:`write_state` wrote; a damaged file is an error that names it.

    ``files`` are the sha256 that it gave: a file that is another one is damaged too, and one that is not there is for
    :func:`spread` to miss.
    """
    parts = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            content = path.read_bytes()
            if files and files.get(path.name, "") not in ("", hashlib.sha256(content).hexdigest()):
                raise SafetensorError("it is not the file that was saved (another sha256)")
            parts[path.stem] = load(content)
        except (SafetensorError, OSError) as error:
            raise damaged(path, error) from error
    return parts


def damaged(path: Path, error: Exception) -> EmosymError:
    """The error of a file of a saved system that is not what was saved."""
    return EmosymError(
        "system.damaged", f"{path} is damaged: {error}", hint="restore it from a checkpoint of the run"
    )
