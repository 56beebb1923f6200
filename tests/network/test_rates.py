"""Learning rates that engines are given: each update has its own, whatever way it is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule.optimizers import Optimizer
from deltarule.reference.plan import Plan as Reference

from .common import GROUPS, RULES, THREADS, copy, data, graph, ready, state

ENGINES = {"fast": _fast.Plan, "reference": Reference}
engines = pytest.mark.parametrize("kind", ENGINES.values(), ids=ENGINES)
each_rule = pytest.mark.parametrize("optimizer", RULES.values(), ids=RULES)
OPTIONS: dict[str, Any] = {"batch_size": 6, "shuffle": False, "seed": 1, "epoch": 0}
RATES = 0.05 * 0.7 ** np.arange(5.0)


def problem(optimizer: Optimizer, kind: Any) -> tuple[Any, Any]:
    g = graph((4, 19, 3), ("tanh", "identity"), optimizer=optimizer)
    x, t, _ = data(g, 27)
    w = np.ones(27)
    w[6:12] = 0  # the second batch is no update
    return ready(g, kind=kind), (x, t, w)


@engines
@each_rule
def test_one_by_one(optimizer: Optimizer, kind: Any) -> None:
    plan, rows = problem(optimizer, kind)
    one = copy(plan)
    assert plan.train(*rows, **OPTIONS, rates=RATES).advance(1e9)
    for first in range(0, 27, 6):
        x, t, w = (a[first : first + 6] for a in rows)
        one.train_batch(x, t, w, RATES[one.step : one.step + 1])
    assert plan.step == 4
    assert state(plan) == state(one)
    other = problem(optimizer, kind)[0]
    assert other.train(*rows, **OPTIONS).advance(1e9)
    assert state(other) != state(plan)


@engines
@each_rule
def test_the_optimizers_own(optimizer: Optimizer, kind: Any) -> None:
    plan, rows = problem(optimizer, kind)
    same = copy(plan)
    assert plan.train(*rows, **OPTIONS).advance(1e9)
    assert same.train(*rows, **OPTIONS, rates=np.full(5, optimizer.learning_rate)).advance(1e9)
    assert state(plan) == state(same)


@engines
def test_resuming_at_every_batch(kind: Any) -> None:
    """The rest of the rates: those of the updates to come."""
    plan, rows = problem(dr.SGD(0.1, 0.9), kind)
    steps = copy(plan)
    assert plan.train(*rows, **OPTIONS, rates=RATES).advance(1e9)
    run = steps.train(*rows, **OPTIONS, rates=RATES)
    for batch in range(run.n_batches):
        rest = copy(steps)
        left = np.append(RATES[rest.step :], np.zeros(rest.step))
        again = rest.train(*rows, **OPTIONS, batch=batch, sums=run.sums, rates=left)
        assert again.advance(1e9)
        assert state(rest) == state(plan)
        run.advance(0.0)
    assert state(steps) == state(plan)


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_same_bits(group: list[str]) -> None:
    states = []
    for isa in group:
        for threads in THREADS:
            for fused in (True, False):
                dr.set_isa(isa)
                dr.set_num_threads(threads, exact=True)
                plan, rows = problem(dr.AdamW(0.1), _fast.Plan)
                plan.set_fused(fused)
                assert plan.train(*rows, **OPTIONS, rates=RATES).advance(1e9)
                states.append(state(plan))
    assert all(one == states[0] for one in states)


@engines
@pytest.mark.parametrize("rates", [RATES[:4], np.append(RATES, 0.1), RATES.astype("f4"), [0.1] * 5])
def test_other_rates_are_refused(rates: Any, kind: Any) -> None:
    plan, rows = problem(dr.SGD(0.1), kind)
    if kind is Reference and len(rates) == 5:
        return  # it converts
    before = state(plan)
    with pytest.raises((TypeError, ValueError)):
        plan.train(*rows, **OPTIONS, rates=rates)
    assert state(plan) == before
