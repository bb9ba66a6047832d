"""``emosym web``: what it refuses before anything is loaded."""

from __future__ import annotations

import importlib.util

import pytest

from emosym.cli.web import PASSWORD, require_password

from .conftest import Command


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_other_machines_are_served_with_a_password_alone(
    host: str, emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    refused = emosym("web", "nowhere", "--host", host)
    assert refused.status == 2
    assert PASSWORD in refused.err
    assert len(refused.err.splitlines()) == 2
    require_password(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_this_machine_needs_none(host: str) -> None:
    require_password(host, None)


def test_without_gradio_it_names_the_extra(emosym: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "gradio" else find(name, *more)
    )
    refused = emosym("web", "nowhere")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.splitlines() == [
        "error: the page needs gradio, which is not installed",
        "  pip install 'emosym[web]'",
    ]
