"""Knowledge that an OpenAI-compatible endpoint writes: each picture is sent once, with one question."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from PIL import Image

from emosym.contracts import Sample
from emosym.toolkit import named_secrets, without_secrets
from emosym_data.config import OpenAIConfig
from emosym_data.made import Keep, MadeKnowledge, whole_sentences
from emosym_data.spending import BudgetReached, Pace, Spending

if TYPE_CHECKING:
    from openai import OpenAI

PATIENCE = 8
"""Pictures in a row that get no answer, beyond the number under way, before nothing more is asked."""


@dataclass(frozen=True)
class Answer:
    """What the endpoint said of a picture: a text, or why there is none; tokens of question and answer."""

    text: str | None
    why: str
    tokens_in: int
    tokens_out: int


class NoAnswer(Exception):  # noqa: N818 - an outcome, not an error
    """One picture got no answer, and may get one another time; the message says why."""


class EndpointKnowledge(MadeKnowledge[OpenAIConfig]):
    """Asks the endpoint about each picture, several at once, at its pace and within the budget."""

    def settings(self) -> Mapping[str, Any]:
        config = self.config
        names = ("model", "system", "prompt", "largest_side", "detail", "max_tokens", "parameters")
        return {"by": "openai", **config.model_dump(mode="json", include=set(names))}

    def sentence(self, missing: int, total: int) -> str:
        config = self.config
        host = urlsplit(config.base_url).netloc
        most = f", for at most {config.budget:g}" if config.budget is not None else ", without a budget"
        return (
            f"knowledge openai will send {missing:,} of {total:,} pictures to {config.model} at {host}{most}; "
            f"{total - missing:,} texts are in {self.file}"
        )

    def make(self, samples: Sequence[Sample], keep: Keep) -> None:
        key = config_key(self.config)
        lines = self.kept.all_lines()
        self.spending = Spending(
            self.config.prices,
            self.config.budget,
            spent=sum(line.get("cost") or 0.0 for line in lines),
            longest=max((line.get("tokens_in") or 0 for line in lines), default=0),
            answer=self.config.max_tokens,
        )
        with connect(self.config, key) as client:
            self.asked = Asking(client, self.config, self.spending, key)
            self.asked.all(samples, keep, self.file, first=not any(self._texts.values()))

    def detail(self) -> str:
        spent, silent = self.spending.spent, sum(self.asked.silent.values())
        parts = [f"{spent:.4g} spent" if self.config.prices is not None else ""]
        parts += [f"{silent} without an answer" if silent else ""]
        return ", ".join(filter(None, parts))

    def facts(self) -> Mapping[str, Any]:
        silent = dict(self.asked.silent) if hasattr(self, "asked") else {}
        return {
            "model": self.config.model,
            **super().facts(),
            **({"without_answer": silent} if silent else {}),
        }


def config_key(config: OpenAIConfig) -> dict[str, str]:
    """The API key by the name of its variable; empty where the endpoint takes none.

    Errors: ``data.secret-not-allowed``, ``data.missing-secret``.
    """
    where = f"knowledge.params.base_url {config.base_url!r}"
    return named_secrets([config.key], where, "data") if config.key is not None else {}


def connect(config: OpenAIConfig, key: Mapping[str, str]) -> OpenAI:
    """The official client; it repeats what failed, and waits as long as the endpoint asks for. Errors: ``data.no-openai``."""
    try:
        from openai import OpenAI
    except ImportError as error:
        raise EmosymError(
            "data.no-openai",
            "knowledge openai needs the package openai, which is not installed",
            hint="pip install 'emosym-data[openai]'",
        ) from error
    value = next(iter(key.values()), "none")
    return OpenAI(
        api_key=value,
        base_url=config.base_url,
        timeout=config.timeout,
        max_retries=config.retries,
        # Said outright, it takes the place of what OPENAI_CUSTOM_HEADERS may hold for another host.
        default_headers={"Authorization": f"Bearer {value}"},
    )


class Asking:
    """One round of questions; what fails for one picture leaves it out, what would fail for all ends the round."""

    def __init__(
        self, client: OpenAI, config: OpenAIConfig, spending: Spending, key: Mapping[str, str]
    ) -> None:
        self.client, self.config, self.spending, self.key = client, config, spending, key
        self.pace = Pace(config.requests_per_minute, config.tokens_per_minute)
        self.silent: Counter[str] = Counter()
        """How many pictures got no text, by the reason."""
        self._over = threading.Event()

    def all(self, samples: Sequence[Sample], keep: Keep, file: object, *, first: bool) -> None:
        """Ask about every picture; it is an error if none gets a text where there was none before (``first``). What is
        under way when something ends it is still kept.

        Errors: ``data.budget-reached``, ``data.endpoint-refuses``, ``data.endpoint-silent``.
        """
        row = 0
        pool = ThreadPoolExecutor(self.config.concurrency)
        asked = [pool.submit(self._one, sample, keep) for sample in samples]
        try:
            for future in as_completed(asked):
                why = future.result()
                if not why:
                    row = 0
                    continue
                self.silent[why] += 1
                row += 1
                if row >= PATIENCE + self.config.concurrency or (first and row == len(samples)):
                    raise self._all_silent(row, why)
        except BudgetReached:
            pool.shutdown(cancel_futures=True)
            raise self._spent(sum(map(_answered, asked)), len(samples), file) from None
        finally:
            self._over.set()
            pool.shutdown(cancel_futures=True)

    def _one(self, sample: Sample, keep: Keep) -> str | None:
        """Ask about one picture and keep the answer; why it has no text, empty where it has. None where it is not asked."""
        if self._over.is_set():
            return None
        try:
            self.spending.begin()
        except BudgetReached:
            self._over.set()
            raise
        answer, expected = Answer(None, "", 0, 0), self.spending.expected
        try:
            if self._over.wait(self.pace.wait(expected)):
                return None
            answer = self._ask(sample)
        except NoAnswer as failure:
            return str(failure)
        except BaseException:  # it concerns every picture
            self._over.set()
            raise
        finally:
            cost = self.spending.end(answer.tokens_in, answer.tokens_out)
            self.pace.settle(expected, answer.tokens_in + answer.tokens_out)
        facts: dict[str, Any] = {
            "model": self.config.model,
            "tokens_in": answer.tokens_in,
            "tokens_out": answer.tokens_out,
            **({"cost": round(cost, 9)} if self.config.prices is not None else {}),
            **({"why": answer.why} if answer.why else {}),
        }
        keep(sample, answer.text, **facts)
        return answer.why if answer.text is None else ""

    def _ask(self, sample: Sample) -> Answer:
        """Errors: :class:`NoAnswer`, and ``data.endpoint-refuses`` for what concerns every picture."""
        import openai

        config, client = self.config, self.client
        extra = {config.max_tokens_as: config.max_tokens, **config.parameters}
        try:
            content = client.chat.completions.create(
                model=config.model,
                messages=messages(config, sample),  # type: ignore[arg-type]
                extra_body=extra,
            )
            return read_answer(content, config.max_tokens)
        except (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
            openai.RateLimitError,
        ) as error:
            raise self._refused(error) from None
        except openai.APIStatusError as error:
            raise NoAnswer(f"{error.status_code}: {self._hidden(error)}"[:200]) from None
        except openai.APITimeoutError:
            raise NoAnswer(f"nothing within {config.timeout:g} s") from None
        except openai.APIError as error:
            raise NoAnswer(self._hidden(error)[:200]) from None
        except (ValueError, TypeError, AttributeError, LookupError):  # what is no JSON, or no completion
            raise NoAnswer("an answer that is no chat completion") from None

    def _hidden(self, error: Exception) -> str:
        return without_secrets(first_line(error), self.key)

    def _refused(self, error: Any) -> EmosymError:
        again = error.response.headers.get("retry-after") if error.status_code == 429 else None
        later = f"; it asks to wait {again} s" if again else ""
        hints = {
            429: "give the same command again later; what is made is kept (its limits: requests_per_minute, tokens_per_minute)",
            404: "check knowledge.params.model and base_url",
        }
        return EmosymError(
            "data.endpoint-refuses",
            f"{self.config.base_url}: {error.status_code}: {self._hidden(error)}{later}",
            hint=hints.get(
                error.status_code, f"check the key in {self.config.key or 'knowledge.params.key'}"
            ),
        )

    def _all_silent(self, row: int, why: str) -> EmosymError:
        return EmosymError(
            "data.endpoint-silent",
            f"{self.config.base_url}: {row} pictures in a row got no answer; the last one: {why}",
            hint="see whether the endpoint is well and takes pictures, then give the same command again; what is made is kept",
        )

    def _spent(self, answered: int, total: int, file: object) -> EmosymError:
        return EmosymError(
            "data.budget-reached",
            f"{self.spending.spent:.4g} of the budget of {self.config.budget:g} are spent, {answered:,} of {total:,} texts "
            "were made, and one more might go beyond it",
            hint=f"{file} keeps what is made; go on with more: emosym data knowledge SPEC --out {file} "
            "--set knowledge.params.budget=…, and then with the run, by --resume",
        )


def _answered(asked: Future[str | None]) -> bool:
    """Whether a picture was asked about and got a text."""
    return not asked.cancelled() and asked.exception() is None and asked.result() == ""


def messages(config: OpenAIConfig, sample: Sample) -> list[dict[str, Any]]:
    """The question about a sample: its pictures as data URLs, and the prompt."""
    detail = {"detail": config.detail} if config.detail is not None else {}
    pictures = [
        {"type": "image_url", "image_url": {"url": data_url(picture, config.largest_side), **detail}}
        for picture in sample.open()
    ]
    system = [{"role": "system", "content": config.system}] if config.system is not None else []
    return [*system, {"role": "user", "content": [*pictures, {"type": "text", "text": config.prompt}]}]


def data_url(picture: Image.Image, largest_side: int) -> str:
    """A picture as JPEG in a data URL, scaled down so that its longer side has at most so many pixels."""
    if max(picture.size) > largest_side:
        picture = picture.copy()
        picture.thumbnail((largest_side, largest_side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def read_answer(completion: Any, max_tokens: int) -> Answer:
    """What a chat completion says. Whatever is no completion raises AttributeError, LookupError, TypeError or ValueError."""
    choice = completion.choices[0]
    message, finish, usage = choice.message, choice.finish_reason, completion.usage
    text = message.content
    if text is not None and not isinstance(text, str):
        raise TypeError("content is no text")
    refused = bool(getattr(message, "refusal", None)) or finish == "content_filter"
    if refused:
        text, why = None, "refused"
    elif not (text or "").strip():
        text, why = None, "cut off before its first word" if finish == "length" else "empty"
    elif finish == "length":
        text, why = whole_sentences(text or ""), "cut off"
    else:
        why = ""
    tokens = (
        (int(usage.prompt_tokens), int(usage.completion_tokens)) if usage is not None else (0, max_tokens)
    )
    return Answer(text, why, *tokens)
