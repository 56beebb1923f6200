"""A network ready to run: forward, backward and update over a graph, in numpy.

Backpropagation (Rumelhart, Hinton & Williams, 1986): run the nodes in order and keep every
buffer; take the gradient of the loss at the last buffer; run the nodes backwards, each turning
the gradient at its output into gradients of its parameters and at its input. Where several nodes
read one buffer, the gradients they send back to it add up, by the chain rule of several variables.

State is replaced, never written into: every new array is computed first, then a single assignment
makes all of them current. So an exception or Ctrl-C at any point leaves the state after the last
whole batch, and predict in one thread sees one state whatever another thread does.
"""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .._graph import Graph
from . import activation, dense, loss, optimizer, random
from .activation import quiet
from .ledger import Lap, Ledger, untimed

Sums = tuple[float, float, float]
Parameters = dict[str, Array]


class _State(NamedTuple):
    """What training changes: arrays by slot and name (slot 0: values), and the updates made."""

    slots: tuple[Parameters, ...]
    step: int


class _Batch(NamedTuple):
    """One pass over some rows: the sums of w l, w and w hit, and the gradients."""

    loss_sum: float
    weight_sum: float
    hit_sum: float
    gradients: Parameters

    @property
    def loss(self) -> float:
        """The weighted mean loss; 0.0 where the weights sum to zero."""
        return self.loss_sum / self.weight_sum if self.weight_sum else 0.0


