"""Knowledge `openai` against a real server on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from emosym_data.config import OpenAIConfig
from emosym_data.conformance import noise
from emosym_data.endpoint import EndpointKnowledge
from emosym_data.local_endpoint import LocalEndpoint, Reply, about, fails, says
from emosym_registry import EmosymError
from pydantic import ValidationError

from emosym.contracts import Context, KnowledgeResources, LabelSet, Sample
from emosym.testing import samples

CONTEXT = Context(LabelSet.of("mikels-8"))
Answer = Callable[[Mapping[str, Any], int], Reply]


@pytest.fixture
def serve() -> Iterator[Callable[..., LocalEndpoint]]:
    """Starts endpoints, and closes them."""
    begun: list[LocalEndpoint] = []

    def start(answer: Answer = lambda request, _: about(request)) -> LocalEndpoint:
        begun.append(LocalEndpoint(answer))
        return begun[-1]

    yield start
    for one in begun:
        one.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "texts" / "k.jsonl"


def knowledge(endpoint: LocalEndpoint, file: Path, show: Any = None, **params: Any) -> EndpointKnowledge:
    config = OpenAIConfig(**{"model": "m", "base_url": endpoint.url, "key": None, "timeout": 5.0, **params})
    made = EndpointKnowledge(config, CONTEXT)
    more = {"show": show} if show is not None else {}
    made.bind(KnowledgeResources(lambda: pytest.fail("no backbone is wanted"), file, **more))
    return made


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_picture_and_the_prompt_are_all_that_is_sent(serve: Any, file: Path) -> None:
    endpoint = serve()
    sample = Sample("awe-7", (noise(1, (100, 40)),), 3, {"reasoning": "secret"})
    made = knowledge(
        endpoint, file, prompt="Why?", system="Be brief.", largest_side=50, detail="low",
        max_tokens=33, max_tokens_as="max_completion_tokens", parameters={"seed": 5},
    )  # fmt: skip
    (text,) = made.texts([sample])
    assert text is not None
    (request,) = endpoint.requests
    assert request.keys() == {"model", "messages", "max_completion_tokens", "seed"}
    assert (request["model"], request["max_completion_tokens"], request["seed"]) == ("m", 33, 5)
    system, question = request["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    image, words = question["content"]
    assert words == {"type": "text", "text": "Why?"}
    assert image["image_url"]["detail"] == "low"
    assert "awe" not in json.dumps(request["messages"])
    assert "secret" not in json.dumps(request)

    import base64
    from io import BytesIO

    from PIL import Image

    url = image["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).size == (50, 20)
    (line,) = lines(file)
    assert (line["id"], line["text"], line["tokens_in"], line["tokens_out"]) == ("awe-7", text, 100, 10)


def test_what_is_kept_is_not_asked_again_and_any_change_is(serve: Any, file: Path) -> None:
    endpoint, shown = serve(), samples(3)
    texts = knowledge(endpoint, file).texts(shown)
    assert knowledge(endpoint, file).texts(shown) == texts
    assert len(endpoint.requests) == 3
    for params in (
        {"prompt": "Other?"},
        {"model": "n"},
        {"max_tokens": 9},
        {"parameters": {"seed": 1}},
        {"largest_side": 8},
    ):
        before = len(endpoint.requests)
        knowledge(endpoint, file, **params).texts(shown)
        assert len(endpoint.requests) == before + 3, params
        assert sorted(line["id"] for line in lines(file)) == [one.id for one in shown]
    before = len(endpoint.requests)
    changed = [Sample(shown[0].id, (noise(9),)), *shown[1:]]
    again = knowledge(endpoint, file).texts(changed)  # the first settings: paid for before
    assert len(endpoint.requests) == before + 1
    assert again[1:] == texts[1:]
    assert again[0] != texts[0]


def test_a_picture_that_occurs_twice_is_asked_once(serve: Any, file: Path) -> None:
    endpoint = serve()
    one, other = Sample("a", (noise(1),)), Sample("b", (noise(1),))
    first, second = knowledge(endpoint, file).texts([one, other])
    assert first == second
    assert len(endpoint.requests) == 1
    assert [line["id"] for line in lines(file)] == ["a", "b"]
    knowledge(endpoint, file).texts([Sample("c", (noise(1),)), one])
    assert len(endpoint.requests) == 1
    assert lines(file)[-1]["id"] == "c"
    assert "tokens_in" not in lines(file)[-1]


def test_pictures_of_the_bank_are_not_sent(serve: Any, file: Path) -> None:
    endpoint = serve()
    own = Sample("bank", (noise(3),), 0, generated=True)
    texts = knowledge(endpoint, file).texts([own, *samples(1)])
    assert texts[0] is None
    assert texts[1] is not None
    assert len(endpoint.requests) == 1


def test_many_requests_are_under_way_at_once_and_no_more(serve: Any, file: Path) -> None:
    endpoint = serve(lambda request, _: Reply(about(request).body, pause=0.15))
    knowledge(endpoint, file, concurrency=3).texts(samples(9))
    assert endpoint.most_at_once == 3


def test_what_an_endpoint_asks_for_is_honoured(serve: Any, file: Path) -> None:
    busy = [fails(429, "slow down", retry_after="1.2"), fails(500), fails(503)]
    endpoint = serve(lambda request, number: busy[number] if number < len(busy) else about(request))
    (text,) = knowledge(endpoint, file).texts(samples(1))
    assert text is not None
    assert len(endpoint.requests) == 4
    assert endpoint.times[1] - endpoint.times[0] >= 1.2


def test_an_endpoint_that_wants_a_long_pause_ends_the_round(serve: Any, file: Path) -> None:
    endpoint = serve(
        lambda request, number: fails(429, "quota", retry_after="4000") if number >= 2 else about(request)
    )
    made = knowledge(endpoint, file, concurrency=1)
    with pytest.raises(EmosymError, match="429.*quota.*asks to wait 4000 s") as caught:
        made.texts(samples(5))
    assert caught.value.id == "data.endpoint-refuses"
    assert len(endpoint.requests) == 3
    assert len(lines(file)) == 2


def test_a_picture_without_an_answer_is_left_out_and_asked_again(serve: Any, file: Path) -> None:
    odd: dict[int, Reply] = {
        0: Reply(b"<html>", headers={"Content-Type": "text/html"}),
        1: Reply({"choices": []}),
        2: Reply(b"{not json"),
        3: fails(400, "no such picture"),
        4: Reply(about({"messages": [{"content": [{"image_url": {"url": ""}}]}]}).body, pause=2.0),
    }
    endpoint = serve(lambda request, number: odd.get(number) or about(request))
    made = knowledge(endpoint, file, concurrency=1, retries=0, timeout=0.5)
    texts = made.texts(samples(8))
    assert [text is None for text in texts] == [True] * 5 + [False] * 3
    assert sum(made.facts()["without_answer"].values()) == 5
    assert made.texts(samples(8)) == texts  # the same each time within a run
    assert len(lines(file)) == 3
    assert None not in knowledge(endpoint, file).texts(samples(8))
    assert len(endpoint.requests) == 13


def test_refusals_are_kept_as_none(serve: Any, file: Path) -> None:
    replies = [
        says(None, refusal="I cannot."),
        says("", finish="content_filter"),
        says("  "),
        says("It is calm. The light f", finish="length"),
    ]
    endpoint = serve(lambda _, number: replies[number])
    texts = knowledge(endpoint, file, concurrency=1).texts(samples(4))
    assert texts == [None, None, None, "It is calm."]
    assert [line.get("why") for line in lines(file)] == ["refused", "refused", "empty", "cut off"]
    assert knowledge(endpoint, file).texts(samples(4)) == texts
    assert len(endpoint.requests) == 4


def test_an_endpoint_that_answers_nothing_is_an_error(serve: Any, file: Path) -> None:
    endpoint = serve(lambda *_: fails(400, "takes no pictures"))
    with pytest.raises(EmosymError, match="2 pictures in a row got no answer.*takes no pictures"):
        knowledge(endpoint, file).texts(samples(2))
    with pytest.raises(EmosymError, match="in a row") as caught:
        knowledge(endpoint, file, concurrency=1).texts(samples(60))
    assert caught.value.id == "data.endpoint-silent"
    assert len(endpoint.requests) < 20
    dead = serve()
    dead.close()
    with pytest.raises(EmosymError, match="in a row got no answer"):
        knowledge(dead, file, retries=0).texts(samples(2))


@pytest.mark.parametrize(("status", "hint"), [(401, "check the key"), (404, "check knowledge.params.model")])
def test_what_concerns_every_picture_ends_at_once(serve: Any, file: Path, status: int, hint: str) -> None:
    endpoint = serve(lambda *_: fails(status, "no"))
    with pytest.raises(EmosymError) as caught:
        knowledge(endpoint, file, concurrency=1).texts(samples(9))
    assert caught.value.hint.startswith(hint)
    assert len(endpoint.requests) <= 2


def test_requests_a_minute(serve: Any, file: Path) -> None:
    endpoint = serve()
    knowledge(endpoint, file, requests_per_minute=600).texts(samples(6))
    assert endpoint.times[-1] - endpoint.times[0] >= 0.45


def test_tokens_a_minute(serve: Any, file: Path) -> None:
    endpoint = serve()
    knowledge(endpoint, file, tokens_per_minute=66_000, max_tokens=10, concurrency=1).texts(samples(6))
    assert endpoint.times[-1] - endpoint.times[0] >= 0.35  # 110 tokens each are a tenth of a second


def test_costs_are_counted_and_a_budget_is_not_exceeded(serve: Any, file: Path) -> None:
    endpoint = serve(lambda request, _: Reply({**about(request).body}, pause=0.02))
    prices = {"input": 1000.0, "output": 10_000.0}  # 0.1 + 0.1 = 0.2 an answer of 100 + 10 tokens
    money = {"prices": prices, "max_tokens": 10, "concurrency": 3}
    shown = samples(10)
    with pytest.raises(EmosymError, match=r"1 of the budget of 1.1 are spent, 5 of 10 texts") as caught:
        knowledge(endpoint, file, budget=1.1, **money).texts(shown)
    assert caught.value.id == "data.budget-reached"
    assert len(endpoint.requests) == 5
    with pytest.raises(EmosymError, match="budget"):
        knowledge(endpoint, file, budget=1.1, **money).texts(shown)
    assert len(endpoint.requests) == 5
    said: list[str] = []
    made = knowledge(endpoint, file, lambda *told: said.append(told[2]), budget=2.0, **money)
    assert None not in made.texts(shown)
    assert len(endpoint.requests) == 10
    assert said[-1] == "2 spent"
    facts = made.facts()
    assert (facts["tokens_in"], facts["tokens_out"]) == (1000, 100)
    assert facts["cost"] == pytest.approx(2.0)


def test_a_plan_says_what_would_be_asked_and_asks_nothing(serve: Any, file: Path) -> None:
    endpoint = serve()
    knowledge(endpoint, file).texts(samples(2))
    plan = knowledge(endpoint, file, prices={"input": 1, "output": 1}, budget=3).plan(samples(5))
    assert "3 of 5 pictures to m at 127.0.0.1" in plan
    assert "at most 3" in plan
    assert knowledge(endpoint, file).plan(samples(2)) == ""
    assert len(endpoint.requests) == 2


KILLED = """
import sys
from pathlib import Path
from emosym_data.config import OpenAIConfig
from emosym_data.endpoint import EndpointKnowledge
from emosym.contracts import Context, KnowledgeResources, LabelSet
from emosym.testing import samples

