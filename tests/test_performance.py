"""History.performance: the ledger of a fit. Nothing here depends on how long anything takes."""

from __future__ import annotations

import copy
import io
import json
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, performance
from deltarule.performance import Performance, Stopwatch, flops_per_row
from deltarule.reference.plan import Plan as ReferencePlan

from .conftest import Data
from .interruption import interrupt
from .network.common import ADAM, THREADS, data, graph, node, ready, settings, state

Make = Callable[..., dr.Network]
SPENT = ("products", "activations", "optimizer", "data", "waiting", "python")
ENGINES = pytest.mark.parametrize("kind", [_fast.Plan, ReferencePlan], ids=["fast", "reference"])


def fitted(net: dr.Network, rows: Data, **options: Any) -> Performance:
    found = net.fit(*rows, **options).performance
    assert found is not None
    return found


def made(**changes: Any) -> Performance:
    values = {
        "steps": 1350, "rows": 12000, "threads": 2, "flops": 145e9, "products": 0.81,
        "activations": 0.06, "optimizer": 0.09, "data": 0.025, "waiting": 0.005, "python": 0.01,
        "validation": 0.5, "dtype": "float32", "isa": _fast.isa_names()[-1],
    }  # fmt: skip
    return Performance(**{**values, **changes})


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """A peak of 125 GFLOP/s on a thread, and the calls that have measured it."""
    calls: list[tuple[str, int]] = []

    def measure(dtype: str, seconds: float, isa: int) -> float:
        calls.append((dtype, isa))
        return 125e9

    performance._peak.cache_clear()
    monkeypatch.setattr(_fast, "peak", measure)
    yield calls
    performance._peak.cache_clear()


# ------------------------------------------------------------------------------- what is counted
def test_counts_and_parts(make_net: Make, blobs: Data, dtype: str) -> None:
    """96 rows in batches of 20 are 5 steps; layers 5-7-3 take 4 * 35 + 6 * 21 = 266 a row."""
    before = perf_counter()
    found = fitted(make_net(dtype=dtype), blobs, epochs=40, batch_size=20)
    passed = perf_counter() - before
    assert (found.steps, found.rows, found.flops) == (200, 3840, 3840 * 266.0)
    assert (found.dtype, found.isa) == (dtype, dr.get_isa())
    parts = {name: getattr(found, name) for name in SPENT}
    assert found.seconds == pytest.approx(sum(parts.values()))
    assert found.seconds <= passed * (1 + 1e-9)
    assert found.validation == 0
    if found.threads == 1:
        assert parts.pop("waiting") == 0
    assert all(seconds > 0 for seconds in parts.values()), parts
    assert found.rows_per_second == pytest.approx(3840 / found.seconds)
    assert found.gflops == pytest.approx(3840 * 266 / found.seconds / 1e9)


def test_validation_is_apart(make_net: Make, blobs: Data) -> None:
    before = perf_counter()
    found = fitted(make_net(), blobs, epochs=3, validation_data=blobs)
    passed = perf_counter() - before
    assert found.validation > 0
    assert found.rows == 3 * 96  # without those of the validation
    assert found.seconds + found.validation <= passed * (1 + 1e-9)


@pytest.mark.skipif(len(THREADS) == 1, reason="needs OpenMP")
def test_threads_wait_for_each_other(blobs: Data) -> None:
    with settings():
        for threads in (2, 1):
            dr.set_num_threads(threads, exact=True)
            net = dr.Network([dr.Dense(3)], "mse")
            found = fitted(net, (blobs[0], np.eye(3)[blobs[1]]), epochs=30)
            assert found.threads == threads
            assert (found.waiting > 0) == (threads > 1)


