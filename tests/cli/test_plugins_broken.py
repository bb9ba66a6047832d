"""Plugins that are really installed and broken, each in its own way: commands go on, and doctor names them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Outcome, install

HEADER = """
from emosym_registry import API_VERSION, Alias, ComponentSpec, PluginInfo, Preset, hookimpl

@hookimpl
def emosym_plugin_info():
    return PluginInfo("{id}", API_VERSION, "for tests")
"""
OFFER = """
@hookimpl
def emosym_components():
    return [ComponentSpec("reward", "{name}", "{target}", "{config}", "for tests")]
"""
PARTS = """
import abc
from pydantic import BaseModel
from emosym.contracts import ComponentConfig

class Config(ComponentConfig):
    pass

class Loose(BaseModel):
    pass

class NoModel:
    pass
"""
TORCH_PARTS = """
from emosym.contracts import RewardVerifier

class Half(RewardVerifier):
    attribute_keys = ()

class Whole(RewardVerifier):
    def score(self, rollouts):
        return rollouts.actions * 0.0

class Other:
    pass
"""
SUITES = """
from emosym.testing import JudgeSuite, RewardSuite

class OfAnother(RewardSuite):
    component = "emosym-reasoning/valence"

class OfJudges(JudgeSuite):
    component = "no-reward"
