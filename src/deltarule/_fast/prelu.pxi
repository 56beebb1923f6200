def prelu_forward(str dtype, bint shared, size_t n, size_t n_out, x, slope, y):
    """y = prelu(x); (n, n_out) each, and one slope or n_out of them."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef _Buffer sb = _hold(slope, dtype, 1 if shared else n_out)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *sp = _at(sb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_prelu_forward(dt, shared, n, n_out, xp, sp, yp)
    _raise(status)


def prelu_backward(str dtype, bint shared, size_t n, size_t n_out, x, slope, dy, dx, dslope):
    """The error at x, and the gradient of the slope."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), dyb = _hold(dy, dtype, n * n_out)
    cdef _Buffer sb = _hold(slope, dtype, 1 if shared else n_out)
    cdef _Buffer dxb = _hold(dx, dtype, n * n_out, True)
    cdef _Buffer dsb = _hold(dslope, dtype, 1 if shared else n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *sp = _at(sb)
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    cdef void *dsp = _at(dsb)
    with nogil:
        status = dr_prelu_backward(dt, shared, n, n_out, xp, sp, dyp, dxp, dsp)
    _raise(status)
