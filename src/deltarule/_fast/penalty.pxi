def penalty_forward(str dtype, double l1, double l2, size_t n_in, size_t n_out, w):
    """What weights (n_in, n_out) cost."""
    cdef _Buffer wb = _hold(w, dtype, n_in * n_out)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_penalty penalty
    cdef dr_status status
    cdef double value = 0
    cdef void *wp = _at(wb)
    penalty.l1, penalty.l2 = l1, l2
    with nogil:
        status = dr_penalty_forward(dt, penalty, n_in, n_out, wp, &value)
    _raise(status)
    return value


def penalty_backward(str dtype, double l1, double l2, size_t n, w, g):
    """Adds the gradient of the penalty to g, in place; n elements."""
    cdef _Buffer wb = _hold(w, dtype, n), gb = _hold(g, dtype, n, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_penalty penalty
    cdef void *wp = _at(wb)
    cdef void *gp = _at(gb)
    penalty.l1, penalty.l2 = l1, l2
    with nogil:
        dr_penalty_backward(dt, penalty, n, wp, gp)
