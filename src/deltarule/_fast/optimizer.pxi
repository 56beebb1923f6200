from . import optimizers

if list(optimizers.RULES.values()) != [
        dr_rule_states(<dr_rule><int>i) for i in range(<int>DR_N_RULES)]:
    raise ImportError("deltarule._fast was built from other sources than deltarule.optimizers: rebuild")

cdef dict _RULES = {name: i for i, name in enumerate(optimizers.RULES)}


cdef dr_optimizer _optimizer(object given) except *:
    """A deltarule.optimizers.Optimizer for C."""
    cdef dr_optimizer o
    cdef int i
    cdef tuple numbers = given.numbers
    if len(numbers) > DR_MAX_NUMBERS:
        raise ValueError(f"an optimizer has at most {DR_MAX_NUMBERS} numbers, got {len(numbers)}")
    o.rule = <dr_rule><int>_RULES[given.rule]
    o.decoupled = given.decoupled_weight_decay
    o.learning_rate, o.weight_decay = given.learning_rate, given.weight_decay
    for i in range(DR_MAX_NUMBERS):
        o.numbers[i] = numbers[i] if i < len(numbers) else 0.0
    o.clip = _clip(given.clip)
    return o


def optimizer_step(str dtype, optimizer, uint64_t step, tuple shape, g, tuple arrays):
    """One update of w and its state, the `arrays`, in place; all of a shape."""
    cdef size_t n = prod(shape)
    cdef dr_shape size = _array_shape(shape)
    cdef dr_status status
    cdef dr_optimizer o = _optimizer(optimizer)
    cdef dr_dtype dt = <dr_dtype><int>_DTYPES[dtype]
    cdef _Buffer gb = _hold(g, dtype, n)
    cdef void *at[1 + DR_MAX_STATES]
    cdef void *gp = _at(gb)
    cdef int i
    if len(arrays) != 1 + dr_rule_states(o.rule):
        raise ValueError(f"expected {1 + dr_rule_states(o.rule)} arrays, got {len(arrays)}")
    held = [_hold(array, dtype, n, True) for array in arrays]
    for i in range(len(arrays)):
        at[i] = _at(held[i])
    with nogil:
        status = dr_optimizer_step(dt, &o, step, size, gp, at)
    _raise(status)
