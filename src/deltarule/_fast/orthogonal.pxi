def orthogonal(v, q, size_t rows, size_t cols):
    """q (rows, cols), orthonormal columns, from normal numbers v (cols, rows), which are lost."""
    cdef _Buffer vb = _hold(v, "float64", rows * cols, True)
    cdef _Buffer qb = _hold(q, "float64", rows * cols, True)
    cdef dr_status status
    cdef void *vp = _at(vb)
    cdef void *qp = _at(qb)
    if cols > rows:
        raise ValueError(f"{cols} columns of {rows} rows cannot be orthogonal")
    with nogil:
        status = dr_orthogonal(rows, cols, <double *>vp, <double *>qp)
    _raise(status)
