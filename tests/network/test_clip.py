"""Clipping inside a network: every kind of node, the same bits as by the operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule._check_weights import CLIPS
from deltarule.optimizers import Optimizer
from deltarule.reference.plan import Plan as Reference

from .common import (
    ADAM,
    GROUPS,
    SGD,
    check_one_hash,
    check_step,
    data,
    epochs,
    graph,
    node,
    ready,
    state,
)
from .examples import EXAMPLES, example, lowered
from .test_parity import agree, optimizers

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
kinds = pytest.mark.parametrize("kind", CLIPS)
LAMB = dr.LAMB(0.01, weight_decay=0.1)
OPTIMIZERS = [replace(SGD, **{kind: 0.02}) for kind in CLIPS]
OPTIMIZERS += [LAMB, replace(LAMB, clipnorm=0.02)]


def chain(dtype: str, optimizer: Optimizer) -> Any:
    """Matrices of several chunks, with penalties."""
    nodes = [replace(node(i, i, i + 1, "tanh", bias=i != 1), l2=0.01) for i in range(3)]
    return graph((33, 130, 65, 17), nodes=nodes, dtype=dtype, optimizer=optimizer)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_step_is_made_of_operations(name: str) -> None:
    """What is not there or does not learn is no part of a norm."""
    dtype = ("float32", "float64")[list(EXAMPLES).index(name) % 2]
    plain = lowered(example(name), dtype=dtype)
    rows, changed = data(plain, 20), set()
    for optimizer in OPTIMIZERS:
        g = replace(plain, optimizer=optimizer)
        plan = ready(g)
        gradients = plan.gradients(*rows)[1]
        assert sum(np.linalg.norm(a) for a in gradients.values()) > 0.05
        check_step(plan, rows)
        changed.add(tuple(state(plan)[1:]))
    assert len(changed) == len(OPTIMIZERS)


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@both_dtypes
@pytest.mark.parametrize("plain", [ADAM, LAMB], ids=["adam", "lamb"])
@kinds
def test_one_hash(kind: str, plain: Optimizer, dtype: str, group: list[str]) -> None:
    """Any threads, any instruction set, fused or not; and epoch by epoch the memory of a run."""
    g = chain(dtype, replace(plain, **{kind: 0.003}))
    check_one_hash(g, data(g, 45, weighted=True), group)


@both_dtypes
@optimizers
@kinds
def test_training(kind: str, optimizer: Optimizer, dtype: str) -> None:
    g = chain(dtype, replace(optimizer, **{kind: 0.03}))
    agree(g, data(g, 29, weighted=True))


@kinds
def test_limits_that_are_never_reached(kind: str) -> None:
    """Nothing is changed, not even by a rounding."""
    states = []
    for given in ({}, {kind: 1e9}):
        g = chain("float32", replace(SGD, **given))
        plan = ready(g)
        epochs(plan, data(g, 29), 1, batch_size=8, shuffle=True)
        states.append(state(plan))
    assert states[0] == states[1]


@pytest.mark.parametrize("plan_kind", [None, Reference], ids=["fast", "reference"])
@kinds
def test_what_explodes(kind: str, plan_kind: Any) -> None:
    """Gradients of 1e9 make no larger steps than the limit; gradients() shows them as they are."""
    g = graph((5, 7, 3), ("identity", "identity"), optimizer=dr.SGD(1.0, **{kind: 1e-3}))
    x, t, _ = data(g, 12)
    plan = ready(g, kind=plan_kind)
    before = plan.get_vector()
    assert max(np.abs(a).max() for a in plan.gradients(1e5 * x, t, None)[1].values()) > 1e8
    plan.train_batch(1e5 * x, t, None)
    step = plan.get_vector() - before
    length = {"clipvalue": np.abs(step).max(), "global_clipnorm": np.linalg.norm(step)}
    assert length.get(kind, np.linalg.norm(step[:35])) == pytest.approx(1e-3, rel=1e-6)


def test_networks(backend: str, tmp_path: Any) -> None:
    """A saved network goes on clipping."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 8)), 100 * rng.standard_normal((60, 2))
    make = {"loss": "mse", "dtype": "float64", "backend": backend}
    optimizer = dr.Adam(0.05, global_clipnorm=0.5)
    layers = [dr.Dense(12, "tanh"), dr.Dense(2)]
    whole, begun = (dr.Network(layers, optimizer=optimizer, **make) for _ in range(2))
    whole.fit(x, y, epochs=3, batch_size=16, verbose=False)
    begun.fit(x, y, epochs=2, batch_size=16, verbose=False)
    begun.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=backend)
    assert again.optimizer == optimizer
    again.fit(x, y, epochs=1, batch_size=16, verbose=False)
    assert state(again._plan) == state(whole._plan)
    assert dr.verify(again, x, y)
