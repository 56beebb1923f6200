# Instruction sets, threads, counters: what config.py builds on.


def isa_names():
    """Instruction sets compiled in, best first."""
    return tuple(dr_isa_name(i).decode("ascii") for i in range(dr_isa_count()))


def isa_supported(int isa):
    """Whether this processor and its operating system have it."""
    return bool(dr_isa_supported(isa))


def isa_keeps_bits(int isa):
    """Whether it has FMA, which the promise of the same bits rests on."""
    return bool(dr_isa_keeps_bits(isa))


def isa_current():
    """Index of the instruction set in force."""
    return dr_isa_current()


def isa_select(int isa):
    """Selects an instruction set by index from the next call on."""
    dr_isa_select(_available(isa))


cdef int _available(int isa) except -1:
    if not 0 <= isa < dr_isa_count() or not dr_isa_supported(isa):
        raise ValueError(f"instruction set {isa} is not available")
    return isa


def peak(str dtype, double seconds, isa=None):
    """FLOP/s of one thread that does nothing but FMAs: the best of short windows. isa: an index,
    None for the one in force."""
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef int which = dr_isa_current() if isa is None else _available(isa)
    cdef double rate
    with nogil:
        rate = dr_peak(which, dt, seconds)
    return rate


def first_nonfinite(str dtype, x):
    """The flat index of the first number of (n, columns) rows that is nan or inf or becomes so in dtype."""
    cdef dr_input rows
    cdef size_t n = x.shape[0], columns = x.shape[1]
    cdef _Buffer b = _hold_rows(x, columns, &rows)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef size_t first
    with nogil:
        first = dr_first_nonfinite(dt, n, columns, rows)
    return first if first < n * columns else None


def has_openmp():
    """Whether the extension was built with OpenMP."""
    return bool(dr_has_openmp())


def threads_limit():
    """How many threads a call may use now."""
    return dr_threads_limit()


def threads_wanted():
    """What threads_set was given last."""
    return dr_threads_wanted(), bool(dr_threads_exact())


def threads_set(int n, bint exact):
    """Limits calls to n threads (0: automatic); exact: use just n, whatever the work."""
    dr_threads_set(n, exact)


def threads_alone(bint on):
    """Whether calls by this Python thread run on it alone, whatever the work and the settings."""
    dr_threads_alone(on)


def threads_exact():
    """Whether exactly the number of threads that was set is used."""
    return bool(dr_threads_exact())


def last_team():
    """Team size of this thread's last call."""
    return dr_threads_last_team()


def watch_forks():
    """From here on a forked child can use threads; to be called once."""
    dr_threads_watch_forks()


def allocations():
    """Allocations that the C core has been asked for so far."""
    return dr_allocations()


def allocations_alive():
    """Those of them that have not been freed."""
    return dr_allocations_alive()


def allocations_fail(uint64_t after, uint32_t count):
    """For tests: of those to come, `after` go well and `count` then fail as if memory were short."""
    dr_allocations_fail(after, count)
