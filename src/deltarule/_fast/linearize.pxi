# Rows of the Jacobian that are computed and multiplied together: enough for the product to be worth its
# beginning, few enough to stay in the second-level cache while they are many columns.
cdef size_t _JACOBIAN_ROWS = 256


cdef class Linearization:
    """Least squares near the present parameters; see deltarule.reference.linearize."""
    cdef _Call call
    cdef size_t size

    def __cinit__(self, Plan plan, x, t, w):
        if not dr_plan_linearizes(plan.plan, plan.size):
            raise ValueError("only mse of nodes that have a Jacobian is linearised")
        self.size = plan.size
        self.call = plan._open(DR_LINEARIZE, x, t, w, None,
                               max(1, _JACOBIAN_ROWS // plan.n_out), NULL)

    def compute(self):
        cdef dr_position start
        start.batch = start.finite = 0
        start.loss_sum = start.weight_sum = start.hit_sum = 0
        dr_run_set_position(self.call.run, start)
        self.call.advance(_FOREVER)
        return _sums(dr_run_position(self.call.run))

    cdef tuple _read(self):
        gradient, diagonal = np.empty(self.size), np.empty(self.size)
        cdef _Buffer g = _hold(gradient, "float64", self.size, True)
        cdef _Buffer d = _hold(diagonal, "float64", self.size, True)
        dr_run_linear(self.call.run, <double *>_at(g), <double *>_at(d))
        return gradient, diagonal

    @property
    def gradient(self):
        return self._read()[0]

    @property
    def diagonal(self):
        return self._read()[1]

    def solve(self, added, right):
        cdef dr_status status
        cdef dr_run *run = self.call.run
        x = np.empty(self.size)
        cdef _Buffer ab = _hold(added, "float64", self.size)
        cdef _Buffer rb = _hold(right, "float64", self.size)
        cdef _Buffer xb = _hold(x, "float64", self.size, True)
        cdef const double *ap = <const double *>_at(ab)
        cdef const double *rp = <const double *>_at(rb)
        cdef double *xp = <double *>_at(xb)
        cdef void *me = <void *>self.call
        with nogil:
            status = dr_run_solve(run, ap, rp, _poll, me, xp)
        if status == DR_INDEFINITE:
            return None
        self.call.check(status)
        return x
