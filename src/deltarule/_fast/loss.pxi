def loss_backward(str dtype, str loss, size_t n, size_t n_out, y, labels, dense, weight, dy):
    """Weighted mean loss; writes its gradient at y to dy unless that is None. Labels must have been
    checked to lie in 0 .. n_out - 1."""
    cdef _Buffer yb = _hold(y, dtype, n * n_out)
    cdef _Buffer lb = None if labels is None else _hold(labels, "int64", n)
    cdef _Buffer tb = None if dense is None else _hold(dense, dtype, n * n_out)
    cdef _Buffer wb = None if weight is None else _hold(weight, dtype, n)
    cdef _Buffer dyb = None if dy is None else _hold(dy, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_loss kind = <dr_loss><int>_LOSSES[loss]
    cdef dr_status status
    cdef double value = 0
    cdef void *yp = _at(yb)
    cdef void *lp = _at(lb)
    cdef void *tp = _at(tb)
    cdef void *wp = _at(wb)
    cdef void *dyp = _at(dyb)
    if lp == NULL and tp == NULL:
        raise ValueError("either labels or dense targets are needed")
    with nogil:
        status = dr_loss_backward(dt, kind, n, n_out, yp, <const int64_t *>lp, tp, wp, &value, dyp)
    _raise(status)
    return value
