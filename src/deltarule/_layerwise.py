"""A network computed layer by layer from single operations, fast ones or those of the reference.

`deltarule.verify` compares the engines with it: the fast one is to give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _engine
from ._graph import Graph, Node
from ._kinds import Mode, Operation, operations
from .losses import CustomLoss

Array = npt.NDArray[Any]
Key = int | tuple[str, int]
Slots = tuple[dict[str, Array], ...]  # by slot: values first, then optimizer state

EPOCH = 1  # the number of the epoch that is compared; the order of its rows depends on it


class Data(NamedTuple):
    """Rows as the engines take them."""

    x: Array
    t: Array
    w: Array | None

    def rows(self, chosen: Any) -> Data:
        x, t = self.x[chosen], self.t[chosen]
        return Data(np.ascontiguousarray(x), t, None if self.w is None else self.w[chosen])

    def to(self, dtype: str) -> Data:
        t = self.t if self.t.ndim == 1 else self.t.astype(dtype)
        return Data(self.x.astype(dtype), t, None if self.w is None else self.w.astype(dtype))

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        return np.ones(len(self.x)) if self.w is None else self.w.astype(np.float64)


class State(NamedTuple):
    """A copy of what a network is at the moment, in its dtype."""

    graph: Graph
    slots: Slots
    step: int
    seed: int
    averaged: int = 0

    @property
    def values(self) -> dict[str, Array]:
        return self.slots[0]

    def to(self, dtype: str) -> Slots:
        return tuple({name: a.astype(dtype) for name, a in slot.items()} for slot in self.slots)

    def plan(self, backend: str, graph: Graph) -> _engine.Plan:
        """A new engine in this state."""
        plan = _engine.new_plan(backend, graph)
        for slot, arrays in enumerate(self.to(graph.dtype)):
            for name, array in arrays.items():
                plan.set(slot, name, array)
        plan.step, plan.averaged = self.step, self.averaged
        return plan


@dataclass
class Step:
    """One operation of a node, with what it reads and writes, forward and backward. What it writes
    others find by `target`: the number of a buffer, or the name of a node and a place inside."""

    node: Node
    operation: Operation
    place: str  # how its output is called: "1.output", "1.output before tanh"
    sources: tuple[Key, ...]
    target: Key
    inputs: list[Array]
    values: dict[str, Array]  # all parameters of the node
    y: Array
    dy: Array | None = None  # None where nothing before it learns
    sent: list[Array] = field(default_factory=list)  # the errors at the inputs
    gradients: dict[str, Array] = field(default_factory=dict)  # of what is learnt


@dataclass
class Pass:
    """Forward and backward over some rows. Evaluating and predicting share their steps with
    training as far as they do the same."""

    steps: list[Step]
    evaluated: list[Step]
    predicted: list[Step]
    y: Array  # what the loss is computed on
    output: Array  # what predict gives
    loss: float  # without penalties of weights
    loss_gradient: Array
    gradients: dict[str, Array] = field(default_factory=dict)
    moved: dict[str, Array] = field(default_factory=dict)  # what changes without a gradient
    penalty: float = 0.0  # of the weights; its gradient is part of `gradients`


def forward(
    functions: ModuleType,
    graph: Graph,
    values: dict[str, Array],
    x: Array,
    mode: Mode,
    step: int,
    known: Sequence[Step] = (),
) -> list[Step]:
    """Every operation; those of `known` that read the same and do the same are taken over."""
    parts, before = graph.parts(), {done.target: done for done in known}
    buffers: dict[Key, Array] = {0: x}
    steps = []
    for number, node in enumerate(graph.nodes):
        own = {part: values[f"{node.name}.{part}"] for part in parts[node.name]}
        chain = operations(graph, number, mode, step)
        sources: tuple[Key, ...] = node.sources
        for place, operation in enumerate(chain):
            behind = chain[place + 1 :]
            target = (node.name, place) if behind else node.target
            called = f"{node.name}.output" + (f" before {behind[0].name}" if behind else "")
            inputs = [buffers[source] for source in sources]
            old = before.get(target)
            if (
                old is None
                or old.operation != operation
                or any(a is not b for a, b in zip(old.inputs, inputs, strict=True))
            ):
                y = operation.forward(functions, inputs, own)
                old = Step(node, operation, called, sources, target, inputs, own, y)
            steps.append(old)
            buffers[target], sources = old.y, (target,)
    return steps


def last(graph: Graph, steps: Sequence[Step]) -> Step:
    """The one that writes the last buffer."""
    return next(step for step in steps if step.target == len(graph.widths) - 1)


def run(
    functions: ModuleType, graph: Graph, values: dict[str, Array], data: Data, step: int
) -> Pass:
    """Forward and backward with the single operations of `functions`, after `step` updates."""
    steps = forward(functions, graph, values, data.x, Mode.TRAIN, step)
    evaluated = forward(functions, graph, values, data.x, Mode.EVALUATE, step, steps)
    predicted = forward(functions, graph, values, data.x, Mode.PREDICT, step, evaluated)
    y, output = last(graph, steps).y, last(graph, predicted).y
    loss = functions.loss_forward(graph.loss, y, data.t, sample_weight=data.w)
    dy = functions.loss_backward(graph.loss, y, data.t, sample_weight=data.w)
    done = Pass(steps, evaluated, predicted, y, output, loss, dy)
    found = _backward(functions, graph, steps, dy)
    done.gradients = {name: found[name] for name in graph.learnt()}
    for one in steps:
        moved = one.operation.after(functions, one.inputs, one.values)
        done.moved |= {f"{one.node.name}.{part}": array for part, array in moved.items()}
    for name, l1, l2 in charged(graph, data):
        w, g = values[name], done.gradients[name]
        done.penalty += functions.penalty_forward(w, l1=l1, l2=l2)
        done.gradients[name] = functions.penalty_backward(w, g, l1=l1, l2=l2)
    return done


def charged(graph: Graph, data: Data) -> list[tuple[str, float, float]]:
    """(name of the weights, l1, l2) that cost something: without rows that count, none do."""
    return graph.penalties() if data.weights.any() else []


def held(functions: ModuleType, kind: str, w: Array, limit: float) -> Array:
    """Weights after a constraint."""
    now: Array = functions.constrain(kind, w, max_value=limit or None)
    return now


def clipped(
    functions: ModuleType, graph: Graph, gradients: dict[str, Array]
) -> dict[str, Array]:
    """What the optimizer is given."""
    now: dict[str, Array] = functions.clip_gradients(gradients, **graph.optimizer.clip)
    return now


def learning(graph: Graph, steps: Sequence[Step]) -> set[Key]:
    """The targets that depend on what is learnt: the errors at others nobody wants."""
    learnt, found = set(graph.learnt()), set[Key]()
    for step in steps:
        own = {f"{step.node.name}.{part}" for part in step.operation.parameters}
        if own & learnt or found.intersection(step.sources):
            found.add(step.target)
    return found


def _backward(
    functions: ModuleType, graph: Graph, steps: Sequence[Step], dy: Array
) -> dict[str, Array]:
    """Gradients by name. The errors of several readers of a buffer are added as they come, from the
    last reader to the first."""
    wanted, learnt = learning(graph, steps), set(graph.learnt())
    errors: dict[Key, Array] = {len(graph.widths) - 1: dy}
    gradients = {}
    for step in reversed(steps):
        if step.target not in wanted:
            continue
        operation, values = step.operation, step.values
        step.dy = errors.get(step.target, np.zeros_like(step.y))
        step.sent, found = operation.backward(functions, step.inputs, values, step.y, step.dy)
        for part, g in found.items():
            if f"{step.node.name}.{part}" in learnt:
                step.gradients[part] = gradients[f"{step.node.name}.{part}"] = g
        for source, dx in zip(step.sources, step.sent, strict=True):
            if source in errors:
                dx = operation.join(functions, values, step.dy, errors[source], dx)
            if source in wanted:
                errors[source] = dx
    return gradients


def update_all(
    functions: ModuleType,
    graph: Graph,
    slots: Slots,
    done: Pass,
    step: int,
) -> Slots:
    """Parameters and state after update number `step`, from a pass in the state before it."""
    new: Slots = tuple(dict(slot) for slot in slots)
    for name, g in clipped(functions, graph, done.gradients).items():
        value, *state = (slot[name] for slot in slots[: 1 + graph.optimizer.n_states])
        updated = functions.optimizer_step(graph.optimizer_of(name), value, g, *state, step=step)
        for slot, array in zip(new, updated, strict=False):
            slot[name] = array
    for name, kind, limit in graph.constraints():
        new[0][name] = held(functions, kind, new[0][name], limit)
    new[0].update(done.moved)
    return new


def share(graph: Graph, taken: int, step: int, *, updated: bool, ends: bool = False) -> float:
    """Of the weights after a batch in their average; 0.0 where it does not take them."""
    averaging = graph.optimizer.averaging
    return averaging.share(taken, step, updated=updated, ends=ends) if averaging else 0.0


def averaged(functions: ModuleType, slots: Slots, part: float) -> Slots:
    """When the average has taken the weights with this share, if any."""
    if not part:
        return slots
    weights, old = slots[0], slots[-1]
    new = {k: functions.average_step(w, old[k], share=part) for k, w in weights.items()}
    return (*slots[:-1], new)


def batch_size(n: int) -> int:
    """Of an epoch of two batches, the second one smaller where there are three rows or more."""
    return (2 * n + 2) // 3 if n > 2 else 1


def piece(graph: Graph, rows: int) -> int:
    """Of rows of a batch, how many to compute together: as many as fit() would if that gives the
    same bits, else 0, all."""
    together = any(
        node.kind == "custom" or (node.kind == "batch_norm" and node.trainable)
        for node in graph.nodes
    )
    if together or isinstance(graph.loss, CustomLoss):
        return 0
    return -(-rows // graph.optimizer.gradient_accumulation_steps)


def batches(functions: ModuleType, n: int, seed: int) -> list[Array]:
    """The rows of each batch of that epoch, shuffled."""
    order = functions.random_permutation(n, seed=seed, purpose="shuffle", step=EPOCH)
    size = batch_size(n)
    return [order[first : first + size] for first in range(0, n, size)]


def in_float64(graph: Graph) -> Graph:
    return replace(graph, dtype="float64")
