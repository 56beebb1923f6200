def layer_norm_forward(str dtype, bint centred, double eps, size_t n, size_t n_out, x, w, b, y):
    """y (n, n_out) = x normalised by rows, times w, plus b ((n_out) each, or None); centred: with the
    mean taken out, which rms_norm does not do."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef _Buffer wb = None if w is None else _hold(w, dtype, n_out)
    cdef _Buffer bb = None if b is None else _hold(b, dtype, n_out)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *bp = _at(bb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_layer_norm_forward(dt, centred, eps, n, n_out, xp, wp, bp, yp)
    _raise(status)


def layer_norm_backward(str dtype, bint centred, double eps, size_t n, size_t n_out, x, w, dy, dx,
                        dw, db):
    """Gradients of layer_norm_forward at dy (n, n_out); w (n_out) or None, db (n_out) or None."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), dyb = _hold(dy, dtype, n * n_out)
    cdef _Buffer wb = None if w is None else _hold(w, dtype, n_out)
    cdef _Buffer dxb = _hold(dx, dtype, n * n_out, True)
    cdef _Buffer dwb = _hold(dw, dtype, n_out, True)
    cdef _Buffer dbb = None if db is None else _hold(db, dtype, n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    cdef void *dwp = _at(dwb)
    cdef void *dbp = _at(dbb)
    with nogil:
        status = dr_layer_norm_backward(dt, centred, eps, n, n_out, xp, wp, dyp, dxp, dwp, dbp)
    _raise(status)