"""
LABEL = "plugin_torch_parts:Whole"
CHECKED = (
    OFFER.replace("{target}", LABEL)
    .replace("{config}", "plugin_parts:Config")
    .replace('tests")', 'tests", conformance="{suite}")')
)
NEW_VERSION = 'from emosym_registry import PluginInfo, hookimpl\n@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo("newer", "2.0", "")\n@hookimpl\ndef emosym_of_the_future():\n    return 1\n'

FAILING = {
    "hidden": (HEADER + "@hookimpl\ndef emosym_commands():\n    yield ('poll', 'emosym.cli.spec:app', 'Poll.')\n    yield ('poll end', 'emosym.cli.spec:app', 'End.')\n", "spec", "'poll' is a command, and a group because of 'poll end'"),
    "raises": ("raise RuntimeError('out of order')", "import", "RuntimeError: out of order"),
    "syntax": ("def f(:\n", "import", "SyntaxError: invalid syntax"),
    "exits": ("import sys\nsys.exit(3)\n", "import", "SystemExit: 3"),
    "lacks": ("import a_package_nobody_has\n", "import", "No module named 'a_package_nobody_has'"),
    "future-hook": (HEADER + "@hookimpl\ndef emosym_componets():\n    return []\n", "register", "unknown hook emosym_componets"),
    "unmarked": (HEADER + "def emosym_components():\n    return []\n", "register", "emosym_components is not marked with @hookimpl"),
    "signature": (HEADER + "@hookimpl\ndef emosym_components(system):\n    return []\n", "register", "'system'"),
    "mistakes": (HEADER + "@hookimpl\ndef emosym_aliasses():\n    return []\n@hookimpl\ndef emosym_presets(where):\n    return []\n", "register", "unknown hook emosym_aliasses; hook emosym_presets has no argument 'where'"),
    "nameless": ("from emosym_registry import hookimpl\n", "spec", "the hook emosym_plugin_info is missing"),
    "float": ("from emosym_registry import PluginInfo, hookimpl\n@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo('float', 1.0, '')\n", "version", "api_version 1.0 is not 'major.minor'"),
    "twice": (HEADER + "@hookimpl\ndef emosym_components():\n    return [ComponentSpec('reward', 'a', 'a:B', 'a:C')] * 2\n", "spec", "reward 'a' is offered twice"),
    "words": (HEADER + "@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'a', 'a:B', 'a:C', '', 'prefix')\n", "spec", "are tuples of strings"),
    "command": (HEADER + "@hookimpl\ndef emosym_commands():\n    yield ('serve', 'a:b')\n", "spec", "is not (name, target, help)"),
    "exits-later": (HEADER + "@hookimpl\ndef emosym_presets():\n    raise SystemExit('no presets')\n", "spec", "no presets"),
    "newer": (NEW_VERSION, "version", "written for plugin API 2.0, this is 1.0"),
    "wrapper": (HEADER + "@hookimpl(wrapper=True)\ndef emosym_run_started():\n    yield\n", "register", "wrapper around other plugins"),
}  # fmt: skip
ODD_ENTRIES = {
    "absent": ("no_such_module_anywhere", "import", "there is no 'no_such_module_anywhere'"),
    "object": ("json:loads", "discover", "names an object, not a module"),
    "malformed": ("not a module!", "discover", "is no module's name"),
}
LOADED = {
    "no-target": (OFFER.format(name="no-target", target="nowhere.at:All", config="plugin_parts:Config"), "spec", "nowhere.at:All cannot be imported"),
    "no-model": (OFFER.format(name="no-model", target=LABEL, config="plugin_parts:NoModel"), "spec", "plugin_parts:NoModel is no pydantic model"),
    "loose": (OFFER.format(name="loose", target=LABEL, config="plugin_parts:Loose"), "spec", "lets unknown keys pass"),
    "abstract": (OFFER.format(name="abstract", target="plugin_torch_parts:Half", config="plugin_parts:Config"), "spec", "plugin_torch_parts:Half is abstract, it lacks score"),
    "stranger": (OFFER.format(name="stranger", target="plugin_torch_parts:Other", config="plugin_parts:Config"), "spec", "no subclass of emosym.contracts.RewardVerifier"),
    "heavy-config": (OFFER.format(name="heavy-config", target=LABEL, config="plugin_torch_parts:Half"), "import", "config module plugin_torch_parts imports torch"),
    "first": (OFFER.format(name="same", target=LABEL, config="plugin_parts:Config"), "register", "reward same is also offered by plugin second"),
    "second": (OFFER.format(name="same", target=LABEL, config="plugin_parts:Config"), "register", "reward same is also offered by plugin first"),
    "needy": (OFFER.format(name="needy", target=LABEL, config="plugin_parts:Config").replace('"for tests")]', '"for tests", requires=("not-there>=2",))]'), "spec", "requires not-there>=2, but it is not installed"),
    "no-suite": (CHECKED.format(name="no-suite", suite="plugin_suites:Missing"), "spec", "plugin_suites:Missing cannot be imported"),
    "no-reward": (CHECKED.format(name="no-reward", suite="plugin_suites:OfJudges"), "spec", "plugin_suites:OfJudges of no-reward/no-reward is no RewardSuite"),
    "foreign-suite": (CHECKED.format(name="foreign-suite", suite="plugin_suites:OfAnother"), "spec", "names component 'emosym-reasoning/valence'"),
    "weights": ("@hookimpl\ndef emosym_aliases():\n    yield Alias('reward', 'same', 'tiny', 'email', 'no/such/folder')\n", "spec", "there is no"),
    "preset": ("@hookimpl\ndef emosym_presets():\n    yield Preset('gone', 'no_such_package', 'gone.yaml')\n", "spec", "package 'no_such_package' is not installed"),
    "bad-yaml": ("@hookimpl\ndef emosym_presets():\n    yield Preset('torn', 'torn_presets', 'torn.yaml')\n", "spec", "torn.yaml:3:"),
    "orphan": ("@hookimpl\ndef emosym_aliases():\n    yield Alias('reward', 'nobody', 'tiny', 'email', 'mime')\n", "spec", "reward nobody, which no plugin offers"),
    "bad-command": ("@hookimpl\ndef emosym_commands():\n    yield ('serve', 'json:dumps', 'Serve.')\n", "spec", "json:dumps is no typer.Typer"),
    "shadow": ("@hookimpl\ndef emosym_commands():\n    yield ('run', 'emosym.cli.spec:app', 'Run.')\n", "register", "emosym has a verb 'run'"),
    "below": ("@hookimpl\ndef emosym_commands():\n    yield ('train fast', 'emosym.cli.spec:app', 'Train.')\n", "register", "'train fast' is reached as `emosym below/train fast` alone: emosym has a verb 'train'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the path with every broken plugin, and one that only talks too much."""
    folder = tmp_path_factory.mktemp("installed")
    for id, (code, _, _) in FAILING.items():
        install(folder, id, code.replace("{id}", id))
    for id, (entry, _, _) in ODD_ENTRIES.items():
        install(folder, id, "", entry=entry)
    for id, (code, _, _) in LOADED.items():
        install(folder, id, HEADER.format(id=id) + code)
    install(folder, "talks", "print('good morning')\n" + HEADER.format(id="talks"))
    install(folder, "idle", "import time\ntime.sleep(0.6)\n" + HEADER.format(id="idle"))
    install(folder, "renamed", HEADER.format(id="another-name"))
    install(folder, "outdated", HEADER.format(id="outdated"), requires=("emosym-registry>=99",))
    install(folder, "explained", "from emosym_registry import Newer\n", requires=("emosym-registry>=99",))
    install(folder, "heavy", "import torch\n" + HEADER.format(id="heavy"))
    nearly = install(folder, "nearly", "") / "dist_nearly-1.0.dist-info" / "entry_points.txt"
    nearly.write_text("[emosym.plugin]\nnearly = a\n")
    unreadable = install(folder, "unreadable", "") / "dist_unreadable-1.0.dist-info" / "entry_points.txt"
    unreadable.write_text("[emosym.plugins]\nunreadable = a\nunreadable = b\n")
    (folder / "plugin_parts.py").write_text(PARTS)
    (folder / "torn_presets").mkdir()
    (folder / "torn_presets" / "__init__.py").write_text("")
    (folder / "torn_presets" / "torn.yaml").write_text("emosym: 1\nstages: [compress\n")
    (folder / "plugin_torch_parts.py").write_text(TORCH_PARTS)
    (folder / "plugin_suites.py").write_text(SUITES)
    return folder