made = EndpointKnowledge(OpenAIConfig(model="m", base_url=sys.argv[1], key=None, concurrency=2), Context(LabelSet.of("mikels-8")))
made.bind(KnowledgeResources(None, Path(sys.argv[2])))
made.texts(samples(40))
"""


def test_a_killed_run_loses_what_was_under_way_at_most(serve: Any, file: Path) -> None:
    endpoint = serve(lambda request, _: Reply(about(request).body, pause=0.1))
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), endpoint.url, str(file)])
    end = time.monotonic() + 120
    while len(endpoint.requests) < 12 and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.wait()
    asked, kept = len(endpoint.requests), len(lines(file))
    assert asked - 2 * 2 <= kept <= asked < 40
    with file.open("a") as torn:
        torn.write('{"id": "sample-39", "te')
    texts = knowledge(endpoint, file, concurrency=8).texts(samples(40))
    assert None not in texts
    assert len(endpoint.requests) == asked + 40 - kept
    assert sorted(line["id"] for line in lines(file)) == sorted(one.id for one in samples(40))


def test_a_key_is_read_from_the_environment_only_where_it_is_allowed(
    serve: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = serve(lambda request, _: fails(401, f"bad key {'hunter2'}"))
    monkeypatch.setenv("MY_KEY", "hunter2")
    monkeypatch.delenv("EMOSYM_SECRETS", raising=False)
    made = knowledge(endpoint, file, key="MY_KEY")
    with pytest.raises(EmosymError, match="would send the environment variable MY_KEY") as caught:
        made.texts(samples(1))
    assert caught.value.id == "data.secret-not-allowed"
    assert endpoint.requests == []
    monkeypatch.setenv("EMOSYM_SECRETS", "OTHER, MY_KEY")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer other")
    with pytest.raises(EmosymError) as caught:
        made.texts(samples(1))
    assert endpoint.headers[0]["Authorization"] == "Bearer hunter2"
    assert "bad key {secret:MY_KEY}" in caught.value.message
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(EmosymError, match="MY_KEY must be set"):
        made.texts(samples(1))


def test_no_key_is_kept(serve: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "hunter2")
    monkeypatch.setenv("EMOSYM_SECRETS", "MY_KEY")
    made = knowledge(serve(), file, key="MY_KEY")
    made.texts(samples(2))
    assert "hunter2" not in file.read_text()
    assert "hunter2" not in json.dumps([made.config.model_dump(mode="json"), dict(made.facts())])


@pytest.mark.parametrize(
    "params",
    [
        {"key": "sk-hunter2"},
        {"base_url": "https://me:hunter2@host/v1"},
        {"base_url": "https://host/v1?api_key=hunter2"},
        {"base_url": "file:///etc"},
        {"parameters": {"stream": True}},
        {"budget": 1.0},
    ],
)
def test_what_a_spec_may_not_say(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        OpenAIConfig(model="m", **params)
    assert "hunter2" not in str(caught.value)


def test_without_the_package_an_error_says_what_to_install(
    serve: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(EmosymError, match="needs the package openai") as caught:
        knowledge(serve(), file).texts(samples(1))
    assert caught.value.hint == "pip install 'emosym-data[openai]'"


def test_sentences_that_name_an_emotion_are_left_out_of_what_is_said(serve: Any, file: Path) -> None:
    replies = [says("A dog runs. It fills one with Joy and awe! Green hills."), says("Pure awe.")]
    endpoint = serve(lambda _, number: replies[number])
    assert knowledge(endpoint, file, concurrency=1).texts(samples(2)) == ["A dog runs. Green hills.", None]
    assert "awe!" in lines(file)[0]["text"]
    kept = knowledge(endpoint, file, label_words="keep").texts(samples(2))
    assert kept[1] == "Pure awe."
    assert len(endpoint.requests) == 2