class Plan:
    """The state of a network and what is done with it; all arrays of the graph's dtype but for x.

    Rows x are (n, n_in), finite, float32, float64 or uint8; they stay where they are, and those of
    a batch become the nearest numbers of the graph's dtype when their turn comes. Targets t are
    int64 labels (n,) for cross_entropy, or (n, n_out). Weights w are (n,), finite and >= 0, or None
    for all 1. Shapes and dtypes are checked here, the values by the caller (see _check.labels,
    _check.sample_weight). Parameters and optimizer state start as zeros.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._dtype = np.dtype(graph.dtype)
        self._shapes = graph.parameter_shapes()
        zeros = (
            {name: np.zeros(shape, self._dtype) for name, shape in self._shapes.items()}
            for _ in range(graph.optimizer.n_slots)
        )
        self._state = _State(tuple(zeros), 0)
        self._ledger = Ledger()

    # ------------------------------------------------------------------------------------- state
    @property
    def graph(self) -> Graph:
        """The graph this plan was made from."""
        return self._graph

    @property
    def n_slots(self) -> int:
        """Arrays kept for each parameter: its value and what the optimizer remembers."""
        return len(self._state.slots)

    @property
    def step(self) -> int:
        """Updates made so far."""
        return self._state.step

    @step.setter
    def step(self, value: int) -> None:
        self._state = self._state._replace(step=_check.non_negative_int("step", value))

    def _entry(self, slot: int, name: str) -> tuple[int, str]:
        return (
            _check.integer("slot", slot, 0, self.n_slots),
            _check.choice("name", name, self._shapes),
        )

    def get(self, slot: int, name: str) -> Array:
        """A copy of a parameter (slot 0) or of its optimiser state (slots from 1 on)."""
        slot, name = self._entry(slot, name)
        return self._state.slots[slot][name].copy()

    def set(self, slot: int, name: str, array: npt.ArrayLike) -> None:
        """Replace what `get` returns by a copy of `array`, converted to the dtype of the graph."""
        slot, name = self._entry(slot, name)
        checked = _check.real_array(name, array, shape=self._shapes[name], dtype=self._dtype)
        slots = list(self._state.slots)
        slots[slot] = {**slots[slot], name: checked.copy()}
        self._state = self._state._replace(slots=tuple(slots))

    def restart_ledger(self) -> None:
        """From here on counts what `ledger` tells."""
        self._ledger = Ledger()

    def ledger(self) -> tuple[dict[str, int], dict[str, float]]:
        """Of training since then: the steps, their rows and the threads; and seconds by cost."""
        counts = {"steps": self._ledger.steps, "rows": self._ledger.rows, "threads": 1}
        return counts, dict(self._ledger.seconds)

    # -------------------------------------------------------------------------------- computation
    def _forward(
        self, values: Parameters, x: Array, *, training: bool, lap: Lap = untimed
    ) -> tuple[list[Array], dict[str, Array]]:
        """Every buffer, in training the last with what the loss is computed on; and, by node, what
        the activations act on whose derivatives are read off that."""
        buffers = [np.ascontiguousarray(x, self._dtype)] * len(self._graph.widths)
        before: dict[str, Array] = {}
        for node in self._graph.nodes:
            bias = values[f"{node.name}.bias"] if node.bias else None
            z = dense.forward(buffers[node.source], values[f"{node.name}.weight"], bias)
            kind = self._activation(node.target, node.activation, training)
            lap("products")
            buffers[node.target] = activation.forward(kind, z, node.alpha)
            lap("activations")
            if training and kind in _check.NEED_INPUT:
                before[node.name] = z
        return buffers, before

    def _activation(self, target: int, name: str, training: bool) -> str:
        """cross_entropy and binary_cross_entropy are computed on logits: they contain the last
        node's softmax or sigmoid, so that neither its rounding nor its saturation is in the way."""
        last = target == len(self._graph.widths) - 1
        return "identity" if training and last and self._graph.logits else name

    def _backward(
        self,
        values: Parameters,
        buffers: list[Array],
        before: dict[str, Array],
        dy: Array,
        lap: Lap = untimed,
    ) -> Parameters:
        """The gradient of every parameter, from dy, the gradient at the last buffer."""
        errors: list[Array | None] = [None] * len(buffers)
        errors[-1] = dy
        gradients: Parameters = {}
        for node in reversed(self._graph.nodes):
            y, error = buffers[node.target], errors[node.target]
            kind = self._activation(node.target, node.activation, True)
            error = np.zeros_like(y) if error is None else error
            dz = activation.backward(kind, before.get(node.name, y), y, error, node.alpha)
            lap("activations")
            weight = f"{node.name}.weight"
            dx, gradients[weight], db = dense.backward(buffers[node.source], values[weight], dz)
            if node.bias:
                gradients[f"{node.name}.bias"] = db
            other = errors[node.source]
            errors[node.source] = dx if other is None else other + dx
            lap("products")
        return {name: gradients[name] for name in self._shapes}

    def _hits(self, y: Array, t: Array) -> npt.NDArray[np.float64]:
        """For each sample whether the output y is right; a mean over outputs for "threshold"."""
        if self._graph.accuracy == "argmax":
            right = np.argmax(y, axis=1) == (t if t.ndim == 1 else np.argmax(t, axis=1))
            hits: npt.NDArray[np.float64] = right.astype(np.float64)
            return hits
        if self._graph.accuracy == "threshold":
            # sigmoid(0) = 0.5: half way on logits is 0
            half = 0.0 if self._graph.loss == "binary_cross_entropy" else 0.5
            hits = np.mean((y > half) == (t > 0.5), axis=1)
            return hits
        return np.zeros(len(y))

    def _pass(
        self,
        values: Parameters,
        x: Array,
        t: Array,
        w: Array | None,
        *,
        backward: bool,
        lap: Lap = untimed,
    ) -> _Batch:
        """Forward over the rows and, if wanted, backward. Sums are taken in float64."""
        kind = self._graph.loss
        with quiet():
            weights = loss.weights(x, w)
            total = float(np.sum(weights))
            if total == 0:
                zeros = {name: np.zeros_like(value) for name, value in values.items()}
                return _Batch(0.0, 0.0, 0.0, zeros if backward else {})
            buffers, before = self._forward(values, x, training=True, lap=lap)
            y = buffers[-1]
            dy = loss.backward(kind, y, t, weights) if backward else None
            return _Batch(
                float(np.sum(weights * loss.samples(kind, y, t))),
                total,
                float(np.sum(weights * self._hits(y, t))),
                {} if dy is None else self._backward(values, buffers, before, dy, lap),
            )

    def _train(self, x: Array, t: Array, w: Array | None) -> tuple[_Batch, _State]:
        """One batch, and the state after its update; nothing is changed yet."""
        state = self._state
        batch = self._pass(state.slots[0], x, t, w, backward=True, lap=self._ledger.lap)
        if batch.weight_sum == 0:
            return batch, state
        step = state.step + 1
        slots: tuple[Parameters, ...] = tuple({} for _ in state.slots)
        with quiet():
            for name, g in batch.gradients.items():
                value, *rest = (slot[name] for slot in state.slots)
                new = optimizer.update(self._graph.optimizer, value, g, tuple(rest), step)
                for slot, array in zip(slots, new, strict=True):
                    slot[name] = array
        self._ledger.lap("optimizer")
        self._ledger.count(len(x))
        return batch, _State(slots, step)

    # ------------------------------------------------------------------------------------ checks
    def _rows(self, x: npt.ArrayLike) -> Array:
        return _check.input_rows("x", x, self._graph.widths[0])

    def _same(self, **arrays: Array) -> None:
        for name, array in arrays.items():
            if array.dtype != self._dtype:
                raise TypeError(f"{name} must be {self._dtype}, got dtype {array.dtype}")

    def _samples(
        self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        rows = self._rows(x)
        n = len(rows)
        target = np.asarray(t)
        if self._graph.loss == "cross_entropy" and target.ndim == 1:
            if target.dtype != np.int64:
                raise TypeError(f"t must be int64 labels, got dtype {target.dtype}")
            if len(target) != n:
                raise ValueError(f"t must have shape ({n},), got {target.shape}")
        else:
            target = _check.real_array("t", target, shape=(n, self._graph.widths[-1]))
            self._same(t=target)
        if w is None:
            return rows, target, None
        weights = _check.real_array("w", w, shape=(n,))
        self._same(w=weights)
        return rows, target, weights

    # ----------------------------------------------------------------------------------- running
    def predict(self, x: npt.ArrayLike) -> Array:
        """The output (n, n_out) of the last node, its activation included."""
        rows = self._rows(x)
        with quiet():
            return self._forward(self._state.slots[0], rows, training=False)[0][-1]

    def evaluate(self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None) -> Sums:
        """The sums over the rows of w l, w and w hit; loss = first / second.

        The sums of several chunks of rows add up to those of all rows.
        """
        batch = self._pass(self._state.slots[0], *self._samples(x, t, w), backward=False)
        return batch.loss_sum, batch.weight_sum, batch.hit_sum

    def gradients(
        self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
    ) -> tuple[float, Parameters]:
        """(loss, {name: gradient}) of sum(w l) / sum(w); zeros where the weights sum to zero."""
        batch = self._pass(self._state.slots[0], *self._samples(x, t, w), backward=True)
        return batch.loss, batch.gradients

    def train_batch(self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None) -> float:
        """One update from all rows; the loss before it. Weights summing to zero change nothing."""
        self._ledger.start()
        batch, self._state = self._train(*self._samples(x, t, w))
        return batch.loss

    def train(
        self,
        x: npt.ArrayLike,
        t: npt.ArrayLike,
        w: npt.ArrayLike | None,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        batch: int = 0,
        sums: Sums = (0.0, 0.0, 0.0),
    ) -> "Run":
        """An epoch, from batch number `batch` on; call `advance` of the result until it is True.

        Batches are consecutive slices, the last may be short, of 0..n-1 or, with `shuffle`, of
        random_permutation(n, seed=seed, purpose="shuffle", step=epoch). To resume, pass `batch` and
        `sums` as the interrupted run had them.
        """
        rows, target, weights = self._samples(x, t, w)
        size = _check.positive_int("batch_size", batch_size)
        n_batches = -(-len(rows) // size)
        first = _check.integer("batch", batch, 0, n_batches + 1)
        step = _check.integer("epoch", epoch, 0, 1 << 64)
        key = _check.random_arguments(len(rows), 2, seed, "shuffle", 0, step)
        order = random.permutation(*key) if _check.boolean("shuffle", shuffle) else None
        return Run(self, (rows, target, weights), order, size, first, sums)


class Run:
    """An epoch under way; made by Plan.train."""

    def __init__(
        self,
        plan: Plan,
        data: tuple[Array, Array, Array | None],
        order: npt.NDArray[np.int64] | None,
        size: int,
        batch: int,
        sums: Sums,
    ) -> None:
        self._plan = plan
        self._data = data
        self._order = order
        self._size = size
        self._position = batch, (float(sums[0]), float(sums[1]), float(sums[2]))

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return self._position[0]

    @property
    def n_batches(self) -> int:
        """Batches in the epoch."""
        return -(-len(self._data[0]) // self._size)

    @property
    def sums(self) -> Sums:
        """The sums of w l, w and w hit over the batches done."""
        return self._position[1]

    def advance(self, budget: float) -> bool:
        """Train whole batches, at least one, until `budget` seconds are over.

        Returns whether the epoch is. After KeyboardInterrupt or any other exception, the plan and
        `batch` and `sums` are as after the last whole batch.
        """
        end = time.perf_counter() + budget
        while self.batch < self.n_batches:
            self._one_batch()
            if time.perf_counter() >= end:
                break
        return self.batch == self.n_batches

    def _one_batch(self) -> None:
        number, sums = self._position
        chosen: Any = slice(number * self._size, (number + 1) * self._size)
        if self._order is not None:
            chosen = self._order[chosen]
        self._plan._ledger.start()
        x, t, w = self._data
        x, t, w = x[chosen], t[chosen], None if w is None else w[chosen]
        self._plan._ledger.lap("data")
        done, state = self._plan._train(x, t, w)
        position = (
            number + 1,
            (
                sums[0] + done.loss_sum,
                sums[1] + done.weight_sum,
                sums[2] + done.hit_sum,
            ),
        )
        # CPython runs signal handlers only at calls, jumps back and function entries, so none can
        # come between these two stores.
        self._plan._state, self._position = state, position
