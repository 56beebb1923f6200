"""Every single operation of a network, fast against the reference.

Fast ones compute in the network's dtype, the reference in float64 from the same inputs, so that an
error is seen where it is made and is not handed on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bounds, _loss_bounds, _weight_bounds, ops, reference
from ._bounds import Precision, exact
from ._graph import Graph
from ._layerwise import EPOCH, Data, Pass, Slots, State, Step, charged, clipped, held
from ._report import Check, within

Array = npt.NDArray[Any]

COMPARED = "fast operations against reference"


def check_operations(state: State, layers: Pass, data: Data) -> list[Check]:
    """layers: a pass over `data` by fast operations."""
    graph, checks = state.graph, []
    for step in layers.steps:
        checks.append(_check_forward(graph, step, step.place))
    seen = [(step.node.name, step.operation) for step in layers.steps]
    for step in [*layers.evaluated, *layers.predicted]:
        if (step.node.name, step.operation) not in seen:  # what training does not do
            seen.append((step.node.name, step.operation))
            place = f"{step.node.name}.output after {step.operation.name}"
            checks.append(_check_forward(graph, step, place))
    checks += _check_loss(state, layers, data)
    for step in reversed(layers.steps):
        if step.dy is not None and step.operation.bounded:
            checks += _check_backward(graph, step, step.dy)
    for step in layers.steps:
        if step.operation.bounded:
            checks += _check_after(graph, step, layers.moved)
    checks += _check_penalties(state, layers, data)
    gradients = clipped(ops, graph, layers.gradients)
    checks += _check_clip(graph, layers.gradients, gradients)
    for name, g in gradients.items():
        checks += _check_step(state, name, g)
    checks += _check_averages(state)
    checks += _check_constraints(state, gradients)
    fast, slow = (
        functions.random_permutation(len(data.x), seed=state.seed, purpose="shuffle", step=EPOCH)
        for functions in (ops, reference)
    )
    checks.append(within("order of an epoch", COMPARED, fast, slow, 0, "float64"))
    return checks


class _Exactly:
    """What an operation reads, in float64: as it is, and as Near without an error."""

    def __init__(self, step: Step) -> None:
        self.near_inputs = list(map(exact, step.inputs))
        self.near_values = {part: exact(value) for part, value in step.values.items()}
        self.inputs = [near.value for near in self.near_inputs]
        self.values = {part: near.value for part, near in self.near_values.items()}


def _unknown(place: str) -> Check:
    return Check(place, COMPARED, True, 0.0, np.nan, (), 0.0, 0.0, "(Python: no bound)")


def _check_forward(graph: Graph, step: Step, place: str) -> Check:
    if not step.operation.bounded:
        return _unknown(place)
    operation, given = step.operation, _Exactly(step)
    y = operation.forward(reference, given.inputs, given.values)
    p = _bounds.precision(graph.dtype)
    error = operation.forward_error(p, given.near_inputs, given.near_values, y)
    return within(place, COMPARED, step.y, y, error, graph.dtype)


def _check_loss(state: State, layers: Pass, data: Data) -> list[Check]:
    graph, p = state.graph, _bounds.precision(state.graph.dtype)
    if not _loss_bounds.known(graph.loss):
        return [_unknown("loss")]
    y, exactly = exact(layers.y), data.to("float64")
    weights = data.weights
    share = weights / (weights.sum() or 1.0)
    value = reference.loss_forward(graph.loss, y.value, exactly.t, sample_weight=exactly.w)
    bound = float(np.sum(share * _loss_bounds.rows(p, graph.loss, y, exactly.t)))
    bound += (len(weights) + 4) * float(np.finfo(float).eps) * abs(value)
    checks = [within("loss", COMPARED, layers.loss, value, bound, graph.dtype)]
    dy = reference.loss_backward(graph.loss, y.value, exactly.t, sample_weight=exactly.w)
    error = _loss_bounds.gradient(p, graph.loss, y, exactly.t, share)
    got = layers.loss_gradient
    checks.append(within("loss gradient", COMPARED, got, dy, error, graph.dtype))
    return checks


def _check_backward(graph: Graph, step: Step, dy: Array) -> list[Check]:
    """The errors at the inputs, and the gradients."""
    operation, given, p = step.operation, _Exactly(step), _bounds.precision(graph.dtype)
    y, near = exact(step.y), exact(dy)
    sent, found = operation.backward(reference, given.inputs, given.values, y.value, near.value)
    errors, of_found = operation.backward_error(
        p, given.near_inputs, given.near_values, y, near
    )
    compared = [
        (f"{step.node.name}.{part} gradient", g, found[part], of_found[part])
        for part, g in step.gradients.items()
    ]
    places = error_places(step)
    compared += zip(places, step.sent, sent, errors, strict=True)
    checks = [
        within(place, COMPARED, got, expected, bound, graph.dtype)
        for place, got, expected, bound in compared
    ]
    return [*checks, *_check_flush(graph, step, dy)]


def error_places(step: Step) -> list[str]:
    """What the errors at the inputs of an operation are called."""
    name = step.node.name
    if not isinstance(step.sources[0], int):
        return [f"{name}.error before {step.operation.name}"]
    numbers = range(len(step.sources)) if len(step.sources) > 1 else ("",)
    return [f"{name}.error at the input {number}".rstrip() for number in numbers]


def _check_after(graph: Graph, step: Step, moved: dict[str, Array]) -> list[Check]:
    """What changes without a gradient."""
    operation, given, p = step.operation, _Exactly(step), _bounds.precision(graph.dtype)
    expected = operation.after(reference, given.inputs, given.values)
    errors = operation.after_error(p, given.near_inputs, given.near_values)
    names = {part: f"{step.node.name}.{part}" for part in expected}
    return [
        within(f"{name} step", COMPARED, moved[name], expected[part], errors[part], graph.dtype)
        for part, name in names.items()
    ]


# ----------------------------------------------------------------------------- what acts on weights
def _check_penalties(state: State, layers: Pass, data: Data) -> list[Check]:
    """What weights cost, and the gradients with that added to what has come back to them."""
    p, dtype, checks = _bounds.precision(state.graph.dtype), state.graph.dtype, []
    back = {
        f"{step.node.name}.{part}": g for step in layers.steps for part, g in step.gradients.items()
    }
    for name, l1, l2 in charged(state.graph, data):
        w, g = exact(state.values[name]), exact(back[name])
        rates = {"l1": l1, "l2": l2}
        got = ops.penalty_forward(state.values[name], **rates)
        value = reference.penalty_forward(w.value, **rates)
        error = _weight_bounds.penalty(p, w, l1, l2)
        checks.append(within(f"{name} penalty", COMPARED, got, value, error, dtype))
        expected = reference.penalty_backward(w.value, g.value, **rates)
        bound = _weight_bounds.penalty_gradient(p, w, g, l1, l2)
        place = f"{name} gradient with penalty"
        checks.append(within(place, COMPARED, layers.gradients[name], expected, bound, dtype))
    return checks


def _check_clip(
    graph: Graph, gradients: dict[str, Array], got: dict[str, Array]
) -> list[Check]:
    """All gradients at once, for a norm may be of all."""
    given = graph.optimizer.clip
    exactly = {name: exact(g) for name, g in gradients.items()}
    near = _weight_bounds.clipped(_bounds.precision(graph.dtype), exactly, given)
    return [
        within(f"{name} gradient clipped", COMPARED, got[name], *near[name], graph.dtype)
        for name in got
        if given
    ]


def _check_constraints(state: State, gradients: dict[str, Array]) -> list[Check]:
    """Weights after the next update and their constraint."""
    p, graph, checks = _bounds.precision(state.graph.dtype), state.graph, []
    for name, kind, limit in graph.constraints():
        arrays = (slot[name] for slot in _stepped(state))
        w, *rest = arrays
        g = gradients[name]
        free = ops.optimizer_step(graph.optimizer_of(name), w, g, *rest, step=state.step + 1)[0]
        got = held(ops, kind, free, limit)
        expected = held(reference, kind, exact(free).value, limit)
        error = _weight_bounds.constrained(p, kind, limit, exact(free), expected)
        place = f"{name} {kind}"
        checks.append(within(place, COMPARED, got, expected, error, graph.dtype))
    return checks


# ------------------------------------------------------------------------------- what is vanishing
def _to_tiny(values: Array, p: Precision) -> int:
    """The power of 2 that brings about half of the values below the threshold."""
    sizes = np.abs(values[(values != 0) & np.isfinite(values)]).astype(np.float64)
    return round(np.log2(p.tiny) - np.log2(np.median(sizes))) if sizes.size else 0


def _around(got: Array, expected: Array, error: Array, p: Precision) -> Array:
    """The bound of values that are flushed: those that lie at the threshold may fall either way."""
    largest = np.maximum(*(np.abs(a.astype(np.float64)) for a in (got, expected)))
    return np.where(np.abs(largest - p.tiny) <= error, error + p.tiny, error)


def _check_flush(graph: Graph, step: Step, dy: Array) -> list[Check]:
    """The way back again, on errors that are about to vanish."""
    operation = step.operation
    if not operation.flushes or not step.sent[0].any():
        return []
    p = _bounds.precision(graph.dtype)
    small = np.ldexp(dy, _to_tiny(step.sent[0], p))
    got, expected = (
        # in the network's dtype, to which the threshold belongs
        operation.backward(functions, step.inputs, step.values, step.y, small)[0][0]
        for functions in (ops, reference)
    )
    given, still = _Exactly(step), replace(p, tiny=p.least)
    errors, _ = operation.backward_error(
        still, given.near_inputs, given.near_values, exact(step.y), exact(small)
    )
    bound = _around(got, expected, 2 * errors[0], p)
    place = f"{step.node.name}.flush before {operation.name}"
    return [within(place, COMPARED, got, expected, bound, graph.dtype)]


# -------------------------------------------------------------------------------------- optimizers
def _stepped(state: State) -> Slots:
    """Values and optimizer state, without averages."""
    return state.slots[: 1 + state.graph.optimizer.n_states]


def _check_averages(state: State) -> list[Check]:
    """What one more set of weights makes of their average."""
    averaging, p = state.graph.optimizer.averaging, _bounds.precision(state.graph.dtype)
    if averaging is None:
        return []
    share, checks = averaging.moving or 1 / (state.averaged + 1), []
    for name, w in state.values.items():
        old, near = state.slots[-1][name], (exact(w), exact(state.slots[-1][name]))
        got = ops.average_step(w, old, share=share)
        expected = reference.average_step(*(one.value for one in near), share=share)
        error = _weight_bounds.average(p, *near, share)
        place = f"{name} average"
        checks.append(within(place, COMPARED, got, expected, error, state.graph.dtype))
    return checks


def _check_step(state: State, name: str, g: Array) -> list[Check]:
    """The next update of one parameter: value and state, slot by slot."""
    optimizer, step = state.graph.optimizer_of(name), state.step + 1
    p, dtype = _bounds.precision(state.graph.dtype), state.graph.dtype
    w, *rest = (slot[name] for slot in _stepped(state))
    got = ops.optimizer_step(optimizer, w, g, *rest, step=step)
    near = _bounds.update(p, optimizer, exact(w), exact(g), list(map(exact, rest)), step)
    expected, bound = (np.stack(arrays) for arrays in zip(*near, strict=True))
    checks = [within(f"{name} step", COMPARED, np.stack(got), expected, bound, dtype)]
    return checks + _check_vanishing_state(state, name, got[1:])


def _check_vanishing_state(state: State, name: str, new: tuple[Array, ...]) -> list[Check]:
    """What an update without gradient leaves of arrays of state that are about to vanish."""
    optimizer, dtype = state.graph.optimizer_of(name), state.graph.dtype
    p = _bounds.precision(dtype)
    if not any(array.any() for array in new):
        return []
    scaled = [np.ldexp(array, _to_tiny(array, p)) for array in new]
    none = np.zeros_like(scaled[0])
    got, other = (
        np.stack(functions.optimizer_step(optimizer, none, none, *scaled)[1:])
        # in the network's dtype, to which the threshold belongs
        for functions in (ops, reference)
    )
    still = replace(p, tiny=p.least)
    near = _bounds.update(still, optimizer, exact(none), exact(none), list(map(exact, scaled)), 1)
    bound = _around(got, other, 2 * np.stack([after.error for after in near[1:]]), p)
    return [within(f"{name} state flush", COMPARED, got, other, bound, dtype)]
