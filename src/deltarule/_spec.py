"""What every specification shares: repr, equality and a JSON form; and closed tables of them.

A specification (layer, activation, loss, optimizer, ...) holds constructor arguments and nothing
else. It never changes, so one object can serve any number of networks.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self, TypeVar

S = TypeVar("S", bound="Spec")


@dataclasses.dataclass(frozen=True, repr=False)
class Spec:
    """Base of all specifications. `kind` is the name under which its closed table knows it."""

    kind: ClassVar[str] = ""

    def to_config(self) -> dict[str, Any]:
        """The JSON form: "kind" and every constructor argument."""
        config: dict[str, Any] = {"kind": self.kind}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Spec):
                value = value.to_config()
            elif isinstance(value, tuple):
                value = list(value)
            config[field.name] = value
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The specification that `to_config` describes. Checks as the constructor does.

        Raises ValueError for another kind and for arguments that this class does not have.
        """
        arguments = dict(config)
        if arguments.pop("kind", None) != cls.kind:
            raise ValueError(f"expected a description of kind {cls.kind!r}, got {config!r:.80}")
        known = {field.name for field in dataclasses.fields(cls)}
        for name in arguments:
            if name not in known:
                raise ValueError(f"{cls.__name__} has no argument {name!r:.60}")
        return cls(**arguments)

    def __repr__(self) -> str:
        shown = []
        for field in sorted(dataclasses.fields(self), key=lambda field: bool(field.kw_only)):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING or value != field.default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def by_name(spec: Spec) -> str:
    """How code names a specification: 'relu' where all arguments are defaults, else its repr."""
    return repr(spec.kind) if spec == type(spec)() else repr(spec)


def suggest(name: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """ " (did you mean 'relu'?)" for a name that is nearly a known one, else ""."""
    key = name[:60].lower().replace("-", "_").replace(" ", "_")
    match = (aliases or {}).get(key) or (aliases or {}).get(key.replace("_", ""))
    if match is None:
        found = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
        match = found[0] if found else None
    return "" if match is None else f" (did you mean {match!r}?)"


def resolve(
    value: object,
    table: Mapping[str, type[S]],
    what: str,
    aliases: Mapping[str, str] | None = None,
) -> S:
    """The specification for a name or an object, out of a closed table.

    Raises ValueError for an unknown name and TypeError for anything but a name or such an object.
    """
    if isinstance(value, str):
        if value not in table:
            names = ", ".join(repr(name) for name in table)
            hint = suggest(value, table, aliases)
            raise ValueError(f"unknown {what} {value!r:.60}{hint}; known: {names}")
        try:
            return table[value]()
        except TypeError:
            raise ValueError(
                f"{what} {value!r} has arguments; pass {table[value].__name__}(...)"
            ) from None
    for cls in table.values():
        if type(value) is cls:
            return value
        if value is cls:
            raise TypeError(f"{what} must be an instance, {cls.__name__}(), not the class")
    raise TypeError(
        f"{what} must be a name or one of {', '.join(c.__name__ for c in table.values())}, "
        f"got {describe(value)}"
    )


def from_config(config: object, table: Mapping[str, type[S]], what: str, hint: str = "") -> S:
    """The specification that a JSON form describes, out of a closed table. hint: where its kind is
    not in there."""
    if not isinstance(config, Mapping):
        raise TypeError(f"a description of a {what} must be an object, got {describe(config)}")
    kind = config.get("kind")
    if not isinstance(kind, str) or kind not in table:
        raise ValueError(f"unknown {what} {kind!r:.60}; known: {', '.join(table)}{hint}")
    return table[kind].from_config(config)


def describe(value: object) -> str:
    """A short text for an unexpected argument: its value when that is short, and its type."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else ""
    name = type(value).__name__
    return f"{text} ({name})" if text and len(text) <= 60 else f"an object of type {name}"
