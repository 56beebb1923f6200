cdef dr_stream _stream(object seed, int purpose, object layer, object step) except *:
    cdef dr_stream s
    s.seed = seed
    s.step = step
    s.layer = layer
    s.purpose = <dr_purpose>purpose
    return s


def random_bits(out, size_t n, seed, int purpose, layer, step):
    """Fills out (uint32) with words of the stream."""
    cdef dr_stream s = _stream(seed, purpose, layer, step)
    cdef _Buffer b = _hold(out, "uint32", n, True)
    cdef void *p = _at(b)
    with nogil:
        dr_random_bits(s, n, <uint32_t *>p)


def random_uniform(out, size_t n, seed, int purpose, layer, step):
    """Fills out (float64) with uniforms of [0, 1)."""
    cdef dr_stream s = _stream(seed, purpose, layer, step)
    cdef _Buffer b = _hold(out, "float64", n, True)
    cdef void *p = _at(b)
    with nogil:
        dr_random_uniform(s, n, <double *>p)


def random_normal(out, size_t n, seed, int purpose, layer, step):
    """Fills out (float64) with standard normals."""
    cdef dr_stream s = _stream(seed, purpose, layer, step)
    cdef _Buffer b = _hold(out, "float64", n, True)
    cdef void *p = _at(b)
    with nogil:
        dr_random_normal(s, n, <double *>p)


def random_permutation(out, size_t n, seed, int purpose, layer, step):
    """Fills out (int64) with a permutation of 0 .. n - 1."""
    cdef dr_stream s = _stream(seed, purpose, layer, step)
    cdef _Buffer b = _hold(out, "int64", n, True)
    cdef void *p = _at(b)
    with nogil:
        dr_random_permutation(s, n, <int64_t *>p)
