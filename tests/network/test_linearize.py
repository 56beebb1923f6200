"""Least squares, linearised: fast against reference, the reference against central differences; the
same bits for any number of threads and instruction set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule.layers import Concat, Layer, Residual

from .common import GROUPS, THREADS, digest
from .test_interrupt import PROMPT, SLOW, check, lasting, patient

TANH = partial(dr.Dense, activation="tanh")


@dataclass(frozen=True)
class Case:
    """Columns of the Jacobian (parameters and one more) lie around panels of 16, its rows (rows
    times outputs) around batches of 256."""

    layers: tuple[Layer, ...]
    n: int
    n_in: int = 3
    weighted: bool = False

    def network(self, backend: str, dtype: str) -> dr.Network:
        net = dr.Network(self.layers, loss="mse", backend=backend, dtype=dtype, seed=3)
        net.build(self.n_in)
        rng = np.random.default_rng(1)
        before = net.parameters()
        drawn = {name: rng.normal(0, 0.6, a.shape) for name, a in before.items()}
        net.set_parameters({k: abs(a) if "var" in k else a for k, a in drawn.items()})
        return net

    def data(self, net: dr.Network, n: int | None = None) -> tuple[Any, ...]:
        rng, n = np.random.default_rng(2), n or self.n
        t = rng.normal(size=(n, net._plan.graph.n_out)).astype(net.dtype)
        w = rng.integers(0, 3, n).astype(net.dtype) if self.weighted else None
        return rng.normal(size=(n, self.n_in)).astype(net.dtype), t, w


CASES = {
    "one parameter": Case((dr.Dense(1, bias=False),), 5, 1),
    "14 parameters": Case((dr.Dense(2), TANH(2)), 257),
    "15 parameters": Case((TANH(2), dr.Dense(2, bias=False), dr.Dense(1)), 256, weighted=True),
    "16 parameters": Case((TANH(4),), 64),
    "one row": Case((TANH(7), dr.Dense(3)), 1),
    "47 parameters": Case((TANH(6), dr.Dense(3), dr.Dense(2, bias=False)), 300, weighted=True),
    "deep": Case((*(dr.Dense(5, a) for a in ("relu", "gelu", "silu", "sigmoid")), TANH(2)), 90),
    "wide input": Case((TANH(3), dr.Dense(1)), 40, 50),
    "wide layer": Case((dr.Dense(40, "softplus"), dr.Dense(1)), 130, weighted=True),
    "many outputs": Case((TANH(2), dr.Dense(270)), 3),
    "softmax": Case((dr.Dense(5, "softmax"),), 33),
    "branches": Case(
        (
            dr.Dense(6), Residual([TANH(6), dr.Dense(6)]), Concat([[TANH(2)], [dr.Dense(1)]]),
            TANH(1),
        ),
        77, weighted=True,
    ),
    "normalised": Case(
        (dr.Normalization(), TANH(5), dr.LayerNorm(affine=False), dr.Dense(2)), 64, weighted=True
    ),
    "not all learns": Case((dr.Dense(4, trainable=False), TANH(4), dr.Dense(1)), 20),
}  # fmt: skip
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def _differences(net: dr.Network, x: np.ndarray) -> np.ndarray:
    """The Jacobian of all outputs by central differences, (n, n_out, parameters)."""
    plan = net._plan
    at, columns, h = plan.get_vector(), [], 1e-5
    for i in range(len(at)):
        ends = []
        for sign in (h, -h):
            moved = at.copy()
            moved[i] += sign
            plan.set_vector(moved)
            ends.append(plan.predict(x))
        columns.append((ends[0] - ends[1]) / (2 * h))
    plan.set_vector(at)
    return np.stack(columns, axis=-1)


@every_case
def test_reference_against_differences(case: Case) -> None:
    net = case.network("reference", "float64")
    x, t, w = case.data(net, min(case.n, 40))
    linear = net._plan.linearize(x, t, w)
    sums = linear.compute()
    jacobian, weights = _differences(net, x), np.ones(len(x)) if w is None else w
    scale = 2 / (t.shape[1] * weights.sum())
    matrix = scale * np.einsum("r,roi,roj->ij", weights, jacobian, jacobian)
    slope = scale * np.einsum("r,roi,ro->i", weights, jacobian, net.predict(x) - t)
    size = np.abs(matrix).max()
    np.testing.assert_allclose(linear.gradient, slope, atol=1e-8 * max(size, 1))
    np.testing.assert_allclose(linear.diagonal, matrix.diagonal(), atol=1e-8 * size)
    right = np.arange(1.0, len(matrix) + 1)
    expected = np.linalg.solve(matrix + size * np.eye(len(matrix)), right)
    found = linear.solve(np.full_like(right, size), right)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 / size)
    assert sums == net._plan.evaluate(x, t, w)


@pytest.mark.parametrize("isa", [isa for group in GROUPS for isa in group])
@both_dtypes
@every_case
def test_fast_against_reference(case: Case, dtype: str, isa: str) -> None:
    """The Jacobian has the rounding errors of the network's dtype, the rest those of float64."""
    dr.set_isa(isa)
    found = []
    for backend in ("fast", "reference"):
        net = case.network(backend, dtype)
        linear = net._plan.linearize(*case.data(net))
        sums = linear.compute()
        largest = linear.diagonal.max()
        right = np.cos(np.arange(len(linear.gradient)))
        added = largest * (1.0 + right**2)
        solutions = [largest * linear.solve(s * added, right) for s in (1.0, 0.01)]
        found.append((sums, linear.gradient / largest, linear.diagonal / largest, *solutions))
    eps = 60 * float(np.finfo(dtype).eps)
    for fast, slow, size in zip(*found, (1, 1, 1, 1, 1e4), strict=True):
        assert np.shape(fast) == np.shape(slow)
        bound = eps * size * np.maximum(1, np.abs(slow))
        assert (np.abs(np.subtract(fast, slow)) <= bound).all(), (fast, slow)