def test_flops_of_a_graph_that_is_no_list() -> None:
    """Two nodes read the input, two read buffer 1; every product counts once."""
    nodes = [node(0, 0, 1, "tanh"), node(1, 1, 2, "relu"), node(2, 0, 2, "relu", False),
             node(3, 1, 3, "identity")]  # fmt: skip
    g = graph((5, 4, 3, 2), nodes=nodes)
    assert flops_per_row(g) == 4 * (5 * 4 + 5 * 3) + 6 * (4 * 3 + 4 * 2)


def test_batches_without_weight_count_for_nothing(make_net: Make, blobs: Data) -> None:
    weight = np.ones(96)
    weight[:40] = 0
    found = fitted(make_net(), blobs, sample_weight=weight, batch_size=20, shuffle=False, epochs=2)
    assert (found.steps, found.rows) == (2 * 3, 2 * 56)


def test_each_fit_counts_its_own(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.train_on_batch(*blobs)
    assert fitted(net, blobs, batch_size=8).steps == 12
    net.train_on_batch(*blobs)
    net.evaluate(*blobs)
    assert fitted(net, blobs, batch_size=16).steps == 6


def test_a_resumed_fit_counts_the_rest(make_net: Make, blobs: Data) -> None:
    """Interrupted in its second epoch after one batch of three."""
    net = make_net()
    interrupt(net, blobs, 2, 1, epochs=2, batch_size=40)
    found = fitted(net, blobs, batch_size=40)
    assert (found.steps, found.rows) == (2, 56)


def test_what_is_left_is_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of our own: data 4 s and validation 2 s of 20 s, nothing in the engine."""
    times = iter([0.0, 1.0, 5.0, 10.0, 12.0, 20.0])
    monkeypatch.setattr(performance, "perf_counter", lambda: next(times))
    watch = Stopwatch()
    with watch.on("data"):
        pass
    with watch.on("validation"):
        pass
    found = watch.stop(_fast.Plan(graph((2, 1), ("identity",))))
    assert (found.data, found.validation, found.python, found.seconds) == (4, 2, 14, 18)


# ------------------------------------------------------------------------------------ the engines
@ENGINES
def test_timing_a_batch_changes_no_bits(kind: Any) -> None:
    """After a restart the next batch is timed: all of them here, few of them there."""
    g = graph((9, 40, 33, 3), ("tanh", "relu", "softmax"), loss="cross_entropy", optimizer=ADAM)
    rows = data(g, 700, targets="labels", weighted=True)
    few, all_timed = ready(g, kind=kind), ready(g, kind=kind)
    options: dict[str, Any] = {"batch_size": 7, "shuffle": True, "seed": 1, "epoch": 0}
    run = few.train(*rows, **options)
    assert run.advance(1e9)
    sums = run.sums
    run = all_timed.train(*rows, **options)
    done = False
    while not done:
        all_timed.restart_ledger()
        done = run.advance(0.0)
    assert run.sums == sums
    assert state(few) == state(all_timed)


@ENGINES
@pytest.mark.parametrize("fused", [True, False])
def test_the_engines_tell_the_same(kind: Any, fused: bool) -> None:
    g = graph((4, 5, 2), ("relu", "identity"))
    plan = ready(g, kind=kind)
    if kind is _fast.Plan:
        plan.set_fused(fused)
    names = {"products", "activations", "optimizer", "data", "waiting"}
    nothing = {"steps": 0, "rows": 0, "threads": plan.ledger()[0]["threads"]}
    assert plan.ledger() == (nothing, dict.fromkeys(names, 0.0))
    rows = data(g, 400)
    plan.train_batch(*rows)
    run = plan.train(*rows, batch_size=300, shuffle=True, seed=0, epoch=0)
    assert run.advance(1e9)
    plan.evaluate(*rows)
    plan.gradients(*rows)
    plan.predict(rows[0])
    counts, seconds = plan.ledger()
    assert (counts["steps"], counts["rows"]) == (3, 800)
    assert counts["threads"] >= 1
    assert seconds.keys() == names
    assert all(seconds[name] > 0 for name in names - {"waiting"}), seconds
    plan.restart_ledger()
    assert plan.ledger()[0]["steps"] == 0
    assert not any(plan.ledger()[1].values())


# ------------------------------------------------------------------------------------- the report
def test_text(peak: list[tuple[str, int]]) -> None:
    found = made()
    assert not peak  # not before somebody looks
    assert str(found) == (
        "12,000 rows/s, 145 GFLOP/s (58% of peak): products 81%, activations 6.0%, optimizer 9.0%, "
        "data 2.5%, waiting 0.5%, Python 1.0%"
    )
    assert repr(found).splitlines() == [
        "Performance of 1,350 steps with 12,000 rows",
        "12,000 rows/s, 145 GFLOP/s, 58% of the peak of 250",
        f"({found.isa}, float32, 2 threads)",
        "products        0.8100 s   81.0%",
        "activations     0.0600 s    6.0%",
        "optimizer       0.0900 s    9.0%",
        "data            0.0250 s    2.5%",
        "waiting         0.0050 s    0.5%",
        "Python          0.0100 s    1.0%",
        "in all          1.0000 s  100.0%",
        "validation      0.5000 s",
    ]
    alone = made(threads=1, validation=0.0, flops=14.5e9)
    assert "waiting" not in str(alone) + repr(alone) and "validation" not in repr(alone)
    assert ", 14.5 GFLOP/s (12% of peak)" in str(alone) and "1 thread)" in repr(alone)
    nothing = made(**dict.fromkeys((*SPENT, "flops"), 0.0), steps=0, rows=0, threads=0)
    assert "0 rows/s, 0 GFLOP/s (0.0% of peak)" in str(nothing) and repr(nothing)


def test_peak_is_measured_once(peak: list[tuple[str, int]]) -> None:
    isa = len(_fast.isa_names()) - 1
    for _ in range(3):
        assert made().peak_gflops == 250
        assert made(dtype="float64", threads=1).share_of_peak == pytest.approx(145 / 125)
    assert peak == [("float32", isa), ("float64", isa)]


def test_quiet_fits_do_not_measure_the_peak(
    make_net: Make, blobs: Data, peak: list[tuple[str, int]]
) -> None:
    fitted(make_net(), blobs, verbose=False)
    assert not peak


def test_dict_is_json(make_net: Make, blobs: Data, peak: list[tuple[str, int]]) -> None:
    found = fitted(make_net(), blobs)
    values = found.as_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["seconds"] == pytest.approx(sum(values[name] for name in SPENT))
    assert values["peak_gflops"] == 125 * found.threads
    assert values["share_of_peak"] == found.gflops / found.peak_gflops


def test_a_copy_keeps_the_peak(
    make_net: Make, blobs: Data, peak: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of the machine where the fit ran."""
    history = make_net().fit(*blobs)
    assert history.performance is not None
    pickled = pickle.dumps(history)
    performance._peak.cache_clear()
    monkeypatch.setattr(_fast, "peak", lambda *_: 1e9)
    for twin in (pickle.loads(pickled), copy.deepcopy(history), copy.copy(history)):
        assert twin == history and twin.performance == history.performance
        assert twin.performance.peak_gflops == 125 * history.performance.threads


def test_histories_are_equal_whatever_they_cost(make_net: Make, blobs: Data) -> None:
    assert dr.History().performance is None
    one, other = make_net().fit(*blobs), make_net().fit(*blobs)
    assert one == other and one.performance != other.performance


def test_verbose_ends_with_a_line(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    found = fitted(make_net(), blobs, verbose=True)
    *_, last = sys.stderr.getvalue().splitlines()  # type: ignore[attr-defined]
    assert last == str(found)
    assert re.match(r"[\d,]+ rows/s, \S+ GFLOP/s \(.+% of peak\): products ", last)
    for verbose in (False, "auto"):
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        make_net().fit(*blobs, verbose=verbose)
        assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
