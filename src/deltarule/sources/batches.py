"""Batches as a program makes them: an iterable of (x, y) or (x, y, sample_weight)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from .. import _check
from .._spec import describe
from .base import Piece, Source, Way


class Batches(Source):
    """Each batch is one update, in the order in which they come.

    given: an iterable, or a function that returns one for each epoch. An iterator serves one epoch,
    or with `steps` goes on from epoch to epoch.
    steps: batches of an epoch, None: as many as there are.
    """

    def __init__(
        self,
        given: Iterable[Any] | Callable[[], Iterable[Any]],
        name: str,
        steps: object = None,
    ) -> None:
        self.name, self._given = name, given
        self.again = not isinstance(given, Iterator)
        self._steps = None if steps is None else _check.positive_int("steps_per_epoch", steps)

    def way(self, batch_size: int | None, shuffle: bool) -> Way:
        if batch_size is not None:
            raise ValueError(
                f"batch_size must be None where {self.name} has batches, got {batch_size}"
            )
        return Way(0, 0, False)

    def batches(self, way: Way) -> int | None:
        if self._steps is not None:
            return self._steps
        return len(self._given) if isinstance(self._given, Sized) else None

    def pieces(self, way: Way, batch: int = 0) -> Iterator[Piece]:
        items = self._begin()
        number = 0
        while number != self._steps:
            where = f"batch {number} of {self.name}"
            try:
                item = next(items)
            except StopIteration:
                break
            except Exception as error:
                error.add_note(f"deltarule was waiting for {where}")
                raise
            if number >= batch:
                yield Piece(_parts(item, where), where, batch=number)
            number += 1
        if number == 0:
            spent = ": an iterator serves one epoch" * (not self.again)
            raise ValueError(f"{self.name} has no batches{spent}")
        if self._steps is not None and number < self._steps:
            raise ValueError(
                f"{self.name} has ended after {number} batches of an epoch, with "
                f"steps_per_epoch={self._steps}"
            )

    def _begin(self) -> Iterator[Any]:
        items = self._given if isinstance(self._given, Iterable) else self._given()
        if not isinstance(items, Iterable):
            raise TypeError(
                f"{self.name}() must return an iterable of batches, got {describe(items)}"
            )
        return iter(items)


def _parts(item: Any, where: str) -> tuple[Any, Any, Any]:
    """X, y and sample_weight of a batch; what is no tuple (or list of arrays, as PyTorch makes
    them) is X alone, which `predict` takes."""
    if not isinstance(item, tuple):
        if not (isinstance(item, list) and len(item) in (2, 3) and hasattr(item[0], "shape")):
            return item, None, None
    elif len(item) not in (2, 3):
        s = "" if len(item) == 1 else "s"
        raise ValueError(
            f"{where} must be (x, y) or (x, y, sample_weight), got {len(item)} item{s}"
        )
    x, y, weight = (*item, None)[:3]
    return x, y, weight
