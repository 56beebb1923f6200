"""How training chooses its threads (csrc/network/team.c), against a made-up clock."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
WORK = 1e8  # multiply-adds of a batch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = os.environ.get("CC") or shutil.which("gcc") or "cc"
    path = tmp_path_factory.mktemp("team") / "team"
    sources = [str(Path(__file__).with_name("team.c")), str(CSRC / "network" / "team.c")]
    options = ["-std=c11", f"-I{CSRC}", "-lm", "-o", str(path)]
    subprocess.run([compiler, *sources, *options], check=True)
    return path


def shares(
    program: Path,
    advised: int,
    work: float,
    rates: list[float],
    disturbed: float = 0.0,
    pause: float = 0.0,
) -> list[float]:
    """Of 60 seconds: those that each number of threads had of the second half."""
    arguments = [advised, len(rates), work, 60, disturbed, pause, *rates]
    done = subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=True
    )
    return [float(share) for share in done.stdout.split()]


@pytest.mark.parametrize("advised", [1, 2])
@pytest.mark.parametrize("quicker", [1, 2])
def test_the_quicker_of_two(program: Path, advised: int, quicker: int) -> None:
    """Whatever the model says: a busy core makes two threads slower than one."""
    rates = [1e5, 1.8e5] if quicker == 2 else [1e5, 1e4]
    assert shares(program, advised, WORK, rates)[quicker - 1] > 0.95


@pytest.mark.parametrize("best", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("advised", [1, 4, 16])
def test_up_and_down_many_cores(program: Path, best: int, advised: int) -> None:
    rates = [1e5 * min(t, best) / (1 + 0.5 * max(0, t - best)) for t in range(1, 17)]
    assert shares(program, advised, WORK, rates)[best - 1] > 0.9


def test_alike_stays_as_it_is(program: Path) -> None:
    assert shares(program, 2, WORK, [1e5, 1e5])[1] > 0.95


@pytest.mark.parametrize("advised", [1, 2])
def test_a_neighbour_that_comes_and_goes(program: Path, advised: int) -> None:
    """A fifth of all blocks are slow, whatever the number of threads."""
    assert shares(program, advised, WORK, [1e5, 1.8e5], 0.2)[1] > 0.95


def test_contests_are_apart_in_training_not_on_the_clock(program: Path) -> None:
    """Epochs of 25 ms with something else between them, as in a loop of the user's."""
    assert shares(program, 2, WORK, [1e5, 1.8e5], pause=0.2)[1] > 0.95
