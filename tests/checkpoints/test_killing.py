"""Some kill -9; killing.py says what is asked, and takes a number of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kills", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_kill(kills: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.checkpoints.killing", str(kills)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60 + kills,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert int(re.search(r"(\d+) of them while saving", done.stdout)[1]) > 0  # type: ignore[index]
