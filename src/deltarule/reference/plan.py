"""A network ready to run: forward, backward and update over a graph, in numpy.

Backpropagation (Rumelhart, Hinton & Williams, 1986): run the nodes in order and keep every
buffer; take the gradient of the loss at the last buffer; run the nodes backwards, each turning
the gradient at its output into gradients of its parameters and at its input. Where several nodes
read one buffer, the gradients they send back to it add up, by the chain rule of several variables.

State is replaced, never written into: every new array is computed first, then a single assignment
makes all of them current. So an exception or Ctrl-C at any point leaves the state after the last
whole batch, and predict in one thread sees one state whatever another thread does.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .._check_sparse import Rows
from .._graph import Graph, Node
from ..losses import CustomLoss
from ..optimizers import SGD
from . import loss, nodes, penalty, random
from .activation import quiet
from .ledger import Lap, Ledger, untimed
from .linearize import Linearization
from .nodes import Mode
from .rows import Samples, inputs, samples
from .run import Run, Sums
from .state import Batch, Parameters, State, first_lost

F64 = npt.NDArray[np.float64]


class Plan:
    """The state of a network and what is done with it; all arrays of the graph's dtype but for x.

    Rows x are (n, n_in), finite, float32, float64 or uint8; they stay where they are, and those of
    a batch become the nearest numbers of the graph's dtype (sparse ones with zeros) when their
    turn comes. Targets t are int64 labels (n,) or (n, n_out), as the loss takes them. Weights w are
    (n,), finite and >= 0, or None for all 1. Shapes and dtypes are checked here, the values by the
    caller (_check.labels, _check.sample_weight). Parameters and optimizer state start as zeros.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._dtype = np.dtype(graph.dtype)
        self._shapes = graph.parameter_shapes()
        self._learnt = graph.learnt()
        self._parts = graph.parts()
        self._penalties = graph.penalties()
        self._numbers = {node.name: number for number, node in enumerate(graph.nodes)}
        zeros = (
            {name: np.zeros(shape, self._dtype) for name, shape in self._shapes.items()}
            for _ in range(graph.optimizer.n_slots)
        )
        self._state = State(tuple(zeros), 0)
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

    @property
    def averaged(self) -> int:
        """How many times the average has taken the weights; 0: there is none yet."""
        return self._state.averaged

    @averaged.setter
    def averaged(self, value: int) -> None:
        self._state = self._state._replace(averaged=_check.non_negative_int("averaged", value))

    def of_average(self) -> "Plan":
        """A plan of its own, to predict and evaluate, whose parameters are the average."""
        if not self._graph.optimizer.averaging:
            raise ValueError("there is no average of weights")
        other = Plan(replace(self._graph, optimizer=SGD()))
        other._state = State((self._state.slots[-1],), 0)
        return other

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
        self.set_all({(slot, name): array})

    def set_all(self, arrays: Mapping[tuple[int, str], npt.ArrayLike]) -> None:
        """`set` for several, by slot and name, all at once: no signal comes in between."""
        slots = tuple(dict(values) for values in self._state.slots)
        for entry, array in arrays.items():
            slot, name = self._entry(*entry)
            checked = _check.real_array(name, array, shape=self._shapes[name], dtype=self._dtype)
            slots[slot][name] = checked.copy()
        self._state = self._state._replace(slots=slots)

    def get_vector(self) -> Array:
        """All numbers that are learnt, one parameter after the other, each row by row."""
        values = self._state.slots[0]
        return self._flat({name: values[name] for name in self._learnt})

    def _flat(self, arrays: Parameters) -> Array:
        empty = np.empty(0, self._dtype)
        return np.concatenate([empty, *(a.ravel() for a in arrays.values())])

    def set_vector(self, vector: Array) -> None:
        """Replaces what `get_vector` returns, all at once."""
        checked = _check.real_array("vector", vector, shape=self.get_vector().shape)
        values, at = dict(self._state.slots[0]), 0
        for name in self._learnt:
            shape, end = self._shapes[name], at + values[name].size
            values[name] = checked[at:end].astype(self._dtype).reshape(shape)
            at = end
        self._state = self._state._replace(slots=(values, *self._state.slots[1:]))

    def restart_ledger(self) -> None:
        """From here on counts what `ledger` tells."""
        self._ledger = Ledger()

    def ledger(self) -> tuple[dict[str, int], dict[str, float]]:
        """Of training since then: the steps, their rows and the threads; and seconds by cost."""
        counts = {"steps": self._ledger.steps, "rows": self._ledger.rows, "threads": 1}
        return counts, dict(self._ledger.seconds)

    # -------------------------------------------------------------------------------- computation
    def _forward(
        self, values: Parameters, x: Rows, *, mode: Mode, lap: Lap = untimed, first: int = 0
    ) -> tuple[list[Array], list[Any]]:
        """Every buffer, in training the last with what the loss is computed on; and, by node, what
        it has kept for the way back."""
        buffers = [np.ascontiguousarray(x, self._dtype)] * len(self._graph.widths)
        kept = []
        for node in self._graph.nodes:
            call = self._call(node, values, mode, lap, first)
            inputs = [buffers[source] for source in node.sources]
            buffers[node.target], saved = nodes.TABLE[node.kind].forward(call, inputs)
            kept.append(saved)
        return buffers, kept

    def _activation(self, node: Node, mode: Mode) -> str:
        """None for the last node, unless it predicts, where the loss has that in it."""
        last = node.target == len(self._graph.widths) - 1
        logits = mode is not Mode.PREDICT and last and self._graph.loss.logits
        return "identity" if logits else node.activation

    def _call(
        self, node: Node, values: Parameters, mode: Mode, lap: Lap, first: int
    ) -> nodes.Call:
        own = {part: values[f"{node.name}.{part}"] for part in self._parts[node.name]}
        stream = self._graph.seed, self._numbers[node.name], self._state.step, first
        return nodes.Call(node, own, self._activation(node, mode), mode is Mode.TRAIN, stream, lap)

    def _backward(
        self,
        values: Parameters,
        buffers: list[Array],
        kept: list[Any],
        dy: Array,
        lap: Lap = untimed,
        first: int = 0,
    ) -> Parameters:
        """The gradient of every parameter that is learnt, from dy, that at the last buffer; without
        those of penalties."""
        errors: list[Array | None] = [None] * len(buffers)
        errors[-1] = dy
        gradients: Parameters = {}
        for node, saved in zip(reversed(self._graph.nodes), reversed(kept), strict=True):
            y, error = buffers[node.target], errors[node.target]
            error = np.zeros_like(y) if error is None else error
            call = self._call(node, values, Mode.TRAIN, lap, first)
            inputs = [buffers[source] for source in node.sources]
            sent, found = nodes.TABLE[node.kind].backward(call, inputs, y, saved, error)
            gradients |= {f"{node.name}.{part}": g for part, g in found.items()}
            for source, dx in zip(node.sources, sent, strict=True):
                other = errors[source]
                errors[source] = dx if other is None else other + dx
        return {name: gradients[name] for name in self._learnt}

    def _measured(
        self, values: Parameters, buffers: list[Array], kept: list[Any], lap: Lap, first: int
    ) -> Parameters:
        found: Parameters = {}
        for node, saved in zip(self._graph.nodes, kept, strict=True):
            call = self._call(node, values, Mode.TRAIN, lap, first)
            inputs = [buffers[source] for source in node.sources]
            new = nodes.TABLE[node.kind].measured(call, inputs, saved)
            found |= {f"{node.name}.{part}": array for part, array in new.items()}
        return found

    def _pass(
        self,
        values: Parameters,
        x: Rows,
        t: Array,
        w: Array | None,
        *,
        backward: bool,
        lap: Lap = untimed,
        total: float | None = None,
        first: int = 0,
    ) -> Batch:
        """Forward over the rows and, if wanted, backward. Sums are taken in float64. total, first:
        the weight of a batch of which these rows are a piece, and the rows before it."""
        kind = self._graph.loss
        with quiet():
            weights = loss.weights(x, w)
            own = float(np.sum(weights))
            total = own if total is None else total
            if total == 0:
                zeros = {name: np.zeros_like(values[name]) for name in self._learnt}
                return Batch(0.0, 0.0, 0.0, zeros if backward else {}, {})
            mode = Mode.TRAIN if backward else Mode.EVALUATE
            buffers, kept = self._forward(values, x, mode=mode, lap=lap, first=first)
            y = buffers[-1]
            lost = loss.samples(kind, y, t)
            hits = loss.hits(self._graph.accuracy, kind, y, t)
            dy = loss.backward(kind, y, t, weights, total) if backward else None
            lap("outside" if isinstance(kind, CustomLoss) else "activations")
            gradients = {} if dy is None else self._backward(values, buffers, kept, dy, lap, first)
            sum_of_losses = float(np.sum(weights * lost))
            costs, each = 0.0, total if self._graph.by_batch else 1.0
            for name, *rates in self._penalties if first == 0 else ():
                l1, l2 = (rate / each for rate in rates)
                costs += penalty.value(values[name], l1, l2)
                if gradients:
                    gradients[name] = gradients[name] + penalty.gradient(values[name], l1, l2)
            return Batch(
                sum_of_losses + total * costs,
                own,
                float(np.sum(weights * hits)),
                gradients,
                {} if dy is None else self._measured(values, buffers, kept, lap, first),
                y,
                None if np.isfinite(sum_of_losses) else first_lost(buffers),
            )

    def _train(
        self, rows: Samples, rate: float | None, piece: int = 0, ends: bool = False
    ) -> tuple[Batch, State]:
        """One batch, `piece` rows at a time (0: all), and the state after its update; nothing is
        changed yet. ends: it is the last of an epoch whose end an average counts."""
        state, (x, t, w) = self._state, rows
        total, n = float(np.sum(loss.weights(x, w))), max(1, len(x))
        batch: Batch | None = None
        for first in range(0, n, piece or n):
            part = slice(first, first + (piece or n))
            values = {**state.slots[0], **(batch.measured if batch else {})}
            found = self._pass(
                values, x[part], t[part], None if w is None else w[part],
                backward=True, lap=self._ledger.lap, total=total, first=first,
            )  # fmt: skip
            batch = batch.and_then(found) if batch else found
        assert batch is not None
        updated = total != 0
        if updated and self._graph.by_batch:
            batch = batch.by_rows(len(x))
        new = state.updated(self._graph, batch, rate) if updated else state
        new = new.averages(self._graph, updated=updated, ends=ends)
        if updated:
            self._ledger.lap("optimizer")
            self._ledger.count(len(x))
        return batch, new

    # ----------------------------------------------------------------------------------- running
    def predict(self, x: npt.ArrayLike) -> Array:
        """The output (n, n_out) of the last node, its activation included."""
        rows = inputs(self._graph, x)
        with quiet():
            return self._forward(self._state.slots[0], rows, mode=Mode.PREDICT)[0][-1]

    def evaluate(
        self,
        x: npt.ArrayLike,
        t: npt.ArrayLike,
        w: npt.ArrayLike | None,
        *,
        y: Array | None = None,
        sums: Sums = (0.0, 0.0, 0.0),
    ) -> Sums:
        """The sums over the rows of w l, w and w hit; loss = first / second.

        y: an array (n, n_out) that gets what the loss is computed on, of rows that have weight.
        sums: over rows before these, to go on with.
        """
        batch = self._pass(self._state.slots[0], *samples(self._graph, x, t, w), backward=False)
        if y is not None and batch.outputs is not None:
            y[:] = batch.outputs
        loss, weight, hits = sums
        return loss + batch.loss_sum, weight + batch.weight_sum, hits + batch.hit_sum

    def gradients(
        self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
    ) -> tuple[float, Parameters]:
        """(loss, {name: gradient}) of sum(w l) / sum(w); zeros where the weights sum to zero."""
        batch = self._pass(self._state.slots[0], *samples(self._graph, x, t, w), backward=True)
        return batch.loss, batch.gradients

    def gradient_vector(
        self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
    ) -> tuple[Sums, Array]:
        """What `evaluate` returns, and the gradients in the order of `get_vector`."""
        batch = self._pass(self._state.slots[0], *samples(self._graph, x, t, w), backward=True)
        sums = batch.loss_sum, batch.weight_sum, batch.hit_sum
        return sums, self._flat(batch.gradients)

    def linearize(
        self, x: npt.ArrayLike, t: npt.ArrayLike, w: npt.ArrayLike | None
    ) -> Linearization:
        """The least squares of these rows, for methods of second order. The loss is mse, and rows
        do not depend on each other."""
        return Linearization(self, *samples(self._graph, x, t, w))

    def train_batch(
        self,
        x: npt.ArrayLike,
        t: npt.ArrayLike,
        w: npt.ArrayLike | None,
        rates: F64 | None = None,
        piece: int = 0,
    ) -> float:
        """One update from all rows; the loss before it. Weights summing to zero change nothing.
        rates: one, in place of the optimizer's own. piece: as for `train`."""
        self._ledger.start()
        rate = None if rates is None else float(rates[0])
        batch, self._state = self._train(samples(self._graph, x, t, w), rate, piece)
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
        rates: F64 | None = None,
        y: Array | None = None,
        order: npt.NDArray[np.int64] | None = None,
        window: int = 0,
        averages: bool = False,
        piece: int = 0,
    ) -> Run:
        """An epoch, from batch number `batch` on; call `advance` of the result until it is True.

        Batches are consecutive slices, the last may be short, of 0..n-1 or, with `shuffle`, of
        random_permutation(n, seed=seed, purpose="shuffle", layer=window, step=epoch), or `order`.
        To resume, pass `batch` and `sums` as the interrupted run had them. rates: the learning
        rates of the updates to come, one a batch; None: the optimizer's own. y: an array (n, n_out)
        that gets what the loss of each row was computed on, of rows that have weight.
        averages: whether an average by epochs takes the weights at its end. piece: how many rows of
        a batch are computed together, 0 for all; their gradients add up.
        """
        rows, target, weights = samples(self._graph, x, t, w)
        size = _check.positive_int("batch_size", batch_size)
        n_batches = -(-len(rows) // size)
        first = _check.integer("batch", batch, 0, n_batches + 1)
        step = _check.integer("epoch", epoch, 0, 1 << 64)
        key = _check.random_arguments(len(rows), 2, seed, "shuffle", window, step)
        if _check.boolean("shuffle", shuffle):
            order = random.permutation(*key)
        elif order is not None and not 0 <= order.min() <= order.max() < len(rows):
            raise ValueError(f"order must lie in 0 .. {len(rows) - 1}")
        if rates is not None:
            rates = _check.real_array("rates", rates, shape=(n_batches,), dtype=np.dtype(float))
        what = (rows, target, weights), order, size, first, sums, rates
        return Run(self, *what, y, averages, piece)
