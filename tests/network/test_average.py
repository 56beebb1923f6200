"""Averages of weights: what they take and when, and what networks do with them."""

from __future__ import annotations

import copy as copying
import pickle
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._graph import Graph, Node
from deltarule.reference.plan import Plan as Reference

from ..conftest import make_blobs
from .common import ADAM, GROUPS, Data, check_one_hash, copy, data, graph, node, ready, state

ENGINES = {"fast": _fast.Plan, "reference": Reference}
engines = pytest.mark.parametrize("kind", ENGINES.values(), ids=ENGINES)
AVERAGES = [dr.EMA(0.9), dr.EMA(0.7, every=3), dr.SWA(1), dr.SWA(0, 2)]
averages = pytest.mark.parametrize("average", AVERAGES, ids=repr)
OPTIONS: dict[str, Any] = {"batch_size": 6, "shuffle": True, "seed": 1}


def problem(average: Any, *, widths: tuple[int, ...] = (5, 19, 19, 3), **given: Any) -> Graph:
    """With running statistics, a constraint and penalties."""
    nodes = [
        node(0, 0, 1, "tanh"),
        Node("batch_norm", "1", (1,), 2, bias=True, eps=1e-5, momentum=0.1),
        replace(node(2, 2, 3, "identity"), constraint="max_norm", limit=0.4, l2=0.01),
    ]
    optimizer = replace(ADAM, average=average)
    return graph(widths, nodes=nodes, **{"optimizer": optimizer, **given})


def weighted(g: Graph, n: int = 27) -> Data:
    """The second batch of an epoch in order, and the last, are no updates."""
    x, t, _ = data(g, n)
    w = np.ones(n, g.dtype)
    w[6:12] = w[24:] = 0
    return x, t, w


@engines
@averages
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_taken(average: Any, kind: Any, dtype: str) -> None:
    """After each batch, as the operation has it; of weights that are held to their constraint."""
    g = problem(average, dtype=dtype)
    plan, functions = ready(g, kind=kind), dr.ops if kind is _fast.Plan else dr.reference
    last, names, taken = plan.n_slots - 1, list(g.parameter_shapes()), 0
    assert "1.running_var" in names
    expected = {name: plan.get(last, name) for name in names}
    assert not any(values.any() for values in expected.values())
    options = {**OPTIONS, "shuffle": False}
    for epoch in range(5):
        run = plan.train(*weighted(g), **options, epoch=epoch, averages=average.takes(epoch))
        while run.batch < run.n_batches:
            step, batch = plan.step, run.batch
            run.advance(0.0)
            if isinstance(average, dr.EMA):
                due = plan.step > step and plan.step % average.every == 0
            else:
                due = batch == 4 and epoch in ((1, 2, 3, 4) if average.start_epoch else (0, 2, 4))
            if due:
                share = average.share(taken, plan.step, updated=True, ends=True)
                taken += 1
                expected = {
                    k: functions.average_step(plan.get(0, k), old, share=share)
                    for k, old in expected.items()
                }
            assert plan.averaged == taken
            for name, values in expected.items():
                assert plan.get(last, name).tobytes() == values.tobytes(), (epoch, batch, name)
    assert taken == {"EMA(decay=0.9)": 15, "EMA(decay=0.7, every=3)": 5}.get(
        repr(average), 4 if average == dr.SWA(1) else 3
    )


@engines
@averages
def test_raw_weights_are_the_same(average: Any, kind: Any) -> None:
    plans = [ready(problem(one), kind=kind) for one in (average, None)]
    for epoch in range(3):
        for plan in plans:
            rows = weighted(plan.graph)
            assert plan.train(*rows, **OPTIONS, epoch=epoch, averages=True).advance(1e9)
    with_average, without = plans
    assert with_average.n_slots == without.n_slots + 1
    for slot in range(without.n_slots):
        for name in without.graph.parameter_shapes():
            assert with_average.get(slot, name).tobytes() == without.get(slot, name).tobytes()


@engines
@averages
def test_resuming_at_every_batch(average: Any, kind: Any) -> None:
    g = problem(average)
    plan, steps = ready(g, kind=kind), ready(g, kind=kind)
    options = {**OPTIONS, "epoch": 2, "averages": average.takes(2)}
    assert plan.train(*weighted(g), **options).advance(1e9)
    run = steps.train(*weighted(g), **options)
    for batch in range(run.n_batches):
        rest = copy(steps)
        again = rest.train(*weighted(g), **options, batch=batch, sums=run.sums)
        assert again.advance(1e9)
        assert state(rest) == state(plan)
        run.advance(0.0)


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_hash(dtype: str, group: list[str]) -> None:
    """Any threads, any instruction set, fused or not; several tiles of the average."""
    g = problem(dr.EMA(0.9, every=2), widths=(33, 130, 130, 17), dtype=dtype)
    check_one_hash(g, data(g, 45, weighted=True), group)


