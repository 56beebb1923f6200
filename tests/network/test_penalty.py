"""Penalties of weights inside a network: in gradients and in the loss that is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._graph import Graph
from deltarule.optimizers import Optimizer
from deltarule.reference.plan import Plan as Reference

from .common import (
    GROUPS,
    PLAIN,
    check_one_hash,
    data,
    epochs,
    fingerprint,
    graph,
    node,
    ready,
    state,
)
from .test_parity import agree, central, optimizers

# (l1, l2) of each layer; widths beyond one panel of either dtype, tiles of every shape
RATES = {
    "l1": ((0.02, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "l2": ((0.0, 0.0), (0.0, 0.03), (0.0, 0.0)),
    "all": ((0.01, 0.02), (0.003, 0.0), (0.0, 0.01)),
}
each_rates = pytest.mark.parametrize("rates", RATES.values(), ids=RATES)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
both_kinds = pytest.mark.parametrize("kind", [_fast.Plan, Reference], ids=["fast", "reference"])


def penalised(
    rates: tuple[tuple[float, float], ...],
    widths: tuple[int, ...] = (6, 35, 9, 4),
    **keywords: Any,
) -> Graph:
    kinds = ("tanh", "relu", "identity")
    nodes = [
        replace(node(i, i, i + 1, kind), l1=l1, l2=l2)
        for i, (kind, (l1, l2)) in enumerate(zip(kinds, rates, strict=True))
    ]
    return graph(widths, nodes=nodes, **keywords)


def costs(plan: Any) -> float:
    total = 0.0
    for name, l1, l2 in plan.graph.penalties():
        w = plan.get(0, name).astype("float64")
        total += float(l1 * np.abs(w).sum() + l2 * np.square(w).sum())
    return total


def without(g: Graph) -> Graph:
    return replace(g, nodes=tuple(replace(n, l1=0.0, l2=0.0) for n in g.nodes))


@both_dtypes
@optimizers
@each_rates
def test_training(rates: tuple[tuple[float, float], ...], optimizer: Optimizer, dtype: str) -> None:
    g = penalised(rates, dtype=dtype, optimizer=optimizer)
    agree(g, data(g, 29, weighted=True))


@both_kinds
@each_rates
def test_gradients(rates: tuple[tuple[float, float], ...], kind: Any) -> None:
    g = penalised(rates, (3, 18, 5, 2))
    rows, plan = data(g, 9, weighted=True), ready(g, kind=kind)
    _, gradients = plan.gradients(*rows)
    for name, expected in central(plan, rows).items():
        size = np.linalg.norm(gradients[name]) + np.linalg.norm(expected)
        assert np.linalg.norm(gradients[name] - expected) <= 1e-7 * size + 1e-10, name


@both_kinds
@both_dtypes
def test_reported(dtype: str, kind: Any) -> None:
    """Of the weights before each update: gradients, train_batch, evaluate; and fit, batch by batch.
    The mean over the batches is the loss of an epoch."""
    g = penalised(RATES["all"], dtype=dtype)
    rows = data(g, 29, weighted=True)
    plan, plain = ready(g, kind=kind), ready(without(g), kind=kind)
    near = {"rel": 1e-5 if dtype == "float32" else 1e-12}
    assert costs(plan) > 0.1
    loss = plain.gradients(*rows)[0] + costs(plan)
    assert plan.gradients(*rows)[0] == pytest.approx(loss, **near)
    sums = plan.evaluate(*rows)
    assert sums[0] / sums[1] == pytest.approx(loss, **near)
    many = tuple(np.concatenate([a] * 40) for a in rows)  # evaluated in several batches
    sums = plan.evaluate(*many)
    assert sums[0] / sums[1] == pytest.approx(loss, **near)
    run = plan.train(*rows, batch_size=7, shuffle=False, seed=0, epoch=0)
    total = 0.0
    for first in range(0, 29, 7):
        part = tuple(a[first : first + 7] for a in rows)
        for name in g.parameter_shapes():
            plain.set(0, name, plan.get(0, name))
        total += float(part[2].sum()) * (plain.gradients(*part)[0] + costs(plan))
        run.advance(0.0)
        assert run.sums[0] == pytest.approx(total, **near)
    before = plan.gradients(*rows)[0]
    assert plan.train_batch(*rows) == before


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@both_dtypes
@optimizers
def test_one_hash(optimizer: Optimizer, dtype: str, group: list[str]) -> None:
    """Any threads, any instruction set, fused or not."""
    g = penalised(RATES["all"], (33, 130, 65, 17), dtype=dtype, optimizer=optimizer)
    rows = data(g, 45, weighted=True)
    found = check_one_hash(g, rows, group)
    assert found != fingerprint(ready(without(g)), rows, batch_size=16, shuffle=True)


@both_dtypes
def test_a_batch_is_made_of_operations(dtype: str) -> None:
    """The gradients to the last bit, the loss but for the roundings of its mean."""
    g = penalised(RATES["all"], (33, 130, 65, 17), dtype=dtype)
    rows, plan, plain = data(g, 20), ready(g), ready(without(g))
    loss, gradients = plan.gradients(*rows)
    expected, others = plain.gradients(*rows)
    for name, l1, l2 in g.penalties():
        w = plan.get(0, name)
        others[name] = dr.ops.penalty_backward(w, others[name], l1=l1, l2=l2)
        expected += dr.ops.penalty_forward(w, l1=l1, l2=l2)
    assert {k: a.tobytes() for k, a in gradients.items()} == {
        k: a.tobytes() for k, a in others.items()
    }
    assert loss == pytest.approx(expected, rel=1e-14)


@both_dtypes
def test_where_there_is_no_other_loss(dtype: str) -> None:
    """The penalties to the last bit: of the operation, layers in their order."""
    g = penalised(RATES["all"], (200, 300, 90, 17), dtype=dtype, optimizer=PLAIN)
    plan, rng = ready(g), np.random.default_rng(0)
    x, t = np.zeros((16, 200), dtype), np.zeros((16, 17), dtype)
    for _ in range(8):  # another order of the tiles might give the same bits once
        for name, shape in g.parameter_shapes().items():
            plan.set(0, name, (rng.standard_normal(shape) * name.endswith("weight")).astype(dtype))
        expected = 0.0
        for name, l1, l2 in g.penalties():
            expected += dr.ops.penalty_forward(plan.get(0, name), l1=l1, l2=l2)
        assert plan.gradients(x, t, None)[0] == expected
        assert plan.evaluate(x, t, None)[:2] == (16 * expected, 16)
        assert plan.train_batch(x, t, None) == expected


@both_kinds
def test_without_weight_nothing_is_paid(kind: Any) -> None:
    g = penalised(RATES["all"])
    x, t, _ = data(g, 12)
    plan, nothing = ready(g, kind=kind), np.zeros(12)
    before = state(plan)
    assert plan.train_batch(x, t, nothing) == 0.0
    assert plan.evaluate(x, t, nothing) == (0.0, 0.0, 0.0)
    loss, gradients = plan.gradients(x, t, nothing)
    assert loss == 0.0 and not any(g.any() for g in gradients.values())
    assert state(plan) == before
    w = nothing.copy()
    w[:4] = 1  # behind a batch that counts, one that does not
    (sums,) = epochs(plan, (x, t, w), 1, batch_size=4, shuffle=False)
    assert sums[1] == 4 and plan.step == 1


@both_kinds
def test_frozen_layers_pay_none(kind: Any) -> None:
    g = penalised(RATES["l1"])
    frozen = replace(g, nodes=(replace(g.nodes[0], trainable=False), *g.nodes[1:]))
    rows = data(g, 12)
    plan, plain = ready(frozen, kind=kind), ready(without(frozen), kind=kind)
    assert plan.gradients(*rows)[0] == plain.gradients(*rows)[0]
    assert plan.evaluate(*rows) == plain.evaluate(*rows)
    epochs(plan, rows, 2, batch_size=4, shuffle=True)
    epochs(plain, rows, 2, batch_size=4, shuffle=True)
    assert state(plan) == state(plain)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_networks(backend: str, tmp_path: Any) -> None:
    """l1 makes weights vanish, l2 makes them small; a saved network goes on paying."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 10))
    y = x[:, :2] @ np.array([[1.0], [-2.0]]) + 0.1 * rng.standard_normal((120, 1))

    def fitted(**rates: float) -> dr.Network:
        net = dr.Network([dr.Dense(1, **rates)], "mse", dr.SGD(0.01), dtype="float64",
                         backend=backend)  # fmt: skip
        net.fit(x, y, epochs=150, batch_size=30, verbose=False)
        return net

    plain, lasso, ridge = fitted(), fitted(l1=0.2), fitted(l2=0.2)
    weights = [np.abs(net.parameters()["0.weight"]) for net in (plain, lasso, ridge)]
    assert weights[0][2:].max() > 0.01 > 0.005 > weights[1][2:].max()
    assert np.linalg.norm(weights[2]) < 0.9 * np.linalg.norm(weights[0])
    lasso.save(tmp_path / "lasso.safetensors")
    again = dr.load(tmp_path / "lasso.safetensors", backend=backend)
    assert again.layers == lasso.layers
    assert again.evaluate(x, y)["loss"] == pytest.approx(lasso.evaluate(x, y)["loss"], rel=1e-12)
    w = lasso.parameters()["0.weight"]
    mse = float(np.mean((lasso.predict(x) - y) ** 2))
    assert lasso.evaluate(x, y)["loss"] == pytest.approx(mse + 0.2 * np.abs(w).sum(), rel=1e-12)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_methods_on_all_rows(backend: str) -> None:
    """To L-BFGS a penalty is a part of the loss; Levenberg-Marquardt takes squares alone."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((40, 1))
    layers = [dr.Dense(4, "tanh", l2=0.05), dr.Dense(1)]
    other = [dr.Dense(4, "tanh", l1=0.05), dr.Dense(1)]
    net = dr.Network(other, "mse", dr.LevenbergMarquardt(), backend=backend)
    with pytest.raises(ValueError, match=r"takes penalties l2 only, got l1 of '0.weight'"):
        net.fit(x, y)
    pytest.importorskip("scipy")
    net = dr.Network(layers, "mse", dr.LBFGS(), dtype="float64", backend=backend)
    losses = net.fit(x, y, epochs=30, verbose=False)["loss"]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]
    paid = 0.05 * float(np.square(net.parameters()["0.weight"]).sum())
    mse = float(np.mean((net.predict(x) - y) ** 2))
    assert losses[-1] == pytest.approx(mse + paid, rel=1e-9)
    assert net.evaluate(x, y)["loss"] == pytest.approx(mse + paid, rel=1e-9)
