"""Forks, start methods and threads: the same bits, and nothing hangs (see scenes.py)."""

from __future__ import annotations

import os

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
@pytest.mark.slow
def test_training_after_many_forks() -> None:
    one(scene("fork", rounds=100, threads=TEAM, limit=600), 300)


@needs_fork
def test_forking_where_there_are_threads() -> None:
    one(scene("fork_from_a_thread", threads=TEAM), 6)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_start_methods(method: str) -> None:
    one(scene("start_method", method=method, threads=TEAM), 3)


@pytest.mark.parametrize("rows", [37, 1500], ids=["one-slice", "slices"])
@pytest.mark.parametrize("threads", THREADS[:2])
def test_predicting_in_threads(threads: int, rows: int) -> None:
    assert scene("predict_in_threads", threads=threads, rows=rows, rounds=20)


@pytest.mark.parametrize("threads", THREADS[:2])
def test_training_in_threads(threads: int) -> None:
    assert scene("train_in_threads", threads=threads, count=8)


@pytest.mark.parametrize("threads", THREADS[1:])
@pytest.mark.parametrize("rows", [400, 5000], ids=["one-slice", "slices"])
def test_more_threads_than_cores(threads: int, rows: int) -> None:
    """Nobody waits for ever, and threads that wait leave the core to those that work."""
    assert len(scene("large_team", threads=threads, rows=rows, rounds=5, limit=30)) == 1