@engines
def test_a_plan_of_the_average(kind: Any) -> None:
    """It predicts with the average, and training leaves it alone."""
    g = problem(dr.EMA(0.5))
    plan, rows = ready(g, kind=kind), data(g, 20)
    for _ in range(3):
        plan.train_batch(*rows)
    other, same = plan.of_average(), ready(g, kind=kind)
    for name in g.parameter_shapes():
        same.set(0, name, plan.get(plan.n_slots - 1, name))
    outputs = [one.predict(rows[0]).tobytes() for one in (other, same, plan)]
    assert outputs[0] == outputs[1] != outputs[2]
    assert other.evaluate(*rows) == same.evaluate(*rows)
    (loss, found), (expected, wanted) = other.gradients(*rows), same.gradients(*rows)
    assert loss == expected
    assert [g.tobytes() for g in found.values()] == [g.tobytes() for g in wanted.values()]
    plan.train_batch(*rows)
    assert other.predict(rows[0]).tobytes() == outputs[0]
    with pytest.raises(ValueError, match="there is no average"):
        ready(problem(None), kind=kind).of_average()


# --------------------------------------------------------------------------------------- networks
def net(average: Any, backend: str, **given: Any) -> dr.Network:
    layers = [
        dr.Dense(7, "relu"), dr.Dropout(0.2), dr.BatchNorm(),
        dr.Dense(3, "softmax", constraint=dr.MaxNorm(1.0)),
    ]  # fmt: skip
    optimizer = dr.Adam(0.05, average=average)
    return dr.Network(
        layers, "cross_entropy", optimizer, metrics=["accuracy"], backend=backend, **given
    )


FIT: dict[str, Any] = {"batch_size": 10, "verbose": False}


def test_what_predicts(backend: str, blobs: Any) -> None:
    trained, plain = net(dr.EMA(0.9), backend), net(None, backend)
    history = trained.fit(*blobs, epochs=3, validation_data=blobs, **FIT)
    assert history["loss"] == plain.fit(*blobs, epochs=3, **FIT)["loss"]
    raw, averaged = trained.parameters(), trained.parameters(average=True)
    assert all(raw[name].tobytes() == w.tobytes() for name, w in plain.parameters().items())
    plain.set_parameters(averaged)
    assert plain.predict(blobs[0]).tobytes() == trained.predict(blobs[0]).tobytes()
    assert plain.evaluate(*blobs) == trained.evaluate(*blobs)
    assert history["val_loss"][-1] == trained.evaluate(*blobs)["loss"]
    plain.set_parameters(raw)
    assert plain.evaluate(*blobs) != trained.evaluate(*blobs)
    before = trained.predict(blobs[0]).tobytes()
    trained.train_on_batch(*blobs)
    assert trained.predict(blobs[0]).tobytes() != before


def test_swa_begins_late(backend: str, blobs: Any) -> None:
    trained, plain = net(dr.SWA(2), backend), net(None, backend)
    seen = []
    for epoch in range(4):
        for one in (trained, plain):
            one.fit(*blobs, **FIT)
        if epoch >= 2:
            seen.append(plain.parameters())
            for name, w in trained.parameters(average=True).items():
                mean = np.mean([one[name].astype("f8") for one in seen], axis=0)
                np.testing.assert_allclose(w, mean, rtol=1e-5, atol=1e-7)
        else:
            assert trained.predict(blobs[0]).tobytes() == plain.predict(blobs[0]).tobytes()
            with pytest.raises(RuntimeError, match=r"SWA\(start_epoch=2\) has not taken any"):
                trained.parameters(average=True)