@pytest.mark.parametrize("backend", ["fast", "reference"])
@both_dtypes
@every_case
def test_gradient_is_that_of_the_loss(case: Case, dtype: str, backend: str) -> None:
    net = case.network(backend, dtype)
    rows = case.data(net)
    linear = net._plan.linearize(*rows)
    sums, vector = linear.compute(), linear.gradient
    others, gradient = net._plan.gradient_vector(*rows)
    close = partial(np.testing.assert_allclose, rtol=0, atol=60 * float(np.finfo(dtype).eps))
    close(vector, gradient, atol=60 * float(np.finfo(dtype).eps) * max(1, np.abs(gradient).max()))
    np.testing.assert_allclose(sums, others, rtol=1e-6)
    _, named = net._plan.gradients(*rows)
    assert gradient.tobytes() == b"".join(g.tobytes() for g in named.values())


def _bits(case: Case, dtype: str) -> str:
    net = case.network("fast", dtype)
    linear = net._plan.linearize(*case.data(net))
    sums = linear.compute()
    damping = 0.01 * linear.diagonal
    x = linear.solve(damping, linear.gradient)
    return digest(sums, linear.gradient.tobytes(), linear.diagonal.tobytes(), x.tobytes())


@both_dtypes
@every_case
def test_same_bits(case: Case, dtype: str) -> None:
    for group in GROUPS:
        hashes = set()
        for isa in group:
            dr.set_isa(isa)
            for threads in THREADS:
                dr.set_num_threads(threads, exact=True)
                hashes.add(_bits(case, dtype))
                assert _fast.last_team() == threads
        assert len(hashes) == 1, group


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_again_elsewhere(backend: str) -> None:
    """What is computed is where the plan is then; a factor that does not exist leaves no trace."""
    case = CASES["47 parameters"]
    net = case.network(backend, "float64")
    rows = case.data(net)
    linear = net._plan.linearize(*rows)
    first = linear.compute(), linear.gradient.copy()
    assert linear.solve(-2 * linear.diagonal, linear.gradient) is None
    assert (linear.gradient == first[1]).all()
    at = net._plan.get_vector()
    net._plan.set_vector(at * 1.5)
    assert linear.compute() != first[0]
    assert not (linear.gradient == first[1]).all()
    assert (net._plan.get_vector() == at * 1.5).all()
    net._plan.set_vector(at)
    assert linear.compute() == first[0]
    assert (linear.gradient == first[1]).all()


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_rows_without_weight(backend: str) -> None:
    case = CASES["14 parameters"]
    net = case.network(backend, "float64")
    x, t, _ = case.data(net)
    linear = net._plan.linearize(x, t, np.zeros(len(x)))
    assert linear.compute() == (0, 0, 0)
    assert not linear.gradient.any() and not linear.diagonal.any()


