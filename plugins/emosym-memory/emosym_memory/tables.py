"""The tables of the SQL bank."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

VERSION = "1"
"""Version of this layout, kept in ``facts``."""

metadata = MetaData()

facts = Table(
    "facts", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False)
)

originals = Table(
    "originals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False, unique=True),
    Column("label", Integer),
)
"""The training set the bank was made for. No row is ever deleted; one is masked while an entry names it."""

images = Table(
    "images",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("png", LargeBinary, nullable=False),
    Column("features", LargeBinary, nullable=False),
)
"""Every image that was ever admitted, by content; ``features`` are little-endian float32."""

ledger = Table(
    "ledger",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("image", Text, nullable=False),
    Column("label", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSON, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("image", Text, ForeignKey("images.id"), primary_key=True),
    Column("number", Integer, ForeignKey("ledger.number"), nullable=False, unique=True),
    Column("replaced", Text, ForeignKey("originals.id"), unique=True),
    Column("label", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("refresh", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("scores", JSON, nullable=False),
    Column("seed", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("generator", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("attributes", JSON, nullable=False),
)
"""What is in the bank now, with provenance and the original it masks, null where it joined; a ``seed`` may exceed 63
bits."""

hidden = Table("hidden", metadata, Column("image", Text, ForeignKey("images.id"), primary_key=True))
"""Which of them are masked by hand."""

refreshes = Table(
    "refreshes", metadata, Column("number", Integer, ForeignKey("ledger.number"), primary_key=True)
)
"""Ledger numbers of the refreshes in effect."""

snapshots = Table(
    "snapshots", metadata, Column("id", Text, primary_key=True), Column("number", Integer, nullable=False)
)
"""What a snapshot means: the state after that line of the ledger (0: before the first)."""
