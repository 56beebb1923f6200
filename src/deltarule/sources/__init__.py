"""Samples that do not lie in memory all at once: batches that a program makes, tables in files."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from .base import Piece, Source, Way
from .batches import Batches
from .parquet import Parquet

__all__ = [
    "Batches",
    "Parquet",
    "Piece",
    "Source",
    "Way",
    "find",
]

_ARRAYS = (str, bytes, bytearray, memoryview, array, range, Mapping, Set)
_OF_ARRAYS = ("__array__", "__array_interface__", "shape", "dtype", "columns", "schema")


def find(value: Any, name: str, *, lists: bool, steps: object = None) -> Source | None:
    """The source that an argument is; None where it is one array of samples.

    lists: whether lists and the like are batches. steps: as of Batches.
    """
    if isinstance(value, Source):
        if steps is not None:
            raise ValueError(f"steps_per_epoch is for iterables of batches, got {steps!r}")
        return value
    if isinstance(value, _ARRAYS) or any(hasattr(value, name) for name in _OF_ARRAYS):
        return None
    if lists if isinstance(value, Sequence) else isinstance(value, Iterable) or callable(value):
        return Batches(value, name, steps)
    return None
