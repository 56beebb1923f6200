"""Both engines do the same training, up to rounding; gradients against central differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, losses
from deltarule._check import ACTIVATIONS
from deltarule._graph import Graph
from deltarule.losses import Loss
from deltarule.optimizers import Optimizer, examples
from deltarule.reference.plan import Plan as Reference

from ..losses import CASES, accuracy, lasts, shown, width
from .common import (
    ADAM,
    CALM,
    DENSE,
    LABELS,
    PLAIN,
    SGD,
    Data,
    calm,
    data,
    epochs,
    graph,
    node,
    ready,
    state,
)

CE = "cross_entropy"
# (loss, last activation, targets): what Network allows
OUTPUTS = [
    (loss, last, form)
    for loss, form in CASES
    for last in (ACTIVATIONS if loss.kind == "mse" else lasts(loss))
]
USUAL = [
    (losses.MSE(), "identity", DENSE),
    (losses.CrossEntropy(), "softmax", LABELS),
    (losses.BinaryCrossEntropy(), "sigmoid", DENSE),
]
# every activation inside with the usual outputs, and every output behind tanh
PAIRS = [("tanh", *output) for output in OUTPUTS]
PAIRS += [(hidden, *output) for hidden in ACTIVATIONS if hidden != "tanh" for output in USUAL]
pairs = pytest.mark.parametrize(("hidden", "loss", "last", "targets"), PAIRS, ids=shown)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
GENTLE = {
    rule: replace(
        optimizer, weight_decay=0.01, **({"eps": 1e-3} if hasattr(optimizer, "eps") else {})
    )
    for rule, optimizer in examples().items()
}
optimizers = pytest.mark.parametrize(
    "optimizer", [SGD, replace(ADAM, eps=1e-3)], ids=["sgd", "adam"]
)
every_rule = pytest.mark.parametrize("optimizer", GENTLE.values(), ids=GENTLE)

# Roundings of one step grow through the steps that follow; the worst measured is 0.1 of
# a rounding a step.
BOUND = 1


def distance(a: Any, b: Any) -> float:
    """Of the parameters, relative to their norm."""
    names = a.graph.parameter_shapes()
    x = np.concatenate([a.get(0, name).ravel() for name in names]).astype("float64")
    y = np.concatenate([b.get(0, name).ravel() for name in names]).astype("float64")
    return float(np.linalg.norm(x - y) / np.linalg.norm(y))


def agree(g: Graph, rows: Data, **options: Any) -> None:
    """Same epochs on both: weights, sums, predictions and gradients agree to rounding."""
    options = {"batch_size": 6, "shuffle": True, **options}
    fast, reference = ready(g), ready(g, kind=Reference)
    assert type(fast) is not type(reference)
    start = ready(g)
    eps = float(np.finfo(g.dtype).eps)
    outputs, wanted = (np.zeros((len(rows[0]), g.n_out), g.dtype) for _ in range(2))
    sums = epochs(fast, rows, 3, y=outputs, **options)
    expected = epochs(reference, rows, 3, y=wanted, **options)
    assert fast.step == reference.step
    bound = BOUND * eps * max(1, fast.step)
    assert distance(fast, reference) <= bound
    if fast.step:
        assert distance(fast, start) > 1000 * eps  # something has been learnt
    for slot in range(1, fast.n_slots):
        for name in g.parameter_shapes():
            np.testing.assert_allclose(
                fast.get(slot, name), reference.get(slot, name), rtol=1e3 * bound, atol=bound
            )
    np.testing.assert_allclose(sums, expected, rtol=10 * bound, atol=bound)
    counts = slice(None) if rows[2] is None else rows[2] > 0
    np.testing.assert_allclose(outputs[counts], wanted[counts], rtol=20 * bound, atol=20 * bound)
    np.testing.assert_allclose(np.array(sums)[:, 1:], np.array(expected)[:, 1:], rtol=1e-12)
    np.testing.assert_allclose(
        fast.predict(rows[0]), reference.predict(rows[0]), rtol=20 * bound, atol=20 * bound
    )
    np.testing.assert_allclose(
        fast.evaluate(*rows), reference.evaluate(*rows), rtol=20 * bound, atol=20 * bound
    )
    (loss, got), (other, want) = fast.gradients(*rows), reference.gradients(*rows)
    assert loss == pytest.approx(other, rel=20 * bound, abs=20 * bound)
    assert list(got) == list(want)
    for name, gradient in got.items():
        error = np.linalg.norm(gradient.astype("float64") - want[name])
        assert error <= 20 * bound * max(1.0, float(np.linalg.norm(want[name]))), name


@both_dtypes
@optimizers
@pairs
def test_training(
    hidden: str, loss: Loss, last: str, targets: str, optimizer: Optimizer, dtype: str
) -> None:
    if hidden != calm(hidden):
        optimizer = CALM[optimizer.kind]
    g = graph((6, 35, 9, width(loss, 4)), (hidden, calm(hidden), last), dtype=dtype, loss=loss,
              optimizer=optimizer, accuracy=accuracy(loss))  # fmt: skip
    agree(g, data(g, 29, targets=targets, weighted=hidden != "relu"))


@both_dtypes
@every_rule
@pytest.mark.parametrize("decoupled", [False, True])
def test_training_with_every_rule(optimizer: Optimizer, decoupled: bool, dtype: str) -> None:
    optimizer = replace(optimizer, decoupled_weight_decay=decoupled)
    g = graph((6, 17, 4), ("tanh", "softmax"), loss=CE, optimizer=optimizer, dtype=dtype)
    agree(g, data(g, 29, targets=LABELS))


@pytest.mark.parametrize("optimizer", [PLAIN, ADAM], ids=["sgd", "adam"])
def test_training_with_the_usual_hyperparameters(optimizer: Optimizer) -> None:
    g = graph((6, 17, 4), ("tanh", "softmax"), loss=CE, optimizer=optimizer, accuracy="argmax")
    agree(g, data(g, 29, targets=LABELS))


@both_dtypes
@optimizers
@pytest.mark.parametrize("n", [1, 2, 15])
@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_sizes(batch_size: int, n: int, optimizer: Optimizer, dtype: str) -> None:
    g = graph((3, 4, 1), ("tanh", "identity"), dtype=dtype, optimizer=optimizer)
    agree(g, data(g, n), batch_size=batch_size)


@both_dtypes
@optimizers
def test_batches_without_weight(optimizer: Optimizer, dtype: str) -> None:
    """They are no steps, at either end and in the middle."""
    g = graph((3, 5, 2), ("tanh", "identity"), dtype=dtype, optimizer=optimizer)
    x, t, _ = data(g, 30)
    w = np.ones(30, dtype)
    w[:6] = w[12:20] = w[24:] = 0
    agree(g, (x, t, w), shuffle=False)
    plan = ready(g)
    epochs(plan, (x, t, w), 1, batch_size=6, shuffle=False)
    assert plan.step == 2
    for kind in (_fast.Plan, Reference):
        plan = ready(g, kind=kind)
        before, nothing = state(plan), np.zeros_like(w)
        assert plan.train_batch(x, t, nothing) == 0.0
        assert plan.evaluate(x, t, nothing) == (0.0, 0.0, 0.0)
        assert epochs(plan, (x, t, nothing), 1, batch_size=7, shuffle=True) == [(0.0, 0.0, 0.0)]
        loss, gradients = plan.gradients(x, t, nothing)
        assert loss == 0.0
        assert all(not g.any() and not np.signbit(g).any() for g in gradients.values())
        assert state(plan) == before


@both_dtypes
@pytest.mark.parametrize("optimizer", [dr.SGD(0.05, 0.9), ADAM], ids=["sgd", "adam"])
def test_what_vanishes_is_zero(optimizer: Optimizer, dtype: str) -> None:
    """Errors and optimizer state below 2^-100 (2^-1000) become +0 in both."""
    g = graph((3, 5, 4, 2), ("tanh", "tanh", "identity"), dtype=dtype, optimizer=optimizer)
    limit = 2.0**-100 if dtype == "float32" else 2.0**-1000
    rows = data(g, 6)
    for kind in (_fast.Plan, Reference):
        plan = ready(g, kind=kind)
        for name in ("1.weight", "2.weight"):
            plan.set(0, name, plan.get(0, name) * np.dtype(dtype).type(limit**0.6))
        _, gradients = plan.gradients(*rows)
        assert not gradients["0.weight"].any()  # about limit^1.2, and not subnormal
        assert gradients["1.weight"].any() and gradients["2.weight"].any()
        value = plan.get(0, "0.weight")
        for slot in range(1, plan.n_slots):
            plan.set(slot, "0.weight", np.full_like(value, limit * 1.001))
        plan.train_batch(*rows)
        for slot in range(1, plan.n_slots):
            assert not plan.get(slot, "0.weight").any()


# ------------------------------------------------------------------------------------- gradients
def central(plan: Any, rows: Data, h: float = 1e-5) -> dict[str, np.ndarray]:
    def loss() -> float:
        total, weight, _ = plan.evaluate(*rows)
        return float(total / weight)

    result = {}
    for name, shape in plan.graph.parameter_shapes().items():
        value, gradient = plan.get(0, name), np.empty(shape)
        for index in np.ndindex(shape):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * h
                plan.set(0, name, moved)
                ends.append(loss())
            gradient[index] = (ends[0] - ends[1]) / (2 * h)
        plan.set(0, name, value)
        result[name] = gradient
    return result


@pytest.mark.parametrize(
    ("loss", "targets"),
    [(CE, DENSE), (CE, LABELS), ("focal", LABELS), ("categorical_hinge", LABELS)],
)
@pytest.mark.parametrize("n_out", [3, 4, 20, 40])
def test_the_first_is_the_answer(n_out: int, targets: str, loss: str) -> None:
    """Of equal outputs and of NaN, as numpy's argmax has it; row by row, and of all at once."""
    last = "identity" if loss == "categorical_hinge" else "softmax"
    g = graph((2, n_out), (last,), loss=loss, accuracy="argmax")
    x, t = np.zeros((n_out, 2)), np.arange(n_out) if targets == LABELS else np.eye(n_out)
    nan, inf = np.nan, np.inf
    for some in ([1, 1, 0], [0, 2, 1, 2], [3, nan, 5, nan], [inf, 1, nan, 7], [1, 2, nan], [nan]):
        bias = np.resize([*some, 0.5], n_out)  # weights make no difference
        for kind in (_fast.Plan, Reference):
            plan = ready(g, kind=kind)
            plan.set(0, "0.weight", np.ones((2, n_out)))
            plan.set(0, "0.bias", bias)
            with np.errstate(invalid="ignore"):
                each = [plan.evaluate(x[i : i + 1], t[i : i + 1], None)[2] for i in range(n_out)]
                assert each == list(np.arange(n_out) == np.argmax(bias)), (kind, bias)
                assert plan.evaluate(x, t, None)[2] == 1, (kind, bias)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hits_of_one_output(dtype: str) -> None:
    """Weights and an order among them."""
    g = graph((3, 1), ("sigmoid",), dtype=dtype, loss="binary_cross_entropy", accuracy="threshold")
    order = np.random.default_rng(5).permutation(41)
    for weighted in (False, True):
        rows, found = data(g, 41, weighted=weighted), []
        for kind in (_fast.Plan, Reference):
            plan = ready(g, kind=kind)
            run = plan.train(*rows, batch_size=41, shuffle=False, seed=0, epoch=0, order=order)
            assert run.advance(1e9)
            found.append((run.sums[2], plan.evaluate(*rows)[2]))
        assert found[0] == pytest.approx(found[1], rel=1e-6), weighted
        assert 0 < found[0][0] < 41


