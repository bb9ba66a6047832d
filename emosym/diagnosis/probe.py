"""Whether looking at a plugin is light: its light module and its config models, imported by a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from emosym_registry import LoadedPlugin, Registry

HEAVY = ("torch", "transformers", "diffusers", "open_clip", "tensorflow", "jax")
SECONDS = 120

_CODE = """
import contextlib, importlib, json, sys
modules, heavy = json.loads(sys.argv[1])
seen, found = set(), {}
with contextlib.redirect_stdout(sys.stderr):
    for name in modules:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
        found[name] = sorted({one for one in heavy if one in sys.modules} - seen)
        seen |= set(found[name])
print(json.dumps(found))
"""


def probe_all(registry: Registry) -> dict[str, list[tuple[str, str, str]]]:
    """For each plugin what makes it heavy, as stage, cause and what to do; one process a plugin, as many as cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ids = sorted(registry.plugins)
        return dict(zip(ids, pool.map(probe, (registry.plugins[id] for id in ids)), strict=True))


def probe(plugin: LoadedPlugin) -> list[tuple[str, str, str]]:
    """What makes a plugin heavy, as stage, cause and what to do."""
    light = plugin.installed.module
    configs = sorted({one.spec.config.partition(":")[0] for one in plugin.components})
    authors = f"its authors should import it inside what needs it (plugin {plugin.id})"
    try:
        heavy = _imported([light, *configs])
    except subprocess.TimeoutExpired:
        return [("import", f"importing {light} takes more than {SECONDS} s", authors)]
    except (subprocess.CalledProcessError, ValueError):
        return [("import", f"a process that imports {light} dies", authors)]
    return [
        (
            "import",
            f"{'light' if module == light else 'config'} module {module} imports {', '.join(names)}, "
            "which makes every command slow",
            authors,
        )
        for module, names in heavy.items()
        if names
    ]


def _imported(modules: list[str]) -> dict[str, list[str]]:
    """Heavy packages that each module brings in, in this order, in a fresh interpreter."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", _CODE, json.dumps([modules, HEAVY])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    heavy: dict[str, list[str]] = json.loads(done.stdout)
    return heavy
