"""What the engines do for deltarule.sklearn: rows in a given order, sums over the outputs,
penalties and epochs by batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deltarule import _fast
from deltarule._graph import Graph
from deltarule.losses.sums import BinaryLogLoss, Deviance, HalfSquares, LogLoss, Summed
from deltarule.reference import loss_backward, loss_forward, random_permutation
from deltarule.reference.plan import Plan as Reference

from .common import LABELS, PLAIN, data, epochs, graph, node, ready, state
from .test_parity import agree

both_kinds = pytest.mark.parametrize("kind", [_fast.Plan, Reference], ids=["fast", "reference"])
LOSSES: dict[str, type[Summed]] = {
    "identity": HalfSquares,
    "exp": Deviance,
    "sigmoid": BinaryLogLoss,
    "softmax": LogLoss,
}
OPTIONS: dict[str, Any] = {"batch_size": 6, "seed": 1, "epoch": 0}


def by_batch(last: str, dtype: str = "float64") -> Graph:
    nodes = [replace(node(i, i, i + 1, kind), l2=0.02) for i, kind in enumerate(("tanh", last))]
    loss = LOSSES[last](n_out=3, dtype=dtype)
    g = graph((5, 18, 3), nodes=nodes, loss=loss, optimizer=PLAIN, dtype=dtype)
    return replace(g, by_batch=True)


def rows(g: Graph, weighted: bool = True) -> Any:
    return data(g, 29, weighted=weighted, targets=LABELS if g.loss.takes(True) else "rows")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", LOSSES)
def test_both_engines(last: str, dtype: str) -> None:
    g = by_batch(last, dtype)
    agree(g, rows(g))


def formula(g: Graph, y: Any, t: Any) -> tuple[Any, Any]:
    """Loss and slope of each row, as scikit-learn has them."""
    eps = np.finfo("float64").eps
    hot = np.eye(3)[t] if t.ndim == 1 else t
    last = g.nodes[-1].activation
    if last == "identity":
        return np.mean((y - t) ** 2, axis=1) / 2, y - t
    if last == "exp":
        rate = np.exp(y)
        return np.sum(t * np.log(np.maximum(t, 1e-300) / rate) - t + rate, axis=1), rate - t
    p = 1 / (1 + np.exp(-y)) if last == "sigmoid" else np.exp(y)
    p = p if last == "sigmoid" else p / p.sum(axis=1, keepdims=True)
    held = np.clip(p, eps, 1 - eps)
    other = (1 - hot) * np.log(1 - held) if last == "sigmoid" else 0
    return -np.sum(hot * np.log(held) + other, axis=1), p - hot


@pytest.mark.parametrize("last", LOSSES)
def test_losses(last: str) -> None:
    """Far out, too, where chances are held."""
    g = by_batch(last)
    _, t, _ = rows(g)
    y = np.random.default_rng(5).normal(size=(29, 3)) * (1 if last == "exp" else 60)
    value, slope = formula(g, y, t)
    if last in ("sigmoid", "softmax"):
        assert value.max() > 36
    assert loss_forward(g.loss, y, t) == pytest.approx(value.mean(), rel=1e-12)
    np.testing.assert_allclose(loss_backward(g.loss, y, t), slope / 29, rtol=1e-9, atol=1e-15)


@both_kinds
def test_a_batch_pays_once(kind: Any) -> None:
    """Loss and gradient of a batch, against the sums written down."""
    g = by_batch("identity")
    x, t, w = rows(g)
    plan = ready(g, kind=kind)
    plain = ready(replace(g, nodes=tuple(replace(n, l2=0.0) for n in g.nodes)), kind=kind)
    weights = {name: plan.get(0, name) for name in ("0.weight", "1.weight")}
    cost = 0.02 * sum(float(np.square(each).sum()) for each in weights.values()) / w.sum()
    loss, gradients = plan.gradients(x, t, w)
    free, others = plain.gradients(x, t, w)
    assert loss == pytest.approx(free + cost, rel=1e-12)
    for name, each in weights.items():
        expected = others[name] + 0.04 * each / w.sum()
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-9, atol=1e-14)
    sums = plan.evaluate(x, t, w)
    assert sums[0] / sums[1] == pytest.approx(loss, rel=1e-12)


@both_kinds
def test_an_epoch_counts_rows(kind: Any) -> None:
    g = by_batch("identity")
    x, t, w = rows(g)
    plan, one = ready(g, kind=kind), ready(g, kind=kind)
    (sums,) = epochs(plan, (x, t, w), 1, batch_size=6, shuffle=False)
    expected = 0.0
    for first in range(0, 29, 6):
        part = slice(first, min(29, first + 6))
        expected += (part.stop - first) * one.train_batch(x[part], t[part], w[part])
    assert sums[:2] == pytest.approx((expected, 29), rel=1e-12)
    assert state(plan) == state(one)


@both_kinds
def test_rewind(kind: Any) -> None:
    """Epochs of one run, each with the order and the rates that its arrays have by then."""
    g = by_batch("softmax")
    x, t, w = rows(g)
    again, anew = ready(g, kind=kind), ready(g, kind=kind)
    order, rates = np.arange(29), np.full(5, 0.1)
    options = {**OPTIONS, "shuffle": False}
    run = again.train(x, t, w, **options, order=order, rates=rates)
    for _ in range(2):
        assert run.advance(1e9)
        fresh = anew.train(x, t, w, **options, order=order.copy(), rates=rates.copy())
        assert fresh.advance(1e9)
        assert run.sums == fresh.sums and state(again) == state(anew)
        order[:], rates[:] = order[::-1].copy(), np.linspace(0.1, 0.5, 5)
        run.rewind()
        assert (run.batch, run.finite) == (0, 0)


@both_kinds
def test_order(kind: Any) -> None:
    """A given order does what a shuffle does that draws it; others do something else."""
    g = by_batch("softmax")
    problem = rows(g)
    order = random_permutation(29, seed=1, purpose="shuffle", step=0)
    plans = [ready(g, kind=kind) for _ in range(3)]
    assert plans[0].train(*problem, **OPTIONS, shuffle=True).advance(1e9)
    assert plans[1].train(*problem, **OPTIONS, shuffle=False, order=order).advance(1e9)
    assert plans[2].train(*problem, **OPTIONS, shuffle=False, order=order[::-1].copy()).advance(1e9)
    assert state(plans[0]) == state(plans[1]) != state(plans[2])
    for wrong in (-1, 29):
        bad = order.copy()
        bad[4] = wrong
        with pytest.raises(ValueError, match=r"order must lie in 0 \.\. 28"):
            plans[0].train(*problem, **OPTIONS, shuffle=False, order=bad)
    assert state(plans[0]) == state(plans[1])
