"""A process with one system in it: python -m benchmarks.worker <file descriptor> <cores>.

The race tells it what to do over a pipe: first the case, the system's name and the number of
threads; then pairs ("check" or "window", n). Every message gets one answer, which may be an
exception.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .peers import System


def check(system: System, n: int) -> tuple[float, float]:
    """What shows that a system computes what the others compute: the mean loss before and after
    n epochs; of gradients and predictions the Euclidean norm."""
    import numpy as np

    if system.case.trains:
        before = system.case.mean_loss(system.result())
        system.run(n)
        return before, system.case.mean_loss(system.result())
    system.run(1)
    norm = sum(np.square(np.float64(array)).sum() for array in system.result()) ** 0.5
    return float(norm), float(norm)


def serve(pipe: Connection) -> None:
    from .peers import load

    system = load(*pipe.recv())
    pipe.send(None)
    while True:
        word, n = pipe.recv()
        pipe.send(check(system, n) if word == "check" else system.window(n))


if __name__ == "__main__":
    # before anything is imported that counts the cores or starts threads
    os.sched_setaffinity(0, map(int, sys.argv[2].split(",")))
    with Connection(int(sys.argv[1])) as pipe:
        try:
            serve(pipe)
        except EOFError:  # the race is over
            pass
        except ImportError as error:
            pipe.send(ImportError(str(error)))
        except Exception as error:
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
