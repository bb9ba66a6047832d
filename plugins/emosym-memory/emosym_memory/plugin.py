"""What this plugin has: components by name; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo("emosym-memory", API_VERSION, "Memory banks sql and in-memory")


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    yield ComponentSpec(
        "memory",
        "sql",
        "emosym_memory.sql:SqlBank",
        "emosym_memory.config:SqlConfig",
        "Generated images in a database (SQLite, or PostgreSQL by URL), with a ledger that can be replayed",
        capabilities=("durable",),
    )
    yield ComponentSpec(
        "memory",
        "in-memory",
        "emosym_memory.in_memory:InMemoryBank",
        "emosym_memory.config:InMemoryConfig",
        "The same bank in memory, gone when the process ends",
    )
