"""The two engines behind a Network, and what it relies on in both."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ._check_sparse import Rows
from ._graph import Graph
from ._spec import describe, suggest

if TYPE_CHECKING:
    from .layers import Layer

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]
Sums = tuple[float, float, float]

BACKENDS = ("fast", "reference")
_MOST_BYTES = 1 << 46  # an honest failure to allocate below that


class Progress(Protocol):
    """How far an epoch has come."""

    @property
    def batch(self) -> int: ...
    @property
    def n_batches(self) -> int | None: ...  # None: not known before the last
    @property
    def sums(self) -> Sums: ...
    @property
    def finite(self) -> int: ...  # the first so many batches had a finite loss
    @property
    def lost_in(self) -> int | None: ...  # the first buffer that the next had such numbers in


class Run(Progress, Protocol):
    """One epoch of training, resumable between batches."""

    def advance(self, budget: float) -> bool: ...
    def rewind(self) -> None: ...


class Linearization(Protocol):
    """Least squares near the parameters at the time of `compute`: deltarule.reference.linearize."""

    @property
    def gradient(self) -> F64: ...
    @property
    def diagonal(self) -> F64: ...
    def compute(self) -> Sums: ...
    def solve(self, added: F64, right: F64) -> F64 | None: ...


class Plan(Protocol):
    """A compiled network: memory for parameters and optimizer state, and the loops over it."""

    @property
    def graph(self) -> Graph: ...
    @property
    def n_slots(self) -> int: ...

    step: int
    averaged: int

    def get(self, slot: int, name: str) -> Array: ...
    def set(self, slot: int, name: str, array: Array) -> None: ...
    def set_all(self, arrays: dict[tuple[int, str], Array]) -> None: ...
    def restart_ledger(self) -> None: ...
    def ledger(self) -> tuple[dict[str, int], dict[str, float]]: ...
    def get_vector(self) -> Array: ...
    def set_vector(self, vector: Array) -> None: ...
    def of_average(self) -> Plan: ...
    def predict(self, x: Rows) -> Array: ...
    def evaluate(
        self,
        x: Rows,
        t: Array,
        w: Array | None,
        *,
        y: Array | None = None,
        sums: Sums = (0.0, 0.0, 0.0),
    ) -> Sums: ...
    def gradients(self, x: Rows, t: Array, w: Array | None) -> tuple[float, dict[str, Array]]: ...
    def gradient_vector(self, x: Rows, t: Array, w: Array | None) -> tuple[Sums, Array]: ...
    def linearize(self, x: Rows, t: Array, w: Array | None) -> Linearization: ...
    def train_batch(
        self, x: Rows, t: Array, w: Array | None, rates: F64 | None = None, piece: int = 0
    ) -> float: ...
    def train(
        self,
        x: Rows,
        t: Array,
        w: Array | None,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        batch: int = 0,
        sums: Sums = (0.0, 0.0, 0.0),
        rates: F64 | None = None,
        y: Array | None = None,
        order: npt.NDArray[np.int64] | None = None,
        window: int = 0,
        averages: bool = False,
        piece: int = 0,
    ) -> Run: ...


def check_backend(backend: object) -> str:
    if not isinstance(backend, str):
        raise TypeError(f"backend must be 'fast' or 'reference', got {describe(backend)}")
    if backend not in BACKENDS:
        hint = suggest(backend, BACKENDS, {"numpy": "reference", "c": "fast"})
        raise ValueError(f"unknown backend {backend!r}{hint}; known: 'fast', 'reference'")
    return backend


def new_plan(backend: str, graph: Graph) -> Plan:
    """An engine for the graph with all parameters and state zero. MemoryError where no machine
    could hold them."""
    size = sum(math.prod(shape) for shape in graph.parameter_shapes().values())
    if size * np.dtype(graph.dtype).itemsize * graph.optimizer.n_slots > _MOST_BYTES:
        raise MemoryError(f"this network has {size:,} parameters")
    module = "_fast" if backend == "fast" else "reference.plan"
    plan: Plan = importlib.import_module(f"{__package__}.{module}").Plan(graph)
    return plan


def functions(backend: str) -> Any:
    """The single operations: deltarule.ops or deltarule.reference."""
    module = "ops" if backend == "fast" else "reference"
    return importlib.import_module(f"{__package__}.{module}")


def first_values(
    backend: str, graph: Graph, layers: Iterable[tuple[str, Layer]], seed: int
) -> Iterator[tuple[str, Array]]:
    """How the parameters of layers with these positions begin, by name."""
    shapes = graph.parameter_shapes()
    for index, (layer_name, layer) in enumerate(layers):
        for part, initializer in layer.initializers().items():
            name = f"{layer_name}.{part}"
            matrix = shapes.get(f"{layer_name}.weight", shapes[name])
            n_in, n_out = matrix if len(matrix) == 2 else (1, matrix[0])
            purpose = "weight" if len(shapes[name]) == 2 else "bias"
            where = {"seed": seed, "layer": index, "purpose": purpose, "dtype": graph.dtype}
            yield name, functions(backend).initialize(initializer.kind, n_in, n_out, **where)
