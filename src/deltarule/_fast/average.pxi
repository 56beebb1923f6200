def average_step(str dtype, double share, size_t n, w, average):
    """The average of weights in place; n elements."""
    cdef _Buffer wb = _hold(w, dtype, n), ab = _hold(average, dtype, n, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef void *wp = _at(wb)
    cdef void *ap = _at(ab)
    with nogil:
        dr_average_step(dt, share, n, wp, ap)


cdef dr_averaging _averaging(object average) except *:
    """A deltarule.averages.Average for C, or None."""
    cdef dr_averaging a
    a.on = average is not None
    a.every = average.updates if a.on else 0
    a.share = average.moving if a.on else 0.0
    return a