def emosym(folder: Path, *words: str, disable: str = "") -> Outcome:
    """Run a command in a process of its own with the folder on the path."""
    code = "import sys; from emosym.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(folder), "EMOSYM_DISABLE_PLUGINS": disable}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


NOT_LOADED = {*FAILING, *ODD_ENTRIES, "dist-unreadable", "explained"}


@pytest.fixture(scope="module")
def listed(folder: Path) -> Outcome:
    return emosym(folder, "plugins", "list", "--json")


@pytest.fixture(scope="module")
def doctor(folder: Path) -> dict[str, Any]:
    """What doctor says of the broken plugins alone."""
    first_party = (
        "emosym-data,emosym-diffusion,emosym-memory,emosym-metrics,emosym-reasoning,emosym-tiny,emosym-vlm"
    )
    outcome = emosym(folder, "plugins", "doctor", "--json", disable=first_party)
    assert outcome.status == 1
    report: dict[str, Any] = json.loads(outcome.out)
    return report


def test_help_does_not_notice(folder: Path) -> None:
    helped = emosym(folder, "--help")
    assert (helped.status, helped.err) == (0, "")
    assert "plugins" in helped.out


def test_the_list_has_the_others_and_one_line_for_each_that_failed(listed: Outcome) -> None:
    assert listed.status == 0
    content = json.loads(listed.out)  # what a plugin prints on import is not in it
    assert {"emosym-vlm", "talks", "no-target"} <= {plugin["id"] for plugin in content["plugins"]}
    assert {one["id"] for one in content["failed"]} == NOT_LOADED
    lines = listed.err.splitlines()
    assert "good morning" in lines
    warnings = [line for line in lines if line.startswith("warning: plugin ")]
    assert len(warnings) == len(NOT_LOADED) == len(lines) - 1
    assert {line.split()[2] for line in warnings} == NOT_LOADED


def test_a_spec_is_checked_beside_them(folder: Path) -> None:
    checked = emosym(folder, "spec", "check", "preset:tiny")
    assert checked.status == 0
    assert "Traceback" not in checked.err


def test_the_schema_is_written_beside_them(folder: Path) -> None:
    assert emosym(folder, "spec", "schema").status == 0


@pytest.mark.parametrize("id", [*FAILING, *ODD_ENTRIES, *LOADED])
def test_doctor_has_a_row_with_stage_cause_and_what_to_do(doctor: dict[str, Any], id: str) -> None:
    _, stage, cause = {**FAILING, **ODD_ENTRIES, **LOADED}[id]
    rows = [row for row in doctor["troubles"] if row["plugin"] == id]
    fitting = [row for row in rows if row["stage"] == stage and cause in row["cause"]]
    assert fitting, rows
    assert all(row["hint"] and row["distribution"] == f"dist-{id}" for row in rows)
    if id not in ("heavy-config",):
        assert len(rows) == 1, rows


