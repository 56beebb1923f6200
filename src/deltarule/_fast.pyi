"""Types of the compiled binding; what the functions do is said in _fast/*.pxi."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ._check_sparse import Rows as _Rows
from ._graph import Graph
from .losses import Loss
from .optimizers import Optimizer

_Array = npt.NDArray[Any]
_F64 = npt.NDArray[np.float64]
_Sums = tuple[float, float, float]

def isa_names() -> tuple[str, ...]: ...
def isa_supported(isa: int) -> bool: ...
def isa_keeps_bits(isa: int) -> bool: ...
def isa_current() -> int: ...
def isa_select(isa: int) -> None: ...
def peak(dtype: str, seconds: float, isa: int | None = None) -> float: ...
def first_nonfinite(dtype: str, x: _Array) -> int | None: ...
def has_openmp() -> bool: ...
def threads_limit() -> int: ...
def threads_wanted() -> tuple[int, bool]: ...
def threads_set(n: int, exact: bool) -> None: ...
def threads_alone(on: bool) -> None: ...
def threads_exact() -> bool: ...
def last_team() -> int: ...
def watch_forks() -> None: ...
def allocations() -> int: ...
def allocations_alive() -> int: ...
def allocations_fail(after: int, count: int) -> None: ...
def activation_forward(
    dtype: str, activation: str, alpha: float, n: int, n_out: int, x: _Array, y: _Array
) -> None: ...
def activation_backward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_out: int,
    x: _Array,
    y: _Array,
    dy: _Array,
    dx: _Array,
) -> None: ...
def cholesky(
    dtype: str, n: int, a: _Array, b: _Array | None, r: _Array | None, x: _Array | None
) -> bool: ...
def elementary(dtype: str, function: str, x: _Array, y: _Array) -> None: ...
def dense_forward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_in: int,
    n_out: int,
    x: _Array,
    w: _Array,
    b: _Array | None,
    y: _Array,
) -> None: ...
def dense_backward(
    dtype: str,
    activation: str,
    alpha: float,
    n: int,
    n_in: int,
    n_out: int,
    x: _Array,
    w: _Array,
    z: _Array | None,
    y: _Array,
    dy: _Array,
    dx: _Array,
    dw: _Array,
    db: _Array,
) -> None: ...
def dense_rows(
    x: _Array, weights: Sequence[_Array], biases: Sequence[_Array], activations: Sequence[str]
) -> _Array | None: ...
def average_step(dtype: str, share: float, n: int, w: _Array, average: _Array) -> None: ...
def batch_norm_forward(
    dtype: str,
    eps: float,
    n: int,
    n_out: int,
    x: _Array,
    w: _Array | None,
    b: _Array | None,
    y: _Array,
    mean: _Array,
    var: _Array,
) -> None: ...
def batch_norm_inference(
    dtype: str,
    eps: float,
    n: int,
    n_out: int,
    x: _Array,
    mean: _Array,
    var: _Array,
    w: _Array | None,
    b: _Array | None,
    y: _Array,
) -> None: ...
def batch_norm_backward(
    dtype: str,
    eps: float,
    n: int,
    n_out: int,
    x: _Array,
    w: _Array | None,
    dy: _Array,
    dx: _Array,
    dw: _Array,
    db: _Array,
) -> None: ...
def batch_norm_running(
    dtype: str,
    momentum: float,
    n: int,
    n_out: int,
    mean: _Array,
    var: _Array,
    running_mean: _Array,
    running_var: _Array,
) -> None: ...
def layer_norm_forward(
    dtype: str,
    centred: bool,
    eps: float,
    n: int,
    n_out: int,
    x: _Array,
    w: _Array | None,
    b: _Array | None,
    y: _Array,
) -> None: ...
def layer_norm_backward(
    dtype: str,
    centred: bool,
    eps: float,
    n: int,
    n_out: int,
    x: _Array,
    w: _Array | None,
    dy: _Array,
    dx: _Array,
    dw: _Array,
    db: _Array | None,
) -> None: ...
def loss_backward(
    dtype: str,
    loss: Loss,
    n: int,
    n_out: int,
    y: _Array,
    labels: _Array | None,
    dense: _Array | None,
    weight: _Array | None,
    dy: _Array | None,
) -> float: ...
def optimizer_step(
    dtype: str,
    optimizer: Optimizer,
    step: int,
    shape: tuple[int, ...],
    g: _Array,
    arrays: tuple[_Array, ...],
) -> None: ...
def clip_gradients(
    dtype: str, given: dict[str, float], shapes: list[tuple[int, ...]], *gradients: _Array
) -> None: ...
def constrain(
    dtype: str, constraint: str, limit: float, n_in: int, n_out: int, w: _Array
) -> None: ...
def penalty_forward(
    dtype: str, l1: float, l2: float, n_in: int, n_out: int, w: _Array
) -> float: ...
def penalty_backward(
    dtype: str, l1: float, l2: float, n: int, w: _Array, g: _Array
) -> None: ...
def prelu_forward(
    dtype: str, shared: bool, n: int, n_out: int, x: _Array, slope: _Array, y: _Array
) -> None: ...
def prelu_backward(
    dtype: str,
    shared: bool,
    n: int,
    n_out: int,
    x: _Array,
    slope: _Array,
    dy: _Array,
    dx: _Array,
    dslope: _Array,
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
def orthogonal(
    v: npt.NDArray[np.float64], q: npt.NDArray[np.float64], rows: int, cols: int
) -> None: ...
def noise_forward(
    dtype: str,
    noise: str,
    amount: float,
    seed: int,
    layer: int,
    step: int,
    row: int,
    n: int,
    n_out: int,
    x: _Array,
    y: _Array,
) -> None: ...
def noise_backward(
    dtype: str,
    noise: str,
    amount: float,
    seed: int,
    layer: int,
    step: int,
    row: int,
    n: int,
    n_out: int,
    dy: _Array,
    dx: _Array,
) -> None: ...
@final
class Gate:
    trainings: int
    def training(self, what: str) -> AbstractContextManager[None]: ...
    def resting(self) -> AbstractContextManager[None]: ...
    def reading(self, what: str) -> AbstractContextManager[None]: ...
    def is_training_elsewhere(self) -> bool: ...

@final
class Plan:
    graph: Graph
    n_slots: int
    step: int
    averaged: int
    def __new__(cls, graph: Graph) -> Plan: ...
    def of_average(self) -> Plan: ...
    def set_fused(self, fused: bool) -> None: ...
    def restart_ledger(self) -> None: ...
    def ledger(self) -> tuple[dict[str, int], dict[str, float]]: ...
    def get(self, slot: int, name: str) -> _Array: ...
    def set(self, slot: int, name: str, array: _Array) -> None: ...
    def set_all(self, arrays: dict[tuple[int, str], _Array]) -> None: ...
    def get_vector(self) -> _Array: ...
    def set_vector(self, vector: _Array) -> None: ...
    def predict(self, x: _Rows) -> _Array: ...
    def evaluate(
        self,
        x: _Rows,
        t: _Array,
        w: _Array | None,
        *,
        y: _Array | None = None,
        sums: _Sums = (0.0, 0.0, 0.0),
    ) -> _Sums: ...
    def gradients(
        self, x: _Rows, t: _Array, w: _Array | None, piece: int = 0
    ) -> tuple[float, dict[str, _Array]]: ...
    def gradient_vector(
        self, x: _Rows, t: _Array, w: _Array | None
    ) -> tuple[_Sums, _Array]: ...
    def linearize(self, x: _Rows, t: _Array, w: _Array | None) -> Linearization: ...
    def train_batch(
        self,
        x: _Rows,
        t: _Array,
        w: _Array | None,
        rates: npt.NDArray[np.float64] | None = None,
        piece: int = 0,
    ) -> float: ...
    def train(
        self,
        x: _Rows,
        t: _Array,
        w: _Array | None,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        batch: int = 0,
        sums: _Sums = (0.0, 0.0, 0.0),
        rates: npt.NDArray[np.float64] | None = None,
        y: _Array | None = None,
        order: npt.NDArray[np.int64] | None = None,
        window: int = 0,
        averages: bool = False,
        piece: int = 0,
    ) -> Run: ...

@final
class Linearization:
    def __new__(cls, plan: Plan, x: _Rows, t: _Array, w: _Array | None) -> Linearization: ...
    gradient: _F64
    diagonal: _F64
    def compute(self) -> _Sums: ...
    def solve(self, added: _F64, right: _F64) -> _F64 | None: ...

@final
class Run:
    @property
    def batch(self) -> int: ...
    @property
    def n_batches(self) -> int: ...
    @property
    def sums(self) -> _Sums: ...
    @property
    def finite(self) -> int: ...
    @property
    def lost_in(self) -> int | None: ...
    def advance(self, budget: float) -> bool: ...
    def rewind(self) -> None: ...
    def epochs(self, most: int, shuffle: Shuffle | None, sums: list[float]) -> None: ...

@final
class Shuffle:
    def __new__(
        cls, order: npt.NDArray[np.int64], random_state: np.random.RandomState
    ) -> Shuffle: ...
    def shuffle(self) -> None: ...
