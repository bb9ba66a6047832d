"""``emosym web``: the page in the browser."""

from __future__ import annotations

import ipaddress
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError

from emosym.cli.common import (
    RUNS,
    DeviceOption,
    PrecisionOption,
    SetOption,
    TrustOption,
    find_system,
    load_system,
    registry_for,
)

PASSWORD = "EMOSYM_WEB_PASSWORD"  # noqa: S105 - the name of a variable
STUDIES = Path("studies")
PAGE = "emosym.web.app"
"""By its name, as a plugin's command is: the page stands on the verbs, which know nothing of it."""


def web(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN]", help="A run folder or its system/; the newest under runs/ by default."
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where it listens.")] = 7860,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Another address than this machine's own needs a password."
        ),
    ] = "127.0.0.1",
    password: Annotated[
        str | None,
        typer.Option(
            "--password", help=f"Ask for it; better kept in {PASSWORD}, where other users do not see it."
        ),
    ] = None,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--runs",
            metavar="DIR",
            help="Where to look for runs and studies; beside RUN and in studies/ by default.",
        ),
    ] = None,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Open a page to read, paint and look around in a browser. Ctrl-C ends it."""
    secret = password or os.environ.get(PASSWORD) or None
    require_password(host, secret)
    require_gradio()
    require_free(host, port)
    found = find_system(run)
    loaded = load_system(context, found, sets, device, precision, trust_remote_code, generate=True)
    own = found.parent if found.name == "system" and (found.parent / "spec.yaml").is_file() else None
    beside = [found.parent.parent if found.name == "system" else found.parent, RUNS, STUDIES]
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="emosym-web-") as kept:
        prepare(Path(kept))
        page = import_module(PAGE)
        looked = tuple(dict.fromkeys(path.resolve() for path in folders or beside))
        page.serve(page.Room(loaded, registry_for(context.obj), own, looked, Path(kept)), host, port, secret)
    print("stopped", file=sys.stderr)


def require_password(host: str, password: str | None) -> None:
    """Refuse to serve other machines without a password: ``web.no-password``."""
    if password is None and not _is_own(host):
        raise EmosymError(
            "web.no-password",
            f"--host {host}: whoever reaches that address could use the page and change the bank",
            hint=f"export {PASSWORD}=…, or give --password; or leave --host out",
        )


def require_gradio() -> None:
    """Refuse to begin without the extra: ``web.not-installed``."""
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise EmosymError(
            "web.not-installed",
            "the page needs gradio, which is not installed",
            hint="pip install 'emosym[web]'",
        )


def require_free(host: str, port: int) -> None:
    """Refuse an address that something else listens on, or that is not this machine's: ``web.port-taken``."""
    import socket

    try:
        *kind, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(*kind) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as error:
        raise port_taken(host, port, (error.strerror or str(error)).lower()) from error


def port_taken(host: str, port: int | None, why: str) -> EmosymError:
    """``web.port-taken``."""
    such = f", such as {port + 1}" if port is not None and port < 65535 else ""
    return EmosymError(
        "web.port-taken",
        f"the page cannot listen on {host}, port {port}: {why}",
        hint=f"give another --port{such}",
    )


def prepare(kept: Path) -> None:
    """Tell gradio, before it is imported, to ask nobody anything and where to keep uploads."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(kept)


def _is_own(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
