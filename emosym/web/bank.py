"""The tab of the memory bank: what it holds and why; an image is taken out or brought back by hand."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from emosym_registry import EmosymError
from emosym_registry.errors import plural

from emosym.cli.bank import BY_HAND
from emosym.contracts import Sample
from emosym.experiment.bank import NOT_DONE, ORDERS, Entry, OpenBank, named, opened
from emosym.web.markup import figure, note, shown, table
from emosym.web.room import PRIVATE, Room

MOST = 240
"""Images that are shown at once."""
LINES = 300
"""Lines of the ledger that are shown, the newest."""
THUMB = 128
CAPTIONS = (
    "Score: the lowest of those that judges gave, from 0 to 1. Age: how many times the bank was filled anew since. In brackets: "
    "the name, as `emosym bank` and the ledger have it."
)
ALL = "all"
ENDS = {"age": ", the oldest first", "score": ", the lowest first"}
"""Which end of an order comes first."""


def tab(room: Room, here: gr.Tab) -> None:
    """What the tab ``here`` shows; it is looked up when somebody opens it."""
    with gr.Row():
        emotion = gr.Dropdown([ALL, *room.system.labels.names], value=ALL, label="Images of")
        orders = [(f"{order}{ENDS.get(order, '')}", order) for order in ORDERS]
        sort = gr.Radio(orders, value=ORDERS[0], label="Sorted by")
    held = gr.HTML(elem_id="bank-held")
    with gr.Row():
        entry = gr.Dropdown(
            [], value=None, label="Image", allow_custom_value=True, elem_id="bank-entry",
            info="The history below is of this image alone where one is chosen",
        )  # fmt: skip
        reason = gr.Textbox(BY_HAND, label="Reason", info="The ledger keeps it")
    with gr.Row():
        mask = gr.Button("Take out of the training set")
        restore = gr.Button("Bring back")
    said = gr.HTML(elem_id="bank-said")
    with gr.Accordion("Ledger", open=False):
        ledger = gr.HTML(elem_id="bank-ledger")

    def view(emotion: str, sort: str, entry: str | None) -> tuple[str, object, str]:
        return look(room, emotion, sort, entry)

    def take_out(entry: str | None, reason: str) -> str:
        return put(room, entry, reason, masked=True)

    def bring_back(entry: str | None, reason: str) -> str:
        return put(room, entry, reason, masked=False)

    chosen, views = [emotion, sort, entry], [held, entry, ledger]
    gr.on([here.select, emotion.change, sort.change, entry.input], room.told(view), chosen, views, **PRIVATE)
    for button, act, name in ((mask, take_out, "bank_mask"), (restore, bring_back, "bank_restore")):
        done = button.click(room.told(act), [entry, reason], said, api_name=name)
        done.success(room.told(view), chosen, views, **PRIVATE)


def run_of(room: Room) -> Path:
    """The run whose bank it is. Errors: ``run.missing``."""
    if room.run is None:
        raise EmosymError(
            "run.missing",
            "this page shows a saved system without its run, and so without a bank",
            hint="start it with a run folder",
        )
    return room.run


def look(room: Room, emotion: str, sort: str, entry: str | None) -> tuple[str, object, str]:
    """The images of an emotion, the choices of an image, and the ledger, of one image where it is named. A run without a bank
    says so."""
    try:
        with opened(run_of(room), room.registry) as one:
            found = one.chosen(None if emotion == ALL else emotion, sort)
            history = _ledger(one, entry)
            choices = [(_called(held), held.image) for held in found]
            return _held(one, found), gr.update(choices=choices), history
    except EmosymError as error:
        return note(room.said(error)), gr.update(choices=[]), ""


def put(room: Room, entry: str | None, reason: str, *, masked: bool) -> str:
    """Take an image out of the training set, or bring it back; what was done. Errors: ``bank.no-entry`` and those of
    :func:`emosym.experiment.bank.opened`."""
    if not entry:
        raise EmosymError("bank.no-entry", "no image is chosen", hint="choose one under Image")
    with opened(run_of(room), room.registry, write=True) as one:
        image = named(one.standing(), entry)
        act = one.bank.mask if masked else one.bank.unmask
        act(image, reason.strip() or BY_HAND)
        one.save_ledger()
        unfinished = "" if one.finished else f" Note: {NOT_DONE}."
    where = "is out of the training set; the original is back" if masked else "is in the training set again"
    return note(f"{image} {where}.{unfinished}")


def _held(one: OpenBank, found: list[Entry]) -> str:
    pictures = _pictures(one)
    masked = sum(entry.masked for entry in found)
    place = "beside the originals" if one.bank.adds else "in place of originals"
    parts = [f"{plural(len(found) - masked, 'image')} {place}"]
    parts += [f"{masked} taken out by hand"] if masked else []
    parts += [f"the first {MOST} are shown, an emotion shows its others"] if len(found) > MOST else []
    figures = "".join(_figure(entry, pictures.get(entry.image)) for entry in found[:MOST])
    return note(f"{', '.join(parts)}. {CAPTIONS}") + f'<div class="es-grid">{figures}</div>'


def _pictures(one: OpenBank) -> dict[str, Sample]:
    """The images in the training set; none where the bank cannot show them without the data."""
    try:
        return {sample.id: sample for sample in one.bank.held()}
    except EmosymError:
        return {}


def _figure(entry: Entry, sample: Sample | None) -> str:
    alt = f"{entry.emotion}, {entry.prompt}"
    picture = (
        '<div class="es-empty">not shown</div>' if sample is None else shown(sample.open()[0], alt, THUMB)
    )
    if entry.masked:
        picture = '<div class="es-empty">taken out</div>'
    return figure(picture, _called(entry))


def _called(entry: Entry) -> str:
    """An image in a line: its emotion, score and age, and what it is called."""
    out = ", taken out" if entry.masked else ""
    name = entry.image.rpartition("/")[2]
    return f"{entry.emotion}, score {entry.score:.2f}, age {entry.age}{out} ({name})"


def _ledger(one: OpenBank, entry: str | None) -> str:
    lines = one.history(entry=entry or None)
    rows = [
        (str(line.number), str(line.step), line.action, line.image, one.named(line.label), line.reason)
        for line in reversed(lines[-LINES:])
    ]
    header = ("line", "step", "action", "image", "emotion", "reason")
    return table(f"The newest {len(rows):,} of {plural(len(lines), 'line')}", header, rows, (0, 1))
