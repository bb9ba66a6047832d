"""Calling lifecycle hooks: what an installed plugin raises in one is said once and stops no run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emosym_registry.errors import EmosymError, first_line
from emosym_registry.offers import Failure

if TYPE_CHECKING:
    from emosym_registry.manager import Registry


class Lifecycle:
    """``lifecycle.emosym_step_finished(run=…, …)`` calls every implementation, the last registered first.

    Implementations of installed plugins are called on their own: one that raises is reported once for each hook, recorded
    as a failure of stage ``run``, and the others are called all the same. In strict mode it is an error. What the
    run itself registered (its own trackers) may raise: a run that cannot write its record has to stop.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Callable[..., list[Any]]:
        caller = getattr(self._registry.manager.hook, name)

        def call(**values: Any) -> list[Any]:
            results = []
            for implementation in reversed(caller.get_hookimpls()):
                given = [values[argument] for argument in implementation.argnames]
                try:
                    result = implementation.function(*given)
                except (Exception, SystemExit) as error:  # a plugin may raise anything; the run must go on
                    self._record(name, implementation.plugin_name, error)
                    continue
                if result is not None:
                    results.append(result)
            return results

        self.__dict__[name] = call  # hooks of every step find it without coming here again
        return call

    def _record(self, hook: str, id: str, error: BaseException) -> None:
        plugin = self._registry.plugins.get(id)
        if plugin is None:
            raise error
        cause = f"{hook}: {type(error).__name__}: {first_line(error)}"
        failure = Failure(
            plugin, "run", cause, f"the run goes on; without the plugin: --no-plugin {id}", error
        )
        if self._registry.strict:
            raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from error
        known = [one for one in self._registry.failures if (one.plugin, one.stage) == (plugin, "run")]
        if not any(one.cause.startswith(f"{hook}:") for one in known):
            self._registry.failures.append(failure)
            self._registry.report(failure)
