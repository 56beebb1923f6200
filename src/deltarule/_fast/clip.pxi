cdef dict _CLIPS = {name: i for i, name in enumerate(_check_weights.CLIPS, start=1)}


cdef dr_shape _array_shape(tuple shape):
    """A matrix, or anything else as a vector."""
    cdef dr_shape size
    size.rows, size.cols = shape if len(shape) == 2 and prod(shape) else (0, prod(shape))
    return size


cdef dr_clip _clip(dict given):
    """{one of _check_weights.CLIPS: limit}, or {} for none."""
    cdef dr_clip clip
    clip.kind, clip.limit = DR_CLIP_NONE, 0.0
    for name, limit in given.items():
        clip.kind, clip.limit = <dr_clip_kind><int>_CLIPS[name], limit
    return clip


def clip_gradients(str dtype, dict given, list shapes, *gradients):
    """Gradients in place, (n,) or (n_in, n_out) each; something is given."""
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_clip clip = _clip(given)
    cdef size_t n = len(shapes), i
    cdef dr_status status
    cdef list held = [_hold(g, dtype, prod(shape), True)
                      for g, shape in zip(gradients, shapes, strict=True)]
    cdef dr_shape *sizes = NULL
    cdef void **at = NULL
    try:
        sizes = <dr_shape *>_alloc(n, sizeof(dr_shape))
        at = <void **>_alloc(n, sizeof(void *))
        for i, shape in enumerate(shapes):
            at[i] = _at(held[i])
            sizes[i] = _array_shape(shape)
        with nogil:
            status = dr_clip_gradients(dt, clip, n, sizes, at)
        _raise(status)
    finally:
        dr_free(sizes)
        dr_free(at)
