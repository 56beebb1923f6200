def constrain(str dtype, str constraint, double limit, size_t n_in, size_t n_out, w):
    """Weights (n_in, n_out) in place."""
    cdef _Buffer wb = _hold(w, dtype, n_in * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_constraint kind = <dr_constraint><int>_CONSTRAINTS[constraint]
    cdef dr_status status
    cdef void *wp = _at(wb)
    with nogil:
        status = dr_constrain(dt, kind, limit, n_in, n_out, wp)
    _raise(status)
