"""A stand-in for the hub: the few addresses that fetching and pushing a system use, over one folder a repository."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds: files by repository and path. ``private`` repositories want the token ``secret``."""

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub on this machine for the time of the block."""
    hub = Hub()

    class Handler(_Handler):
        own = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    own: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._resolve()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.own.asked.append(f"GET {path}")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            if (files := self._files(match[1], match[2])) is not None:
                siblings = [{"rfilename": name} for name in files]
                self._json({"id": match[1], "sha": COMMIT, "siblings": siblings})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            if (files := self._files(match[1], match[2])) is not None:
                self._json(
                    [
                        {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}
                        for name, content in files.items()
                    ]
                )
        else:
            self._resolve()

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.own.asked.append(f"POST {path}")
        body = self._body()
        if path == "/api/repos/create":
            about = json.loads(body)
            name = "/".join(filter(None, [about.get("organization"), about["name"]]))
            self.own.repositories.setdefault(name, {})
            self._json({"url": f"{self.own.url}/{name}", "id": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/[^/]+", path):
            files = json.loads(body)["files"]
            facts = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self._json({"files": [{"path": one["path"], **facts} for one in files]})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/[^/]+", path):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.own.repositories[match[1]][line["value"]["path"]] = content
                elif line["key"] == "deletedFile":
                    self.own.repositories[match[1]].pop(line["value"]["path"], None)
            self._json({"commitUrl": f"{self.own.url}/{match[1]}/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._json({"error": f"no {path}"}, 404)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _files(self, name: str, revision: str) -> dict[str, bytes] | None:
        if name in self.own.private and self.headers.get("Authorization") != "Bearer secret":
            return self._json({"error": "no"}, 401, "RepoNotFound")
        if name not in self.own.repositories:
            return self._json({"error": "no"}, 404, "RepoNotFound")
        if revision not in ("main", COMMIT):
            return self._json({"error": "no"}, 404, "RevisionNotFound")
        return self.own.repositories[name]

    def _resolve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is None:
            self._json({"error": f"no {path}"}, 404)
            return
        files = self._files(match[1], match[2])
        if files is None:
            return
        if match[3] not in files:
            self._json({"error": "no"}, 404, "EntryNotFound")
            return
        content = files[match[3]]
        self._send(content, 200, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": COMMIT})

    def _json(self, value: Any, status: int = 200, code: str = "") -> None:
        headers = {"Content-Type": "application/json", **({"X-Error-Code": code} if code else {})}
        self._send(json.dumps(value).encode(), status, headers)

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