@pairs
def test_gradients(hidden: str, loss: Loss, last: str, targets: str) -> None:
    g = graph((3, 18, 5, width(loss, 2)), (hidden, calm(hidden), last), loss=loss,
              accuracy=accuracy(loss))  # fmt: skip
    rows = data(g, 9, targets=targets, weighted=True)
    plan = ready(g)
    value, gradients = plan.gradients(*rows)
    assert value > 0
    for name, expected in central(plan, rows).items():
        size = np.linalg.norm(gradients[name]) + np.linalg.norm(expected)
        error = np.linalg.norm(gradients[name] - expected)
        assert error <= 1e-7 * size + 1e-10, name
    assert sum(float(np.abs(g).sum()) for g in gradients.values()) > 1e-3


# ------------------------------------------------------------------- graphs that are not lists
GRAPHS = {
    # a branch that ends nowhere, before or behind the live one, and one node further
    "dead-behind": ((5, 7, 6, 8, 3), [(0, 1), (1, 2), (1, 3), (2, 4)]),
    "dead-before": ((5, 7, 8, 6, 3), [(0, 1), (1, 2), (1, 3), (3, 4)]),
    "dead-longer": ((5, 40, 33, 6, 9, 3), [(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)]),
    "dead-at-input": ((5, 7, 6, 3), [(0, 1), (0, 2), (1, 3)]),
    "three-readers": ((5, 7, 6, 4, 3, 2), [(0, 1), (1, 2), (1, 3), (1, 4), (3, 5)]),
}  # fmt: skip
each_graph = pytest.mark.parametrize(("widths", "edges"), GRAPHS.values(), ids=GRAPHS)


def branching(widths: tuple[int, ...], edges: list[tuple[int, int]], **keywords: Any) -> Graph:
    kinds = ("tanh", "sigmoid", "softmax", "leaky_relu", "tanh")
    return graph(
        widths, nodes=[node(i, *edge, kinds[i]) for i, edge in enumerate(edges)], **keywords
    )


@both_dtypes
@optimizers
@each_graph
def test_branches(
    widths: tuple[int, ...], edges: list[tuple[int, int]], optimizer: Optimizer, dtype: str
) -> None:
    g = branching(widths, edges, optimizer=optimizer, dtype=dtype)
    agree(g, data(g, 29, weighted=True))


@each_graph
def test_gradients_of_branches(widths: tuple[int, ...], edges: list[tuple[int, int]]) -> None:
    g = branching(widths, edges)
    rows, plan = data(g, 9, weighted=True), ready(g)
    _, gradients = plan.gradients(*rows)
    read = {source for source, _ in edges}
    for name, expected in central(plan, rows).items():
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-9)
        target = edges[int(name.split(".")[0])][1]
        if target != len(widths) - 1 and target not in read:
            assert not gradients[name].any()
