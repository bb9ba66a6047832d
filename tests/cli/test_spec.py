"""``emosym spec`` as a user meets it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from emosym_registry import load_registry
from jsonschema import Draft202012Validator

from emosym.spec import load_spec

from .conftest import Command, install

ROOT = Path(__file__).parents[2]
TINY = ROOT / "configs" / "tiny.yaml"
PAGE = ROOT / "docs" / "reference" / "spec.md"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_seven_different_mistakes_give_seven_located_messages_as_the_page_shows(emosym: Command) -> None:
    page = PAGE.read_text(encoding="utf-8")
    spec = next(block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "sead" in block)
    Path("seven.yaml").write_text(spec)
    checked = emosym("spec", "check", "seven.yaml")
    assert (checked.status, checked.out) == (2, "")
    first, *messages = checked.err.splitlines()
    assert first == "error: 7 mistakes in the spec"
    assert [message.split(": ")[0] for message in messages] == [
        "seven.yaml:4:1 sead",
        "seven.yaml:5:18 backbone.name",
        "seven.yaml:6:7 seed",
        "seven.yaml:8:27 rewards.0.weight",
        "seven.yaml:9:28 rewards.1.params.temperature",
        "seven.yaml:10:1 stages.reinforce",
        "seven.yaml:13:3 judges.evaluate",
    ]
    assert f"```text\n{checked.err}```" in page


def test_every_example_of_the_page_is_sound(emosym: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    first = re.findall(r"```yaml\n(.*?)```", page, re.S)[0]
    Path("mine.yaml").write_text(first)
    assert emosym("spec", "check", "mine.yaml").out == "ok: mine (llava · sd; compress, unify)\n"
    monkeypatch.chdir(ROOT)
    runs = [shlex.split(line, comments=True) for line in re.findall(r"^emosym run .*$", page, re.M)]
    assert len(runs) >= 5
    for _, _, *words in runs:
        assert emosym("spec", "check", *words).status == 0, words
    explained = emosym("spec", "explain", "configs/tiny.yaml", "--set", "seed=3").out
    shown = re.search(r"explain configs/tiny.yaml --set seed=3\n…\n(.*?)…", page, re.S)
    assert shown
    assert shown[1] in explained


@pytest.mark.parametrize("options", [(), ("--full",), ("--schema", "s.json"), ("--preset", "preset:tiny")])
def test_a_new_spec_passes_the_check_as_it_is(emosym: Command, options: tuple[str, ...]) -> None:
    written = emosym("spec", "new", *options)
    assert (written.status, written.out) == (0, "written: my-tiny.yaml\n")
    checked = emosym("spec", "check", "my-tiny.yaml")
    assert (checked.out, checked.err) == (
        "ok: my-tiny (qwen-vl · sd; compress, reinforce, unify)\n",
        "",
    )
    has_schema = Path("my-tiny.yaml").read_text().startswith("# yaml-language-server: $schema=s.json\n")
    assert has_schema == ("--schema" in options)


def test_a_new_spec_is_named_after_its_file_or_as_told(emosym: Command) -> None:
    emosym("spec", "new", "specs/one.yaml")
    emosym("spec", "new", "--name", "two")
    assert "\nname: one\n" in Path("specs/one.yaml").read_text()
    assert "\nname: two\n" in Path("two.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("there.yaml",), "there.yaml exists already"),
        (("a b.yaml",), "'a b' cannot be a spec's name"),
        (("--name", "a/b"), "'a/b' cannot be a spec's name"),
        (("x.yaml", "--preset", "tny"), 'did you mean "tiny"?'),
    ],
)
def test_what_cannot_be_written_leaves_everything_as_it_was(
    emosym: Command, words: tuple[str, ...], shown: str
) -> None:
    Path("there.yaml").write_text("mine")
    refused = emosym("spec", "new", *words)
    assert refused.status == 2
    assert shown in refused.err
    assert [path.name for path in Path().iterdir()] == ["there.yaml"]
    assert Path("there.yaml").read_text() == "mine"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_shown_loads_again_to_the_same(emosym: Command, options: tuple[str, ...]) -> None:
    sets = ("--set", "backbone.name=llava", "--set", "stages.unify.refresh.tolerance=null")
    shown = emosym("spec", "show", TINY, *sets, *options)
    Path("again.yaml").write_text(shown.out)
    again = emosym("spec", "show", "again.yaml", *options)
    assert again.out == shown.out
    assert again.err == ""
    registry = load_registry()
    first = load_spec(TINY, registry=registry, sets=[word for word in sets if word != "--set"])
    assert load_spec("again.yaml", registry=registry).data() == first.data()


def test_explain_says_where_each_value_came_from(emosym: Command) -> None:
    Path("mine.yaml").write_text("emosym: 1\nextends: preset:tiny\nname: mine\n")
    text = emosym("spec", "explain", "mine.yaml", "--set", "optim.lr=0.5").out
    places = {line.split()[0]: line.split()[-1] for line in text.splitlines() if len(line.split()) > 2}
    assert places["name"] == "mine.yaml:3:1"
    assert places["optim.lr"] == "--set"
    assert re.fullmatch(r"preset:tiny:\d+:\d+", places["data.params.train"])
    assert "stage-preset emosym" in next(line for line in text.splitlines() if ".token_gradient" in line)
    left = re.search(r"(\d+)  untouched defaults, left out below; --all lists them", text)
    assert left
    whole = emosym("spec", "explain", "mine.yaml", "--set", "optim.lr=0.5", "--all").out
    assert len(whole.splitlines()) == len(text.splitlines()) + int(left[1])
    assert re.search(r"optim\.clip +1\.0 +default", whole)
    assert "optim.clip" not in text


def test_explain_lists_deviations_components_and_licences(emosym: Command) -> None:
    told = json.loads(
        emosym("spec", "explain", TINY, "--json", "--set", "diffusion.params.model=some/weights").out
    )
    deviations = {one["path"]: (one["value"], one["reference"]) for one in told["deviations"]}
    assert deviations["memory.params.policy"] == ("emosym", "paper")
    assert deviations["reinforcer.name"] == ("grpo", "paper")
    assert deviations["stages.unify.token_gradient"] == (0.1, 1.0)
    components = {one["path"]: one for one in told["components"]}
    assert components["backbone"]["weights_licence"] == "Apache-2.0"
    assert components["backbone"]["weights_from"].startswith("emosym-tiny ")
    assert components["backbone"]["licence"] == "Apache-2.0"
    assert components["diffusion"]["weights"] == "some/weights"
    assert components["diffusion"]["weights_licence"] == ""
    assert components["rewards.0"]["plugin"] == "emosym-reasoning"


def test_the_table_fits_a_terminal_and_goes_whole_into_a_pipe(
    emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"emotion-{n}" for n in range(20)]
    sets = ("--set", f"labels={json.dumps(names)}", "--set", "rewards=[label]", "--set", "metrics=[accuracy]")
    piped = emosym("spec", "explain", TINY, *sets).out
    assert ", ".join(names) in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "110")
    shown = emosym("spec", "explain", TINY, *sets).out
    assert ", ".join(names) not in shown
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in shown.splitlines()) <= 110


def test_the_schema_is_printed_or_written_whole(emosym: Command) -> None:
    printed = json.loads(emosym("spec", "schema").out)
    Draft202012Validator.check_schema(printed)
    assert emosym("spec", "schema", "--out", "at/s.json").out == "written: at/s.json\n"
    assert json.loads(Path("at/s.json").read_text()) == printed
    assert "llava" in printed["$defs"]["component.backbone"]["anyOf"][0]["enum"]
    smaller = json.loads(emosym("spec", "schema", "--no-plugin", "emosym-vlm").out)
    assert "component.backbone" in smaller["$defs"]
    assert "llava" not in json.dumps(smaller["$defs"]["component.backbone"])


def test_an_allow_list_counts_from_a_file_and_from_set(emosym: Command) -> None:
    Path("only.yaml").write_text(
        "emosym: 1\nextends: preset:tiny\nname: only\nplugins: {only: [emosym-tiny]}\n"
    )
    blocked = "plugin emosym-vlm provides 'emosym-vlm/qwen-vl' but is blocked by plugins.only"
    assert blocked in emosym("spec", "check", "only.yaml").err
    assert blocked in emosym("spec", "check", TINY, "--set", "plugins.only=[emosym-tiny]").err
    assert blocked in emosym("spec", "check", TINY, "--set", "plugins={only: [emosym-tiny]}").err
    assert emosym("spec", "check", "only.yaml", "--set", "plugins.only=null").status == 0


def test_components_that_are_not_there_say_why(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = emosym("spec", "check", TINY, "--no-plugin", "emosym-vlm")
    assert blocked.status == 2
    assert "'emosym-vlm/qwen-vl' but is blocked by --no-plugin" in blocked.err
    monkeypatch.syspath_prepend(str(install(tmp_path, "broken", "raise RuntimeError('out of order')")))
    failed = emosym("spec", "check", TINY, "--set", "backbone.name=broken/eye")
    assert failed.status == 2
    error = failed.err.partition("error: ")[2]
    assert error.startswith("--set backbone.name: plugin broken (dist-broken 1.0) failed at import")
    assert "out of order" in error
    assert len(error.strip().splitlines()) == 1


def test_the_licence_of_a_plugin_is_not_taken_for_that_of_its_weights(emosym: Command) -> None:
    spec = str(ROOT / "configs" / "paper" / "llava-1.5-7b_sdxl.yaml")
    explained = emosym("spec", "explain", spec).out
    assert re.search(r"^key +component +plugin +plugin's licence +weights and theirs$", explained, re.M)
    assert re.search(
        r"^diffusion +sdxl .* Apache-2.0 +stabilityai/\S+ \(see the model's page\)$", explained, re.M
    )
    tiny = emosym("spec", "explain", "preset:tiny").out
    assert re.search(r"^diffusion +sd .* alias:emosym-tiny/tiny \(\S+, emosym-tiny \S+\)$", tiny, re.M)
