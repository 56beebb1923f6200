"""A network computed layer by layer from single operations, fast ones or those of the reference,
and how far from that another computation of the whole may be.

`deltarule.verify` compares the engines with it: the fast one is to give the same bits, the
reference in float64 values within the propagated rounding errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _bounds, _check, _engine, _loss_bounds, reference
from ._bounds import Near, Precision
from ._graph import Graph, Node

Array = npt.NDArray[Any]
Hyper = tuple[float, ...]
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
    hyper: Hyper
    seed: int

    @property
    def values(self) -> dict[str, Array]:
        return self.slots[0]

    def to(self, dtype: str) -> Slots:
        return tuple({name: a.astype(dtype) for name, a in slot.items()} for slot in self.slots)

    def plan(self, backend: str, graph: Graph) -> _engine.Plan:
        """A new engine in this state."""
        plan = _engine.new_plan(backend, graph)
        plan.set_hyper(self.hyper)
        for slot, arrays in enumerate(self.to(graph.dtype)):
            for name, array in arrays.items():
                plan.set(slot, name, array)
        plan.step = self.step
        return plan


@dataclass
class Step:
    """What one node reads and writes, forward and backward; z is before the activation. `kind` is
    the activation in training, where the losses on logits take the last node's out; alpha is None
    where it has none."""

    node: Node
    kind: str
    alpha: float | None
    x: Array
    w: Array
    b: Array | None
    z: Array
    y: Array
    dy: Array | None = None
    dz: Array | None = None
    dx: Array | None = None


@dataclass
class Pass:
    """Forward and backward over some rows. `output`: what predict gives."""

    steps: list[Step]
    output: Array
    loss: float
    loss_gradient: Array
    gradients: dict[str, Array] = field(default_factory=dict)

    @property
    def y(self) -> Array:
        """What the loss is computed on."""
        return self.steps[-1].y


def slope_of(kind: str, alpha: float) -> float | None:
    """The argument alpha of the operations: None for activations that have none."""
    return alpha if kind in _check._ALPHAS else None


def kind_in_training(graph: Graph, node: Node) -> str:
    last = node.target == len(graph.widths) - 1
    return "identity" if last and graph.loss.logits else node.activation


def run(functions: ModuleType, graph: Graph, values: dict[str, Array], data: Data) -> Pass:
    """Forward and backward with dense_forward, loss_backward, dense_backward of `functions`."""
    buffers: dict[int, Array] = {0: data.x}
    steps: list[Step] = []
    for node in graph.nodes:
        kind = kind_in_training(graph, node)
        w, b = values[f"{node.name}.weight"], values.get(f"{node.name}.bias")
        x, alpha = buffers[node.source], slope_of(kind, node.alpha)
        z = functions.dense_forward(x, w, b)
        y = functions.dense_forward(x, w, b, activation=kind, alpha=alpha)
        buffers[node.target] = y
        steps.append(Step(node, kind, alpha, x, w, b, z, y))
    last = steps[-1]
    output = functions.dense_forward(
        last.x,
        last.w,
        last.b,
        activation=last.node.activation,
        alpha=slope_of(last.node.activation, last.node.alpha),
    )
    loss = functions.loss_forward(graph.loss, last.y, data.t, sample_weight=data.w)
    dy = functions.loss_backward(graph.loss, last.y, data.t, sample_weight=data.w)
    done = Pass(steps, output, loss, dy)

    errors: dict[int, Array] = {last.node.target: dy}
    found: dict[str, Array] = {}
    for step in reversed(steps):
        node, how = step.node, {"activation": step.kind, "alpha": step.alpha}
        step.dy = errors.get(node.target, np.zeros_like(step.y))
        step.dz = functions.activation_backward(
            step.kind, step.z, step.y, step.dy, alpha=step.alpha
        )
        dx, dw, db = functions.dense_backward(step.x, step.w, step.y, step.dy, z=step.z, **how)
        step.dx = dx
        found[f"{node.name}.weight"] = dw
        if node.bias:
            found[f"{node.name}.bias"] = db
        errors[node.source] = errors[node.source] + dx if node.source in errors else dx
    done.gradients = {name: found[name] for name in graph.parameter_shapes()}
    return done


def update(
    functions: ModuleType, kind: str, arrays: tuple[Array, ...], g: Array, step: int, hyper: Hyper
) -> tuple[Array, ...]:
    """A parameter and its state after update number `step`, by sgd_step or adam_step."""
    if kind == "sgd":
        rate, momentum, nesterov, decay = hyper
        new: tuple[Array, ...] = functions.sgd_step(
            arrays[0],
            g,
            arrays[1],
            learning_rate=rate,
            momentum=momentum,
            nesterov=bool(nesterov),
            weight_decay=decay,
        )
        return new
    rate, first, second, eps = hyper
    new = functions.adam_step(
        arrays[0], g, *arrays[1:], step=step, learning_rate=rate, betas=(first, second), eps=eps
    )
    return new


def update_all(
    functions: ModuleType,
    graph: Graph,
    slots: Slots,
    gradients: dict[str, Array],
    step: int,
    hyper: Hyper,
) -> Slots:
    new: Slots = tuple({} for _ in slots)
    for name in gradients:
        arrays = tuple(slot[name] for slot in slots)
        updated = update(functions, graph.optimizer, arrays, gradients[name], step, hyper)
        for slot, array in zip(new, updated, strict=True):
            slot[name] = array
    return new


# --------------------------------------------------------------------------------- the same, Near
NearSlots = tuple[dict[str, Near], ...]


class Bounded(NamedTuple):
    """A pass of the reference in float64 with bounds on the error of another computation of it.
    sums: of w l, w and w hit."""

    plain: Pass
    output: Near
    loss: Near
    sums: Near
    gradients: dict[str, Near]


def bounded_run(p: Precision, graph: Graph, values: dict[str, Near], data: Data) -> Bounded:
    """Errors of forward and backward, carried from layer to layer."""
    plain = run(reference, graph, {name: near.value for name, near in values.items()}, data)
    nears: dict[int, Near] = {0: _bounds.exact(data.x)}
    zs: list[Near] = []
    for step in plain.steps:
        node, x = step.node, nears[step.node.source]
        w, b = values[f"{node.name}.weight"], values.get(f"{node.name}.bias")
        z = Near(step.z, _bounds.product(p, x, w, b))
        zs.append(z)
        error = _bounds.activation(p, step.kind, node.alpha, z, step.y)
        nears[node.target] = Near(step.y, error)
    last = plain.steps[-1].node
    error = _bounds.activation(p, last.activation, last.alpha, zs[-1], plain.output)
    output = Near(plain.output, error)

    y, weights = nears[last.target], data.weights
    total = float(weights.sum())
    share = weights / total if total else weights
    rows = _loss_bounds.rows(p, graph.loss, y, data.t)
    slack = (len(weights) + 4) * float(np.finfo(float).eps)
    loss_error = float(np.sum(share * rows)) + slack * abs(plain.loss)
    loss = Near(np.array(plain.loss), np.array(loss_error))
    hits, unsure = _hits(graph, y, data.t)
    hit_sum = float(np.sum(weights * hits))
    sums = Near(
        np.array([plain.loss * total, total, hit_sum]),
        np.array(
            [
                loss_error * total,
                slack * total,
                float(np.sum(weights * unsure)) + (slack + p.eps) * hit_sum,
            ]
        ),
    )
    error = _loss_bounds.gradient(p, graph.loss, y, data.t, share)
    gradients = _bounded_backward(p, plain, values, nears, zs, Near(plain.loss_gradient, error))
    return Bounded(plain, output, loss, sums, gradients)


def _bounded_backward(
    p: Precision,
    plain: Pass,
    values: dict[str, Near],
    nears: dict[int, Near],
    zs: list[Near],
    dy: Near,
) -> dict[str, Near]:
    gradients: dict[str, Near] = {}
    errors = {plain.steps[-1].node.target: dy.error}
    for step, z in zip(reversed(plain.steps), reversed(zs), strict=True):
        assert step.dy is not None and step.dz is not None
        node, x, w = step.node, nears[step.node.source], values[f"{step.node.name}.weight"]
        before = errors.get(node.target, np.zeros_like(step.dy))
        error = _bounds.slope(
            p, step.kind, node.alpha, z, nears[node.target], Near(step.dy, before)
        )
        dz = Near(step.dz, error)
        name = f"{node.name}.weight"
        transposed = Near(x.value.T, x.error.T)
        gradients[name] = Near(plain.gradients[name], _bounds.product(p, transposed, dz))
        if node.bias:
            name = f"{node.name}.bias"
            gradients[name] = Near(plain.gradients[name], _bounds.column_sums(p, dz))
        back = _bounds.product(p, dz, Near(w.value.T, w.error.T))
        errors[node.source] = back + errors.get(node.source, 0.0)
    return gradients


def _hits(graph: Graph, y: Near, t: Array) -> tuple[Array, Array]:
    """Whether each row is right, and by how much that may be wrong."""
    if graph.accuracy == "argmax":
        best = np.argmax(y.value, axis=1)
        rows = np.arange(len(best))
        wanted = t if t.ndim == 1 else np.argmax(t, axis=1)
        top = y.value[rows, best] - y.error[rows, best]
        rivals = y.value + y.error >= top[:, None]
        rivals[rows, best] = False
        return (best == wanted).astype(float), rivals.any(axis=1).astype(float)
    if graph.accuracy == "threshold":
        half = graph.loss.half
        unsure = np.abs(y.value - half) <= y.error
        return np.mean((y.value > half) == (t > 0.5), axis=1), np.mean(unsure, axis=1)
    return np.zeros(len(y.value)), np.zeros(len(y.value))


def bounded_update(
    p: Precision,
    graph: Graph,
    slots: NearSlots,
    gradients: dict[str, Near],
    step: int,
    hyper: Hyper,
) -> NearSlots:
    """Errors of parameters and state after update number `step`."""
    new: NearSlots = tuple({} for _ in slots)
    for name, g in gradients.items():
        nears = tuple(slot[name] for slot in slots)
        plain = tuple(near.value for near in nears)
        updated = update(reference, graph.optimizer, plain, g.value, step, hyper)
        if graph.optimizer == "sgd":
            bounds: tuple[Array, ...] = _bounds.sgd(p, nears[0], g, nears[1], hyper)
        else:
            bounds = _bounds.adam(p, nears[0], g, nears[1], nears[2], step, hyper)
        for slot, value, error in zip(new, updated, bounds, strict=True):
            slot[name] = Near(value, error)
    return new


def batch_size(n: int) -> int:
    """Of an epoch of two batches, the second one smaller where there are three rows or more."""
    return (2 * n + 2) // 3 if n > 2 else 1


def batches(functions: ModuleType, n: int, seed: int) -> list[Array]:
    """The rows of each batch of that epoch, shuffled."""
    order = functions.random_permutation(n, seed=seed, purpose="shuffle", step=EPOCH)
    size = batch_size(n)
    return [order[first : first + size] for first in range(0, n, size)]


def in_float64(graph: Graph) -> Graph:
    return replace(graph, dtype="float64")
