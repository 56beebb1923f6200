"""Going round: an input is changed and read, and kept if nothing before has ended as it did."""

from __future__ import annotations

import mmap
import random
import signal
import struct
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from . import seeds
from .targets import Target

HANG = 30.0  # seconds of one input
_MOST_KEPT = 5000


class Hang(BaseException):
    """One input took longer than HANG."""


class Finding(Exception):
    """An input that did what none may do, and what that was."""

    def __init__(self, data: bytes) -> None:
        super().__init__(traceback.format_exc())
        self.data = data


class Fuzzer:
    """One target. executions: how many inputs it has read. outcomes: how often each came out."""

    def __init__(self, name: str, target: Target, seed: int) -> None:
        self.target, self.executions = target, 0
        self.draw = random.Random(seed)
        self.outcomes: dict[str, int] = {}
        self.kept: list[bytes] = []
        sound = target.seeds()
        self.change = target.mutator(sound, self.draw)
        self.start = [*sound, *seeds.corpus(name)]

    def run(self, executions: int, seconds: float = float("inf"), last: Last | None = None) -> None:
        """Reads so many more inputs, or for so long. Raises Finding."""
        until = time.monotonic() + seconds
        with _watched():
            for _ in range(executions):
                self.read(self.next(), last)
                if self.executions % 256 == 0 and time.monotonic() > until:
                    return

    def next(self) -> bytes:
        """Sound files first, as they are; then what is made of them and of what was kept."""
        if self.executions < len(self.start):
            return self.start[self.executions]
        of = self.kept if self.kept and self.draw.random() < 0.5 else self.start
        return self.change(self.draw.choice(of))

    def read(self, data: bytes, last: Last | None) -> None:
        self.executions += 1
        if last:
            last.write(data)
        signal.setitimer(signal.ITIMER_REAL, HANG)
        try:
            outcome = self.target.run(data)
        except (Exception, Hang) as error:
            raise Finding(data) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if outcome not in self.outcomes and len(self.kept) < _MOST_KEPT:
            self.kept.append(data)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Last:
    """The last input, in a file that is there even after a crash of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(1 << 20)
            self.map = mmap.mmap(file.fileno(), 0)

    def write(self, data: bytes) -> None:
        self.map[: 8 + len(data)] = struct.pack("<Q", len(data)) + data

    @staticmethod
    def read(path: Path) -> bytes:
        data = path.read_bytes()
        return data[8 : 8 + struct.unpack("<Q", data[:8])[0]]


@contextmanager
def _watched() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
