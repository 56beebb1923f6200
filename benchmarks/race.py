"""Systems against each other: each in its own process, pinned and warm, window by window in turn.

A noisy neighbour, or a change of the processor's clock, then meets all of them alike; and no system
runs beside the threads of another.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from statistics import median
from typing import Any

from .cases import Case
from .peers import PEAK

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0  # seconds: torch compiles for up to a minute, more where many start together
REST = 0.003  # seconds between two looks whether a system has come to rest
REST_MOST = 0.3  # OpenMP's idle threads spin for some 5 ms after a window, OpenBLAS's for some 110
IDLE = 0.1  # the share of a core that counts as rest
TOLERANCE = 0.2  # of the median fall of the loss, by which a system's may differ

# What holds the others to an instruction set that deltarule is held to.
HELD_TO = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    }
}


def allowed_cores() -> list[int]:
    """The last first: interrupts like to go to the first."""
    return sorted(os.sched_getaffinity(0), reverse=True)


@dataclass
class Result:
    """A system on a case: what every window measured, in microseconds a step."""

    case: Case
    system: str
    threads: int
    word: str = ""  # why there is nothing
    start: float = 0.0
    end: float = 0.0
    alike: bool = True  # whether the loss fell as with the others
    times: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.times)

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def gflops(self) -> float:
        """Useful ones, of the best window."""
        return self.case.flops / self.best / 1e3

    def as_dict(self) -> dict[str, Any]:
        described: dict[str, Any] = {
            "case": self.case.name, "system": self.system, "threads": self.threads
        }
        if not self.times:
            return described | {"skipped": self.word}
        return described | {
            "median_us": self.median,
            "best_us": self.best,
            "windows": len(self.times),
            "gflops": self.gflops,
            "loss_start": self.start,
            "loss_end": self.end,
            "alike": self.alike,
        }


class Racer:
    """A system in a process of its own, on as many cores as threads."""

    def __init__(self, case: Case, system: str, threads: int, cores: list[int]) -> None:
        self.case, self.system, self.threads, self.n = case, system, threads, 0
        self.pipe, theirs = Pipe()
        number = str(threads)
        environment = os.environ | {
            "OMP_NUM_THREADS": number, "OPENBLAS_NUM_THREADS": number, "MKL_NUM_THREADS": number
        }
        environment |= {"PYTHONWARNINGS": "ignore", "JAX_PLATFORMS": "cpu"}
        if case.isa:
            environment |= {"DELTARULE_ISA": case.isa} | HELD_TO.get(case.isa, {})
        places = ",".join(map(str, cores[:threads]))
        fd = theirs.fileno()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", str(fd), places],
                cwd=ROOT,
                env=environment,
                pass_fds=[fd],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.pipe.send((case, system, threads))

    def receive(self) -> Any:
        """An answer; raises it where it is an exception."""
        if not self.pipe.poll(PATIENCE):
            raise RuntimeError(f"no answer for {PATIENCE:.0f} s")
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise RuntimeError("its process died") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, word: str, n: int) -> None:
        try:
            self.pipe.send((word, n))
        except OSError:
            raise RuntimeError("its process died") from None

    def ask(self, word: str, n: int) -> Any:
        self.send(word, n)
        return self.receive()

    def check(self) -> Any:
        """The loss before and after; None for the peak, which has none."""
        if self.system == PEAK:
            return None
        found = self.ask("check", self.case.check_epochs)
        self.settle()
        return found

    def calibrate(self, seconds: float) -> float:
        """Chooses how many units make a window; returns what such a one takes."""
        self.n = 1
        self.ask("window", 1)  # compiles
        while (took := self.ask("window", self.n)) < seconds / 2:
            self.n = max(self.n + 1, min(8 * self.n, round(self.n * seconds / max(took, 1e-9))))
        return float(took)

    def begin(self) -> None:
        """Starts a window."""
        self.send("window", self.n)

    def end(self) -> float:
        """Waits for the window: microseconds a step."""
        return float(self.receive()) * 1e6 / (self.n * self.case.steps)

    def window(self) -> float:
        self.begin()
        took = self.end()
        self.settle()
        return took

    def settle(self) -> None:
        """Waits until its threads no longer spin: they would be in the way of the next one."""
        until = time.perf_counter() + REST_MOST
        used, at = self.cpu_seconds(), time.perf_counter()
        while at < until:
            time.sleep(REST)
            before, then, used, at = used, at, self.cpu_seconds(), time.perf_counter()
            if used - before < IDLE * (at - then):
                return

    def cpu_seconds(self) -> float:
        """That its threads have run until now; 0 where the system does not say."""
        found = 0
        for entry in Path(f"/proc/{self.process.pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # the thread has ended
                found += int(entry.read_text(encoding="ascii").split()[0])
        return found / 1e9

    def close(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Effort:
    """How long a race is: windows of so many seconds, fewer (5 at least) beyond the budget."""

    windows: int = 31
    seconds: float = 0.025
    budget: float = 90.0

    def rounds(self, one_round: float) -> int:
        return max(min(5, self.windows), min(self.windows, int(self.budget / one_round)))


QUICK = Effort(5, 0.01, 15.0)


def _works(racer: Racer, result: Result, answer: Callable[[], Any]) -> bool:
    """Puts the answer, if there is one, into the result; False where the system has failed."""
    try:
        found = answer()
        if found is not None:
            result.start, result.end = found
        return True
    except ImportError as error:
        result.word = str(error)
    except RuntimeError as error:
        result.word = f"failed: {error}"
    racer.close()
    return False


def judge(results: Iterable[Result]) -> None:
    """Marks the systems whose loss does not start like the others' or does not fall like theirs."""
    checked = [r for r in results if r.times and r.system != PEAK]
    if not checked:
        return
    start = median(r.start for r in checked)
    fall = median(r.start - r.end for r in checked)
    for r in checked:
        near = abs(r.start - r.end - fall) <= TOLERANCE * abs(fall) + 1e-6 * abs(start)
        r.alike = near and abs(r.start - start) <= 1e-3 * abs(start)


def race(
    case: Case, systems: Iterable[str], threads: Iterable[int], effort: Effort
) -> list[Result]:
    """All systems with every number of threads, and the peak of FMAs on one."""
    cores = allowed_cores()
    entries = [(PEAK, 1), *((s, n) for s in systems for n in threads if n <= len(cores))]
    with ExitStack() as stack:
        racers, results = [], []
        for system, n in entries:
            racer = Racer(case, system, n, cores)
            stack.callback(racer.close)
            racers.append(racer)
            results.append(Result(case, system, n))
        # they start side by side, and all are ready before the first computes anything: deltarule
        # would learn from the others' start that there is no second core
        pairs = list(zip(racers, results, strict=True))
        pairs = [(racer, result) for racer, result in pairs if _works(racer, result, racer.receive)]
        pairs = [(racer, result) for racer, result in pairs if _works(racer, result, racer.check)]
        one_round = sum(racer.calibrate(effort.seconds) for racer, _ in pairs)
        for _ in range(effort.rounds(1.2 * one_round)):
            for racer, result in pairs:
                result.times.append(racer.window())
    judge(results)
    return results


def best_of_threads(results: Iterable[Result]) -> Iterator[Result]:
    """Of every system the number of threads with the smallest median."""
    found: dict[str, Result] = {}
    for r in results:
        if r.times and (r.system not in found or r.median < found[r.system].median):
            found[r.system] = r
    yield from found.values()
