def activation_forward(str dtype, str activation, double alpha, size_t n, size_t n_out, x, y):
    """y = activation(x); (n, n_out) each."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_activation act = <dr_activation><int>_ACTIVATIONS[activation]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_activation_forward(dt, act, alpha, n, n_out, xp, yp)
    _raise(status)


def activation_backward(str dtype, str activation, double alpha, size_t n, size_t n_out, x, y, dy,
                        dx):
    """dx = flush(dy * activation'(x)); (n, n_out) each."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out)
    cdef _Buffer dyb = _hold(dy, dtype, n * n_out), dxb = _hold(dx, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_activation act = <dr_activation><int>_ACTIVATIONS[activation]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *yp = _at(yb)
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    with nogil:
        status = dr_activation_backward(dt, act, alpha, n, n_out, xp, yp, dyp, dxp)
    _raise(status)


def elementary(str dtype, str function, x, y):
    """y = function(x), "log", "log1p" (0 <= x <= 1), "expm1" (x <= 0) or "erf": for tests."""
    cdef size_t n = x.size
    cdef _Buffer xb = _hold(x, dtype, n), yb = _hold(y, dtype, n, True)
    dr_elementary(<dr_dtype><int>_DTYPES[dtype], <dr_function><int>_FUNCTIONS[function], n, _at(xb),
                  _at(yb))
