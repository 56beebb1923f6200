"""Epochs of the plan: order, budget, resuming; an interrupt leaves whole batches."""

import threading

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import optimizer
from deltarule.reference.plan import Plan

from .plans import ADAM, SGD, N, data, epoch_graph, everything, ready, weights


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 4, 23, 100])
def test_an_epoch_is_its_batches(shuffle, size):
    graph, n = epoch_graph(), 23
    x, t = data(graph, n, labels=True)
    w = weights(n)
    plan, other = ready(graph), ready(graph)
    run = plan.train(x, t, w, batch_size=size, shuffle=shuffle, seed=5, epoch=3)
    assert (run.batch, run.n_batches) == (0, -(-n // size))
    while not run.advance(0.0):
        pass
    assert run.batch == run.n_batches
    order = np.arange(n)
    if shuffle:
        order = reference.random_permutation(n, seed=5, purpose="shuffle", step=3)
    sums = np.zeros(3)
    for start in range(0, n, size):
        rows = order[start : start + size]
        sums += other.evaluate(x[rows], t[rows], w[rows])
        other.train_batch(x[rows], t[rows], w[rows])
    assert everything(plan) == everything(other)
    np.testing.assert_allclose(run.sums, sums, rtol=1e-13)


def test_the_budget_ends_an_advance():
    graph = epoch_graph()
    x, t = data(graph, 23, labels=True)
    run = ready(graph).train(x, t, None, batch_size=4, shuffle=True, seed=5, epoch=0)
    assert not run.advance(0.0)
    assert run.batch == 1
    assert run.advance(1e9)
    assert run.batch == 6
    before = run.sums
    assert run.advance(0.0)  # nothing left to do
    assert run.sums == before


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("stop", range(6))
def test_resuming_gives_the_same_bits(optimizer, stop):
    graph = epoch_graph(optimizer)
    x, t = data(graph, 23, labels=True)
    w = weights(23)
    options = {"batch_size": 4, "shuffle": True, "seed": 5, "epoch": 2}
    whole = ready(graph)
    run = whole.train(x, t, w, **options)
    assert run.advance(1e9)

    first = ready(graph)
    begun = first.train(x, t, w, **options)
    for _ in range(stop):
        begun.advance(0.0)
    resumed = Plan(graph)
    resumed.step = first.step
    for slot in range(first.n_slots):
        for name in graph.parameter_shapes():
            resumed.set(slot, name, first.get(slot, name))
    rest = resumed.train(x, t, w, **options, batch=begun.batch, sums=begun.sums)
    assert rest.advance(1e9)
    assert everything(resumed) == everything(whole)
    assert rest.sums == run.sums


@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
def test_a_batch_without_weight_changes_nothing(optimizer):
    graph = epoch_graph(optimizer)
    plan = ready(graph)
    x, t = data(graph, labels=True)
    plan.train_batch(x, t, None)
    before = everything(plan)
    nothing = np.zeros(N)
    assert plan.train_batch(x, t, nothing) == 0.0
    assert plan.train_batch(x[:0], t[:0], None) == 0.0
    run = plan.train(x, t, nothing, batch_size=3, shuffle=True, seed=0, epoch=0)
    assert run.advance(1e9)
    assert run.sums == (0.0, 0.0, 0.0)
    loss, gradients = plan.gradients(x, t, nothing)
    assert loss == 0.0
    assert not any(g.any() for g in gradients.values())
    assert everything(plan) == before


class _Interrupt:
    """Wraps a function: raises KeyboardInterrupt at one of its calls, before or after the work."""

    def __init__(self, function, at, after):
        self.function, self.left, self.after = function, at, after

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        result = self.function(*args, **kwargs)
        if self.left == 0:
            raise KeyboardInterrupt
        return result


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 9))  # four parameters: two batches
def test_an_interrupt_leaves_whole_batches(at, after, monkeypatch):
    graph = epoch_graph()
    x, t = data(graph, 23, labels=True)
    options = {"batch_size": 4, "shuffle": True, "seed": 5, "epoch": 2}
    whole, states = ready(graph), []
    run = whole.train(x, t, None, **options)
    done = False
    while not done:
        states.append((everything(whole), run.batch, run.sums))
        done = run.advance(0.0)

    rule = optimizer.TABLE["adam"]
    broken = rule._replace(update=_Interrupt(rule.update, at, after))
    monkeypatch.setitem(optimizer.TABLE, "adam", broken)
    plan = ready(graph)
    stopped = plan.train(x, t, None, **options)
    with pytest.raises(KeyboardInterrupt):
        stopped.advance(1e9)
    assert stopped.batch == (at - 1) // 4
    assert (everything(plan), stopped.batch, stopped.sums) == states[stopped.batch]
    assert stopped.advance(1e9)  # the same run goes on
    assert everything(plan) == everything(whole)
    assert stopped.sums == run.sums


def test_predicting_while_training():
    """Every prediction is that of some whole batch."""
    graph = epoch_graph()
    x, t = data(graph, 23, labels=True)
    options = {"batch_size": 1, "shuffle": True, "seed": 5, "epoch": 0}
    whole = ready(graph)
    run = whole.train(x, t, None, **options)
    allowed = {whole.predict(x).tobytes()}
    while not run.advance(0.0):
        allowed.add(whole.predict(x).tobytes())
    allowed.add(whole.predict(x).tobytes())

    plan, seen = ready(graph), []
    run = plan.train(x, t, None, **options)
    trainer = threading.Thread(target=run.advance, args=(1e9,))
    trainer.start()
    while trainer.is_alive():
        seen.append(plan.predict(x).tobytes())
    trainer.join()
    seen.append(plan.predict(x).tobytes())
    assert set(seen) <= allowed
