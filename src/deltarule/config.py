"""What runs: instruction set and threads, how to choose them, and what a bug report needs."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _check, _fast


def set_isa(name: str) -> None:
    """Selects the instruction set: "avx512", "avx2", "neon" or "generic"; config() has the list.

    It holds from the next call on, for every network. The same can be done at import with the
    environment variable DELTARULE_ISA. Raises ValueError for a name that is unknown, not compiled
    in, or not had by this processor.
    """
    names = _fast.isa_names()
    isa = names.index(_check.choice("isa", name, names))
    if not _fast.isa_supported(isa):
        had = ", ".join(n for i, n in enumerate(names) if _fast.isa_supported(i))
        raise ValueError(f"isa {name!r} is not supported by this processor; it has: {had}")
    _fast.isa_select(isa)


def get_isa() -> str:
    """The instruction set in force."""
    return _fast.isa_names()[_fast.isa_current()]


def set_num_threads(n: int | None, *, exact: bool = False) -> None:
    """Lets every call use up to n threads; None goes back to the automatic limit.

    Small work uses fewer: threads are started where they pay. With exact=True just n threads run,
    whatever the work and however many cores there are (for tests: results do not depend on it).
    The environment variables DELTARULE_NUM_THREADS and DELTARULE_EXACT_THREADS=1 do the same at
    import. Raises ValueError where n < 1, or where exact asks for several threads of a build
    without OpenMP.
    """
    number = 0 if n is None else _check.integer("n", n, 1, 1 << 16)
    if _check.boolean("exact", exact) and n is None:
        raise ValueError("exact=True needs a number of threads, got n=None")
    if exact and number > 1 and not _fast.has_openmp():
        raise ValueError(f"exactly {number} threads need OpenMP, without which this was built")
    _fast.threads_set(number, exact)


@contextmanager
def using_threads(n: int | None) -> Iterator[None]:
    """Inside, every call of this process uses up to n threads; None: as many as before."""
    before = _fast.threads_wanted()
    if n is not None:
        _fast.threads_set(int(n), before[1])
    try:
        yield
    finally:
        if n is not None:
            _fast.threads_set(*before)


def get_num_threads() -> int:
    """How many threads a call may use now: set_num_threads, or the smallest of OMP_NUM_THREADS (as
    threadpoolctl may have changed it) and the cores that this process may run on."""
    return _fast.threads_limit()


def config() -> dict[str, Any]:
    """Versions, instruction sets and threads, as a bug report needs them.

    "same_bits" says whether the instruction set in force keeps the promise of the same bits, for
    which it must have FMA.
    """
    from . import __version__

    names = _fast.isa_names()
    return {
        "deltarule": __version__,
        "isa": get_isa(),
        "isas": {name: _fast.isa_supported(i) for i, name in enumerate(names)},
        "same_bits": _fast.isa_keeps_bits(_fast.isa_current()),
        "openmp": _fast.has_openmp(),
        "threads": get_num_threads(),
        "exact_threads": _fast.threads_exact(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "build": _fast.__file__,
        "executable": sys.executable,
    }


def _from_environment() -> None:
    """Honours DELTARULE_ISA, DELTARULE_NUM_THREADS and DELTARULE_EXACT_THREADS, or raises."""
    variable = "DELTARULE_ISA"
    try:
        if name := os.environ.get(variable):
            set_isa(name)
        variable = "DELTARULE_NUM_THREADS"
        number = os.environ.get(variable)
        exact = os.environ.get("DELTARULE_EXACT_THREADS", "0")
        if exact not in ("0", "1"):
            variable = "DELTARULE_EXACT_THREADS"
            raise ValueError(f"expected 0 or 1, got {exact!r}")
        if exact == "1" and not number:
            variable = "DELTARULE_EXACT_THREADS"
            raise ValueError("expected DELTARULE_NUM_THREADS to be set as well")
        if number:
            set_num_threads(int(number), exact=exact == "1")
    except ValueError as error:
        raise ImportError(f"environment variable {variable}: {error}", name=__package__) from None


_from_environment()
_fast.watch_forks()
