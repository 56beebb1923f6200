"""What a source of samples is that do not lie in memory all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Piece:
    """Samples that are in memory together.

    values: X, y and sample_weight as users give them.
    where: what messages call it.
    size: rows of a batch; None: all of them are one.
    batch: the number of its first batch in the epoch.
    window: the number of the piece, which keys the order of its rows.
    """

    values: tuple[Any, Any, Any]
    where: str
    size: int | None = None
    batch: int = 0
    window: int = 0


class Way(NamedTuple):
    """How the rows of an epoch become batches: an interrupted one is gone on with only this way.

    rows, batch_size: 0 where batches come as they are. window: rows that are shuffled together, 0
    for all or none.
    """

    rows: int
    batch_size: int
    shuffle: bool
    window: int = 0


class Source(ABC):
    """Samples that come in pieces.

    name: what messages call it. again: whether it can be read from the beginning at any time.
    """

    name: str
    again: bool = True

    @abstractmethod
    def way(self, batch_size: int | None, shuffle: bool) -> Way:
        """What comes of the arguments of `fit`; ValueError where it cannot follow them."""

    @abstractmethod
    def batches(self, way: Way) -> int | None:
        """How many an epoch has, None where that is not known before it is over."""

    @abstractmethod
    def pieces(self, way: Way, batch: int = 0) -> Iterator[Piece]:
        """Those of an epoch in their order, from the one on that has this batch in it."""
