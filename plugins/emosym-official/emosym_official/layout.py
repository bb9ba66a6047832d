"""Which files a checkpoint of the authors' code consists of, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emosym_registry import EmosymError

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
class Places:
    """Where to look: one folder for all, or others for what the authors' scripts write elsewhere."""

    checkpoint: Path
    mappers: Path | None = None
    emotion_space: Path | None = None


@dataclass(frozen=True)
class Layout:
    """The files of one checkpoint.

    ``joint`` holds tokens and head as joint training (stage 3) left them, None before it; ``mappers`` and
    ``statistics`` are empty where only understanding is imported. A key of ``statistics`` is emotion, state
    (``emotion``, ``context``) and ``mean`` or ``std``.
    """

    folder: Path
    adapter: Path
    joint: Path | None
    mappers: dict[str, Path]
    mapper_settings: Path | None
    statistics: dict[tuple[str, str, str], Path]

    @property
    def config(self) -> Path:
        return self.folder / ADAPTER_CONFIG

    @property
    def rest(self) -> Path:
        return self.folder / REST

    def files(self) -> list[Path]:
        """Every file that is read."""
        optional = [path for path in (self.joint, self.mapper_settings) if path is not None]
        return [
            self.config,
            self.adapter,
            self.rest,
            *optional,
            *self.mappers.values(),
            *self.statistics.values(),
        ]

    def unread(self) -> list[str]:
        """Names of files in the folder that are not read, such as optimiser states."""
        read = {path.resolve() for path in self.files()}
        return sorted(p.name for p in self.folder.iterdir() if p.is_file() and p.resolve() not in read)


def find(places: Places, emotions: Sequence[str], *, generates: bool) -> Layout:
    """The files of a checkpoint; everything that is missing is one error.

    ``generates`` says whether mappers and statistics of ``emotions`` are needed. Errors: ``official.no-folder``,
    ``official.unknown-layout`` where none of the files is there, ``official.missing-file`` where some are.
    """
    for folder in (places.checkpoint, places.mappers, places.emotion_space):
        if folder is not None and not folder.is_dir():
            raise EmosymError(
                "official.no-folder", f"{folder}: no such folder", hint="name the checkpoint's folder"
            )
    mappers = places.mappers or places.checkpoint
    space = places.emotion_space or places.checkpoint / SPACE
    statistics = {
        (emotion, state, figure): space / f"{emotion}_{word}_{figure}.pt"
        for emotion in emotions
        for state, word in STATISTICS.items()
        for figure in ("mean", "std")
    }
    # Joint training writes its settings once and its epochs in folders below.
    settings = _first(mappers / MAPPER_SETTINGS, mappers.parent / MAPPER_SETTINGS)
    layout = Layout(
        folder=places.checkpoint,
        adapter=_first(*(places.checkpoint / name for name in ADAPTERS)) or places.checkpoint / ADAPTERS[0],
        joint=_first(mappers / JOINT, places.checkpoint / JOINT),
        mappers={state: mappers / name for state, name in MAPPERS.items()} if generates else {},
        mapper_settings=settings if generates else None,
        statistics=statistics if generates else {},
    )
    _refuse_missing(layout)
    return layout


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _refuse_missing(layout: Layout) -> None:
    missing = [path for path in layout.files() if not path.is_file()]
    if len(missing) == len(layout.files()):
        raise EmosymError(
            "official.unknown-layout",
            f"{layout.folder} holds none of the files that the authors' code writes "
            f"({ADAPTER_CONFIG}, {' or '.join(ADAPTERS)}, {REST}, …)",
            hint="name the folder of the adapter; docs/how-to/official-checkpoints.md describes the layout",
        )
    if missing:
        raise EmosymError(
            "official.missing-file",
            f"{layout.folder} is not a whole checkpoint, {len(missing)} of its files are missing:"
            + "".join(f"\n  {path}" for path in missing),
            hint="add them, or say where they are with --mappers and --emotion-space, or leave generation out: "
            "--set diffusion=null --set fusion=null --set emotion_space=null --set stages.unify=null",
        )
