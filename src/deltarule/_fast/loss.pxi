cdef dict _LOSSES = {name: i for i, name in enumerate(losses.TABLE)}

for _cls in losses.TABLE.values():
    for _labels in (False, True):
        if _cls().takes(_labels) != dr_loss_takes(<dr_loss><int>_LOSSES[_cls.kind], _labels):
            raise ImportError(f"deltarule._fast and deltarule.losses differ on what {_cls.kind} "
                              "takes: rebuild")


cdef dr_loss_spec _loss_spec(loss) except *:
    """The loss as C takes it."""
    cdef dr_loss_spec spec
    cdef tuple parameters = loss.parameters
    cdef size_t i, n = len(parameters)
    if n > DR_LOSS_PARAMETERS:
        raise ValueError(f"{loss.kind} has {n} parameters, at most {DR_LOSS_PARAMETERS} are possible")
    spec.kind = <dr_loss><int>_LOSSES.get(loss.kind, 0)  # one that users have written has no kind here
    spec.value_over, spec.slope_over = loss.over
    spec.n_parameters = n
    for i in range(DR_LOSS_PARAMETERS):
        spec.parameters[i] = 0
    for i in range(n):
        spec.parameters[i] = parameters[i]
    return spec


def loss_backward(str dtype, loss, size_t n, size_t n_out, y, labels, dense, weight, dy):
    """Weighted mean loss; writes its gradient at y to dy unless that is None. Labels must have been
    checked to lie in 0 .. n_out - 1."""
    cdef _Buffer yb = _hold(y, dtype, n * n_out)
    cdef _Buffer lb = None if labels is None else _hold(labels, "int64", n)
    cdef _Buffer tb = None if dense is None else _hold(dense, dtype, n * n_out)
    cdef _Buffer wb = None if weight is None else _hold(weight, dtype, n)
    cdef _Buffer dyb = None if dy is None else _hold(dy, dtype, n * n_out, True)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef dr_loss_spec spec = _loss_spec(loss)
    cdef dr_status status
    cdef double value = 0
    cdef void *yp = _at(yb)
    cdef void *lp = _at(lb)
    cdef void *tp = _at(tb)
    cdef void *wp = _at(wb)
    cdef void *dyp = _at(dyb)
    if (lp == NULL) == (tp == NULL) or not loss.takes(lp != NULL):
        raise ValueError(f"{loss.kind} needs targets, either labels or dense ones, as it takes them")
    with nogil:
        status = dr_loss_backward(dt, &spec, n, n_out, yp, <const int64_t *>lp, tp, wp, &value, dyp)
    _raise(status)
    return value
