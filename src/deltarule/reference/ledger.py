"""What training costs: a chain of laps, each of which ends where the next begins."""

import time
from collections.abc import Callable

Lap = Callable[[str], None]  # adds the time since the last lap to a cost


def untimed(cost: str) -> None:
    """The lap of what is not training."""


class Ledger:
    """Updates, the rows of their batches, and seconds by what they went to."""

    def __init__(self) -> None:
        self.steps = self.rows = 0
        costs = ("products", "activations", "optimizer", "data", "waiting")
        self.seconds = dict.fromkeys(costs, 0.0)
        self._mark = 0.0

    def start(self) -> None:
        """A lap begins here."""
        self._mark = time.perf_counter()

    def lap(self, cost: str) -> None:
        """Ends one lap, which went to this cost, and begins the next."""
        now = time.perf_counter()
        if cost in self.seconds:  # what the user's code takes is in what is left
            self.seconds[cost] += now - self._mark
        self._mark = now

    def count(self, rows: int) -> None:
        """One update more."""
        self.steps += 1
        self.rows += rows
