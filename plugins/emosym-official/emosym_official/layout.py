"""Which files a checkpoint of the authors' code consists of, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emosym_registry import EmosymError

from emosym.toolkit import file_name

ADAPTER_CONFIG = "adapter_config.json"
ADAPTERS = ("adapter_model.safetensors", "adapter_model.bin")
REST = "non_lora_state_dict.bin"
JOINT = "Qwen_joint.pth"
MAPPERS = {"emotion": "mapper.pth", "context": "mapper_context.pth"}
"""State and the file of its mapper."""
MAPPER_SETTINGS = "params.json"
SPACE = "emotion_space"
STATISTICS = {"context": "context", "emotion": "cls_fea"}
"""State and the authors' name of it in the files of its statistics."""


@dataclass(frozen=True)
class Layout:
    """The files of one checkpoint.

    ``joint`` holds tokens and head as joint training (stage 3) left them, None before it; ``mappers`` and
    ``statistics`` are empty where only understanding is imported. A key of ``statistics`` is emotion, state
    (``emotion``, ``context``) and ``mean`` or ``std``.
    """

    config: Path
    adapter: Path
    rest: Path
    joint: Path | None
    mappers: dict[str, Path]
    mapper_settings: Path | None
    statistics: dict[tuple[str, str, str], Path]

    def files(self) -> list[Path]:
        """Every file that is read."""
        always = [self.config, self.adapter, self.rest, *self.mappers.values(), *self.statistics.values()]
        return always + [path for path in (self.joint, self.mapper_settings) if path is not None]

    def unread(self) -> list[str]:
        """Names of files in the folder that are not read, such as optimiser states."""
        read = {path.resolve() for path in self.files()}
        return sorted(p.name for p in self.config.parent.iterdir() if p.is_file() and p.resolve() not in read)


def find(
    folder: Path,
    emotions: Sequence[str],
    *,
    mappers: Path | None = None,
    emotion_space: Path | None = None,
    generates: bool,
) -> Layout:
    """The files of a checkpoint; everything that is missing is one error.

    ``mappers`` and ``emotion_space`` are folders that the authors' scripts write elsewhere; ``generates``
    says whether mappers and statistics of ``emotions`` are needed. Errors: ``official.no-folder``,
    ``official.unknown-layout`` where none of the files is there, ``official.missing-file`` where some are.
    """
    for given in (folder, mappers, emotion_space):
        if given is not None and not given.is_dir():
            hint = "name the checkpoint's folder"
            raise EmosymError("official.no-folder", f"{given}: no such folder", hint=hint)
    mappers, space = mappers or folder, emotion_space or folder / SPACE
    statistics = {
        (emotion, state, figure): space / f"{file_name(emotion)}_{word}_{figure}.pt"
        for emotion in emotions
        for state, word in STATISTICS.items()
        for figure in ("mean", "std")
    }
    # Joint training writes its settings once and its epochs in folders below.
    settings = _first(mappers / MAPPER_SETTINGS, mappers.parent / MAPPER_SETTINGS)
    layout = Layout(
        config=folder / ADAPTER_CONFIG,
        adapter=_first(*(folder / name for name in ADAPTERS)) or folder / ADAPTERS[0],
        rest=folder / REST,
        joint=_first(mappers / JOINT, folder / JOINT),
        mappers={state: mappers / name for state, name in MAPPERS.items()} if generates else {},
        mapper_settings=settings if generates else None,
        statistics=statistics if generates else {},
    )
    _refuse_missing(layout, folder)
    return layout


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _refuse_missing(layout: Layout, folder: Path) -> None:
    missing = [path for path in layout.files() if not path.is_file()]
    if len(missing) == len(layout.files()):
        raise EmosymError(
            "official.unknown-layout",
            f"{folder} holds none of the files that the authors' code writes "
            f"({ADAPTER_CONFIG}, {' or '.join(ADAPTERS)}, {REST}, …)",
            hint="name the folder of the adapter; docs/how-to/official-checkpoints.md describes the layout",
        )
    if missing:
        raise EmosymError(
            "official.missing-file",
            f"{folder} is not a whole checkpoint, {len(missing)} of its files are missing:"
            + "".join(f"\n  {path}" for path in missing),
            hint="add them, say where they are with --mappers and --emotion-space, or leave generation out: "
            "--set diffusion=null --set fusion=null --set emotion_space=null --set stages.unify=null",
        )
