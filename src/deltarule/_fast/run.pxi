# An epoch of a plan under way, and what the end of a run says.


cdef class Run:
    """One epoch under way, standing between two batches."""
    cdef _Call call
    cdef list ties

    def advance(self, double budget):
        self.call.advance(budget)
        return bool(dr_run_finished(self.call.run))

    cpdef rewind(self):
        """To where it began, for another epoch over its arrays, with what they hold by then."""
        cdef dr_position start
        start.batch = start.finite = 0
        start.loss_sum = start.weight_sum = start.hit_sum = 0
        dr_run_set_position(self.call.run, start)

    def epochs(self, size_t most, Shuffle shuffle, list sums):
        """Whole epochs from where it began, each behind a shuffle of the order that it reads, unless that is
        None. Appends the loss sum of each as it ends: those before an error are there."""
        cdef size_t i
        for i in range(most):
            PyErr_CheckSignals()  # a short run does not poll
            if shuffle is not None:
                shuffle.shuffle()
            self.rewind()
            self.call.advance(_FOREVER)
            sums.append(dr_run_position(self.call.run).loss_sum)

    @property
    def batch(self):
        return dr_run_position(self.call.run).batch

    @property
    def n_batches(self):
        return dr_run_n_batches(self.call.run)

    @property
    def finite(self):
        return dr_run_position(self.call.run).finite

    @property
    def lost_in(self):
        cdef size_t buffer = dr_run_lost_in(self.call.run)
        return buffer if buffer < <size_t>len(self.call.plan.graph.widths) else None

    @property
    def sums(self):
        return _sums(dr_run_position(self.call.run))


cdef int _check_below(const int64_t *indices, size_t n, size_t end, str name) except -1:
    """Before every run: what C trusts. A negative index is huge when unsigned."""
    cdef size_t i, outside = 0
    for i in range(n):
        outside += <uint64_t>indices[i] >= end
    if outside:
        raise ValueError(f"{name} must lie in 0 .. {end - 1}")
    return 0


cdef tuple _sums(dr_position p):
    return p.loss_sum, p.weight_sum, p.hit_sum


cdef double _mean(dr_position p):
    return p.loss_sum / p.weight_sum if p.weight_sum > 0 else 0.0
