"""What all conformance suites share: how the component under test is made, and the checks that fit every
kind."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import torch
from emosym_registry import ComponentSpec, EmosymError, Registry, did_you_mean, load_registry

from emosym.contracts import Component, ComponentConfig, Context, LabelSet
from emosym.testing.checks import Check


class Sizes(NamedTuple):
    """D, W, K and the widths of two text encoders: small, and all different so that a mix-up shows."""

    hidden_size: int = 32
    text_width: int = 24
    context_tokens: int = 3
    token_widths: tuple[int, ...] = (16, 20)


SIZES = Sizes()
OTHER_LABELS = (("negative", "positive"), tuple("abcdefghij"))
"""Label sets of runs that a component may not have been made for."""

T = TypeVar("T")

_registry: Registry | None = None


def installed() -> Registry:
    """The plugins whose components are checked: what :func:`use` was given, or all that are installed,
    loaded once."""
    global _registry
    _registry = _registry or load_registry()
    return _registry


def use(registry: Registry) -> None:
    """Check components of this registry."""
    global _registry
    _registry = registry


class ConformanceSuite:
    """Subclass the suite of your component's kind and name the component; each ``test_`` method is a check.

    ``component`` is a registered name; ``params`` are its parameters, or override :meth:`parameters` where
    they need files (write them to ``self.folder``). A component that is not registered is given as
    ``implementation`` and ``config``. ``expected_failures`` maps a check's id to the reason why it fails; a
    check that then holds is a failure.
    """

    kind: ClassVar[str] = ""
    contract: ClassVar[type] = Component
    component: ClassVar[str] = ""
    implementation: ClassVar[type | None] = None
    config: ClassVar[type[ComponentConfig] | None] = None
    params: ClassVar[Mapping[str, Any]] = {}
    labels: ClassVar[str | tuple[str, ...]] = "mikels-8"
    expected_failures: ClassVar[Mapping[str, str]] = {}

    _kept: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._kept = {}
        cls._refuse_lost_checks()
        cls._refuse_unfounded_failures()

    @classmethod
    def _refuse_lost_checks(cls) -> None:
        """A method that is set to None, or overridden without ``@check`` or in another tier, would check
        nothing unseen."""
        own = {(promise.id, promise.tier) for promise in cls.checks()}
        bases = [base for base in cls.__mro__[1:] if issubclass(base, ConformanceSuite)]
        inherited = {(promise.id, promise.tier) for base in bases for promise in base.checks()}
        if inherited - own:
            raise EmosymError(
                "conformance.lost-check",
                f"{cls.__name__} takes away {', '.join(sorted(id for id, _ in inherited - own))}",
                hint="keep the check's method, or give the reason why it fails in expected_failures",
            )

    @classmethod
    def _refuse_unfounded_failures(cls) -> None:
        known = [promise.id for promise in cls.checks()]
        for id, reason in cls.expected_failures.items():
            if id not in known:
                raise EmosymError(
                    "conformance.unknown-check",
                    f"{cls.__name__}.expected_failures: no check {id!r}",
                    hint=did_you_mean(id, known) or f"checks: {', '.join(known)}",
                )
            if not reason.strip():
                raise EmosymError(
                    "conformance.no-reason",
                    f"{cls.__name__}.expected_failures: {id} needs a reason",
                    hint="say why the component cannot keep this promise",
                )

    # ---- the component under test

    def parameters(self) -> Mapping[str, Any]:
        """The component's parameters."""
        return self.params

    def context(self) -> Context:
        """What the component is told when it is built; the sizes are those of :data:`SIZES`."""
        return Context(
            labels=LabelSet.of(self.labels),
            device=torch.device("cpu"),
            run=self.folder,
            kind=self.kind,
            component=self.component.rpartition("/")[2],
            aliases=installed().folders,
            **SIZES._asdict(),
        )

    @property
    def spec(self) -> ComponentSpec | None:
        """What the component's plugin says of it; None where it is not registered."""
        return installed().find(self.kind, self.component).spec if self.component else None

    def classes(self) -> tuple[Any, Any]:
        """The implementation and its config model."""
        if self.implementation is not None and self.config is not None:
            return self.implementation, self.config
        if not self.component:
            raise EmosymError(
                "conformance.no-component",
                f"{type(self).__name__} names no component",
                hint='write component = "name" in the class, as it is registered',
            )
        registered = installed().find(self.kind, self.component)
        return registered.load(), registered.load_config()

    @property
    def package(self) -> str:
        """The package that the component's code is in; empty where it cannot be imported."""
        try:
            return str(self.classes()[0].__module__).partition(".")[0]
        except EmosymError:
            return ""

    def build(self, changes: Mapping[str, Any], context: Context) -> Any:
        """A new component with :meth:`parameters`, some of them changed, in a context."""
        implementation, config = self.classes()
        return implementation(config.model_validate({**self.parameters(), **changes}), context)

    def make(self, **changes: Any) -> Any:
        """A new component with other parameters."""
        return self.build(changes, self.context())

    def make_in(self, **changes: Any) -> Any:
        """A new component in another context, such as one with another number of tokens."""
        return self.build({}, dataclasses.replace(self.context(), **changes))

    def under(self, names: Sequence[str]) -> Self:
        """The same suite in a run with other labels."""
        other, context = type(self)(), dataclasses.replace(self.context(), labels=LabelSet(tuple(names)))
        other.context = lambda: context  # type: ignore[method-assign]
        return other

    @property
    def subject(self) -> Any:
        """One component, made once for the checks that leave it as it is."""
        return self.keep("subject", self.make)

    @property
    def folder(self) -> Path:
        """A folder for the suite's files; it goes when the suite is done."""
        return Path(self.keep("folder", lambda: tempfile.TemporaryDirectory(prefix="emosym-")).name)

    @classmethod
    def keep(cls, name: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once for the class."""
        if name not in cls._kept:
            cls._kept[name] = make()
        kept: T = cls._kept[name]
        return kept

    @classmethod
    def teardown_class(cls) -> None:
        """Close what can be closed and remove the suite's files."""
        for kept in reversed(list(cls._kept.values())):
            getattr(kept, "close", lambda: None)()
        folder = cls._kept.get("folder")
        cls._kept = {}
        if folder is not None:
            folder.cleanup()

    # ---- the checks

    @classmethod
    def methods(cls) -> Iterator[tuple[str, Check]]:
        """Names of the check methods with what they promise, in the order of their ids."""
        methods = {
            name: promise
            for name in dir(cls)
            if isinstance(promise := getattr(getattr(cls, name, None), "check", None), Check)
        }
        yield from sorted(methods.items(), key=lambda item: item[1].id)

    @classmethod
    def checks(cls) -> list[Check]:
        """What the suite checks."""
        return [promise for _, promise in cls.methods()]
