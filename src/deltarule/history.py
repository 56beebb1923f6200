"""What `fit` returns: one value an epoch for the loss and every metric."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from .performance import Performance

_SHOWN_WHOLE = 8  # longer histories show their first and last rows only
_SHOWN_ENDS = 3


class History(Mapping[str, list[float]]):
    """A mapping from "loss", "accuracy", "val_loss", ... to a list with one value an epoch.

    `pandas.DataFrame(history.as_dict())` gives a table with one row an epoch.
    stopped: why the fit that made it ended before its last epoch, else None.
    performance: what the fit that made it cost (see Performance), else None; histories that differ
    in nothing else are equal.
    """

    def __init__(self, columns: Mapping[str, list[float]] | None = None) -> None:
        self._columns = {name: [float(v) for v in vs] for name, vs in (columns or {}).items()}
        if len({len(values) for values in self._columns.values()}) > 1:
            raise ValueError("the columns of a History must have the same length")
        self.stopped: str | None = None
        self.performance: Performance | None = None

    @property
    def epochs(self) -> int:
        """How many epochs are in it."""
        return max((len(values) for values in self._columns.values()), default=0)

    def append(self, values: Mapping[str, float]) -> None:
        """Adds one epoch; every epoch must have the same names."""
        if self._columns and self._columns.keys() != values.keys():
            raise ValueError(f"expected values for {list(self._columns)}, got {list(values)}")
        for name, value in values.items():
            self._columns.setdefault(name, []).append(float(value))

    def as_dict(self) -> dict[str, list[float]]:
        """A dict of lists, all of the same length; changing it does not change the History."""
        return {name: list(values) for name, values in self._columns.items()}

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self._columns[name]
        except KeyError:
            near = difflib.get_close_matches(str(name), self._columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(self._columns)
            raise KeyError(f"no {name!r} in this history (it has {known}){hint}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n = self.epochs
        title = f"History of {n} epoch{'' if n == 1 else 's'}"
        if n == 0:
            return title
        rows: list[int | None] = list(range(n))
        if n > _SHOWN_WHOLE:
            rows[_SHOWN_ENDS:-_SHOWN_ENDS] = [None]
        table = [["epoch", *self._columns]]
        for row in rows:
            if row is None:
                table.append(["..."] * len(table[0]))
            else:
                cells = [f"{values[row]:.4g}" for values in self._columns.values()]
                table.append([str(row + 1), *cells])
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in table]
        return "\n".join([title, *lines])
