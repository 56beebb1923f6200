"""One hash: the same bits for any number of threads, on every instruction set with FMA, fused or
not, layer by layer, in whatever portions an epoch is run, and after going on in a new process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _check
from deltarule._check import ACTIVATIONS
from deltarule.optimizers import Optimizer

from .cases import BCE, CASES, CE, SHAPES, Case
from .common import (
    ADAM,
    GROUPS,
    PLAIN,
    RULES,
    SGD,
    THREADS,
    Data,
    copy,
    data,
    epochs,
    fingerprint,
    graph,
    node,
    ready,
    scene,
    state,
    ways,
)

DTYPES = ("float32", "float64")
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)
groups = pytest.mark.parametrize("group", GROUPS, ids="+".join)


def fingerprint_of(case: Case, dtype: str, rows: Data, threads: int, fused: bool = True) -> str:
    plan = case.plan(dtype)
    plan.set_fused(fused)
    found = fingerprint(plan, rows, threads=threads, **case.options)
    assert plan.step > 0
    return found


@groups
@both_dtypes
@every_case
def test_one_hash(case: Case, dtype: str, group: list[str]) -> None:
    rows, threads = case.data(dtype), THREADS if case in SHAPES.values() else THREADS[:3:2]
    hashes = {way: fingerprint_of(case, dtype, rows, *way[1:]) for way in ways(group, threads)}
    assert len(set(hashes.values())) == 1, hashes


def test_hashes_tell_trainings_apart() -> None:
    dr.set_num_threads(1, exact=True)
    cases = [
        Case(**{**vars(CASES["narrow"]), **change})
        for change in (
            {}, {"shuffle": False}, {"weighted": True}, {"batch": 6}, {"n": 24}, {"bias": False},
            {"optimizer": PLAIN}, {"optimizer": ADAM}, {"loss": BCE},
        )
    ]  # fmt: skip
    hashes = {fingerprint_of(case, "float32", case.data("float32"), 1) for case in cases}
    assert len(hashes) == len(cases)


@pytest.mark.slow
@both_dtypes
@pytest.mark.parametrize("optimizer", [SGD, ADAM], ids=["sgd", "adam"])
@pytest.mark.parametrize("loss", ["mse", CE, BCE])
def test_one_hash_everywhere(loss: str, optimizer: Optimizer, dtype: str) -> None:
    """With steps so small that not even exp of exp lets a training run off to infinity."""
    small = replace(optimizer, learning_rate=optimizer.learning_rate / 1000)
    rng = np.random.default_rng(5)
    for activation in ACTIVATIONS:
        for weighted in (False, True):
            case = Case(
                tuple(int(k) for k in rng.integers(1, 140, 4)),
                (activation, str(rng.choice(ACTIVATIONS)), "identity"),
                loss,
                small,
                n=int(rng.integers(1, 300)),
                batch=int(rng.integers(1, 200)),
                shuffle=bool(rng.integers(2)),
                weighted=weighted,
            )
            rows = case.data(dtype)
            for group in GROUPS:
                hashes = set()
                for isa in group:
                    for number in range(1, 9) if len(THREADS) > 1 else (1,):
                        dr.set_isa(isa)
                        dr.set_num_threads(number, exact=True)
                        hashes.add(fingerprint_of(case, dtype, rows, number, number % 3 > 0))
                assert len(hashes) == 1


# ----------------------------------------------------------------------------------- layer by layer
STEP = 5  # updates made before: how many batches an epoch has seen is another number


def layer_by_layer(case: Case, dtype: str, rows: Data) -> tuple[list[Any], list[float]]:
    """The training of `case`, one epoch, with the functions of dr.ops alone; losses by batch."""
    plan = case.plan(dtype)
    names = list(plan.graph.parameter_shapes())
    slots = [{name: plan.get(s, name) for name in names} for s in range(plan.n_slots)]
    kinds = [(k.activation, k.alpha if k.activation in _check._ALPHAS else None)
             for k in plan.graph.nodes]  # fmt: skip
    if plan.graph.loss.logits:
        kinds[-1] = ("identity", None)
    order = np.arange(case.n)
    if case.shuffle:
        order = dr.ops.random_permutation(case.n, seed=11, purpose="shuffle", step=0)
    losses, step = [], STEP
    for first in range(0, case.n, case.batch):
        x, t, w = (None if a is None else a[order[first : first + case.batch]] for a in rows)
        values = slots[0]
        y, z = [x], []
        for i, (kind, alpha) in enumerate(kinds):
            operands = (y[i], values[f"{i}.weight"], values.get(f"{i}.bias"))
            z.append(dr.ops.dense_forward(*operands))
            y.append(dr.ops.dense_forward(*operands, activation=kind, alpha=alpha))
        losses.append(dr.ops.loss_forward(case.loss, y[-1], t, sample_weight=w))
        dy = dr.ops.loss_backward(case.loss, y[-1], t, sample_weight=w)
        gradients = {}
        for i in reversed(range(len(kinds))):
            dy, gradients[f"{i}.weight"], gradients[f"{i}.bias"] = dr.ops.dense_backward(
                y[i], values[f"{i}.weight"], y[i + 1], dy, z=z[i],
                activation=kinds[i][0], alpha=kinds[i][1],
            )  # fmt: skip
        if w is not None and not w.any():
            continue
        step += 1
        for name in names:
            now, *rest = (slot[name] for slot in slots)
            new = dr.ops.optimizer_step(case.optimizer, now, gradients[name], *rest, step=step)
            for slot, array in zip(slots, new, strict=True):
                slot[name] = array
    return [step, 0, *(slot[name].tobytes() for slot in slots for name in names)], losses


@both_dtypes
@every_case
def test_layer_by_layer(case: Case, dtype: str) -> None:
    rows, plan = case.data(dtype), case.plan(dtype)
    expected, losses = layer_by_layer(case, dtype, rows)
    plan.step = STEP
    run = plan.train(*rows, seed=11, epoch=0, **case.options)
    before = (0.0, 0.0)
    for loss in losses:
        run.advance(0.0)
        total, weight, _ = run.sums
        if weight > before[1]:
            assert (total - before[0]) / (weight - before[1]) == pytest.approx(loss, rel=1e-12)
        before = total, weight
    assert state(plan) == expected


@both_dtypes
@every_case
def test_train_batch_is_a_batch_of_ops(case: Case, dtype: str) -> None:
    """The loss as well, to the last bit."""
    one = Case(**{**vars(case), "batch": case.n, "shuffle": False})
    rows, plan = one.data(dtype), one.plan(dtype)
    expected, losses = layer_by_layer(one, dtype, rows)
    plan.step = STEP
    assert [plan.train_batch(*rows)] == losses
    assert state(plan) == expected


# -------------------------------------------------------------------------- portions, and going on
@both_dtypes
@every_case
def test_train_batch_is_an_epoch_of_one_batch(case: Case, dtype: str) -> None:
    rows, one, other = case.data(dtype), case.plan(dtype), case.plan(dtype)
    (sums,) = epochs(one, rows, 1, batch_size=case.n, shuffle=False)
    loss = other.train_batch(*rows)
    assert state(one) == state(other)
    assert loss == sums[0] / sums[1]


@both_dtypes
@every_case
def test_resuming_at_every_batch(case: Case, dtype: str) -> None:
    """Batch by batch is one long advance, and so is going on from any batch in another plan."""
    rows, whole, steps = case.data(dtype), case.plan(dtype), case.plan(dtype)
    end = whole.train(*rows, seed=11, epoch=4, **case.options)
    assert end.advance(1e9)
    run = steps.train(*rows, seed=11, epoch=4, **case.options)
    for batch in range(run.n_batches):
        assert run.batch == batch
        dr.set_num_threads(THREADS[batch % 2 % len(THREADS)], exact=True)
        resumed = copy(steps)
        rest = resumed.train(*rows, seed=11, epoch=4, **case.options, batch=batch, sums=run.sums)
        assert rest.advance(1e9)
        assert state(resumed) == state(whole)
        assert rest.sums == end.sums
        assert run.advance(0.0) == (batch + 1 == run.n_batches)
    assert state(steps) == state(whole)
    assert run.sums == end.sums
    assert run.advance(0.0)  # nothing is left
    assert state(steps) == state(whole)


@both_dtypes
@every_case
def test_predicting_some_rows(case: Case, dtype: str) -> None:
    plan = case.plan(dtype)
    x = case.data(dtype, 300)[0]
    whole = plan.predict(x)
    for rows in (slice(0, 1), slice(7, 8), slice(3, 20), slice(0, 129), slice(150, 300), [5, 3, 5]):
        chosen = np.ascontiguousarray(x[rows])
        assert plan.predict(chosen).tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize("case", [CASES["edges-32"], CASES["nadam"]], ids=["edges-32", "nadam"])
@both_dtypes
def test_going_on_in_a_new_process(case: Case, dtype: str, tmp_path: Path) -> None:
    """With another instruction set and other threads; by the slots and the step alone."""
    rows, whole, begun = case.data(dtype), case.plan(dtype), case.plan(dtype)
    for isa in GROUPS[0]:
        dr.set_isa(isa)
        epochs(whole := case.plan(dtype), rows, 3, **case.options)
    dr.set_isa(GROUPS[0][0])
    epochs(begun, rows, 1, **case.options)
    run = begun.train(*rows, seed=11, epoch=1, **case.options)
    run.advance(0.0)
    names = list(begun.graph.parameter_shapes())
    arrays = {f"{s}/{k}": begun.get(s, k) for s in range(begun.n_slots) for k in names}
    arrays |= {key: a for key, a in zip("xtw", rows, strict=True) if a is not None}
    np.savez(tmp_path / "state.npz", **arrays)
    position = {"step": begun.step, "batch": run.batch, "sums": [v.hex() for v in run.sums]}
    got = scene(
        "resume", folder=str(tmp_path), widths=case.widths, activations=case.activations,
        keywords={"dtype": dtype, "loss": case.loss, "accuracy": case.accuracy},
        optimizer=case.optimizer.to_config(), position=position, options=case.options,
        isa=GROUPS[0][-1],
        threads=THREADS[-1],
    )  # fmt: skip
    with np.load(tmp_path / "end.npz") as end:
        for slot in range(whole.n_slots):
            for name in names:
                assert end[f"{slot}/{name}"].tobytes() == whole.get(slot, name).tobytes()
    assert got == whole.step


@both_dtypes
def test_saved_networks_go_on(dtype: str, tmp_path: Path) -> None:
    dr.set_isa(GROUPS[0][0])
    layers = [dr.Dense(33, activation="tanh"), dr.Dense(3, activation="softmax")]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((70, 9)), rng.integers(0, 3, 70)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    wholes, expected = {}, {}
    for rule, optimizer in RULES.items():
        arguments: dict[str, Any] = {"optimizer": optimizer, "metrics": ["accuracy"]}
        whole, begun = (
            dr.Network(layers, "cross_entropy", dtype=dtype, **arguments) for _ in range(2)
        )
        history = whole.fit(x, y, epochs=5, batch_size=16, verbose=False)
        wholes[rule], expected[rule] = whole, history["loss"][2:]
        begun.fit(x, y, epochs=2, batch_size=16, verbose=False)
        begun.save(tmp_path / f"{rule}.safetensors")
    losses = scene(
        "load_and_fit", folder=str(tmp_path), names=list(RULES), isa=GROUPS[0][-1],
        threads=THREADS[-1], epochs=3, batch_size=16,
    )  # fmt: skip
    assert losses == expected
    for rule, whole in wholes.items():
        end = dr.load(tmp_path / f"{rule}.safetensors").parameters()
        assert {k: a.tobytes() for k, a in end.items()} == {
            k: a.tobytes() for k, a in whole.parameters().items()
        }, rule


@groups
@both_dtypes
@pytest.mark.parametrize("swap", [False, True], ids=["dead-last", "dead-first"])
def test_one_hash_of_a_graph_that_is_no_list(swap: bool, dtype: str, group: list[str]) -> None:
    live, dead = (3, 2) if swap else (2, 3)
    nodes = [
        node(0, 0, 1, "tanh"),
        node(1, 1, 2, "relu"),
        node(2, 1, 3, "softmax"),
        node(3, live, 4, "identity"),
    ]
    g = graph((5, 37, 6, 6, 3), nodes=nodes, dtype=dtype)
    assert dead != live
    rows = data(g, 40)
    hashes = set()
    for _, number, fused in ways(group):
        plan = ready(g)
        plan.set_fused(fused)
        hashes.add(fingerprint(plan, rows, threads=number, batch_size=16, shuffle=True))
    assert len(hashes) == 1
