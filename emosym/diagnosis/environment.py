"""The machine and what is installed, for bug reports. Imports no torch unless asked to, and fails at nothing that is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from emosym_registry import Registry
from emosym_registry.errors import first_line

LIBRARIES = (
    "torch",
    "torchvision",
    "transformers",
    "diffusers",
    "accelerate",
    "peft",
    "open-clip-torch",
    "huggingface-hub",
    "datasets",
    "safetensors",
    "numpy",
    "pillow",
    "pillow-heif",
    "pydantic",
    "sqlalchemy",
    "bitsandbytes",
    "xformers",
    "ray",
    "submitit",
    "gradio",
)
PREFIXES = (
    "ACCELERATE_", "CUDA_", "DIFFUSERS_", "EMOSYM_", "HF_", "HIP_", "HUGGING", "KMP_", "MALLOC_", "MKL_", "NCCL_",
    "NO_COLOR", "OMP_", "PYTHON", "PYTORCH_", "RANK", "ROCR_", "SLURM_JOB_", "TOKENIZERS_", "TORCH", "TQDM_",
    "TRANSFORMERS_", "WORLD_SIZE", "XDG_CACHE_HOME",
)  # fmt: skip
"""Beginnings of variables that change what happens here."""
HARMLESS = frozenset(
    {
        "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "DIFFUSERS_VERBOSITY", "EMOSYM_DISABLE_PLUGINS",
        "EMOSYM_STRICT_PLUGINS", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_ENABLE_HF_TRANSFER",
        "HF_HUB_OFFLINE", "KMP_AFFINITY", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_",
        "MKL_NUM_THREADS", "NO_COLOR", "OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED",
        "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK", "RANK", "TOKENIZERS_PARALLELISM",
        "TQDM_DISABLE", "TRANSFORMERS_OFFLINE", "TRANSFORMERS_VERBOSITY", "WORLD_SIZE",
    }
)  # fmt: skip
"""Variables whose values are numbers and switches; of the others only that they are set is said."""
PATIENCE = 5.0
"""Seconds that another program may take to answer."""


def environment(
    registry: Registry, *, ask_torch: bool = False, unless: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Sections of facts: plain values that JSON can hold. ``unless`` are variables that emosym itself has set."""
    return {
        "emosym": {"emosym": version("emosym"), "emosym-registry": version("emosym-registry")},
        "plugins": plugins(registry),
        "libraries": {name: found for name in LIBRARIES if (found := version(name)) is not None},
        "system": system(),
        "devices": {**nvidia(), **(devices() if ask_torch else {})},
        "variables": variables(unless or {}),
        "caches": caches(),
    }


def version(distribution: str) -> str | None:
    """What its metadata say; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except Exception:  # metadata of other people can be broken in many ways
        return None


def plugins(registry: Registry) -> dict[str, str]:
    """Versions by plugin, and why one is not there."""
    there = {id: one.installed.version or "unknown version" for id, one in registry.plugins.items()}
    failed = {one.plugin.id: f"failed at {one.stage}: {one.cause}" for one in registry.failures}
    blocked = {id: f"blocked by {by}" for id, by in registry.blocked.items()}
    return dict(sorted((there | failed | blocked).items()))


def system() -> dict[str, Any]:
    """Python, operating system, processor and memory."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "in a virtual environment": sys.prefix != sys.base_prefix,
        "os": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": memory(),
        "terminal": sys.stderr.isatty(),
        "encoding": sys.stdout.encoding,
    }


def processor() -> str:
    """Its name where the system tells, else its kind."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory() -> str | None:
    """All there is, in GiB."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    except (AttributeError, OSError, ValueError):
        return None


def nvidia() -> dict[str, Any]:
    """NVIDIA cards as their driver's own program names them, which needs no torch."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {"nvidia-smi": None}
    words = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        return {"nvidia-smi": f"does not answer: {type(error).__name__}"}
    return {"nvidia-smi": done.stdout.strip().splitlines()}


def devices() -> dict[str, Any]:
    """What torch itself sees."""
    try:
        import torch

        cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return {"cuda of torch": torch.version.cuda, "cuda": cards, "mps": torch.backends.mps.is_available()}
    except Exception as error:
        return {"torch": f"cannot be asked: {type(error).__name__}: {first_line(error)}"}


def variables(unless: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that matter here, by name, without those that are as in ``unless``."""
    names = [name for name in sorted(os.environ) if name.startswith(PREFIXES)]
    names = [name for name in names if unless.get(name) != os.environ[name]]
    return {name: os.environ[name] if name in HARMLESS else "set" for name in names}


def caches() -> dict[str, str]:
    """How much lies in the folders where things are kept, wherever those are."""
    from emosym.toolkit.files import megabytes
    from emosym.toolkit.spaces import cache_folder

    home = Path.home() / ".cache"
    base = Path(os.environ.get("HF_HOME") or home / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or base / "hub").expanduser()
    torch = Path(os.environ.get("TORCH_HOME") or home / "torch").expanduser()
    folders = {"emosym": cache_folder(), "Hugging Face models": hub, "torch": torch}
    shown = {}
    for name, folder in folders.items():
        bytes, whole = size(folder)
        shown[name] = megabytes(bytes) if whole else f"more than {megabytes(bytes)}"
    return shown


def size(folder: Path, patience: float = PATIENCE) -> tuple[int, bool]:
    """Bytes of the files in a folder, and whether these are all: large ones on slow disks are given up after some seconds.
    Links, and what cannot be looked at, count nothing."""
    total, until = 0, time.monotonic() + patience
    for root, _, files in os.walk(folder):
        if time.monotonic() > until:
            return total, False
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total, True
