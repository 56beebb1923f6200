# A compiled network. The same interface as reference/plan.py, which says what each method does.
from dataclasses import replace


cdef class Plan:
    """A network compiled for the C core; see deltarule.reference.plan.Plan for the interface."""
    cdef dr_plan *plan
    cdef readonly object graph
    cdef readonly int n_slots
    cdef str dtype
    cdef size_t n_in, n_out
    cdef list learnt
    cdef list pieces      # of the vector of what is learnt: (node, index in it, bytes)
    cdef size_t size      # of that vector
    cdef dict shapes      # parameter name -> (node, index in it, shape)

    def __cinit__(self, graph):
        cdef dr_graph g
        cdef dr_node_spec *nodes = NULL
        cdef size_t *widths = NULL
        cdef size_t *sources = NULL
        cdef dr_shape *shapes = NULL
        cdef size_t n_buffers = len(graph.widths), n_nodes = len(graph.nodes), wire = 0
        cdef size_t n_wires = sum(len(node.sources) for node in graph.nodes)
        cdef size_t n_shapes = sum(len(node.custom.parameters) for node in graph.nodes if node.custom)
        cdef size_t parameter = 0
        cdef dr_status status
        self.graph = graph
        self.dtype = graph.dtype
        self.n_in, self.n_out = graph.widths[0], graph.widths[-1]
        self.shapes = {name: (node, index, shape)
                       for name, node, index, shape in graph.parameters()}
        self.learnt = graph.learnt()
        self.pieces, self.size = [], 0
        for name in self.learnt:
            node, index, shape = self.shapes[name]
            self.pieces.append((node, index, prod(shape) * <size_t>_SIZES[self.dtype]))
            self.size += prod(shape)
        try:
            nodes = <dr_node_spec *>_alloc(n_nodes, sizeof(dr_node_spec))
            widths = <size_t *>_alloc(n_buffers, sizeof(size_t))
            sources = <size_t *>_alloc(n_wires, sizeof(size_t))
            shapes = <dr_shape *>_alloc(n_shapes, sizeof(dr_shape))
            for i, width in enumerate(graph.widths):
                widths[i] = width
            for i, node in enumerate(graph.nodes):
                nodes[i].kind = <dr_node_kind><int>_NODES[node.kind]
                nodes[i].n_sources = len(node.sources)
                nodes[i].sources = sources + wire
                nodes[i].target = node.target
                for source in node.sources:
                    if not (0 <= source < node.target < n_buffers):
                        raise ValueError(f"node {node.name} reads buffer {source} and writes "
                                         f"buffer {node.target} of {n_buffers}")
                    sources[wire] = source
                    wire += 1
                nodes[i].activation = <dr_activation><int>_ACTIVATIONS[node.activation]
                nodes[i].alpha = node.alpha
                nodes[i].eps, nodes[i].momentum = node.eps, node.momentum
                nodes[i].weight, nodes[i].bias = node.weight, node.bias
                nodes[i].trainable = node.trainable
                nodes[i].learning_rate_factor = node.learning_rate_factor
                nodes[i].noise = <dr_noise><int>_NOISES[node.noise]
                nodes[i].amount = node.amount
                nodes[i].shared = node.shared
                nodes[i].constrained = node.constraint is not None
                if node.constraint is not None:
                    nodes[i].constraint = <dr_constraint><int>_CONSTRAINTS[node.constraint]
                nodes[i].limit = node.limit
                nodes[i].penalty.l1, nodes[i].penalty.l2 = node.l1, node.l2
                nodes[i].parameters = shapes + parameter
                nodes[i].n_parameters = 0
                if node.custom is None:
                    continue
                for _, shape in node.custom.parameters:
                    shapes[parameter].rows, shapes[parameter].cols = (0, *shape)[-2:]
                    nodes[i].n_parameters += 1
                    parameter += 1
            g.dtype = <dr_dtype><int>_DTYPES[graph.dtype]
            g.n_buffers, g.n_nodes = n_buffers, n_nodes
            g.widths, g.nodes = widths, nodes
            g.loss = _loss_spec(graph.loss)
            g.logits = graph.loss.logits
            g.optimizer = _optimizer(graph.optimizer)
            g.averaging = _averaging(graph.optimizer.averaging)
            g.hit = <dr_hit><int>_HITS[graph.accuracy]
            g.seed = graph.seed
            g.by_batch = graph.by_batch
            g.custom_loss = isinstance(graph.loss, losses.CustomLoss)
            g.custom = _custom
            self.n_slots = 1 + dr_rule_states(g.optimizer.rule) + g.averaging.on
            with nogil:
                status = dr_plan_create(&g, &self.plan)
            _raise(status)
        finally:
            dr_free(nodes)
            dr_free(widths)
            dr_free(sources)
            dr_free(shapes)

    def __dealloc__(self):
        dr_plan_destroy(self.plan)

    @property
    def step(self):
        return dr_plan_step(self.plan)

    @step.setter
    def step(self, uint64_t step):
        dr_plan_set_step(self.plan, step)

    @property
    def averaged(self):
        return dr_plan_averaged(self.plan)

    @averaged.setter
    def averaged(self, uint64_t averaged):
        dr_plan_set_averaged(self.plan, averaged)

    def of_average(self):
        if not self.graph.optimizer.averaging:
            raise ValueError("there is no average of weights")
        cdef Plan other = Plan(replace(self.graph, optimizer=optimizers.SGD()))
        with nogil:
            dr_plan_take_average(other.plan, self.plan)
        return other

    def set_fused(self, bint fused):
        """Whether updates happen inside the weight-gradient product; the same bits either way."""
        dr_plan_set_fused(self.plan, fused)

    def restart_ledger(self):
        dr_plan_restart_ledger(self.plan)

    def ledger(self):
        cdef dr_performance p = dr_plan_performance(self.plan)
        return ({"steps": p.steps, "rows": p.rows, "threads": p.threads},
                {"products": p.spent[<int>DR_PRODUCTS],
                 "activations": p.spent[<int>DR_ACTIVATIONS],
                 "optimizer": p.spent[<int>DR_UPDATES],
                 "data": p.spent[<int>DR_DATA],
                 "waiting": p.spent[<int>DR_WAITING]})

    def get(self, int slot, str name):
        node, index, shape = self._parameter(slot, name)
        array = np.empty(shape, self.dtype)
        cdef _Buffer b = _hold(array, self.dtype, array.size, True)
        dr_plan_get(self.plan, node, index, slot, _at(b))
        return array

    def get_vector(self):
        vector = np.empty(self.size, self.dtype)
        cdef _Buffer b = _hold(vector, self.dtype, self.size, True)
        cdef char *at = <char *>_at(b)
        for node, index, bytes in self.pieces:
            dr_plan_get(self.plan, node, index, 0, at)
            at += <size_t>bytes
        return vector

    def set_vector(self, vector):
        vector = np.ascontiguousarray(vector, self.dtype)
        cdef _Buffer b = _hold(vector, self.dtype, self.size)
        cdef const char *at = <const char *>_at(b)
        for node, index, bytes in self.pieces:
            dr_plan_set(self.plan, node, index, 0, at)
            at += <size_t>bytes

    def set(self, int slot, str name, array):
        node, index, shape = self._parameter(slot, name)
        if tuple(array.shape) != tuple(shape):
            raise ValueError(f"{name} has shape {shape}, got {tuple(array.shape)}")
        array = np.ascontiguousarray(array, self.dtype)
        cdef _Buffer b = _hold(array, self.dtype, array.size)
        dr_plan_set(self.plan, node, index, slot, _at(b))

    def set_all(self, dict arrays):
        for (slot, name), array in arrays.items():
            self.set(slot, name, array)

    cdef tuple _parameter(self, int slot, str name):
        if not 0 <= slot < self.n_slots:
            raise ValueError(f"slot must be 0 .. {self.n_slots - 1}, got {slot}")
        return self.shapes[name]

    cdef _Call _open(self, dr_mode mode, x, t, w, y, size_t batch_size, dr_stream *shuffle,
                     rates=None, order=None, bint averages=False, size_t piece=0):
        """A run over the rows of x. The arrays must stay alive and unchanged meanwhile: the call
        keeps their buffers."""
        cdef dr_data data
        cdef _Call call = _Call()
        cdef dr_status status
        cdef _Buffer xb, tb = None, wb = None, yb = None, rb = None, ob = None
        cdef size_t n
        cdef tuple held
        data.sparse.starts = NULL
        if isinstance(x, _check_sparse.Sparse):
            held = _hold_sparse(x, self.n_in, &data.x, &data.sparse)
            n = len(x)
        else:
            xb = _hold_rows(x, self.n_in, &data.x)
            held, n = (xb,), xb.view.shape[0]
        data.n, data.averages, data.piece = n, averages, piece
        data.labels, data.dense, data.weight, data.y = NULL, NULL, NULL, NULL
        data.order, data.rates = NULL, NULL
        if t is None:
            if mode != DR_PREDICT:
                raise ValueError("targets are needed")
        else:
            if not self.graph.loss.takes(t.ndim == 1):
                raise ValueError(f"{self.graph.loss.kind} takes other targets")
            if t.ndim == 1:
                if self.graph.accuracy == "threshold":
                    raise ValueError("labels are no matter of thresholds")
                tb = _hold(t, "int64", n)
                data.labels = <const int64_t *>_at(tb)
                _check_below(data.labels, n, self.n_out, "labels")
            else:
                tb = _hold(t, self.dtype, n * self.n_out)
                data.dense = _at(tb)
        if w is not None:
            wb = _hold(w, self.dtype, n)
            data.weight = _at(wb)
        if y is not None:
            yb = _hold(y, self.dtype, n * self.n_out, True)
            data.y = _at(yb)
        if rates is not None:
            rb = _hold(rates, "float64", n // batch_size + (n % batch_size != 0))
            data.rates = <const double *>_at(rb)
        if order is not None:
            ob = _hold(order, "int64", n)
            data.order = <const int64_t *>_at(ob)
            _check_below(data.order, n, n, "order")
        with nogil:
            status = dr_run_open(self.plan, mode, &data, batch_size, shuffle, &call.run)
        _raise(status)
        call.plan, call.kept, call.labels = self, {}, data.labels != NULL
        call.buffers = (*held, tb, wb, yb, rb, ob)
        return call

    def predict(self, x):
        y = np.empty((len(x), self.n_out), self.dtype)
        self._open(DR_PREDICT, x, None, None, y, 0, NULL).advance(_FOREVER)
        return y

    def evaluate(self, x, t, w, *, y=None, sums=(0.0, 0.0, 0.0)):
        cdef _Call call = self._open(DR_EVALUATE, x, t, w, y, 0, NULL)
        call.start(0, sums)
        call.advance(_FOREVER)
        return _sums(dr_run_position(call.run))

    def gradients(self, x, t, w, size_t piece=0):
        cdef _Call call = self._open(DR_GRADIENT, x, t, w, None, len(x), NULL, None, None, False,
                                     piece)
        cdef _Buffer b
        call.advance(_FOREVER)
        gradients = {}
        for name in self.learnt:
            node, index, shape = self.shapes[name]
            array = gradients[name] = np.empty(shape, self.dtype)
            b = _hold(array, self.dtype, array.size, True)
            dr_run_gradient(call.run, node, index, _at(b))
        return _mean(dr_run_position(call.run)), gradients

    def gradient_vector(self, x, t, w):
        cdef _Call call = self._open(DR_GRADIENT, x, t, w, None, len(x), NULL)
        call.advance(_FOREVER)
        vector = np.empty(self.size, self.dtype)
        cdef _Buffer b = _hold(vector, self.dtype, self.size, True)
        cdef char *at = <char *>_at(b)
        for node, index, bytes in self.pieces:
            dr_run_gradient(call.run, node, index, at)
            at += <size_t>bytes
        return _sums(dr_run_position(call.run)), vector

    def linearize(self, x, t, w):
        return Linearization(self, x, t, w)

    def train_batch(self, x, t, w, rates=None, size_t piece=0):
        cdef _Call call = self._open(DR_TRAIN, x, t, w, None, len(x), NULL, rates, None, False, piece)
        call.advance(_FOREVER)
        return _mean(dr_run_position(call.run))

    def train(self, x, t, w, *, size_t batch_size, bint shuffle, seed, epoch, size_t batch=0,
              sums=(0.0, 0.0, 0.0), rates=None, y=None, order=None, window=0, bint averages=False,
              size_t piece=0):
        cdef dr_stream stream = _stream(seed, _check.PURPOSES["shuffle"], window, epoch)
        cdef Run run = Run()
        run.call = self._open(DR_TRAIN, x, t, w, y, batch_size, &stream if shuffle else NULL, rates,
                              order, averages, piece)
        run.call.start(batch, sums)
        run.ties = _check_sparse.tied(x)
        return run
