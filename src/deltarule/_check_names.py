"""Checks of arguments that are names, of a choice or a file, or lists of anything."""

import os
from collections.abc import Collection, Iterable

import numpy as np


def is_one_of(value: object, names: Collection[str | None]) -> bool:
    """`value in names`, where an array would be compared element by element."""
    return (value is None or isinstance(value, str)) and value in names


def is_list(value: object) -> bool:
    """Whether it has items: a text is one thing, and so is an array of no dimension."""
    single = isinstance(value, str | bytes) or (isinstance(value, np.ndarray) and not value.ndim)
    return isinstance(value, Iterable) and not single


def path(argument: str, value: object) -> str:
    """The name of a file or folder, a str or os.PathLike."""
    name = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str or os.PathLike, got {type(value).__name__}")
    return name
