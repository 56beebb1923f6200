def optimizer_step(str dtype, str optimizer, tuple hyper, uint64_t step, size_t n, g, w, state0,
                   state1):
    """One update of w and its state (None where the optimizer has less), in place; n elements."""
    cdef dr_optimizer kind = <dr_optimizer><int>_OPTIMIZERS[optimizer]
    cdef _Buffer gb = _hold(g, dtype, n), wb = _hold(w, dtype, n, True)
    cdef _Buffer b0 = _hold(state0, dtype, n, True)
    cdef _Buffer b1 = _hold(state1, dtype, n, True) if dr_optimizer_states(kind) > 1 else None
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef double h[4]
    cdef void *gp = _at(gb)
    cdef void *wp = _at(wb)
    cdef void *p0 = _at(b0)
    cdef void *p1 = _at(b1)
    h[0], h[1], h[2], h[3] = hyper
    with nogil:
        dr_optimizer_step(dt, kind, h, step, n, gp, wp, p0, p1)
