"""Where a network is in its training: the number of the epoch, and how far into it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _check
from ._engine import Array, Progress

_LARGE = 2**62


@dataclass(frozen=True)
class Position:
    """epoch: epochs begun before this one; it keys the order of the rows.

    batch: updates of this epoch that are done; 0 means that it has not begun and the rest is void.
    Where all are, its end is still to come: validation and callbacks.
    sums: of the loss, the weights and the hits over those batches.
    rows, batch_size, shuffle: of the fit that was interrupted; the rows are 0 where batches came as
    they were; batch_size: rows of an update.
    window: rows that it shuffles together, 0 for all.
    damping: of the Levenberg-Marquardt method, 0 before it has begun.
    outputs: (rows, n_out), what the rows of those batches have put out, where metrics want to know.
    """

    epoch: int = 0
    batch: int = 0
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rows: int = 0
    batch_size: int = 0
    shuffle: bool = True
    damping: float = 0.0
    window: int = 0
    outputs: Array | None = field(default=None, compare=False, repr=False)

    @property
    def now(self) -> Position:
        """Itself, as no epoch is under way."""
        return self

    def start(
        self, rows: int, batch_size: int, shuffle: bool, window: int = 0, *, again: bool = True
    ) -> Position:
        """Where a fit begins: within the unfinished epoch if it is of its kind and its rows can be
        read again, else a new one."""
        way = (rows, batch_size, shuffle, window)
        if self.batch and again and way == (self.rows, self.batch_size, self.shuffle, self.window):
            return self
        epoch = self.epoch + (self.batch > 0)
        return Position(epoch, 0, (0.0, 0.0, 0.0), rows, batch_size, shuffle, 0.0, window)

    def after(self, run: Progress) -> Position:
        """Where the network is when a run of this epoch has stopped."""
        # not dataclasses.replace: it takes three times as long, in an epoch that may be 100 us
        return Position(
            self.epoch, run.batch, run.sums, self.rows, self.batch_size, self.shuffle,
            self.damping, self.window, self.outputs,
        )  # fmt: skip

    def to_config(self) -> dict[str, Any]:
        """The JSON form. The sums are in hexadecimal: exact, and JSON has no nan."""
        config: dict[str, Any] = {"epoch": self.epoch, "batch": self.batch}
        if self.batch:
            config["sums"] = [value.hex() for value in self.sums]
            config["rows"] = self.rows
            config["batch_size"] = self.batch_size
            config["shuffle"] = self.shuffle
            if self.window:
                config["window"] = self.window
        if self.damping:
            config["damping"] = self.damping.hex()
        return config

    @classmethod
    def from_config(cls, config: object) -> Position:
        """Raises TypeError or ValueError for what `to_config` cannot have written."""
        if not isinstance(config, Mapping):
            raise TypeError("position must be an object")
        epoch = _check.integer("position.epoch", config.get("epoch"), 0, _LARGE)
        batch = _check.integer("position.batch", config.get("batch"), 0, _LARGE)
        known = {"epoch", "batch"} | ({"sums", "rows", "batch_size", "shuffle"} if batch else set())
        if set(config) - ({"damping", "window"} if batch else {"damping"}) != known:
            raise ValueError(f"position must have the keys {sorted(known)}")
        damping = _damping(config.get("damping", "0x0p+0"))
        if not batch:
            return cls(epoch, damping=damping)
        sums = config["sums"]
        if not (isinstance(sums, list) and len(sums) == 3):
            raise ValueError("position.sums must be three numbers")
        rows = _check.integer("position.rows", config["rows"], 0, _LARGE)
        least = min(1, rows)
        batch_size = _check.integer("position.batch_size", config["batch_size"], least, rows + 1)
        if rows and batch > -(-rows // batch_size):
            raise ValueError("position.batch is behind the last batch of the epoch")
        loss, weight, hits = (from_hex("position.sums", value) for value in sums)
        shuffle = _check.boolean("position.shuffle", config["shuffle"])
        window = _check.integer("position.window", config.get("window", 0), 0, _LARGE)
        return cls(epoch, batch, (loss, weight, hits), rows, batch_size, shuffle, damping, window)


@dataclass(frozen=True)
class UnderWay:
    """In an epoch under way: `now` follows from the run, which moves on with the weights. So
    whenever Ctrl-C comes, the one fits the other."""

    find: Callable[[], Position]

    @property
    def now(self) -> Position:
        """After the last whole batch."""
        return self.find()


def _damping(text: object) -> float:
    value = from_hex("position.damping", text)
    if not 0 <= value < math.inf:
        raise ValueError("position.damping must be finite and >= 0")
    return value


def from_hex(argument: str, text: object) -> float:
    """The number of which float.hex made the text: exact, and JSON has no nan."""
    if not isinstance(text, str) or len(text) > 40:
        raise TypeError(f"{argument} must be a hexadecimal number")
    return float.fromhex(text)
