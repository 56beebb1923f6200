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


# numpy's C interface to its generators (numpy/random/bitgen.h), what a "BitGenerator" capsule points to.
ctypedef struct _BitGenerator:
    void *state
    uint64_t (*next_uint64)(void *state) noexcept nogil
    uint32_t (*next_uint32)(void *state) noexcept nogil
    double (*next_double)(void *state) noexcept nogil
    uint64_t (*next_raw)(void *state) noexcept nogil


@cython.final
cdef class Shuffle:
    """Shuffles an order (int64, at most 2^32 rows) as a numpy RandomState does by its method `shuffle`,
    with the same numbers."""
    cdef object generator, lock
    cdef _BitGenerator *bits
    cdef _Buffer order
    cdef size_t n

    def __cinit__(self, order, random_state):
        generator = random_state._bit_generator
        self.n = len(order)
        if self.n > <size_t>1 << 32:
            raise ValueError(f"at most 2^32 rows can be shuffled, got {self.n}")
        self.order = _hold(order, "int64", self.n, True)
        self.generator, self.lock = generator, generator.lock  # which keeps `bits`
        self.bits = <_BitGenerator *>PyCapsule_GetPointer(generator.capsule, "BitGenerator")

    cpdef shuffle(self):
        """In place."""
        cdef int64_t *order = <int64_t *>_at(self.order)
        with self.lock:
            with nogil:
                _shuffle(self.bits, self.n, order)


cdef void _shuffle(_BitGenerator *bits, size_t n, int64_t *order) noexcept nogil:
    """Fisher and Yates, from the last element down: each draws until what a mask leaves of a number is no
    more than its index. Whether it is nobody can foresee, so nothing branches on that: what has been drawn
    in vain exchanges an element with itself."""
    cdef uint32_t drawn, mask = 1
    cdef size_t i, j
    cdef int64_t swap
    cdef bint good
    if n < 2:
        return
    while mask < n - 1:
        mask = mask << 1 | 1
    i = n - 1
    while i:
        drawn = bits.next_uint32(bits.state) & mask
        good = drawn <= i
        j = drawn if good else i
        swap = order[i]
        order[i] = order[j]
        order[j] = swap
        i -= good
        if i <= mask >> 1:
            mask >>= 1
