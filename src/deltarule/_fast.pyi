"""Types of the compiled binding; what the functions do is said in _fast/*.pxi."""

from typing import Any, final

import numpy as np
import numpy.typing as npt

from ._graph import Graph

Array = npt.NDArray[Any]
_Sums = tuple[float, float, float]

def isa_names() -> tuple[str, ...]: ...
def isa_supported(isa: int) -> bool: ...
def isa_keeps_bits(isa: int) -> bool: ...
def isa_current() -> int: ...
def isa_select(isa: int) -> None: ...
def has_openmp() -> bool: ...
def threads_limit() -> int: ...
def threads_set(n: int, exact: bool) -> None: ...
def threads_exact() -> bool: ...
def last_team() -> int: ...
def before_fork() -> None: ...
def allocations() -> int: ...
def activation_forward(
    dtype: str, activation: str, alpha: float, n: int, n_out: int, x: Array, y: Array
) -> None: ...
def activation_backward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_out: int,
    x: Array,
    y: Array,
    dy: Array,
    dx: Array,
) -> None: ...
def dense_forward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_in: int,
    n_out: int,
    x: Array,
    w: Array,
    b: Array | None,
    y: Array,
) -> None: ...
def dense_backward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_in: int,
    n_out: int,
    x: Array,
    w: Array,
    y: Array,
    dy: Array,
    dx: Array,
    dw: Array,
    db: Array,
) -> None: ...
def loss_backward(
    dtype: str,
    loss: str,
    n: int,
    n_out: int,
    y: Array,
    labels: Array | None,
    dense: Array | None,
    weight: Array | None,
    dy: Array | None,
) -> float: ...
def optimizer_step(
    dtype: str,
    optimizer: str,
    hyper: tuple[float, ...],
    step: int,
    n: int,
    g: Array,
    w: Array,
    state0: Array,
    state1: Array | None,
) -> None: ...
def random_bits(
    out: npt.NDArray[np.uint32], n: int, seed: int, purpose: int, layer: int, step: int
) -> None: ...
def random_uniform(
    out: npt.NDArray[np.float64], n: int, seed: int, purpose: int, layer: int, step: int
) -> None: ...
def random_normal(
    out: npt.NDArray[np.float64], n: int, seed: int, purpose: int, layer: int, step: int
) -> None: ...
def random_permutation(
    out: npt.NDArray[np.int64], n: int, seed: int, purpose: int, layer: int, step: int
) -> None: ...
@final
class Plan:
    graph: Graph
    n_slots: int
    step: int
    def __init__(self, graph: Graph) -> None: ...
    def set_hyper(self, hyper: tuple[float, ...]) -> None: ...
    def set_fused(self, fused: bool) -> None: ...
    def get(self, slot: int, name: str) -> Array: ...
    def set(self, slot: int, name: str, array: Array) -> None: ...
    def predict(self, x: Array) -> Array: ...
    def evaluate(self, x: Array, t: Array, w: Array | None) -> _Sums: ...
    def gradients(
        self, x: Array, t: Array, w: Array | None
    ) -> tuple[float, dict[str, Array]]: ...
    def train_batch(self, x: Array, t: Array, w: Array | None) -> float: ...
    def train(
        self,
        x: Array,
        t: Array,
        w: Array | None,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        batch: int = 0,
        sums: _Sums = (0.0, 0.0, 0.0),
    ) -> Run: ...

@final
class Run:
    @property
    def batch(self) -> int: ...
    @property
    def n_batches(self) -> int: ...
    @property
    def sums(self) -> _Sums: ...
    def advance(self, budget: float) -> bool: ...
