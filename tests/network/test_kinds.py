"""Every kind of node: the same bits for any threads and instruction set, fused or not, layer by
layer, batch by batch; both engines agree; and verify() finds nothing at any width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _kinds, _layerwise, layers
from deltarule._graph import KINDS
from deltarule._layerwise import Data
from deltarule.optimizers import Optimizer
from deltarule.reference import nodes
from deltarule.reference.plan import Plan as Reference

from .common import CALM, GROUPS, SLOW, copy, data, epochs, fingerprint, ready, state, ways
from .examples import EXAMPLES, N_IN, N_OUT, TELLING, WIDTHS, example, lowered, network
from .test_parity import agree

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")

DTYPES = ("float32", "float64")
OPTIONS: dict[str, Any] = {"batch_size": 16, "shuffle": True}
N = 45  # the last batch is partial

every_example = pytest.mark.parametrize("name", EXAMPLES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
both_optimizers = pytest.mark.parametrize("optimizer", CALM.values(), ids=CALM)
groups = pytest.mark.parametrize("group", GROUPS, ids="+".join)


def test_every_kind_has_an_example() -> None:
    """And what it computes stands in all three tables."""
    stacks = [example(name) for name in EXAMPLES]
    used = {node.kind for stack in stacks for node in lowered(stack).nodes}
    assert used == set(KINDS), "put the new kind of node into tests/network/examples.py"
    assert set(_kinds.TABLE) == set(KINDS), "say in _kinds/ what the new kind computes"
    assert set(nodes.TABLE) == set(KINDS), "say in reference/nodes.py what the new kind computes"
    named = {layer.kind for stack in stacks for _, layer in layers.walk(layers.named(stack))}
    assert named >= set(layers.TABLE), "put the new layer into tests/network/examples.py"


# -------------------------------------------------------------------------------------- the bits
@groups
@both_dtypes
@every_example
def test_one_hash(name: str, dtype: str, group: list[str]) -> None:
    g, hashes = lowered(example(name), dtype=dtype, optimizer=CALM["adam"]), set()
    rows = data(g, N, weighted=True)
    for _, number, fused in ways(group):
        plan = ready(g)
        plan.set_fused(fused)
        hashes.add(fingerprint(plan, rows, threads=number, **OPTIONS))
        assert plan.step > 0
    assert len(hashes) == 1


def layer_by_layer(g: Any, plan: Any, rows: Any) -> list[Any]:
    """An epoch from the state of `plan`, by the functions of dr.ops alone."""
    slots = tuple(
        {name: plan.get(slot, name) for name in g.parameter_shapes()}
        for slot in range(plan.n_slots)
    )
    order = dr.ops.random_permutation(N, seed=11, purpose="shuffle", step=0)
    step, size = plan.step, OPTIONS["batch_size"]
    for first in range(0, N, size):
        part = Data(*rows).rows(order[first : first + size])
        done = _layerwise.run(dr.ops, g, slots[0], part, step)
        step += 1
        slots = _layerwise.update_all(dr.ops, g, slots, done, step)
    return [step, 0, *(slot[name].tobytes() for slot in slots for name in slot)]


@both_optimizers
@both_dtypes
@every_example
def test_layer_by_layer(name: str, dtype: str, optimizer: Optimizer) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=optimizer)
    rows, plan = data(g, N, weighted=True), ready(g)
    plan.step = 5
    expected = layer_by_layer(g, plan, rows)
    assert plan.train(*rows, seed=11, epoch=0, **OPTIONS).advance(1e9)
    assert state(plan) == expected


@both_dtypes
@every_example
def test_going_on_after_every_batch(name: str, dtype: str) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=CALM["adam"])
    rows, whole, steps = data(g, N), ready(g), ready(g)
    assert whole.train(*rows, seed=11, epoch=0, **OPTIONS).advance(1e9)
    run = steps.train(*rows, seed=11, epoch=0, **OPTIONS)
    for batch in range(run.n_batches):
        resumed = copy(steps)
        rest = resumed.train(*rows, seed=11, epoch=0, **OPTIONS, batch=batch, sums=run.sums)
        assert rest.advance(1e9)
        assert state(resumed) == state(whole)
        run.advance(0.0)
    assert state(steps) == state(whole)


@both_dtypes
@every_example
def test_predicting_some_rows(name: str, dtype: str) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=SLOW)
    plan, x = ready(g), data(g, 300)[0]
    whole = plan.predict(x)
    for rows in (slice(0, 1), slice(3, 20), slice(0, 129), [5, 3, 5]):
        assert plan.predict(np.ascontiguousarray(x[rows])).tobytes() == whole[rows].tobytes()


# ------------------------------------------------------------------------------------ the engines
@both_optimizers
@both_dtypes
@every_example
def test_both_engines_train_alike(name: str, dtype: str, optimizer: Optimizer) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=optimizer)
    agree(g, data(g, 29, weighted=True))


@both_dtypes
@every_example
def test_verify_finds_nothing(name: str, dtype: str) -> None:
    for k in WIDTHS if name == "chain" else TELLING[dtype]:
        find_nothing(name, dtype, k)


def find_nothing(name: str, dtype: str, k: int) -> None:
    rng = np.random.default_rng(k)
    net = network(example(name, k), "mse", dr.Adam(1e-2), dtype=dtype, seed=k)
    X, y = rng.standard_normal((19, N_IN)), rng.standard_normal((19, N_OUT))
    report = dr.verify(net, X, y, rng.integers(0, 3, 19).astype(float))
    assert report.ok, report


@pytest.mark.parametrize("kind", [dr._fast.Plan, Reference], ids=["fast", "reference"])
@both_dtypes
@every_example
def test_what_is_not_learnt_stays(name: str, dtype: str, kind: Any) -> None:
    g = lowered(example(name), dtype=dtype, optimizer=SLOW)
    plan = ready(g, kind=kind)
    rows = data(g, N)
    before = {key: plan.get(0, key).tobytes() for key in g.parameter_shapes()}
    assert list(plan.gradients(*rows)[1]) == g.learnt()
    epochs(plan, rows, 1, **OPTIONS)
    changed = {key for key in before if plan.get(0, key).tobytes() != before[key]}
    trained = {node.name for node in g.nodes if node.trainable}
    assert changed == {key for key in before if key.rsplit(".", 1)[0] in trained}
    assert changed >= set(g.learnt())
