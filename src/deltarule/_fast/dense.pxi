def dense_forward(str dtype, str activation, double alpha, size_t n, size_t n_in, size_t n_out, x,
                  w, b, y):
    """y (n, n_out) = activation(x (n, n_in) w (n_in, n_out) + b (n_out) or None)."""
    cdef _Buffer xb = _hold(x, dtype, n * n_in), wb = _hold(w, dtype, n_in * n_out)
    cdef _Buffer bb = None if b is None else _hold(b, dtype, n_out)
    cdef _Buffer yb = _hold(y, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_activation act = <dr_activation><int>_ACTIVATIONS[activation]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *bp = _at(bb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_dense_forward(dt, act, alpha, n, n_in, n_out, xp, wp, bp, yp)
    _raise(status)


def dense_backward(str dtype, str activation, double alpha, size_t n, size_t n_in, size_t n_out, x,
                   w, z, y, dy, dx, dw, db):
    """Gradients of dense_forward at dy (n, n_out); z (n, n_out) is what the activation acts on, or
    None."""
    cdef _Buffer xb = _hold(x, dtype, n * n_in), wb = _hold(w, dtype, n_in * n_out)
    cdef _Buffer zb = None if z is None else _hold(z, dtype, n * n_out)
    cdef _Buffer yb = _hold(y, dtype, n * n_out), dyb = _hold(dy, dtype, n * n_out)
    cdef _Buffer dxb = _hold(dx, dtype, n * n_in, True)
    cdef _Buffer dwb = _hold(dw, dtype, n_in * n_out, True), dbb = _hold(db, dtype, n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_activation act = <dr_activation><int>_ACTIVATIONS[activation]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *zp = _at(zb)
    cdef void *yp = _at(yb)
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    cdef void *dwp = _at(dwb)
    cdef void *dbp = _at(dbb)
    if zp == NULL and dr_activation_needs_input(act):
        raise ValueError(f"{activation} needs z")
    with nogil:
        status = dr_dense_backward(dt, act, alpha, n, n_in, n_out, xp, wp, zp, yp, dyp, dxp, dwp,
                                   dbp)
    _raise(status)
