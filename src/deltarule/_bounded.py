"""How far another computation of a whole network may be from that of the reference in float64:
rounding errors, carried from operation to operation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _bounds, _layerwise, _loss_bounds, _weight_bounds, reference
from ._bounds import Near, Precision
from ._graph import Graph
from ._layerwise import Array, Data, Key, Pass, Step

NearSlots = tuple[dict[str, Near], ...]


class Bounded(NamedTuple):
    """A pass of the reference in float64 with bounds on the error of another computation of it.
    sums: of w l, w and w hit, in training; evaluated: the same of evaluate. moved: what changes
    without a gradient."""

    plain: Pass
    output: Near
    loss: Near
    sums: Near
    evaluated: Near
    gradients: dict[str, Near]
    moved: dict[str, Near]


def is_possible(graph: Graph, done: Pass) -> bool:
    """Whether errors are known of all that a network does."""
    every = (*done.steps, *done.evaluated, *done.predicted)
    return _loss_bounds.known(graph.loss) and all(step.operation.bounded for step in every)


class _Forward:
    """What steps put out, with errors; each step is looked at once, in whatever pass it is."""

    def __init__(self, p: Precision, graph: Graph, values: dict[str, Near]) -> None:
        self.p, self.graph, self.values = p, graph, values
        self.known: dict[int, tuple[list[Near], Near]] = {}  # by id(step): inputs, output

    def of_node(self, step: Step) -> dict[str, Near]:
        """The parameters of its node."""
        return {part: self.values[f"{step.node.name}.{part}"] for part in step.values}

    def run(self, x: Array, steps: list[Step]) -> Near:
        """The last buffer."""
        nears: dict[Key, Near] = {0: _bounds.exact(x)}
        for step in steps:
            if id(step) not in self.known:
                inputs, values = [nears[source] for source in step.sources], self.of_node(step)
                error = step.operation.forward_error(self.p, inputs, values, step.y)
                self.known[id(step)] = inputs, Near(step.y, error)
            nears[step.target] = self.known[id(step)][1]
        return nears[len(self.graph.widths) - 1]


def bounded_run(
    p: Precision, graph: Graph, values: dict[str, Near], data: Data, step: int
) -> Bounded:
    """Errors of forward and backward, after `step` updates."""
    exactly = {name: near.value for name, near in values.items()}
    plain = _layerwise.run(reference, graph, exactly, data, step)
    forward = _Forward(p, graph, values)
    y, evaluated, output = (
        forward.run(data.x, steps) for steps in (plain.steps, plain.evaluated, plain.predicted)
    )
    rates = _layerwise.charged(graph, data)
    of_penalties = sum(_weight_bounds.penalty(p, values[name], *of) for name, *of in rates)
    cost = Near(np.array(plain.penalty), np.array(of_penalties))
    loss, sums = _loss(p, graph, y, data, cost)
    weights = data.weights
    error = _loss_bounds.gradient(p, graph.loss, y, data.t, weights / (weights.sum() or 1.0))
    gradients = _backward(forward, plain, Near(plain.loss_gradient, error))
    for name, l1, l2 in rates:
        error = _weight_bounds.penalty_gradient(p, values[name], gradients[name], l1, l2)
        gradients[name] = Near(plain.gradients[name], error)
    moved: dict[str, Near] = {}
    for one in plain.steps:
        inputs = forward.known[id(one)][0]
        errors = one.operation.after_error(p, inputs, forward.of_node(one))
        names = {part: f"{one.node.name}.{part}" for part in errors}
        moved |= {name: Near(plain.moved[name], errors[part]) for part, name in names.items()}
    of_evaluate = _loss(p, graph, evaluated, data, cost)[1]
    return Bounded(plain, output, loss, sums, of_evaluate, gradients, moved)


def _loss(p: Precision, graph: Graph, y: Near, data: Data, cost: Near) -> tuple[Near, Near]:
    """The loss, with what the weights cost, and the sums over the rows of w l, w and w hit."""
    weights = data.weights
    total = float(weights.sum())
    share = weights / total if total else weights
    value = reference.loss_forward(graph.loss, y.value, data.t, sample_weight=data.w)
    value += float(cost.value)
    rows = _loss_bounds.rows(p, graph.loss, y, data.t)
    slack = (len(weights) + 4) * float(np.finfo(float).eps)
    error = float(np.sum(share * rows)) + float(cost.error) + slack * abs(value)
    hits, unsure = _hits(graph, y, data.t)
    hit_sum = float(np.sum(weights * hits))
    of_hits = float(np.sum(weights * unsure)) + (slack + p.eps) * hit_sum
    sums = Near(
        np.array([value * total, total, hit_sum]), np.array([error * total, slack * total, of_hits])
    )
    return Near(np.array(value), np.array(error)), sums


def _backward(forward: _Forward, plain: Pass, dy: Near) -> dict[str, Near]:
    """Gradients by name; as in _layerwise, with errors."""
    p, graph = forward.p, forward.graph
    wanted = _layerwise.learning(graph, plain.steps)
    errors: dict[Key, Near] = {len(graph.widths) - 1: dy}
    gradients: dict[str, Near] = {}
    for step in reversed(plain.steps):
        if step.dy is None:
            continue
        operation, values = step.operation, forward.of_node(step)
        inputs, y = forward.known[id(step)]
        here = errors.get(step.target, _bounds.exact(step.dy))
        sent, found = operation.backward_error(p, inputs, values, y, here)
        for part, g in step.gradients.items():
            gradients[f"{step.node.name}.{part}"] = Near(g, found[part])
        for source, dx, error in zip(step.sources, step.sent, sent, strict=True):
            if source not in wanted:
                continue
            near, before = Near(dx, error), errors.get(source)
            if before is not None:
                joined = before.value + dx
                near = Near(joined, operation.join_error(p, values, here, before, near))
            errors[source] = near
    return {name: gradients[name] for name in graph.learnt()}


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
    p: Precision, graph: Graph, slots: NearSlots, done: Bounded, step: int
) -> NearSlots:
    """Errors of all parameters after update number `step`, from a pass in the state before it."""
    new: NearSlots = tuple(dict(slot) for slot in slots)
    for name, g in _weight_bounds.clipped(p, done.gradients, graph.optimizer.clip).items():
        value, *state = (slot[name] for slot in slots[: 1 + graph.optimizer.n_states])
        updated = _bounds.update(p, graph.optimizer_of(name), value, g, state, step)
        for slot, near in zip(new, updated, strict=False):
            slot[name] = near
    for name, kind, limit in graph.constraints():
        w = new[0][name]
        held = _layerwise.held(reference, kind, w.value, limit)
        new[0][name] = Near(held, _weight_bounds.constrained(p, kind, limit, w, held))
    new[0].update(done.moved)
    return new


def bounded_average(p: Precision, slots: NearSlots, part: float) -> NearSlots:
    """When the average has taken the weights with this share, if any."""
    if not part:
        return slots
    new = {}
    for name, w in slots[0].items():
        old = slots[-1][name]
        value = reference.average_step(w.value, old.value, share=part)
        new[name] = Near(value, _weight_bounds.average(p, w, old, part))
    return (*slots[:-1], new)
