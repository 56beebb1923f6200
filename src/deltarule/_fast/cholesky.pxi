def cholesky(str dtype, size_t n, a, b, r, x):
    """Factor r (n, n) of a (n, n), and x (n) with a x = b (n); r, or b and x, may be None. Returns
    whether a is positive definite: r and x are written only then."""
    cdef _Buffer ab = _hold(a, dtype, n * n)
    cdef _Buffer bb = None if b is None else _hold(b, dtype, n)
    cdef _Buffer rb = None if r is None else _hold(r, dtype, n * n, True)
    cdef _Buffer xb = None if b is None else _hold(x, dtype, n, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_status status
    cdef void *ap = _at(ab)
    cdef void *bp = _at(bb)
    cdef void *rp = _at(rb)
    cdef void *xp = _at(xb)
    with nogil:
        status = dr_cholesky(dt, n, ap, bp, rp, xp)
    if status == DR_INDEFINITE:
        return False
    _raise(status)
    return True
