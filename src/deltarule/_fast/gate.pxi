# Who may use a network at the same time: one training, or any number of readers.
from os import getpid
from threading import get_ident, main_thread
from time import sleep


cdef class Gate:
    """A training and what reads a consistent state (saving, evaluating) shut each other out.

    A training in progress is an error for everybody else: it may last for hours. A training that
    starts waits for readers in other threads, which are short. While it rests between two batches,
    its own thread may read.

    To go in or out is one step in C, into which neither a signal nor another thread comes: Ctrl-C
    never leaves it shut. In a forked child the parent's other threads are gone. What they were
    reading is free; what one was training may be half of one step and half of the next.
    """
    cdef readonly unsigned long long trainings  # over and done with
    cdef object process, trainer
    cdef str doing
    cdef bint rests, orphaned
    cdef list readers

    def __cinit__(self):
        self.process, self.readers = getpid(), []

    def training(self, str what):
        """Holds the network for itself. RuntimeError when it is training already."""
        return _Training(self, what)

    def resting(self):
        """Inside, the thread that trains is between two batches."""
        return _Resting(self, "")

    def reading(self, str what):
        """Keeps trainings away meanwhile. RuntimeError when one is in progress."""
        return _Reading(self, what)

    def is_training_elsewhere(self):
        """Whether another thread is in the middle of a training."""
        return self.orphaned or self.trainer not in (None, get_ident())

    cdef int refuse_while_training(self, str what, object me) except -1:
        if self.process != getpid():
            self.forget_other_threads()
        if self.orphaned:
            raise RuntimeError(
                f"{what}: this process was forked while another thread was in the middle of "
                f"{self.doing}, so parts of this network may be a step ahead of others; only "
                "predict() is allowed")
        if self.trainer is not None:
            where = "this" if self.trainer == me else "another"
            raise RuntimeError(
                f"{what}: this network is in the middle of {self.doing} in {where} thread; until "
                "that ends only predict() is allowed")
        return 0

    cdef int let_go(self, object reader) except -1:
        self.readers.remove(reader)
        return 0

    cdef int forget_other_threads(self) except -1:
        here = main_thread().ident  # the one that has forked
        self.orphaned = self.orphaned or self.trainer not in (None, here)
        self.readers = [reader for reader in self.readers if reader == here]
        self.process = getpid()
        return 0


cdef class _Passage:
    """What a `with` goes in by, and out."""
    cdef Gate gate
    cdef str what

    def __cinit__(self, Gate gate, str what):
        self.gate, self.what = gate, what


cdef class _Training(_Passage):
    def __enter__(self):
        cdef Gate gate = self.gate
        me = get_ident()
        with cython.critical_section(gate):
            gate.refuse_while_training(self.what, me)
            if me in gate.readers:
                raise RuntimeError(
                    f"{self.what}: this thread is in the middle of reading the network")
            gate.trainer, gate.doing, gate.rests = me, self.what, False
            try:
                while gate.readers:
                    sleep(0.0005)
            except BaseException:
                gate.trainer = None
                raise

    def __exit__(self, *error):
        cdef Gate gate = self.gate
        with cython.critical_section(gate):
            gate.trainer = None
            gate.trainings += 1


cdef class _Reading(_Passage):
    def __enter__(self):
        cdef Gate gate = self.gate
        me = get_ident()
        with cython.critical_section(gate):
            if not (gate.rests and gate.trainer == me):
                gate.refuse_while_training(self.what, me)
            gate.readers.append(me)

    def __exit__(self, *error):
        cdef Gate gate = self.gate
        with cython.critical_section(gate):
            gate.let_go(get_ident())


cdef class _Resting(_Passage):
    def __enter__(self):
        self.gate.rests = True

    def __exit__(self, *error):
        self.gate.rests = False
