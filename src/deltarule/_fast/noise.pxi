def noise_forward(str dtype, str noise, double amount, seed, layer, step, size_t row, size_t n,
                  size_t n_out, x, y):
    """y = x with noise; (n, n_out) each, rows row .. row + n - 1 of a batch."""
    cdef _Buffer xb = _hold(x, dtype, n * n_out), yb = _hold(y, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_noise kind = <dr_noise><int>_NOISES[noise]
    cdef dr_stream stream = _stream(seed, _check.PURPOSES["noise"], layer, step)
    cdef dr_status status
    cdef void *xp = _at(xb)
    cdef void *yp = _at(yb)
    with nogil:
        status = dr_noise_forward(dt, kind, amount, stream, row, n, n_out, xp, yp)
    _raise(status)


def noise_backward(str dtype, str noise, double amount, seed, layer, step, size_t row, size_t n,
                   size_t n_out, dy, dx):
    """dx = flush(dy * dy/dx) of noise_forward; (n, n_out) each."""
    cdef _Buffer dyb = _hold(dy, dtype, n * n_out), dxb = _hold(dx, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_noise kind = <dr_noise><int>_NOISES[noise]
    cdef dr_stream stream = _stream(seed, _check.PURPOSES["noise"], layer, step)
    cdef dr_status status
    cdef void *dyp = _at(dyb)
    cdef void *dxp = _at(dxb)
    with nogil:
        status = dr_noise_backward(dt, kind, amount, stream, row, n, n_out, dyp, dxp)
    _raise(status)
