"""Gradients of the pieces of a batch add up: to the bits of the whole batch, but where rows of a
piece are computed with together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._graph import Graph
from deltarule.reference.plan import Plan as Reference

from ..custom_layers import MyMSE
from .common import CALM, GROUPS, THREADS, copy, data, graph, ready, state
from .examples import EXAMPLES, example, lowered
from .test_parity import agree

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")

ENGINES = {"fast": _fast.Plan, "reference": Reference}
engines = pytest.mark.parametrize("kind", ENGINES.values(), ids=ENGINES)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
N = 45
OPTIONS: dict[str, Any] = {"batch_size": 18, "shuffle": True, "seed": 11, "epoch": 0}
PIECES = (1, 5, 6, 17)  # of 18 rows, and of the 9 of the last batch
# what sees the rows of a piece together
TOGETHER = ("batch norm", "norms in branches", "in Python")


def trained(g: Graph, *, kind: Any = None, piece: int = 0, weighted: bool = True) -> Any:
    plan = ready(g, kind=kind)
    run = plan.train(*data(g, N, weighted=weighted), **OPTIONS, piece=piece)
    assert run.advance(1e9)
    return plan, np.array(run.sums)


@both_dtypes
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in TOGETHER])
def test_the_bits_of_the_whole_batch(name: str, dtype: str) -> None:
    """Noise, penalties and constraints included; sums of the loss are rounded otherwise."""
    g = lowered(example(name), dtype=dtype, optimizer=CALM["adam"])
    whole, sums = trained(g)
    for piece in PIECES:
        plan, other = trained(g, piece=piece)
        assert state(plan) == state(whole), piece
        np.testing.assert_allclose(other, sums, rtol=1e-13)


@both_dtypes
@pytest.mark.parametrize("name", EXAMPLES)
def test_parity(name: str, dtype: str) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=CALM["adam"])
    agree(g, data(g, 29, weighted=True), batch_size=12, piece=5)


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@pytest.mark.parametrize("name", ["batch norm", "in Python", "row norms", "noise", "prelu"])
def test_one_state(name: str, group: list[str]) -> None:
    """Any threads and instruction set; fused or not is no question here."""
    g, states = lowered(example(name), dtype="float32", optimizer=CALM["sgd"]), []
    for isa in group:
        for number in THREADS:
            for fused in (True, False):
                dr.set_isa(isa)
                dr.set_num_threads(number, exact=True)
                plan = ready(g)
                plan.set_fused(fused)
                run = plan.train(*data(g, N, weighted=True), **OPTIONS, piece=5)
                assert run.advance(1e9) and _fast.last_team() == number
                states.append([run.sums, *state(plan)])
    assert all(one == states[0] for one in states)


@engines
def test_batch_norm(kind: Any) -> None:
    """By hand: each piece by itself, running statistics one piece after the other, the gradients
    weighted by the pieces."""
    g = lowered([dr.Dense(4, "tanh"), dr.BatchNorm(), dr.Dense(3)], optimizer=dr.SGD(0.1))
    plan, pieces = ready(g, kind=kind), ready(g, kind=kind)
    x, t, w = data(g, 13, weighted=True)
    assert w is not None
    found: dict[str, Any] = {}
    for first in range(0, 13, 5):
        part = slice(first, first + 5)
        for name, gradient in pieces.gradients(x[part], t[part], w[part])[1].items():
            found[name] = found.get(name, 0) + gradient * (w[part].sum() / w.sum())
        tracking = copy(pieces)
        tracking.train_batch(x[part], t[part], w[part])
        for name in ("1.running_mean", "1.running_var"):
            pieces.set(0, name, tracking.get(0, name))
    before = {name: plan.get(0, name) for name in g.parameter_shapes()}
    plan.train_batch(x, t, w, piece=5)
    assert plan.step == 1
    for name, gradient in found.items():
        expected = before[name] - 0.1 * gradient
        np.testing.assert_allclose(plan.get(0, name), expected, rtol=1e-12, atol=1e-14)
    for name in ("1.running_mean", "1.running_var"):
        np.testing.assert_array_equal(plan.get(0, name), pieces.get(0, name))


@engines
def test_a_piece_without_weight(kind: Any) -> None:
    """Counts for nothing; nor does a batch without."""
    g = graph((4, 19, 3), ("tanh", "identity"))
    x, t, _ = data(g, 12)
    w = np.ones(12)
    w[4:8] = 0
    plan, other, same = (ready(g, kind=kind) for _ in range(3))
    assert plan.train_batch(x, t, w, piece=4) == pytest.approx(other.train_batch(x, t, w))
    for name in g.parameter_shapes():
        np.testing.assert_allclose(plan.get(0, name), other.get(0, name), rtol=1e-12)
    assert same.train_batch(x, t, w * 0, piece=4) == 0
    assert state(same) == state(ready(g, kind=kind))


@engines
def test_resuming_at_every_batch(kind: Any) -> None:
    g = lowered(example("batch norm"), optimizer=CALM["adam"])
    rows, options = data(g, N), {**OPTIONS, "piece": 5}
    whole, steps = ready(g, kind=kind), ready(g, kind=kind)
    assert whole.train(*rows, **options).advance(1e9)
    run = steps.train(*rows, **options)
    assert run.n_batches == 3
    for batch in range(3):
        rest = copy(steps)
        assert rest.train(*rows, **options, batch=batch, sums=run.sums).advance(1e9)
        assert state(rest) == state(whole)
        run.advance(0.0)


class Stops(dr.CustomLayer):
    """Raises at its second piece, when told to."""

    kind = "stops"
    armed = False
    calls = 0

    def forward(self, x: Any, parameters: Any, training: bool) -> Any:
        Stops.calls += 1
        if Stops.armed and Stops.calls == 2:
            raise KeyboardInterrupt
        return x, None

    def backward(self, dy: Any, kept: Any, parameters: Any) -> Any:
        return dy, {}


@engines
def test_stopping_in_the_middle_of_a_batch(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no trace: running statistics, penalties, sums."""
    layers = [dr.Dense(5, "tanh", l2=0.1), dr.BatchNorm(), Stops(), dr.Dense(3)]
    g = lowered(layers, optimizer=CALM["adam"])
    rows, options = data(g, N), {**OPTIONS, "piece": 5}
    whole, plan = ready(g, kind=kind), ready(g, kind=kind)
    whole_run = whole.train(*rows, **options)
    assert whole_run.advance(1e9)
    before, run = state(plan), plan.train(*rows, **options)
    monkeypatch.setattr(Stops, "armed", True)
    monkeypatch.setattr(Stops, "calls", 0)
    with pytest.raises(KeyboardInterrupt):
        run.advance(1e9)
    assert (state(plan), run.batch, run.sums) == (before, 0, (0.0, 0.0, 0.0))
    assert run.advance(1e9)
    assert (state(plan), run.sums) == (state(whole), whole_run.sums)


