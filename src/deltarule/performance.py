"""The speed ledger of `fit`: how fast it went, and where the time went."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

from . import _fast
from ._check_sparse import Rows, Sparse
from ._engine import Plan
from ._graph import Graph

_PEAK_SECONDS = 0.005

# what the report calls the parts of the training time, in its order
_PARTS = {
    "products": "products",
    "activations": "activations",
    "optimizer": "optimizer",
    "data": "data",
    "waiting": "waiting",
    "python": "Python",
}


@functools.cache
def _peak(isa: str, dtype: str) -> float:
    """GFLOP/s of FMAs alone on one thread, measured once a process."""
    return _fast.peak(dtype, _PEAK_SECONDS, _fast.isa_names().index(isa)) / 1e9


@dataclass(frozen=True, repr=False)
class Performance:
    """What one `fit` did and what its time was spent on, in seconds; print it for a summary.

    steps: updates made. rows: samples in their batches. threads: the most that took part (with
    the reference 1, though numpy's own may be more). flops: useful operations, of a dense layer
    6 n_in n_out a row, 4 for one that reads the input, whose gradient nobody wants; of a sparse
    input its entries count.

    products: of matrices, forward and backward; sums of bias gradients. activations: these and the
    loss, both ways. optimizer: updates. data: checking, converting and gathering rows. waiting:
    for other threads. python: the rest of the time in fit, that of custom layers included. They add
    up to `seconds`. validation: comes on top of that and has no part in the rates.

    A method that needs all rows at once counts them each time that it computes a gradient, and its
    iterations as steps; products is all that computes losses and derivatives, optimizer the
    solution of equations. flops has the products of Jacobians besides.

    The C core times one batch in a while, on the thread that calls, and shares out the time of all
    as that of those; the reference times every batch.
    """

    steps: int
    rows: int
    threads: int
    flops: float
    products: float
    activations: float
    optimizer: float
    data: float
    waiting: float
    python: float
    validation: float
    dtype: str
    isa: str

    @property
    def seconds(self) -> float:
        """The time in fit without validation."""
        return float(sum(getattr(self, part) for part in _PARTS))

    @property
    def rows_per_second(self) -> float:
        """Samples trained on in a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def gflops(self) -> float:
        """Useful GFLOP/s over all of `seconds`."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def peak_gflops(self) -> float:
        """GFLOP/s of so many threads doing nothing but fused multiply-adds, with the instruction
        set and dtype of this fit. Measured on one thread, in 5 ms, when first asked for."""
        return self._peak * self.threads

    @property
    def share_of_peak(self) -> float:
        """gflops / peak_gflops."""
        return self.gflops / self.peak_gflops if self.threads else 0.0

    @functools.cached_property
    def _peak(self) -> float:
        return _peak(self.isa, self.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Everything above by name, in numbers and strings that JSON has."""
        derived = ("seconds", "rows_per_second", "gflops", "peak_gflops", "share_of_peak")
        return asdict(self) | {name: getattr(self, name) for name in derived}

    def _shares(self) -> dict[str, float]:
        """The parts that there are, by the name shown: threads that are alone do not wait."""
        return {
            shown: getattr(self, part) / self.seconds if self.seconds else 0.0
            for part, shown in _PARTS.items()
            if part != "waiting" or self.threads > 1
        }

    def __str__(self) -> str:
        shares = ", ".join(f"{part} {_percent(share)}" for part, share in self._shares().items())
        return (
            f"{self.rows_per_second:,.0f} rows/s, {_figures(self.gflops)} GFLOP/s "
            f"({_percent(self.share_of_peak)} of peak): {shares}"
        )

    def __repr__(self) -> str:
        s = "" if self.threads == 1 else "s"
        lines = [
            f"Performance of {self.steps:,} steps with {self.rows:,} rows",
            f"{self.rows_per_second:,.0f} rows/s, {_figures(self.gflops)} GFLOP/s, "
            f"{_percent(self.share_of_peak)} of the peak of {_figures(self.peak_gflops)}",
            f"({self.isa}, {self.dtype}, {self.threads} thread{s})",
        ]
        seconds = {name: share * self.seconds for name, share in self._shares().items()}
        for name, spent in (seconds | {"in all": self.seconds}).items():
            lines.append(f"{name:<12}{spent:>10.4f} s{spent / (self.seconds or 1):>8.1%}")
        if self.validation:
            lines.append(f"{'validation':<12}{self.validation:>10.4f} s")
        return "\n".join(lines)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_peak": self._peak}  # of this machine, not of the reader's


def _figures(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def flops_per_row(graph: Graph, x: Rows | None = None) -> float:
    """Operations of a training step that one row, on average of those of x, needs (see
    Performance)."""
    widths: list[float] = list(graph.widths)
    if isinstance(x, Sparse):
        widths[0] = float(x.indptr[-1] - x.indptr[0]) / len(x)
    return sum(
        (6.0 if node.source else 4.0) * widths[node.source] * widths[node.target]
        for node in graph.nodes
        if node.kind == "dense"
    )


class Stopwatch:
    """The time of one fit, from its making on (`begun`); what the engine's ledger does not see."""

    def __init__(self) -> None:
        self.begun = perf_counter()
        self._spent = dict.fromkeys(("data", "validation", "products", "optimizer"), 0.0)
        self._counts = {"steps": 0, "rows": 0, "threads": 0}
        self._flops = 0.0

    @contextmanager
    def on(self, what: Literal["data", "validation", "products", "optimizer"]) -> Iterator[None]:
        """Counts what happens inside as that."""
        start = perf_counter()
        yield
        self._spent[what] += perf_counter() - start

    def count(self, steps: int = 0, rows: int = 0, threads: int = 0, flops: float = 0.0) -> None:
        """What has been done that the engine's ledger does not see; flops: beside those of rows."""
        self._counts["steps"] += steps
        self._counts["rows"] += rows
        self._counts["threads"] = max(self._counts["threads"], threads)
        self._flops += flops

    def rows(self, plan: Plan) -> int:
        """In the batches until now."""
        return plan.ledger()[0]["rows"] + self._counts["rows"]

    def stop(self, plan: Plan, x: Rows | None = None) -> Performance:
        """The whole account of training on x; the plan's ledger has been restarted in between."""
        passed = perf_counter() - self.begun
        ledger, seconds = plan.ledger()
        counts = {what: ledger[what] + n for what, n in self._counts.items()}
        parts: dict[str, Any] = {
            what: spent + self._spent.get(what, 0.0) for what, spent in seconds.items()
        }
        validation = self._spent["validation"]
        return Performance(
            **counts,
            flops=counts["rows"] * flops_per_row(plan.graph, x) + self._flops,
            **parts,
            python=max(0.0, passed - sum(parts.values()) - validation),
            validation=validation,
            dtype=plan.graph.dtype,
            isa=_fast.isa_names()[_fast.isa_current()],
        )
