"""What `fit` returns: one value an epoch for the loss and every metric; table and picture."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .performance import Performance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        return len(next(iter(self._columns.values()), ()))

    def append(self, values: Mapping[str, float]) -> None:
        """Adds one epoch; every epoch must have the same names."""
        if self._columns and self._columns.keys() != values.keys():
            raise ValueError(f"expected values for {list(self._columns)}, got {list(values)}")
        for name, value in values.items():
            self._columns.setdefault(name, []).append(float(value))

    def as_dict(self) -> dict[str, list[float]]:
        """A dict of lists, all of the same length; changing it does not change the History."""
        return {name: list(values) for name, values in self._columns.items()}

    def plot(self, ax: Axes | None = None, *, names: Iterable[str] | None = None) -> Axes:
        """Draws values over the epochs, counted from 1, with matplotlib, and returns the axes.

        ax: where to draw, or None: in a figure of its own. names: of the values to draw; None: the
        loss, of training and of validation, as others are on other scales.

        Raises ImportError where matplotlib is missing (pip install 'deltarule[plot]'), KeyError for
        a name that is not there.
        """
        try:
            from matplotlib import pyplot
            from matplotlib.ticker import MaxNLocator
        except ImportError:
            raise ImportError(
                "history.plot() needs matplotlib: pip install 'deltarule[plot]'"
            ) from None
        if names is None:
            names = [name for name in ("loss", "val_loss") if name in self]
        series = {name: self[name] for name in ([names] if isinstance(names, str) else names)}
        if ax is None:
            ax = pyplot.subplots()[1]
        epochs = range(1, self.epochs + 1)
        for name, values in series.items():
            ax.plot(epochs, values, marker="." if self.epochs == 1 else "", label=name)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if series:
            ax.legend()
        return ax

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

    def _title(self) -> str:
        return f"History of {self.epochs} epoch{'' if self.epochs == 1 else 's'}"

    def _table(self) -> list[list[str]]:
        """Under a line of names, a line for each epoch; "..." for those in the middle of many."""
        rows: list[int | None] = list(range(self.epochs))
        if self.epochs > _SHOWN_WHOLE:
            rows[_SHOWN_ENDS:-_SHOWN_ENDS] = [None]
        table = [["epoch", *self._columns]]
        for row in rows:
            if row is None:
                table.append(["..."] * len(table[0]))
            else:
                cells = [f"{values[row]:.4g}" for values in self._columns.values()]
                table.append([str(row + 1), *cells])
        return table

    def __repr__(self) -> str:
        if not self.epochs:
            return self._title()
        table = self._table()
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in table]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        """For notebooks: curves, the table, and how fast the fit was."""
        from . import _html

        notes = [] if self.stopped is None else [f"stopped: {self.stopped}"]
        if self.performance is not None:
            notes.append(str(self.performance))
        parts = []
        if self.epochs:
            table = self._table()
            parts = [_html.figures(self._columns), _html.table(table, range(len(table[0])))]
        return _html.card(self._title(), *parts, *map(_html.note, notes))
