"""Nothing is allocated between batches: by the core's own count, and by that of the C library."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast

from ..memory_scenes import build_shim
from ..sanitizers import needs_plain_memory
from .common import ADAM, THREADS, data, graph, ready, scene, state


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_shim(tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("fused", [True, False])
def test_the_core_counts_none(threads: int, fused: bool) -> None:
    dr.set_num_threads(threads, exact=True)
    g = graph((12, 40, 4), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    rows = data(g, 2400, weighted=True)
    plan = ready(g)
    plan.set_fused(fused)
    before = _fast.allocations()
    run = plan.train(*rows, batch_size=8, shuffle=True, seed=0, epoch=0)
    opened = _fast.allocations()
    assert opened > before  # it is counted at all
    for _ in range(10):
        run.advance(0.0)
    run.advance(1e9)
    assert run.batch == 300
    assert _fast.allocations() == opened


@pytest.mark.parametrize("threads", THREADS[:2])
@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
@needs_plain_memory
def test_the_c_library_counts_none(shim: str, threads: int) -> None:
    few, many = (
        scene(
            "count_allocations",
            shim=shim,
            threads=threads,
            batches=batches,
            env={"LD_PRELOAD": shim, "PYTHONMALLOC": "malloc"},
        )
        for batches in (20, 2000)
    )
    assert many == few
    assert few < 50


def test_predictions_share_their_memory() -> None:
    """A few rows after many, or as many again, allocate nothing; and leave nothing of theirs."""
    g = graph((12, 40, 4), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    x = data(g, 900)[0]
    plan = ready(g)
    whole = plan.predict(x)
    counted = _fast.allocations()
    for start, end in ((0, 1), (899, 900), (3, 500), (0, 900), (7, 8)):
        assert plan.predict(x[start:end]).tobytes() == whole[start:end].tobytes()
    assert _fast.allocations() == counted
    ready(g).predict(x[:1])
    assert _fast.allocations() > counted  # another network has its own


def test_what_a_run_leaves_is_for_its_like() -> None:
    """Memory of a run that was of another kind gives no other results."""
    g = graph((12, 40, 4), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    rows, plan = data(g, 90), ready(g)
    kinds: list[dict[str, Any]] = [
        {}, {"piece": 3}, {}, {"y": np.empty((90, 4))}, {"shuffle": True}, {"fused": False}, {},
    ]  # fmt: skip
    for kind in kinds:
        options = {"batch_size": 8, "shuffle": False, "seed": 0, "epoch": 0, **kind}
        fused = options.pop("fused", True)
        done = []
        for one in (plan, ready(g)):
            ready(g, kind=lambda _, one=one: one)
            one.step = 0
            one.set_fused(fused)
            assert one.train(*rows, **options).advance(1e9)
            done.append(state(one))
        assert done[0] == done[1], kind
