"""Specifications that users write: what layers, losses and metrics of their own have in common."""

from __future__ import annotations

import inspect
import math
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ._check import Array
from ._spec import Spec, describe
from ._warn import warn


class SlowWarning(UserWarning):
    """Something runs in Python that would be quicker in C."""


@dataclass(frozen=True, repr=False)
class Custom(Spec, ABC):
    """Base of classes that users write. Arguments are fields of a frozen dataclass."""

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        if "__dataclass_fields__" not in vars(cls):
            for name, annotation in inspect.get_annotations(cls).items():
                if "ClassVar" not in str(annotation):
                    raise TypeError(
                        f"{cls.__name__} has the argument {name!r}, so write "
                        "@dataclass(frozen=True) above the class"
                    )
        return super().__new__(cls)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return super().from_config({name: _tuples(value) for name, value in config.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _is_plain(value: object) -> bool:
    """Whether a model file gives it back as it was."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str)


def check_class(cls: type[Custom]) -> None:
    """Raises ValueError unless the class has a kind of its own, which is not one of the library."""
    from . import layers, losses, metrics

    if not isinstance(cls.kind, str) or not cls.kind:
        raise ValueError(
            f"{cls.__name__} needs a kind, the name by which model files call it: "
            f"kind = {cls.__name__.lower()!r}"
        )
    if any(cls.kind in room.TABLE for room in (layers, losses, metrics)):
        raise ValueError(f"{cls.__name__} must have a kind of its own, {cls.kind!r} is taken")


def check(spec: Custom) -> None:
    """Raises TypeError or ValueError unless it can be saved and found again."""
    check_class(type(spec))
    for name, value in vars(spec).items():
        if not _is_plain(value):
            raise TypeError(
                f"{type(spec).__name__}: {name} must be a finite number, a text, a boolean, None "
                f"or a tuple of them, which a model file can hold; got {describe(value)}"
            )


def check_table(custom: object) -> dict[str, type[Custom]]:
    """The argument `custom` of load: {kind: class}."""
    if not isinstance(custom, Mapping):
        raise TypeError(f"custom must be a dict {{kind: class}}, got {describe(custom)}")
    for kind, cls in custom.items():
        if not isinstance(cls, type) or not issubclass(cls, Custom):
            raise TypeError(f"custom[{kind!r}] must be a class of your own, got {describe(cls)}")
        check_class(cls)
        if cls.kind != kind:
            raise ValueError(f"custom[{kind!r}] is {cls.__name__}, whose kind is {cls.kind!r}")
    return dict(custom)


def check_array(
    where: str, method: str, what: str, array: object, shape: tuple[int, ...], like: Array
) -> Array:
    """What a method has returned, its rows side by side; `like` has its dtype."""
    wanted = f"{where}: {method} must return {what} as an array of {like.dtype}"
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{wanted}, got {describe(array)}")
    if array.dtype != like.dtype:
        raise TypeError(f"{wanted}, got dtype {array.dtype}; .astype converts it")
    if array.shape != shape:
        raise ValueError(f"{wanted} of shape {shape}, got {array.shape}")
    return np.ascontiguousarray(array)


_known: ContextVar[Mapping[str, type[Custom]] | None] = ContextVar("known", default=None)


@contextmanager
def knowing(custom: Mapping[str, type[Custom]]) -> Iterator[None]:
    """Inside, JSON forms may describe what these classes are for."""
    token = _known.set(custom)
    try:
        yield
    finally:
        _known.reset(token)


def known(base: type[Any]) -> dict[str, type[Any]]:
    """The classes made from `base` that JSON forms may describe here."""
    return {kind: cls for kind, cls in (_known.get() or {}).items() if issubclass(cls, base)}


def _every(layers: Iterable[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        yield from _every(child for _, child in layer.children())


HINT = "; a class of your own is found by the argument custom={kind: class} of load"


def classes(layers: Iterable[Any], *others: Spec) -> dict[str, type[Custom]]:
    """The classes, by kind, of what users have written; ValueError when two share a kind."""
    found: dict[str, type[Custom]] = {}
    for spec in (*_every(layers), *others):
        if isinstance(spec, Custom):
            cls = found.setdefault(spec.kind, type(spec))
            if cls is not type(spec):
                raise ValueError(f"{cls!r} and {type(spec)!r} are both of kind {spec.kind!r}")
    return found


_warned: set[type[Custom]] = set()


def warn_slow(classes: Iterable[type[Custom]]) -> None:
    """Says once for each class that it is computed in Python."""
    for cls in classes:
        if cls not in _warned:
            warn(
                f"{cls.__name__} is computed in Python: a network with it is slower than one in C, "
                "and outside of the promise of the same bits",
                SlowWarning,
            )
            _warned.add(cls)
