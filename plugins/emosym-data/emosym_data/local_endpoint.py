"""A small endpoint on this machine that speaks OpenAI's chat completions, for tests: no model is behind it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is sent back: a status, a body (JSON, or bytes as they are) and headers, after a pause in seconds."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0


def says(
    text: str | None, tokens: tuple[int, int] = (100, 10), finish: str = "stop", **message: Any
) -> Reply:
    """A chat completion with a text."""
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return Reply(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
    )


def fails(status: int, message: str = "no", **headers: str) -> Reply:
    """An error as endpoints send it; ``retry_after`` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": {"message": message, "type": "error", "code": None}}, status, named)


def about(request: Mapping[str, Any]) -> Reply:
    """An answer that depends on the picture alone."""
    url = next(part["image_url"]["url"] for part in request["messages"][-1]["content"] if "image_url" in part)
    return says(f"Picture {hashlib.sha256(url.encode()).hexdigest()[:8]}.")


class LocalEndpoint:
    """Answers by ``answer(request, number)``, where ``number`` counts the requests from 0, until it is closed."""

    def __init__(
        self, answer: Callable[[Mapping[str, Any], int], Reply] = lambda request, _: about(request)
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Message] = []
        self.times: list[float] = []
        self.most_at_once = 0
        self._at_once = 0
        self._answer = answer
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """The address that ``base_url`` takes."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(endpoint) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint._turn:
                    number = len(endpoint.requests)
                    endpoint.requests.append(request)
                    endpoint.headers.append(self.headers)
                    endpoint.times.append(time.monotonic())
                    endpoint._at_once += 1
                    endpoint.most_at_once = max(endpoint.most_at_once, endpoint._at_once)
                reply = endpoint._answer(request, number)
                time.sleep(reply.pause)
                with endpoint._turn:
                    endpoint._at_once -= 1
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                try:
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # whoever asked has gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler
