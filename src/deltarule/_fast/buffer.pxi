# Arrays as C pointers. Typed memoryviews cost most of a microsecond a call under the limited API;
# a plain PyObject_GetBuffer does not.
from cpython.buffer cimport (PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE,
                             PyBuffer_Release, PyObject_GetBuffer)

import sys

from . import _check, _check_sparse, _check_weights, _graph, losses

if (len(_check.ACTIVATIONS) != DR_N_ACTIVATIONS or len(losses.TABLE) != DR_N_LOSSES
        or len(_check.NOISES) != DR_N_NOISES or len(_check.ELEMENTS) != DR_N_ELEMENTS
        or len(_graph.KINDS) != DR_N_NODES
        or len(_check_weights.CONSTRAINTS) != DR_N_CONSTRAINTS
        or len(_check_weights.CLIPS) + 1 != DR_N_CLIPS):
    raise ImportError("deltarule._fast was built from other sources than deltarule._check: rebuild")

if _check.NEED_INPUT != {name for i, name in enumerate(_check.ACTIVATIONS)
                         if dr_activation_needs_input(<dr_activation><int>i)}:
    raise ImportError("deltarule._fast and deltarule._check differ on what needs its input: rebuild")

cdef dict _DTYPES = {"float32": <int>DR_F32, "float64": <int>DR_F64}
cdef dict _NODES = {name: i for i, name in enumerate(_graph.KINDS)}
cdef dict _ACTIVATIONS = {name: i for i, name in enumerate(_check.ACTIVATIONS)}
cdef dict _FUNCTIONS = {"log": <int>DR_LOG, "log1p": <int>DR_LOG1P, "expm1": <int>DR_EXPM1,
                        "erf": <int>DR_ERF}
cdef dict _NOISES = {name: i for i, name in enumerate(_check.NOISES)}
cdef dict _CONSTRAINTS = {name: i for i, name in enumerate(_check_weights.CONSTRAINTS)}
cdef dict _HITS = {"none": <int>DR_HIT_NONE, "argmax": <int>DR_HIT_ARGMAX,
                   "threshold": <int>DR_HIT_THRESHOLD}
cdef dict _FORMATS = {"float32": ("f",), "float64": ("d",), "int64": ("l", "q"), "uint32": ("I", "L")}
# By the format of a buffer, which is numpy's character of the dtype: number in C and size.
cdef dict _ELEMENTS = {t.char: (i, t.itemsize) for i, t in enumerate(_check.ELEMENTS)}
cdef dict _SIZES = {"float32": 4, "float64": 8, "int64": 8, "uint32": 4}


cdef class _Buffer:
    """A held buffer; released with the object."""
    cdef Py_buffer view
    cdef bint held

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


cdef char _NATIVE = ord("<" if sys.byteorder == "little" else ">")


cdef str _format(_Buffer b):
    """Without an order of bytes that is the native one, which numpy may name: '<f' is 'f'."""
    cdef const char *format = b.view.format
    if format == NULL:
        return "B"
    if format[0] == _NATIVE:
        format += 1
    return (<bytes>format).decode("ascii")


cdef _Buffer _hold(object array, str dtype, size_t count, bint writable=False):
    """The buffer of a C-contiguous array of `count` elements of `dtype`."""
    cdef _Buffer b = _Buffer()
    cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
    if writable:
        flags |= PyBUF_WRITABLE
    PyObject_GetBuffer(array, &b.view, flags)
    b.held = True
    cdef str format = _format(b)
    if (format not in _FORMATS[dtype] or b.view.itemsize != <Py_ssize_t>_SIZES[dtype]
            or <size_t>b.view.len != count * <size_t>b.view.itemsize):
        raise ValueError(f"expected {count} contiguous elements of {dtype}, got {b.view.len} bytes "
                         f"of format {format!r}")
    return b


cdef _Buffer _hold_rows(object array, size_t columns, dr_input *rows):
    """The buffer of an (n, columns) array of an element type that the core converts. The elements of
    a row follow each other, rows may be any distance apart; all lie where their type may lie."""
    cdef _Buffer b = _Buffer()
    PyObject_GetBuffer(array, &b.view, PyBUF_STRIDES | PyBUF_FORMAT)
    b.held = True
    cdef str format = _format(b)
    cdef int element
    cdef Py_ssize_t size
    if b.view.ndim == 2 and <size_t>b.view.shape[1] == columns and format in _ELEMENTS:
        element, size = _ELEMENTS[format]
        rows.element, rows.data = <dr_element>element, b.view.buf
        rows.stride = b.view.strides[0] if b.view.shape[0] > 1 else 0
        if (b.view.itemsize == size and (columns == 1 or b.view.strides[1] == size)
                and (<size_t>rows.data | <size_t>rows.stride) % <size_t>size == 0):
            return b
    raise ValueError(f"expected rows of {columns} contiguous float32, float64 or uint8, got "
                     f"{b.view.ndim} dimensions, {b.view.len} bytes of format {format!r}")


cdef _Buffer _hold_one_of(object array, tuple formats, size_t at_least):
    """The buffer of a contiguous array of one of these formats."""
    cdef _Buffer b = _Buffer()
    PyObject_GetBuffer(array, &b.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    b.held = True
    if _format(b) in formats and b.view.len // b.view.itemsize >= <Py_ssize_t>at_least:
        return b
    raise ValueError(f"expected at least {at_least} contiguous elements of format {formats}, got "
                     f"{b.view.len} bytes of format {_format(b)!r}")


cdef _Buffer _plain(object array, int ndim):
    """The buffer of a contiguous array of float32 or float64; None: it is something else."""
    cdef _Buffer b = _Buffer()
    try:
        PyObject_GetBuffer(array, &b.view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    except (BufferError, TypeError, ValueError):
        return None
    b.held = True
    cdef const char *format = b.view.format
    cdef bint real = format != NULL and (format[0] == c"f" or format[0] == c"d") and format[1] == 0
    return b if real and b.view.ndim == ndim else None


cdef tuple _hold_sparse(object rows, size_t columns, dr_input *x, dr_sparse *sparse):
    """The buffers of sparse rows. What columns are in `indices` is looked at where they are used."""
    cdef size_t i, n = len(rows)
    cdef _Buffer starts = _hold(rows.indptr, "int64", n + 1)
    cdef const int64_t *at = <const int64_t *>_at(starts)
    cdef bint falls = at[0] < 0
    for i in range(n):
        falls |= at[i + 1] < at[i]
    if falls or rows.columns != columns:
        raise ValueError(f"expected sparse rows of {columns} columns, got {rows.shape}")
    cdef _Buffer indices = _hold_one_of(rows.indices, ("i", "l", "q"), at[n])
    cdef _Buffer data = _hold_one_of(rows.data, tuple(_ELEMENTS), at[n])
    x.element, x.data, x.stride = <dr_element><int>_ELEMENTS[_format(data)][0], _at(data), 0
    sparse.starts, sparse.columns, sparse.wide = at, _at(indices), indices.view.itemsize == 8
    return starts, indices, data


cdef void *_alloc(size_t count, size_t size) except NULL:
    """For dr_free, which takes NULL, too."""
    cdef void *p = dr_alloc(count, size)
    if p == NULL:
        _raise(DR_NO_MEMORY)
    return p


cdef inline void *_at(_Buffer b):
    return b.view.buf if b is not None else NULL


cdef int _raise(dr_status status) except -1:
    if status == DR_NO_MEMORY:
        raise MemoryError("deltarule could not allocate memory")
    if status == DR_WRONG_TEAM:
        raise RuntimeError(
            f"exactly {dr_threads_limit()} threads were asked for and OpenMP did not give them "
            "(OMP_THREAD_LIMIT, OMP_DYNAMIC or a call from inside a parallel region)")
    return 0
