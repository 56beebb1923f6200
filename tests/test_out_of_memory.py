"""Memory runs out: every allocation of the core fails once, in turn, and then with all that follow.

Each time: a MemoryError, nothing lost or half done, nothing leaked, and the next call gives the
bits that it would have given (memory_scenes.py).
Another test does so to all that a process allocates.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._cases import all_cases

from .memory_scenes import (
    EPOCHS,
    NEED_SCIPY,
    SCENES,
    OfTheCore,
    Scene,
    X,
    Y,
    build_shim,
    network,
    run_out,
    state,
)
from .network.common import PLAIN, graph
from .sanitizers import needs_plain_memory

FOR_EVER = 2**32 - 1
OF_OTHERS = (  # numpy and Python themselves do not always say why
    "SystemError",
    "RuntimeError: can't allocate read lock",
    "TypeError: expected str, bytes or os.PathLike object, not PosixPath",
)


def only_memory_errors(scene: Scene, fails: int = 1) -> int:
    """How many; as many as allocations."""
    came_of_it = run_out(scene, OfTheCore(fails))
    assert came_of_it.keys() <= {"allocations", "MemoryError"}
    assert came_of_it["MemoryError"] == came_of_it["allocations"]
    return came_of_it["allocations"]


@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
@pytest.mark.parametrize("fails", [1, FOR_EVER], ids=["once", "for ever"])
@pytest.mark.parametrize("name", SCENES)
def test_memory_runs_out(name: str, fails: int) -> None:
    if name in NEED_SCIPY:
        pytest.importorskip("scipy")
    assert only_memory_errors(SCENES[name], fails) >= SCENES[name].least


@pytest.mark.parametrize("each", [1, pytest.param(sys.maxsize, marks=pytest.mark.long)])
def test_every_operation_runs_out(each: int) -> None:
    """each: so many cases of every operation."""
    found, seen = Counter[str](), Counter[str]()
    for case in itertools.chain(all_cases("float32", quick=True), all_cases("float64", quick=True)):
        seen[case.operation] += 1
        # the last two allocate where the first ones do not
        if seen[case.operation] > each and case.variant not in ("softmax", "lamb"):
            continue

        def act(run: Any) -> list[bytes]:
            return [np.asarray(a).tobytes() for a in run(dr.ops)]

        found[case.operation] += only_memory_errors(Scene(lambda run=case.run: run, act, 0))
    free = {name for name in found if not found[name]}
    expected = ("random_", "average_", "penalty_backward")
    assert len(found) - len(free) > 10
    assert each == 1 or all(name.startswith(expected) for name in free), free


def test_many_networks() -> None:
    """Those that memory was there for are trained; the others are as they were, and can be."""
    options: dict[str, Any] = {"epochs": EPOCHS, "batch_size": 20}
    expected = [network(seed=seed) for seed in range(3)]
    dr.fit_many(expected, X, Y, **options)
    done, memory, count = [state(net) for net in expected], OfTheCore(), sys.maxsize
    for n in itertools.count():
        nets = [network(seed=seed) for seed in range(3)]
        before, failed = [state(net) for net in nets], list[dr.Network]()
        memory.begin(n)
        try:
            dr.fit_many(nets, X, Y, **options)
        except* MemoryError:
            failed = [net for net, old in zip(nets, before, strict=True) if state(net) == old]
        finally:
            count = memory.end()
        assert len(failed) == (n < count)
        if not failed:
            break
        dr.fit_many(failed, X, Y, **options)
        assert [state(net) for net in nets] == done
    assert count >= 6


@needs_plain_memory
@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
@pytest.mark.parametrize(
    ("every", "least"),
    [
        pytest.param(3, 512, id="data"),
        pytest.param(1, 0, id="all", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", ["a fit of all kinds, with validation", "predict", "load", "save"])
def test_memory_of_the_process(name: str, every: int, least: int, tmp_path: Path) -> None:
    """Python's and numpy's too: no crash, and what raises no error has gone well."""
    library = build_shim(tmp_path)
    package = str(Path(dr.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory_scenes", library, name, str(every), str(least)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": package, "LD_PRELOAD": library, "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    came_of_it = json.loads(done.stdout)
    print(name, came_of_it)  # for those who ask by -s
    assert came_of_it.pop("left behind", 0) <= 1 + came_of_it["allocations"] / 100
    others = came_of_it.keys() - {"allocations", "MemoryError", "as if nothing had been"}
    assert all(other.startswith(OF_OTHERS) for other in others), others
    assert came_of_it["MemoryError"]


@pytest.mark.parametrize("widths", [(2**57 - 100, 32), (2**57, 64)], ids=["just", "far"])
def test_more_than_there_are_addresses(widths: tuple[int, int]) -> None:
    """Sizes in bytes that do not fit 64 bits, or only just."""
    alive = _fast.allocations_alive()
    with pytest.raises(MemoryError, match="could not allocate"):
        _fast.Plan(graph(widths, ("identity",), dtype="float32", optimizer=PLAIN))
    assert _fast.allocations_alive() == alive


@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
@pytest.mark.parametrize("rounds", [20, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_kept(name: str, rounds: int) -> None:
    """No object of Python's or numpy's is left of a fit, a load, ..., and nothing of the core's."""
    if name in NEED_SCIPY:
        pytest.importorskip("scipy")
    make, act, _ = SCENES[name]

    def blocks(times: int) -> int:
        for _ in range(times):
            act(make())
        gc.collect()
        ctypes.pythonapi.PyType_ClearCache()  # which holds on to names that were looked up
        return sys.getallocatedblocks()

    blocks(5)
    alive = _fast.allocations_alive()
    for _ in range(3):  # caches of others may grow once
        warm = blocks(1)
        grown = blocks(rounds) - warm
        if grown < rounds / 2:
            break
    assert grown < rounds / 2
    assert _fast.allocations_alive() == alive


def test_counted_once() -> None:
    """Or the tests above would look at nothing."""
    asked, alive = _fast.allocations(), _fast.allocations_alive()
    net = network()
    assert _fast.allocations() - asked > _fast.allocations_alive() - alive > 0
    del net
    assert _fast.allocations_alive() == alive
