"""Files of weights: reading them without noise, and what is wrong with them, such as shards that are not
there, files that are damaged, pickles that hold code, or parts of a model that none of them has."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import first_line, some
from safetensors import SafetensorError, safe_open

LOADING_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ImportError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    EOFError,
    SafetensorError,
    UnpicklingError,
)
"""What diffusers, transformers, safetensors and torch raise for files that are missing, damaged or of another
kind."""
STOCK_ATTENTION = ("sdpa", "eager", "flex_attention")
STOCK_EXPERTS = ("eager", "grouped_mm", "batched_mm")
"""What transformers brings; it looks for every other name among the kernels of the hub, and runs what it finds."""
_log = logging.getLogger("emosym.weights")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_TORN = "PytorchStreamReader", "unexpected EOF", "storage has wrong byte size"


def is_hub_id(name: str) -> bool:
    """Whether a name can be a model's on the hub: ``OWNER/NAME``. The hub is not asked for a bare word, which is more
    likely an alias of a plugin that is not there."""
    return bool(_HUB_ID.fullmatch(name))


def absent_shards(folder: Path, variant: str | None = None) -> list[str]:
    """Files that an index in ``folder`` names and that are not there; ``variant`` as in
    ``*.index.fp16.json``."""
    absent: set[str] = set()
    for index in sorted(folder.glob(f"*.index.{variant}.json" if variant else "*.index.json")):
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        absent |= {str(name) for name in named if not (folder / str(name)).is_file()}
    return sorted(absent)


def damaged_files(folder: Path) -> list[str]:
    """Safetensors files in ``folder`` whose header or length is wrong; only headers are read."""
    damaged = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt"):
                continue
        except (SafetensorError, OSError):
            damaged.append(path.name)
    return damaged


def holds_code(error: BaseException) -> bool:
    """Whether ``error``, or what led to it, is torch's refusal to open a pickle that holds more than
    tensors."""
    return any(
        isinstance(one, UnpicklingError) or "Weights only load failed" in str(one) for one in _chain(error)
    )


def is_torn(error: BaseException) -> bool:
    """Whether ``error``, or what led to it, says that a file of weights ends too early or is no such file."""
    return any(
        isinstance(one, (SafetensorError, EOFError)) or any(word in str(one) for word in _TORN)
        for one in _chain(error)
    )


def broken_weights(
    kind: str, where: str, folder: Path | None, error: Exception, variant: str | None = None
) -> EmosymError | None:
    """The error to raise in place of ``error`` where files of weights in ``folder`` are its cause; else None.

    ``where`` names the model or its part in the message. Ids: ``KIND.unsafe-pickle``, ``KIND.missing-shard``,
    ``KIND.damaged-weights``.
    """
    if holds_code(error):
        return EmosymError(
            f"{kind}.unsafe-pickle",
            f"{where}: its weights are a pickle that holds more than tensors, which could run any code; "
            "it was not opened",
            hint="take the safetensors version of this model",
        )
    absent = absent_shards(folder, variant) if folder is not None else []
    if absent:
        return EmosymError(
            f"{kind}.missing-shard",
            f"{where}: {some(absent)} {'is' if len(absent) == 1 else 'are'} named by the index but not there",
            hint=f"download the missing files into {folder}",
        )
    damaged = damaged_files(folder) if folder is not None else []
    if damaged or is_torn(error):
        return EmosymError(
            f"{kind}.damaged-weights",
            f"{where}: {some(damaged) or 'a file of weights'} is damaged ({first_line(error)})",
            hint="delete that file and download it again",
        )
    return None


def refuse_hub_code(kind: str, where: str, described: Any) -> None:
    """Refuse a model whose ``described`` configuration (JSON as Python has it) would run code of the hub.

    That is a kernel in place of an attention or of experts, anywhere in it, or ``trust_remote_code``, which only the
    command line can give. Errors: ``KIND.untrusted-code``.
    """
    if isinstance(described, list):
        for one in described:
            refuse_hub_code(kind, where, one)
    if not isinstance(described, Mapping):
        return
    for key, value in described.items():
        name = str(key).removeprefix("_").removesuffix("_internal")
        stock = {"attn_implementation": STOCK_ATTENTION, "experts_implementation": STOCK_EXPERTS}.get(name)
        named = list(value.values()) if isinstance(value, Mapping) else [value]
        foreign = [one for one in named if one and one not in stock] if stock else []
        if foreign or (name in ("trust_remote_code", "use_kernels", "kernel_config") and value):
            raise EmosymError(
                f"{kind}.untrusted-code",
                f"{where}: its configuration asks for {key}: {foreign[0] if foreign else value}, code of the hub that "
                "would run on this machine",
                hint=f"take {key} out of its configuration; transformers' own code needs none",
            )
        refuse_hub_code(kind, where, value)


def check_complete(kind: str, where: str, info: Mapping[str, Any]) -> None:
    """Refuse weights that leave a part of a model at random, and warn of those that have no place in it.

    ``info`` is what transformers or diffusers says of the loading. Errors: ``KIND.weights-mismatch``,
    ``KIND.incomplete-weights``.
    """
    hint = "its config.json and its weights do not belong together; download both again"
    misfits = sorted(
        f"{name} {list(saved)} for {list(wanted)}" for name, saved, wanted in info["mismatched_keys"]
    )
    if misfits:
        raise EmosymError(
            f"{kind}.weights-mismatch",
            f"{where}: {len(misfits)} weights have another shape than config.json says, such as {misfits[0]}",
            hint=hint,
        )
    absent = sorted(info["missing_keys"])
    if absent:
        raise EmosymError(
            f"{kind}.incomplete-weights",
            f"{where}: {len(absent)} weights are not in its files, such as {absent[0]}; "
            "they would start at random",
            hint=hint,
        )
    unused = sorted(info["unexpected_keys"])
    if unused:
        _log.warning(
            "%s: %d weights in its files have no place in the model, such as %s",
            where,
            len(unused),
            unused[0],
        )


@contextmanager
def quiet(*libraries: Any) -> Iterator[None]:
    """No loading bars and no tables of keys: a run has its own progress, and what matters of them is our
    error.

    ``libraries`` are the logging modules of transformers and diffusers, which have the same functions.
    """
    with ExitStack() as stack:
        for library in libraries:
            stack.callback(library.set_verbosity, library.get_verbosity())
            library.set_verbosity(logging.CRITICAL)
            if library.is_progress_bar_enabled():
                stack.callback(library.enable_progress_bar)
                library.disable_progress_bar()
        yield


def known_folder(model: str, known: Mapping[str, Path]) -> Path | None:
    """A folder of ``known``, whose keys are hub ids: by that id, by its own name, or by a path that ends as
    the id does."""
    for hub_id, folder in known.items():
        if model in (hub_id, folder.name) or Path(model).name == hub_id.partition("/")[2]:
            return folder
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