@pytest.mark.parametrize("average", [dr.EMA(0.9, 2), dr.SWA(1)], ids=repr)
def test_exact_resume(average: Any, backend: str, blobs: Any, tmp_path: Any) -> None:
    whole, begun = net(average, backend), net(average, backend)
    expected = whole.fit(*blobs, epochs=4, validation_data=blobs, **FIT)
    begun.fit(*blobs, epochs=2, **FIT)
    begun.save(tmp_path / "model.safetensors")
    loaded = dr.load(tmp_path / "model.safetensors", backend=backend)
    for again in (loaded, pickle.loads(pickle.dumps(begun)), copying.deepcopy(begun)):
        assert again.optimizer == begun.optimizer
        assert again.predict(blobs[0]).tobytes() == begun.predict(blobs[0]).tobytes()
        found = again.fit(*blobs, epochs=2, validation_data=blobs, **FIT)
        assert {k: v[2:] for k, v in expected.items()} == dict(found)
        assert state(again._plan) == state(whole._plan)


@pytest.mark.parametrize("average", [dr.EMA(0.6), dr.SWA(1)], ids=repr)
def test_best_weights_are_those_that_predicted(average: Any, backend: str, blobs: Any) -> None:
    """When early stopping puts them in place, they are the average, too."""
    one = net(average, backend)
    x, y = blobs
    stop = dr.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    # what it learns is the opposite of what is looked at
    history = one.fit(
        x, y, epochs=30, validation_data=(x, (y + 1) % 3), callbacks=[stop], **FIT
    )
    assert history.stopped and history.epochs < 30
    assert one.evaluate(x, (y + 1) % 3)["loss"] == min(history["val_loss"])
    raw, averaged = one.parameters(), one.parameters(average=True)
    assert all(raw[name].tobytes() == averaged[name].tobytes() for name in raw)


def test_setting_parameters_sets_the_average(backend: str, blobs: Any) -> None:
    one = net(dr.EMA(0.99), backend)
    one.fit(*blobs, **FIT)
    one.predict(blobs[0])  # with a copy, which is kept until the average changes
    zeros = {name: np.zeros_like(w) for name, w in one.parameters().items() if "3." in name}
    one.set_parameters(zeros)
    assert np.ptp(one.predict(blobs[0])) == 0
    assert not one.parameters(average=True)["3.weight"].any()
    assert one.parameters(average=True)["0.weight"].any()


def test_adapting_sets_the_average(backend: str) -> None:
    x, y = make_blobs()
    layers = [dr.Normalization(), dr.Dense(3, "softmax")]
    one = dr.Network(layers, "cross_entropy", dr.SGD(0.1, average="ema"), backend=backend)
    one.fit(x, y, **FIT)
    one.adapt(x * 3 + 1)
    raw, averaged = one.parameters(), one.parameters(average=True)
    assert raw["0.running_var"].tobytes() == averaged["0.running_var"].tobytes()


def test_no_average(backend: str, blobs: Any) -> None:
    plain, begun = net(None, backend), net("ema", backend)
    for one in (plain, begun):
        one.build(5)
    with pytest.raises(ValueError, match="average: the optimizer of this network has none"):
        plain.parameters(average=True)
    with pytest.raises(RuntimeError, match=r"EMA\(\) has not taken any weights yet"):
        begun.parameters(average=True)
    with pytest.raises(TypeError, match="average must be True or False"):
        begun.parameters(average=1)
    with pytest.raises(TypeError, match="average"):
        dr.LBFGS(average="ema")
    assert begun.predict(blobs[0]).tobytes() == plain.predict(blobs[0]).tobytes()


def test_predicting_from_other_threads(backend: str, blobs: Any) -> None:
    """Meanwhile they get one average or another; afterwards, the last."""
    one, stop, found = net(dr.EMA(0.9), backend), threading.Event(), []
    one.fit(*blobs, **FIT)

    def look() -> None:
        while not stop.is_set():
            found.append(np.isfinite(one.predict(blobs[0])).all())

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    history = one.fit(*blobs, epochs=10, validation_data=blobs, **FIT)
    stop.set()
    for thread in threads:
        thread.join()
    assert found and all(found)
    assert one.evaluate(*blobs)["loss"] == history["val_loss"][-1]
    same = net(None, backend)
    same.build(5)
    same.set_parameters(one.parameters(average=True))
    assert same.predict(blobs[0]).tobytes() == one.predict(blobs[0]).tobytes()


@averages
@pytest.mark.parametrize("epochs", [0, 2])
def test_verify(average: Any, epochs: int, blobs: Any) -> None:
    one = net(average, "fast")
    one.build(5)
    if epochs:
        one.fit(*blobs, epochs=epochs, **FIT)
    report = dr.verify(one, *blobs)
    assert report, report
    places = [check.place for check in report.checks]
    assert "2.running_var average" in places
