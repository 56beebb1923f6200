"""Constraints of weights inside a network: after each update, fused or not, same bits."""

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

from .common import ADAM, GROUPS, check_one_hash, data, epochs, graph, node, ready, state
from .test_parity import agree, optimizers

# (constraint, limit) of each layer: one that is in force all the time, one that hardly ever is
HELD = {
    "max_norm": (("max_norm", 0.6), (None, 0.0), ("max_norm", 1.0)),
    "non_negative": ((None, 0.0), ("non_negative", 0.0), ("non_negative", 0.0)),
    "both": (("non_negative", 0.0), ("max_norm", 0.5), (None, 0.0)),
}
each_held = pytest.mark.parametrize("held", HELD.values(), ids=HELD)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
both_kinds = pytest.mark.parametrize("kind", [_fast.Plan, Reference], ids=["fast", "reference"])


def constrained(
    held: Any, widths: tuple[int, ...] = (6, 35, 9, 4), **keywords: Any
) -> Graph:
    kinds = ("tanh", "relu", "identity")
    nodes = [
        replace(node(i, i, i + 1, kind), constraint=constraint, limit=limit)
        for i, (kind, (constraint, limit)) in enumerate(zip(kinds, held, strict=True))
    ]
    return graph(widths, nodes=nodes, **keywords)


@both_dtypes
@optimizers
@each_held
def test_training(held: Any, optimizer: Optimizer, dtype: str) -> None:
    g = constrained(held, dtype=dtype, optimizer=optimizer)
    agree(g, data(g, 29, weighted=True))


@both_kinds
@both_dtypes
def test_after_each_update(dtype: str, kind: Any) -> None:
    """First weights stay until then; they are held by the operation; the next gradients see it."""
    g = constrained(HELD["both"], (33, 130, 65, 17), dtype=dtype)
    free = replace(g, nodes=tuple(replace(n, constraint=None) for n in g.nodes))
    rows, plan, plain = data(g, 20), ready(g, kind=kind), ready(free, kind=kind)
    functions = dr.ops if kind is _fast.Plan else dr.reference
    assert state(plan) == state(plain)
    plan.predict(rows[0])
    plan.evaluate(*rows)
    plan.gradients(*rows)
    assert state(plan) == state(plain)
    for _ in range(3):
        plan.train_batch(*rows)
        plain.train_batch(*rows)
        for name, constraint, limit in g.constraints():
            w, given = plain.get(0, name), {"max_value": limit} if limit else {}
            held = functions.constrain(constraint, w, **given)
            assert plan.get(0, name).tobytes() == held.tobytes() != w.tobytes()
            plain.set(0, name, held)
        assert state(plan) == state(plain)
    assert plan.gradients(*rows)[0] == plain.gradients(*rows)[0]


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@both_dtypes
@each_held
def test_one_hash(held: Any, dtype: str, group: list[str]) -> None:
    """Any threads, any instruction set, fused or not; with penalties in the same phase."""
    g = constrained(held, (33, 130, 65, 17), dtype=dtype, optimizer=ADAM)
    g = replace(g, nodes=(*g.nodes[:2], replace(g.nodes[2], l1=0.01)))
    check_one_hash(g, data(g, 45, weighted=True), group)


@both_kinds
def test_what_does_not_learn_is_not_held(kind: Any) -> None:
    """Neither frozen weights, nor any by a batch without weight."""
    g = constrained(HELD["both"])
    frozen = replace(g, nodes=(replace(g.nodes[0], trainable=False), *g.nodes[1:]))
    x, t, _ = data(g, 12)
    plan = ready(frozen, kind=kind)
    first = plan.get(0, "0.weight")
    epochs(plan, (x, t, None), 2, batch_size=4, shuffle=True)
    assert plan.get(0, "0.weight").tobytes() == first.tobytes() and first.min() < 0
    plan = ready(g, kind=kind)
    before = state(plan)
    plan.train_batch(x, t, np.zeros(12))
    assert state(plan) == before


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_networks(backend: str, tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 8)), rng.standard_normal((90, 2))
    layers = [
        dr.Dense(12, "tanh", constraint=dr.MaxNorm(0.7)),
        dr.Dense(2, constraint="non_negative"),
    ]
    whole, begun = (
        dr.Network(layers, "mse", dr.Adam(0.05), dtype="float64", backend=backend)
        for _ in range(2)
    )
    whole.build(8)
    assert whole.parameters()["1.weight"].min() < 0
    whole.fit(x, y, epochs=4, batch_size=16, verbose=False)
    norms = np.linalg.norm(whole.parameters()["0.weight"], axis=0)
    assert norms.max() == pytest.approx(0.7, rel=1e-12)
    assert whole.parameters()["1.weight"].min() == 0
    begun.fit(x, y, epochs=2, batch_size=16, verbose=False)
    begun.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=backend)
    assert again.layers == tuple(layers)
    again.fit(x, y, epochs=2, batch_size=16, verbose=False)
    assert state(again._plan) == state(whole._plan)


def test_methods_on_all_rows() -> None:
    for method in (dr.LevenbergMarquardt(), dr.LBFGS()):
        net = dr.Network([dr.Dense(1, constraint="max_norm")], "mse", method)
        with pytest.raises(ValueError, match=r"cannot hold '0.weight' to 'max_norm'"):
            net.build(3)
