"""Tables in files, Parquet or Arrow, that need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import _check
from .._spec import describe, suggest
from .base import Piece, Source, Way

_BATCH_SIZE = 32
_READ = 1 << 14  # rows that are read in one go
_KEYS = 1 << 24  # windows with orders of their own
_ARROW = (".arrow", ".feather", ".ipc")


class Parquet(Source):
    """A table in files, read a window at a time: X of `fit`, `evaluate`, `predict` and `adapt`, or
    validation_data.

    source: a file or a folder (Parquet; Arrow where the name ends with .arrow, .feather or .ipc), a
        list of files, or a pyarrow.dataset.Dataset without a filter. Files follow each other in
        that order, rows as they are in them.
    target: the column that is y, or a list of columns; None: there is none (`predict`, `adapt`).
    features: the columns that are X, in that order; None: all that are neither target nor weight.
    sample_weight: the column that has it, or None.
    window: rows in memory at a time, twice for a moment. It is raised to a multiple of the batches.

    `fit` cuts batches of batch_size rows. With shuffle=True the rows of each window are shuffled
    every epoch by the network's own permutation, keyed by its seed and the numbers of epoch and
    window. A window that has all rows gives the same bits as arrays do, and so do arrays with
    shuffle=False and this.

    Raises ImportError without pyarrow (the extra `parquet`), OSError or ValueError, naming the
    file, for what cannot be read, ValueError for an unknown column and TypeError for a column that
    has no numbers. What the files hold is checked where it is read: bad values in a window raise
    ValueError, the network being as after the window before.
    """

    def __init__(
        self,
        source: Any,
        target: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        *,
        sample_weight: str | None = None,
        window: int = 100_000,
    ) -> None:
        dataset = _open(source)
        self.name = _name_of(source)
        self._schema = dataset.schema
        known = self._schema.names
        self._target = None if target is None else _columns("target", target, known)
        self._one_target = isinstance(target, str)
        weight = [] if sample_weight is None else _columns("sample_weight", sample_weight, known)
        self._weight = weight[0] if weight else None
        others = {*(self._target or ()), *weight}
        if features is None:
            features = [name for name in known if name not in others]
        self._features = _columns("features", features, known)
        for name in self._features:
            if name in others:
                raise ValueError(f"features has {name!r}, which is the target or the weight")
        self._used = [*self._features, *(self._target or ()), *weight]
        for name in self._used:
            _check_numbers(self._schema.field(name), name in (self._target or ()))
        self._window = _check.positive_int("window", window)
        self._parts = [part for file in dataset.get_fragments() for part in self._parts_of(file)]
        self.rows = sum(rows for _, rows in self._parts)
        if self.rows == 0:
            raise ValueError(f"{self.name} has no rows")

    def __repr__(self) -> str:
        return f"<Parquet {self.name}: {self.rows:,} rows, {len(self._features)} features>"

    def _parts_of(self, file: Any) -> Iterator[tuple[Any, int]]:
        """With the number of rows in each. Groups of rows are read by themselves, since pyarrow
        would keep several in memory: 161 MB for 60,000 x 784 float32 in groups of 5,000, and 85."""
        path = getattr(file, "path", self.name)
        with _naming(file, self.name):
            known = file.physical_schema.names
            if hasattr(file, "split_by_row_group"):
                groups = file.split_by_row_group()
                parts = [(part, sum(g.num_rows for g in part.row_groups)) for part in groups]
            else:
                parts = [(file, file.count_rows())]
        for name in self._used:
            if name not in known:
                raise ValueError(f"{path} has no column {name!r}")
        yield from parts

    # ------------------------------------------------------------------------------- as a source
    def way(self, batch_size: int | None, shuffle: bool) -> Way:
        size = min(batch_size or _BATCH_SIZE, self.rows)
        window = -(-self._window // size) * size
        return Way(self.rows, size, shuffle, window if shuffle and window < self.rows else 0)

    def batches(self, way: Way) -> int:
        return -(-way.rows // way.batch_size)

    def pieces(self, way: Way, batch: int = 0) -> Iterator[Piece]:
        import pyarrow as pa

        size = way.batch_size
        window = -(-self._window // size) * size
        number = batch * size // window
        first = number * window
        read = self._read(first)
        left: list[Any] = []
        while first < self.rows:
            wanted = min(window, self.rows - first)
            parts, have = left, sum(len(part) for part in left)
            while have < wanted:
                try:
                    part = next(read)
                except StopIteration:
                    raise ValueError(
                        f"{self.name} has ended after {first + have} rows, of which it had "
                        f"{self.rows}: has it changed?"
                    ) from None
                parts.append(part)
                have += len(part)
            last = parts.pop()
            fits = len(last) - (have - wanted)
            table = pa.Table.from_batches([*parts, last.slice(0, fits)])
            left = [last.slice(fits)] if fits < len(last) else []
            where = f"rows {first} to {first + wanted - 1} of {self.name}"
            yield Piece(self._values(table), where, size, first // size, number % _KEYS)
            first += wanted
            number += 1

    def _values(self, table: Any) -> tuple[Any, Any, Any]:
        target = None
        if self._target is not None:
            target = table[self._target[0]] if self._one_target else table.select(self._target)
        weight = None if self._weight is None else table[self._weight]
        return table.select(self._features), target, weight

    def _read(self, first: int) -> Iterator[Any]:
        """Record batches from a row on."""
        for part, rows in self._parts:
            if first >= rows:
                first -= rows
                continue
            with _naming(part, self.name):
                scanner = part.scanner(
                    schema=self._schema,
                    columns=self._used,
                    batch_size=_READ,
                    batch_readahead=1,
                    fragment_readahead=1,
                )
                for found in scanner.to_batches():
                    if first < len(found):
                        yield found.slice(first)
                    first = max(0, first - len(found))


@contextmanager
def _naming(part: Any, name: str) -> Iterator[None]:
    """Errors of pyarrow say which file they are about."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        path = getattr(part, "path", name)
        raise ValueError(f"{path} cannot be read: {error}") from error


def _open(source: Any) -> Any:
    try:
        import pyarrow.dataset as ds
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install deltarule[parquet]") from error
    if isinstance(source, ds.Dataset):
        return source
    paths = source if isinstance(source, list | tuple) else [source]
    if not paths or not all(isinstance(path, str | os.PathLike) for path in paths):
        raise TypeError(f"source must be a path, paths or a Dataset, got {describe(source)}")
    names = [os.fspath(path) for path in paths]
    kind = "ipc" if names[0].endswith(_ARROW) else "parquet"
    with _naming(None, _name_of(source)):
        return ds.dataset(names if len(names) > 1 else names[0], format=kind)


def _name_of(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, list | tuple) and source:
        return f"{os.fspath(source[0])}, ..."
    return "the dataset"


def _columns(argument: str, names: Any, known: Iterable[str]) -> list[str]:
    listed = [names] if isinstance(names, str) else list(names)
    for name in listed:
        if name not in known:
            hint = suggest(str(name), known)
            raise ValueError(f"{argument}: no column {name!r}{hint}; known: {', '.join(known)}")
    if not listed:
        raise ValueError(f"{argument} has no columns")
    if len(set(listed)) < len(listed):
        raise ValueError(f"{argument} has a column twice")
    return listed


def _check_numbers(field: Any, target: bool) -> None:
    import pyarrow.types as types

    checks = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    if not any(check(field.type) for check in checks):
        hint = "encode classes as integers" if target else "leave it out of features"
        raise TypeError(f"column {field.name!r} must be numbers, got {field.type}; {hint}")