@pytest.mark.parametrize("backend", ["fast", "reference"])
@both_dtypes
def test_vector(backend: str, dtype: str) -> None:
    """What is learnt, in the order of the parameters, each row by row; what is not, stays."""
    net = CASES["not all learns"].network(backend, dtype)
    plan, before = net._plan, net.parameters()
    learnt = ["1.weight", "1.bias", "2.weight", "2.bias"]
    vector = plan.get_vector()
    assert vector.dtype == dtype and list(before)[-4:] == learnt
    assert vector.tobytes() == b"".join(before[name].tobytes() for name in learnt)
    predicted = net.predict(np.ones((1, 3), dtype))
    plan.set_vector(np.arange(len(vector), dtype=dtype))
    after = net.parameters()
    assert after["1.weight"].tolist() == np.arange(16).reshape(4, 4).tolist()
    assert after["2.bias"].tolist() == [24]
    assert (after["0.weight"] == before["0.weight"]).all()
    assert (net.predict(np.ones((1, 3), dtype)) != predicted).all()
    plan.set_vector(vector)
    assert (net.predict(np.ones((1, 3), dtype)) == predicted).all()
    with pytest.raises(ValueError):
        plan.set_vector(vector[1:])


def test_what_is_not_linearised() -> None:
    net = dr.Network([dr.Dense(3, "softmax")], loss="cross_entropy")
    net.build(2)
    with pytest.raises(ValueError, match="only mse"):
        net._plan.linearize(np.ones((4, 2)), np.zeros(4, np.int64), None)
    for layer in (dr.BatchNorm(), dr.LayerNorm()):
        net = dr.Network([layer, dr.Dense(3)], loss="mse", dtype="float64")
        net.build(2)
        with pytest.raises(ValueError, match="nodes that have a Jacobian"):
            net._plan.linearize(np.ones((4, 2)), np.ones((4, 3)), None)


def test_nothing_is_allocated_again() -> None:
    net = CASES["wide layer"].network("fast", "float32")
    linear = net._plan.linearize(*CASES["wide layer"].data(net))
    before = _fast.allocations()
    linear.compute()
    linear.solve(linear.diagonal, linear.gradient)
    linear.compute()
    assert _fast.allocations() == before


@pytest.mark.parametrize(
    ("what", "widths", "rows", "threads"),
    [
        ("linearize", (4, 60, 1), 100_000, 1),
        ("linearize", (4, 60, 1), 100_000, THREADS[:2][-1]),
        ("solve", (40, 80, 2), 50_000, THREADS[:2][-1]),
    ][len(THREADS) == 1 :],
)
@patient
def test_interrupted(what: str, widths: tuple[int, ...], rows: int, threads: int) -> None:
    lasts, *latencies = lasting(
        "interrupt_reading", 2 * PROMPT, "rows", rows=rows, what=what, isa=SLOW, threads=threads,
        times=2, widths=widths,
    )  # fmt: skip
    check(lasts, latencies, least=2)
