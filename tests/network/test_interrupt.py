"""Ctrl-C, as a real signal: it is prompt, it leaves the last whole batch, and training goes on from
there to the same bits. Each in a process of its own (see scenes.py)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import pytest

from deltarule import _fast

from .common import THREADS, isas, scene

PROMPT = 0.2  # seconds
FAST, SLOW = _fast.isa_names()[_fast.isa_current()], "generic"
teams = pytest.mark.parametrize("threads", sorted({*THREADS[:2], THREADS[-1]}))


class Disturbed(AssertionError):
    """A signal arrived, or a call ended, at another time than a quiet machine would have it."""


def patient(test: Callable[..., None]) -> Callable[..., None]:
    """Late now and then may be the machine's doing, busy with others; code that never polls always
    is. What a stopped run leaves behind is no matter of patience: the scenes check that."""

    @functools.wraps(test)
    def repeated(*args: Any, **kwargs: Any) -> None:
        for _ in range(4):
            with contextlib.suppress(Disturbed):
                return test(*args, **kwargs)
        return test(*args, **kwargs)

    return repeated


def check(lasts: float, latencies: list[float], *, least: int) -> None:
    """All prompt; at least so many arrived in the middle of the call and could have been late."""
    if max(latencies) >= PROMPT:
        raise Disturbed(f"a call of {lasts:.2f} s ended {max(latencies):.3f} s late")
    if sum(t >= 0 for t in latencies) < least:
        raise Disturbed(f"a call of {lasts:.2f} s was over before the signal: {latencies}")


def lasting(name: str, least: float, grow: str, **arguments: Any) -> Any:
    """The scene, with `arguments[grow]` doubled until what is interrupted lasts so many seconds."""
    for _ in range(4):
        lasts, *rest = scene(name, **arguments)
        if lasts > least:
            return lasts, *rest
        arguments[grow] *= 2
    raise AssertionError(f"{name}({arguments}) lasts {lasts:.2f} s")


@teams
@patient
def test_among_many_batches(threads: int) -> None:
    lasts, *latencies = lasting(
        "interrupt_batches", PROMPT, "rows", rows=600_000, isa=FAST, threads=threads, times=2
    )
    check(lasts, latencies, least=2)


@patient
def test_among_batches_that_are_not_tiny() -> None:
    """The clock is looked at often, but Ctrl-C must be as well."""
    lasts, *latencies = lasting(
        "interrupt_batches", 2 * PROMPT, "rows", rows=900_000, isa=SLOW, threads=1, times=2,
        batch_size=64,
    )  # fmt: skip
    check(lasts, latencies, least=2)


@pytest.mark.long
@teams
@patient
def test_among_many_batches_often(threads: int) -> None:
    lasts, *latencies = scene("interrupt_batches", isa=FAST, threads=threads, times=100, limit=900)
    check(lasts, latencies, least=70)


@pytest.mark.parametrize("threads", THREADS[:2])
@patient
def test_in_a_long_step(threads: int) -> None:
    """Early in it: forward and backward may be abandoned, not so an update."""
    lasts, *results = lasting(
        "interrupt_step", 2 * PROMPT, "width", width=704, isa=SLOW, threads=threads,
        delays=[0.1, 0.25],
    )  # fmt: skip
    if [batches for _, batches in results] != [0, 0]:
        raise Disturbed(f"a step said to last {lasts:.2f} s was quicker: {results}")
    check(lasts, [latency for latency, _ in results], least=2)


def test_late_in_a_step() -> None:
    """An update that has begun is finished: there is a whole batch more, or none."""
    scene("interrupt_step", isa=FAST, threads=THREADS[:2][-1], delays=[0.5, 0.9], width=512)


@pytest.mark.long
@pytest.mark.parametrize("isa", [*isas(True), *isas(False)])
@pytest.mark.parametrize("threads", THREADS)
@patient
def test_in_a_long_step_often(threads: int, isa: str) -> None:
    lasts, *results = lasting(
        "interrupt_step", 5 * PROMPT, "width", width=2048, isa=isa, threads=threads,
        delays=[k / 125 for k in range(1, 26)], limit=1500,
    )  # fmt: skip
    # where a batch was finished its update had begun: the step was quicker than the one measured
    check(lasts, [latency for latency, batches in results if batches == 0], least=15)


@teams
@patient
def test_fit_of_a_large_network(threads: int) -> None:
    lasts, *latencies = lasting(
        "interrupt_fit", PROMPT, "width", width=512, threads=threads, times=2, batch_size=128
    )
    check(lasts, latencies, least=2)


@pytest.mark.parametrize(
    ("what", "threads", "widths", "rows"),
    [
        ("predict", 1, (4, 24, 2), 2_000_000),
        ("evaluate", THREADS[:2][-1], (4, 24, 2), 3_000_000),
        ("predict", THREADS[:2][-1], (32, 256, 256, 2), 100_000),
    ],
    ids=["one-small", "two-small", "two-large"],
)
@patient
def test_reading_many_rows(what: str, threads: int, widths: tuple[int, ...], rows: int) -> None:
    lasts, *latencies = lasting(
        "interrupt_reading", 2 * PROMPT, "rows", rows=rows, what=what, isa=SLOW, threads=threads,
        times=2, widths=widths,
    )  # fmt: skip
    check(lasts, latencies, least=2)


@patient
def test_what_another_handler_raises() -> None:
    threads = THREADS[:2][-1]
    lasts, *latencies = scene(
        "interrupt_batches", isa=FAST, threads=threads, times=1, kind="SIGUSR1"
    )
    check(lasts, latencies, least=1)
    lasts, *results = scene(
        "interrupt_step", isa=SLOW, threads=threads, delays=[0.2], width=448, kind="SIGUSR1"
    )
    check(lasts, [latency for latency, _ in results], least=1)
