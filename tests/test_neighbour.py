"""deltarule leaves the process that it is in as it is: what neighbour.py sees, aspect by aspect."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr

from . import neighbour

STAGES = ("imported", "trained", "trained verbosely")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, neighbour.__file__], capture_output=True, text=True, timeout=300,
        cwd=Path(neighbour.__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("aspect", neighbour.ASPECTS)
def test_nothing_has_changed(seen: dict[str, Any], aspect: str, stage: str) -> None:
    assert seen[stage][aspect] == seen["before"][aspect]


def test_subnormals_are_numbers_in_every_thread(seen: dict[str, Any]) -> None:
    assert seen["found"]["subnormals"]


def test_no_thread_is_left_at_work(seen: dict[str, Any]) -> None:
    assert seen["found"]["asleep"]


def test_the_core_had_two_threads(seen: dict[str, Any]) -> None:
    """Or all this would say little."""
    assert seen["found"]["team"] == (2 if dr.config()["openmp"] else 1)
