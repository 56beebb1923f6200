"""Who may use a network at the same time: one training, or any number of readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A training and what reads a consistent state (saving, evaluating) shut each other out.

    A training in progress is an error for everybody else: it may last for hours. A training that
    starts waits for readers in other threads, which are short. While it rests between two batches,
    its own thread may read.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()  # its lock is reentrant: signal handlers may come in
        self.trainings = 0  # over and done with
        self._trainer: int | None = None
        self._doing = ""
        self._resting = False
        self._readers: list[int] = []

    @contextmanager
    def training(self, what: str) -> Iterator[None]:
        """Holds the network for itself. RuntimeError when it is training already."""
        me = threading.get_ident()
        with self._changed:
            self._refuse_while_training(what)
            if me in self._readers:
                raise RuntimeError(f"{what}: this thread is in the middle of reading the network")
            self._trainer, self._doing = me, what
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._readers)
            yield
        finally:
            with self._changed:
                self._trainer = None
                self.trainings += 1

    def is_training_elsewhere(self) -> bool:
        """Whether another thread is in the middle of a training."""
        return self._trainer not in (None, threading.get_ident())

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside, the thread that trains is between two batches."""
        self._resting = True
        try:
            yield
        finally:
            self._resting = False

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Keeps trainings away meanwhile. RuntimeError when one is in progress."""
        me = threading.get_ident()
        with self._changed:
            if not (self._resting and self._trainer == me):
                self._refuse_while_training(what)
            self._readers.append(me)
        try:
            yield
        finally:
            with self._changed:
                self._readers.remove(me)
                self._changed.notify_all()

    def _refuse_while_training(self, what: str) -> None:
        if self._trainer is None:
            return
        where = "this" if self._trainer == threading.get_ident() else "another"
        raise RuntimeError(
            f"{what}: this network is in the middle of {self._doing} in {where} thread; until that "
            "ends only predict() is allowed"
        )
