"""Whether looking at a plugin is light: its light module and its config models, imported by a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from emosym_registry import Registry

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
        return dict(zip(ids, pool.map(lambda id: _probe(registry, id), ids), strict=True))


def _probe(registry: Registry, id: str) -> list[tuple[str, str, str]]:
    plugin = registry.plugins[id]
    specs = [offer.spec for offer in registry.components() if offer.plugin.id == id]
    configs = sorted({spec.config.partition(":")[0] for spec in specs})
    authors = f"its authors should import it inside what needs it (plugin {id})"
    try:
        found = _imported([plugin.module, *configs])
    except subprocess.TimeoutExpired:
        return [("import", f"importing {plugin.module} takes more than {SECONDS} s", authors)]
    except (subprocess.CalledProcessError, ValueError):
        return [("import", f"a process that imports {plugin.module} dies", authors)]
    troubles = []
    for module, heavy in found.items():
        if heavy:
            what = "light module" if module == plugin.module else "config module"
            troubles.append(
                (
                    "import",
                    f"{what} {module} imports {', '.join(heavy)}, which makes every command slow",
                    authors,
                )
            )
    return troubles


def _imported(modules: list[str]) -> dict[str, list[str]]:
    """Heavy packages that each module brings in, in this order, in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, json.dumps([modules, HEAVY])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
