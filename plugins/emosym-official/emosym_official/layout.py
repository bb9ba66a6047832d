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
MAPPERS = {"from_emotion": "mapper.pth", "from_context": "mapper_context.pth"}
"""Our name of a mapper and the authors' file."""
MAPPER_SETTINGS = "params.json"
SPACE = "emotion_space"
STATES = {"emotion": "cls_fea", "context": "context"}
"""Our name of a state and the authors' in the file names of its statistics."""


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
        maybe = (
            self.config,
            self.adapter,
            self.rest,
            self.joint,
            *self.mappers.values(),
            self.mapper_settings,
        )
        return [path for path in maybe if path is not None] + list(self.statistics.values())


@dataclass(frozen=True)
class Places:
    """Where to look: one folder for all, or others for what the authors' scripts write elsewhere."""

    checkpoint: Path
    mappers: Path | None = None
    emotion_space: Path | None = None


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
    layout = Layout(
        config=places.checkpoint / ADAPTER_CONFIG,
        adapter=_first(places.checkpoint, ADAPTERS),
        rest=places.checkpoint / REST,
        joint=_present(mappers / JOINT) or _present(places.checkpoint / JOINT),
        mappers={part: mappers / name for part, name in MAPPERS.items()} if generates else {},
        mapper_settings=_settings(mappers) if generates else None,
        statistics={
            (emotion, state, figure): space / f"{emotion}_{word}_{figure}.pt"
            for emotion in emotions
            for state, word in STATES.items()
            for figure in ("mean", "std")
        }
        if generates
        else {},
    )
    _refuse_missing(layout, places.checkpoint)
    return layout


def _first(folder: Path, names: Sequence[str]) -> Path:
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None


def _settings(mappers: Path) -> Path | None:
    """Joint training writes its settings once and its epochs in folders below."""
    return _present(mappers / MAPPER_SETTINGS) or _present(mappers.parent / MAPPER_SETTINGS)


def _refuse_missing(layout: Layout, folder: Path) -> None:
    missing = [path for path in layout.files() if not path.is_file()]
    if not missing:
        return
    expected = f"{ADAPTER_CONFIG}, {' or '.join(ADAPTERS)}, {REST}"
    if len(missing) == len(layout.files()):
        raise EmosymError(
            "official.unknown-layout",
            f"{folder} holds none of the files that the authors' code writes ({expected}, …)",
            hint="name the folder of the adapter; docs/how-to/official-checkpoints.md describes the layout",
        )
    listed = "\n".join(f"  {path}" for path in missing)
    raise EmosymError(
        "official.missing-file",
        f"{folder} is not a whole checkpoint, {len(missing)} of its files are missing:\n{listed}",
        hint="add them, or say where they are with --mappers and --emotion-space, or leave generation out: "
        "--set diffusion=null --set fusion=null --set emotion_space=null --set stages.unify=null",
    )
