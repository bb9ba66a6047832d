"""The page put together, and served."""

from __future__ import annotations

import hmac
import signal
import threading
from pathlib import Path
from typing import Any

import gradio as gr

from emosym.cli.web import port_taken
from emosym.contracts.reading import EMBEDDED
from emosym.web import about, bank, create, runs, transfer, understand
from emosym.web.markup import note
from emosym.web.room import Room

STYLE = Path(__file__).with_name("style.css")
LARGEST = "64mb"
"""Of one uploaded file."""
WAITING = 64
"""Jobs that may wait; one more is told to come back later."""
PAINTS_NONE = "This system reads pictures and paints none: its spec has no diffusion."
KEPT_SECONDS = 24 * 3600
"""How long uploads and painted pictures stay at most while the page runs."""


def theme() -> Any:
    """Gradio's own look with the fonts of the machine: nothing is fetched from anywhere."""
    look = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    # Gradio's own greys are too pale to read.
    return look.set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
    )


def build(room: Room) -> gr.Blocks:
    """The page of a system, with its queue."""
    page = gr.Blocks(title="emosym", analytics_enabled=False, delete_cache=(3600, KEPT_SECONDS))
    paints = room.system.generation is not None
    with page:
        gr.HTML(head(room))
        with gr.Tabs() as tabs:
            with gr.Tab("Understand"):
                pictures, onward = understand.tab(room)
            with gr.Tab("Create", id=create.TAB):
                create.tab(room, tabs, pictures, onward) if paints else gr.HTML(note(PAINTS_NONE))
            with gr.Tab("Transfer"):
                transfer.tab(room) if paints else gr.HTML(note(PAINTS_NONE))
            for name, other in (("Bank", bank), ("Runs", runs)):
                with gr.Tab(name) as here:
                    other.tab(room, here)
            with gr.Tab("System"):
                about.tab(room)
    page.queue(max_size=WAITING)
    return page


def head(room: Room) -> str:
    """Title, and a word of warning where the models cannot know photographs."""
    banner = (
        f'<div class="es-banner" role="note" aria-label="Limits">{EMBEDDED}</div>'
        if about.embedded(room)
        else ""
    )
    return f'<header class="es-head"><h1>emosym</h1><p>What pictures evoke, and pictures that evoke it.</p></header>{banner}'


def launched(room: Room, host: str, port: int | None, password: str | None) -> tuple[gr.Blocks, str]:
    """The page and the address where it is served from now on, by threads of its own; anybody's name goes with the
    ``password``. Errors: ``web.port-taken``."""
    page = build(room)

    def may_enter(_: str, given: str) -> bool:
        return password is not None and hmac.compare_digest(given.encode(), password.encode())

    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            auth=may_enter if password is not None else None,
            auth_message="Any name, and the password that the page was started with.",
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,
            max_file_size=LARGEST,
            footer_links=["api", "settings"],
            theme=theme(),
            css_paths=STYLE,
        )
    except OSError as error:
        raise port_taken(host, port, str(error)) from error
    return page, url


def serve(room: Room, host: str, port: int, password: str | None) -> None:
    """Serve the page until Ctrl-C or SIGTERM, which both leave nothing behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    page, url = launched(room, host, port, password)
    try:
        print(f"emosym: {url}", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        page.close()