@engines
def test_a_loss_in_python(kind: Any) -> None:
    """Errors are shares of the whole batch here, too."""
    own, same = (graph((4, 9, 3), ("tanh", "identity"), loss=loss) for loss in (MyMSE(), "mse"))
    pieces, whole = ready(own, kind=kind), ready(same, kind=kind)
    for weighted in (True, False):
        rows = data(own, 20, weighted=weighted)
        loss = pieces.train_batch(*rows, piece=6)
        assert loss == pytest.approx(whole.train_batch(*rows), rel=1e-12)
    for name in own.parameter_shapes():
        np.testing.assert_allclose(pieces.get(0, name), whole.get(0, name), rtol=1e-10)


# --------------------------------------------------------------------------------------- networks
FIT: dict[str, Any] = {"verbose": False}


def net(backend: str, steps: int = 1, **given: Any) -> dr.Network:
    layers = [dr.Dense(7, "relu", l2=0.01), dr.Dropout(0.3), dr.Dense(3, "softmax")]
    optimizer = dr.Adam(0.02, gradient_accumulation_steps=steps, **given)
    return dr.Network(layers, "cross_entropy", optimizer, metrics=["accuracy"], backend=backend)


def test_a_large_batch_in_little_memory(backend: str, blobs: Any) -> None:
    """96 rows: 40, 40, 16."""
    pieces, whole = net(backend, 4), net(backend)
    history = pieces.fit(*blobs, epochs=3, batch_size=10, **FIT)
    expected = whole.fit(*blobs, epochs=3, batch_size=40, **FIT)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    assert history["accuracy"] == pytest.approx(expected["accuracy"])
    assert pieces._plan is not None and pieces._plan.step == 9
    for name, w in whole.parameters().items():
        if backend == "fast":
            assert pieces.parameters()[name].tobytes() == w.tobytes()
        np.testing.assert_allclose(pieces.parameters()[name], w, rtol=1e-4, atol=1e-6)


def test_one_update(backend: str, blobs: Any) -> None:
    pieces, whole = net(backend, 5), net(backend)
    loss = pieces.train_on_batch(*blobs)
    assert loss == pytest.approx(whole.train_on_batch(*blobs), rel=1e-6)
    for name, w in whole.parameters().items():
        np.testing.assert_allclose(pieces.parameters()[name], w, rtol=1e-4, atol=1e-6)
    one_row = dr.Network([dr.BatchNorm(), dr.Dense(3)], "mse", pieces.optimizer, backend=backend)
    with pytest.raises(ValueError, match="BatchNorm"):
        one_row.train_on_batch(blobs[0][:4], blobs[0][:4, :3])


def test_exact_resume(backend: str, blobs: Any, tmp_path: Any) -> None:
    """With an average, which takes the weights after updates."""
    arguments: dict[str, Any] = {"average": dr.EMA(0.9, every=2)}
    whole, begun = net(backend, 3, **arguments), net(backend, 3, **arguments)
    whole.fit(*blobs, epochs=3, batch_size=10, **FIT)
    begun.fit(*blobs, epochs=1, batch_size=10, **FIT)
    begun.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=backend)
    assert again.optimizer == begun.optimizer
    again.fit(*blobs, epochs=2, batch_size=10, **FIT)
    assert state(again._plan) == state(whole._plan)


@pytest.mark.parametrize("layer", [dr.Dropout(0.2), dr.BatchNorm(), dr.LayerNorm()])
def test_verify(layer: dr.Layer, blobs: Any) -> None:
    optimizer = dr.Adam(0.02, gradient_accumulation_steps=4)
    stack = [dr.Dense(9, "tanh"), layer, dr.Dense(3, "softmax")]
    one = dr.Network(stack, "cross_entropy", optimizer)
    one.fit(*blobs, batch_size=8, **FIT)
    report = dr.verify(one, *blobs)
    assert report, report