def row(doctor: dict[str, Any], id: str) -> dict[str, str]:
    (only,) = [row for row in doctor["troubles"] if row["plugin"] == id]
    return only


def test_doctor_sees_entry_points_that_nobody_reads(doctor: dict[str, Any]) -> None:
    found = row(doctor, "nearly")
    assert (
        found["cause"]
        == "dist-nearly 1.0 has its entry point in the group 'emosym.plugin', which nobody reads"
    )
    assert found["hint"] == "its authors should write the group 'emosym.plugins'"


def test_doctor_says_how_to_mend_stale_metadata(doctor: dict[str, Any]) -> None:
    hint = row(doctor, "absent")["hint"]
    assert hint == "pip install --force-reinstall dist-absent, or pip uninstall dist-absent"


def test_doctor_tells_a_name_that_is_not_the_id(doctor: dict[str, Any]) -> None:
    assert "calls it 'another-name', its entry point 'renamed'" in row(doctor, "renamed")["cause"]


def test_a_version_clash_says_both_sides(doctor: dict[str, Any]) -> None:
    outdated, explained = row(doctor, "outdated"), row(doctor, "explained")
    words = "requires emosym-registry>=99, but 0.1.0 is installed"
    assert (outdated["stage"], outdated["cause"]) == ("version", f"dist-outdated 1.0 {words}")
    assert explained["stage"] == "version"
    assert explained["cause"].startswith(
        f"dist-explained 1.0 {words} (ImportError: cannot import name 'Newer'"
    )
    assert 'pip install "emosym-registry>=99"' in explained["hint"]


def test_doctor_notices_a_light_module_that_is_heavy(doctor: dict[str, Any]) -> None:
    found = row(doctor, "heavy")
    assert (found["stage"], "imports torch" in found["cause"]) == ("import", True)


def test_doctor_has_a_note_for_a_light_module_that_is_slow(doctor: dict[str, Any]) -> None:
    (note,) = [note for note in doctor["notes"] if note.startswith("plugin idle: ")]
    assert "took 0.6 s" in note
    assert not [row for row in doctor["troubles"] if row["plugin"] == "idle"]


def test_doctor_counts_the_plugins_that_failed(doctor: dict[str, Any]) -> None:
    assert doctor["not_loaded"] == len(NOT_LOADED)


def test_a_version_that_is_a_number_is_to_be_written_as_text(doctor: dict[str, Any]) -> None:
    assert row(doctor, "float")["hint"] == "write the version that the plugin was written for as text: '1.0'"


def test_authors_are_led_to_their_page(doctor: dict[str, Any]) -> None:
    assert "docs/how-to/write-a-plugin.md" in row(doctor, "nameless")["hint"]


def test_a_plugin_whose_metadata_cannot_be_read_is_known_by_its_package(doctor: dict[str, Any]) -> None:
    found = row(doctor, "dist-unreadable")
    assert found["stage"] == "discover"
    assert "already exists" in found["cause"]


def test_a_plugin_that_only_talks_is_fine(doctor: dict[str, Any]) -> None:
    assert not [row for row in doctor["troubles"] if row["plugin"] == "talks"]


def test_when_a_command_names_it_the_recorded_cause_is_the_error(folder: Path) -> None:
    shown = emosym(folder, "spec", "check", "preset:tiny", "--set", "rewards=[{name: raises/mine}]")
    assert shown.status == 2
    assert (
        "plugin raises (dist-raises 1.0) failed at import: RuntimeError: out of order"
        in shown.err.split("rewards.0")[1]
    )


def test_it_can_be_left_out_before_it_is_imported(folder: Path) -> None:
    words = [word for id in sorted(NOT_LOADED) for word in ("--no-plugin", id)]
    listed = emosym(folder, "plugins", "list", *words)
    assert (listed.status, listed.err) == (0, "good morning\n")
