"""Forks, start methods and threads: the same bits, and nothing hangs (see process_scenes.py, and
stress.py for the long form)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .common import THREADS, scene

TEAM = THREADS[:2][-1]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def one(results: list[str], count: int) -> None:
    """All `count` results are the same hash."""
    assert len(results) == count
    assert len(set(results)) == 1 and len(results[0]) == 64, results


@needs_fork
def test_training_after_a_fork() -> None:
    one(scene("fork", rounds=5, threads=TEAM), 15)


@needs_fork
def test_forking_where_there_are_threads() -> None:
    one(scene("fork_from_a_thread", threads=TEAM), 6)


@needs_fork
def test_forking_in_c() -> None:
    one(scene("fork_in_c", threads=TEAM), 3)


@needs_fork
def test_forking_while_others_use_networks() -> None:
    one(scene("fork_beside_others", threads=TEAM), 2)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_start_methods(method: str) -> None:
    one(scene("start_method", method=method, threads=TEAM), 3)


@pytest.mark.parametrize("kind", ["loky", "threading"])
def test_joblib(kind: str) -> None:
    pytest.importorskip("joblib")
    one(scene("in_joblib", kind=kind, threads=TEAM), 5)


@pytest.mark.parametrize("rows", [37, 1500], ids=["one-slice", "slices"])
@pytest.mark.parametrize("threads", THREADS[:2])
def test_predicting_in_threads(threads: int, rows: int) -> None:
    assert scene("predict_in_threads", threads=threads, rows=rows, rounds=20)


@pytest.mark.parametrize("threads", THREADS[:2])
def test_training_in_threads(threads: int) -> None:
    assert scene("train_in_threads", threads=threads, count=8)


@pytest.mark.parametrize("threads", THREADS[:2])
def test_one_network_in_threads(threads: int, tmp_path: Path) -> None:
    counts = scene("one_network", threads=threads, rounds=15, folder=str(tmp_path))
    assert sum(counts.values()) == 8 * 15
    assert counts["fit"] and counts["predict"] == 2 * 15, counts


@pytest.mark.parametrize("threads", THREADS[:2])
def test_parameters_in_threads(threads: int) -> None:
    assert scene("exchange_parameters", threads=threads, rounds=30)


@pytest.mark.parametrize("threads", THREADS[1:])
@pytest.mark.parametrize("rows", [400, 5000], ids=["one-slice", "slices"])
def test_more_threads_than_cores(threads: int, rows: int) -> None:
    """Nobody waits for ever, and threads that wait leave the core to those that work."""
    assert len(scene("large_team", threads=threads, rows=rows, rounds=5, limit=30)) == 1
