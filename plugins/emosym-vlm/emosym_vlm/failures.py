"""What can go wrong while a model loads, as one message that says what and what to do."""

from __future__ import annotations

from pathlib import Path

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import StrictDataclassError

from emosym.contracts import Context
from emosym.toolkit import LOADING_ERRORS, broken_weights, is_hub_id

LOADING: tuple[type[Exception], ...] = (*LOADING_ERRORS, AttributeError, StrictDataclassError)
"""What transformers, safetensors and torch raise for files that are missing, damaged or of another kind."""


def explained(model: str, context: Context, error: Exception) -> EmosymError:
    """The error to raise in place of ``error``, which came up while ``model`` was read."""
    text = str(error)
    if "trust_remote_code" in text:
        return _untrusted(model)
    folder = downloaded(context.model_path(model))
    broken = broken_weights("backbone", model, folder, error)
    if broken is not None:
        return broken
    if isinstance(error, OSError) or folder is None or not (folder / "config.json").is_file():
        return _missing(model, context, error)
    return EmosymError(
        "backbone.bad-model",
        f"{model}: cannot be loaded: {first_line(error)}",
        hint="check its config.json, `attention`, and that transformers is new enough for it",
    )


def require_place(model: str, context: Context) -> None:
    """Refuse what is neither an alias, nor a folder, nor an id of the hub: ``backbone.missing-model``."""
    path = context.model_path(model)
    if not (Path(path).is_dir() or is_hub_id(path)):
        raise _missing(model, context)


def downloaded(path: str) -> Path | None:
    """Where the files of a folder, or of a hub id already downloaded, lie."""
    if Path(path).is_dir():
        return Path(path)
    try:
        kept = try_to_load_from_cache(path, "config.json")
    except ValueError:
        return None
    return Path(kept).parent if isinstance(kept, str) else None


def _untrusted(model: str) -> EmosymError:
    return EmosymError(
        "backbone.untrusted-code",
        f"{model} brings its own Python code, which would run on this machine",
        hint="read that code first, then allow it for one run with --trust-remote-code (it cannot be set in "
        "a spec); models of transformers itself need none",
    )


def _missing(model: str, context: Context, error: Exception | None = None) -> EmosymError:
    path = context.model_path(model)
    own = context.kind, context.component
    aliases = sorted(name for *owner, name in context.aliases if tuple(owner) == own)
    named = f"; aliases of {context.component}: {', '.join(aliases)}" if aliases else ""
    if Path(path).is_dir():
        there = (Path(path) / "config.json").is_file()
        why = first_line(error) if error and there else "config.json is missing"
        what = f"folder {path} holds no complete model ({why})"
        todo = "it needs config.json, *.safetensors and the processor's files, as save_pretrained writes them"
    elif model.startswith((".", "~", "/")) or model.count("/") > 1:  # no id of a hub is written so
        what = f"folder {model} was looked for in {Path(model).absolute().parent} and is not there"
        todo = "set where it is now: --set backbone.params.model=DIR"
    elif not is_hub_id(model):
        what = (
            f"model {model!r} is neither an alias of an installed plugin, nor a folder, nor a hub id{named}"
        )
        todo = "install the plugin that has it, or set backbone.params.model to a folder or OWNER/NAME"
    else:
        what = f"model {model!r} is neither an alias, nor a folder, nor a hub id that can be reached{named}"
        todo = (
            f"download it once where there is a network (`{_download(model)}`) "
            "and set backbone.params.model to DIR"
        )
    return EmosymError("backbone.missing-model", what, hint=todo)


def _download(model: str) -> str:
    return f"hf download {'OWNER/NAME' if Path(model).is_dir() else model} --local-dir DIR"
