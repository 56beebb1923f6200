# A run in C, and what C calls back while it is under way.
from math import prod

from .reference import activation as _activation, loss as _loss

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1


cdef double _FOREVER = float("inf")


cdef int _poll(void *context) noexcept with gil:
    """Called by a long C call now and then: has the user pressed Ctrl-C?"""
    cdef _Call call = <_Call>context
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        call.error = error
        return 1
    return 0


cdef int _custom(void *context, const dr_custom_call *call) noexcept with gil:
    """Called by a run for a node of kind "custom", or for a loss that is."""
    cdef _Call me = <_Call>context
    try:
        if call.node == len(me.plan.graph.nodes):
            me.compute_loss(call)
        else:
            me.compute(call)
    except BaseException as error:
        me.error = error
        return 1
    return 0


cdef class Plan  # below


@cython.no_gc_clear  # the run goes back to its plan, which must not be cleared away before
cdef class _Call:
    """A run in C with the arrays that it reads."""
    cdef dr_run *run
    cdef Plan plan
    cdef object error
    cdef bint labels      # the targets are
    cdef tuple buffers
    cdef dict kept        # by the number of a custom node: what its forward wants its backward to know

    def __dealloc__(self):
        dr_run_leave(self.run)

    cdef int start(self, size_t batch, sums) except -1:
        """With a batch, and sums over what was before it."""
        cdef dr_position position
        position.batch = position.finite = batch
        position.loss_sum, position.weight_sum, position.hit_sum = sums
        dr_run_set_position(self.run, position)
        return 0

    cdef int advance(self, double budget) except -1:
        cdef dr_status status
        cdef void *me = <void *>self
        with nogil:
            status = dr_plan_run(self.run, budget, _poll, me)
        return self.check(status)

    cdef int check(self, dr_status status) except -1:
        if status == DR_ABORTED:
            error, self.error = self.error, None
            raise error
        return _raise(status)

    cdef int compute(self, const dr_custom_call *call) except -1:
        """A custom node, forward or backward: everything goes through copies that C makes."""
        graph = self.plan.graph
        node = graph.nodes[call.node]
        names = [part for part, _ in node.custom.parameters]
        values = {part: self.plan.get(0, f"{node.name}.{part}") for part in names}
        given = np.empty((call.rows, graph.widths[node.target if call.backward else node.source]),
                         self.plan.dtype)
        cdef _Buffer b = _hold(given, self.plan.dtype, given.size, True)
        dr_custom_get(call, _at(b))
        if call.backward:
            result, gradients = node.custom.backward(given, self.kept.pop(call.node), values)
            for index, part in enumerate(names):
                b = _hold(gradients[part], self.plan.dtype, values[part].size)
                dr_custom_set_gradient(call, index, _at(b))
        else:
            result, kept = node.custom.forward(given, values, bool(call.training))
            if call.training:
                self.kept[call.node] = kept
        width = graph.widths[node.source if call.backward else node.target]
        b = _hold(result, self.plan.dtype, call.rows * width)
        dr_custom_set(call, _at(b))
        return 0

    cdef int compute_loss(self, const dr_custom_call *call) except -1:
        """The loss of each row, by the functions of the reference."""
        graph, dtype, n = self.plan.graph, self.plan.dtype, call.rows
        y = np.empty((n, self.plan.n_out), dtype)
        t = np.empty(n, "int64") if self.labels else np.empty((n, self.plan.n_out), dtype)
        w = np.ones(n, dtype)
        cdef _Buffer b = _hold(y, dtype, y.size, True)
        dr_custom_get(call, _at(b))
        b = _hold(t, "int64" if self.labels else dtype, t.size, True)
        cdef _Buffer wb = _hold(w, dtype, n, True), hb, db = None
        dr_custom_get_targets(call, _at(b), _at(wb))
        with _activation.quiet():
            lost = _loss.samples(graph.loss, y, t).astype(dtype)
            hits = _loss.hits(graph.accuracy, graph.loss, y, t).astype(dtype)
            if call.training:
                dy = _loss.backward(graph.loss, y, t, w.astype("float64"), call.total or None)
                db = _hold(dy, dtype, y.size)
        b, hb = _hold(lost, dtype, n), _hold(hits, dtype, n)
        dr_custom_set_loss(call, _at(b), _at(hb), _at(db))
        return 0
