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


cdef enum:
    _MOST_LAYERS = 16


def dense_rows(x, weights, biases, activations):
    """Dense layers, one after the other, on the rows of x (n, n_in), of which there should be few, with
    the weights where they lie: y (n, n_out) like x. None unless all are plain arrays of one dtype whose
    shapes fit, and x is finite."""
    cdef size_t widths[_MOST_LAYERS + 1]
    cdef const void *w[_MOST_LAYERS]
    cdef const void *b[_MOST_LAYERS]
    cdef dr_activation acts[_MOST_LAYERS]
    cdef size_t i, n, n_layers = len(weights)
    cdef _Buffer xb = _plain(x, 2), wb, bb, yb
    cdef dr_input rows
    cdef dr_dtype dt
    cdef dr_status status
    cdef list held = []
    cdef const void *xp
    cdef void *yp
    if xb is None or not 0 < n_layers <= _MOST_LAYERS or len(biases) != n_layers:
        return None
    n, widths[0] = xb.view.shape[0], xb.view.shape[1]
    dt = DR_F32 if xb.view.itemsize == 4 else DR_F64
    rows.element = <dr_element><int>dt  # which begin alike
    rows.data, rows.stride = xb.view.buf, xb.view.strides[0]
    if dr_first_nonfinite(dt, n, widths[0], rows) < n * widths[0]:
        return None
    for i in range(n_layers):
        wb, bb = _plain(weights[i], 2), _plain(biases[i], 1)
        if (wb is None or bb is None or wb.view.format[0] != xb.view.format[0]
                or bb.view.format[0] != xb.view.format[0] or <size_t>wb.view.shape[0] != widths[i]
                or wb.view.shape[1] != bb.view.shape[0] or wb.view.shape[1] == 0):
            return None
        widths[i + 1] = wb.view.shape[1]
        w[i], b[i] = wb.view.buf, bb.view.buf
        acts[i] = <dr_activation><int>_ACTIVATIONS[activations[i]]
        held.append((wb, bb))
    y = np.empty((n, widths[n_layers]), x.dtype)
    yb = _plain(y, 2)
    xp, yp = _at(xb), _at(yb)
    with nogil:
        status = dr_dense_rows(dt, n, n_layers, widths, xp, w, b, acts, yp)
    _raise(status)
    return y
