def batch_norm_forward(str dtype, double eps, size_t n, size_t n_out, x, w, b, y, mean, var):
    """y (n, n_out) = x normalised by columns, times w, plus b ((n_out) each, or None); mean and var
    (n_out) are the batch's."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef _Buffer wb = None if w is None else _hold(w, dtype, n_out)
    cdef _Buffer bb = None if b is None else _hold(b, dtype, n_out)
    cdef _Buffer meanb = _hold(mean, dtype, n_out, True), varb = _hold(var, dtype, n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *bp = _at(bb)
    cdef void *yp = _at(yb)
    cdef void *meanp = _at(meanb)
    cdef void *varp = _at(varb)
    with nogil:
        status = dr_batch_norm_forward(dt, eps, n, n_out, xp, wp, bp, yp, meanp, varp)
    _raise(status)


def batch_norm_inference(str dtype, double eps, size_t n, size_t n_out, x, mean, var, w, b, y):
    """The same y with a mean and a variance (n_out) that are given."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef _Buffer meanb = _hold(mean, dtype, n_out), varb = _hold(var, dtype, n_out)
    cdef _Buffer wb = None if w is None else _hold(w, dtype, n_out)
    cdef _Buffer bb = None if b is None else _hold(b, dtype, n_out)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *meanp = _at(meanb)
    cdef void *varp = _at(varb)
    cdef void *wp = _at(wb)
    cdef void *bp = _at(bb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_batch_norm_inference(dt, eps, n, n_out, xp, meanp, varp, wp, bp, yp)
    _raise(status)


def batch_norm_backward(str dtype, double eps, size_t n, size_t n_out, x, w, dy, dx, dw, db):
    """Gradients of batch_norm_forward at dy (n, n_out); w (n_out) or None."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), dyb = _hold(dy, dtype, n * n_out)
    cdef _Buffer wb = None if w is None else _hold(w, dtype, n_out)
    cdef _Buffer dxb = _hold(dx, dtype, n * n_out, True)
    cdef _Buffer dwb = _hold(dw, dtype, n_out, True), dbb = _hold(db, dtype, n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *wp = _at(wb)
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    cdef void *dwp = _at(dwb)
    cdef void *dbp = _at(dbb)
    with nogil:
        status = dr_batch_norm_backward(dt, eps, n, n_out, xp, wp, dyp, dxp, dwp, dbp)
    _raise(status)


def batch_norm_running(str dtype, double momentum, size_t n, size_t n_out, mean, var, running_mean,
                       running_var):
    """Running mean and variance (n_out), in place, after a batch of n rows with mean and var."""
    cdef _Buffer meanb = _hold(mean, dtype, n_out), varb = _hold(var, dtype, n_out)
    cdef _Buffer rmb = _hold(running_mean, dtype, n_out, True)
    cdef _Buffer rvb = _hold(running_var, dtype, n_out, True)
    _raise(dr_batch_norm_running(<dr_dtype><int>_DTYPES[dtype], momentum, n, n_out, _at(meanb),
                                 _at(varb), _at(rmb), _at(rvb)))
