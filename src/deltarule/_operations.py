"""Every single operation of a network, fast against the reference.

Fast ones compute in the network's dtype, the reference in float64 from the same inputs, so that an
error is seen where it is made and is not handed on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _bounds, _layerwise, _loss_bounds, ops, reference
from ._bounds import Near, Precision, exact
from ._graph import Graph
from ._layerwise import EPOCH, Data, Pass, State, Step
from ._report import Check, within

Array = npt.NDArray[Any]

COMPARED = "fast operations against reference"


def check_operations(state: State, layers: Pass, data: Data) -> list[Check]:
    """layers: a pass over `data` by fast operations."""
    checks = _check_forward(state, layers)
    checks += _check_loss(state, layers, data)
    for step in reversed(layers.steps):
        checks += _check_backward(state.graph, step, layers.gradients)
    for name, g in layers.gradients.items():
        checks += _check_step(state, name, g)
    fast, slow = (
        functions.random_permutation(len(data.x), seed=state.seed, purpose="shuffle", step=EPOCH)
        for functions in (ops, reference)
    )
    checks.append(within("order of an epoch", COMPARED, fast, slow, 0, "float64"))
    return checks


def _f64(array: Array) -> Array:
    return array.astype(np.float64)


def _check_forward(state: State, layers: Pass) -> list[Check]:
    graph, p = state.graph, _bounds.precision(state.graph.dtype)
    checks = []
    last = layers.steps[-1]
    named = [(f"{step.node.name}.output", step, step.kind, step.y) for step in layers.steps]
    if last.kind != last.node.activation:
        place = f"{last.node.name}.output after {last.node.activation}"
        named.append((place, last, last.node.activation, layers.output))
    for place, step, kind, got in named:
        x, w = exact(step.x), exact(step.w)
        b = None if step.b is None else exact(step.b)
        start = None if b is None else b.value
        z = Near(reference.dense_forward(x.value, w.value, start), _bounds.product(p, x, w, b))
        alpha = _layerwise.slope_of(kind, step.node.alpha)
        y = reference.dense_forward(x.value, w.value, start, activation=kind, alpha=alpha)
        bound = _bounds.activation(p, kind, step.node.alpha, z, y)
        checks.append(within(place, COMPARED, got, y, bound, graph.dtype))
    return checks


def _check_loss(state: State, layers: Pass, data: Data) -> list[Check]:
    graph, p = state.graph, _bounds.precision(state.graph.dtype)
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


def _check_backward(graph: Graph, step: Step, gradients: dict[str, Array]) -> list[Check]:
    """The error before the activation, then what is computed from it."""
    assert step.dy is not None and step.dz is not None and step.dx is not None
    p, name, alpha = _bounds.precision(graph.dtype), step.node.name, step.node.alpha
    z, y, dy, x, w = map(exact, (step.z, step.y, step.dy, step.x, step.w))
    dz = reference.activation_backward(step.kind, z.value, y.value, dy.value, alpha=step.alpha)
    near = Near(dz, _bounds.slope(p, step.kind, alpha, z, y, dy))
    dx, dw, db = reference.dense_backward(
        x.value, w.value, y.value, dy.value, z=z.value, activation=step.kind, alpha=step.alpha
    )
    transposed = Near(x.value.T, x.error.T), Near(w.value.T, w.error.T)
    compared = [
        (f"{name}.error before {step.kind}", step.dz, *near),
        (
            f"{name}.weight gradient",
            gradients[f"{name}.weight"],
            dw,
            _bounds.product(p, transposed[0], near),
        ),
    ]
    if step.node.bias:
        error = _bounds.column_sums(p, near)
        compared.append((f"{name}.bias gradient", gradients[f"{name}.bias"], db, error))
    error = _bounds.product(p, near, transposed[1])
    compared.append((f"{name}.error at the input", step.dx, dx, error))
    checks = [
        within(place, COMPARED, got, expected, bound, graph.dtype)
        for place, got, expected, bound in compared
    ]
    return checks + _check_flush(graph, step)


# ------------------------------------------------------------------------------- what is vanishing
def _to_tiny(values: Array, p: Precision) -> int:
    """The power of 2 that brings about half of the values below the threshold."""
    sizes = np.abs(values[(values != 0) & np.isfinite(values)]).astype(np.float64)
    return round(np.log2(p.tiny) - np.log2(np.median(sizes))) if sizes.size else 0


def _around(got: Array, expected: Array, error: Array, p: Precision) -> Array:
    """The bound of values that are flushed: those that lie at the threshold may fall either way."""
    largest = np.maximum(np.abs(_f64(got)), np.abs(_f64(expected)))
    return np.where(np.abs(largest - p.tiny) <= error, error + p.tiny, error)


def _check_flush(graph: Graph, step: Step) -> list[Check]:
    """The backward activation again, on errors that are about to vanish."""
    assert step.dy is not None and step.dz is not None
    if not step.dz.any():
        return []
    p = _bounds.precision(graph.dtype)
    dy, z, y = np.ldexp(step.dy, _to_tiny(step.dz, p)), exact(step.z), exact(step.y)
    got = ops.activation_backward(step.kind, step.z, step.y, dy, alpha=step.alpha)
    # in the network's dtype, to which the threshold belongs
    expected = reference.activation_backward(step.kind, step.z, step.y, dy, alpha=step.alpha)
    error = _bounds.slope(replace(p, tiny=p.least), step.kind, step.node.alpha, z, y, exact(dy))
    bound = _around(got, expected, 2 * error, p)
    place = f"{step.node.name}.flush before {step.kind}"
    return [within(place, COMPARED, got, expected, bound, graph.dtype)]


# -------------------------------------------------------------------------------------- optimizers
def _check_step(state: State, name: str, g: Array) -> list[Check]:
    """The next update of one parameter: value and state, slot by slot."""
    graph, step = state.graph, state.step + 1
    p = _bounds.precision(graph.dtype)
    arrays = tuple(slot[name] for slot in state.slots)
    got = _layerwise.update(ops, graph.optimizer, arrays, g, step, state.hyper)
    near = _layerwise.bounded_update(
        p,
        graph,
        tuple({name: exact(array)} for array in arrays),
        {name: exact(g)},
        step,
        state.hyper,
    )
    expected = np.stack([slot[name].value for slot in near])
    bound = np.stack([slot[name].error for slot in near])
    checks = [within(f"{name} step", COMPARED, np.stack(got), expected, bound, graph.dtype)]
    return checks + _check_vanishing_step(state, name, g, arrays, got)


def _check_vanishing_step(
    state: State, name: str, g: Array, arrays: tuple[Array, ...], new: tuple[Array, ...]
) -> list[Check]:
    """The update again, scaled by powers of 2 such that each array of state is about to vanish;
    the last one of adam goes with the square of the gradient."""
    graph, hyper, dtype = state.graph, state.hyper, state.graph.dtype
    p = _bounds.precision(dtype)
    gots, others, bounds = [], [], []
    for slot in range(1, len(arrays)):
        if not new[slot].any() or (graph.optimizer == "sgd" and hyper[1] == 0):
            continue
        square = 1 + (slot == 2)
        power = _to_tiny(new[slot], p) // square
        # without weights, so that the decay does not add to the gradient
        scaled = [np.zeros_like(arrays[0])]
        scaled += [np.ldexp(a, power * (1 + (i == 2))) for i, a in enumerate(arrays) if i]
        small = np.ldexp(g, power)
        got = _layerwise.update(ops, graph.optimizer, tuple(scaled), small, 1, hyper)[slot]
        other = _layerwise.update(reference, graph.optimizer, tuple(scaled), small, 1, hyper)[slot]
        slots = tuple({name: exact(array)} for array in scaled)
        still = replace(p, tiny=p.least)
        near = _layerwise.bounded_update(still, graph, slots, {name: exact(small)}, 1, hyper)
        bounds.append(_around(got, other, 2 * near[slot][name].error, p))
        gots.append(got)
        others.append(other)
    if not gots:
        return []
    place = f"{name} state flush"
    return [within(place, COMPARED, np.stack(gots), np.stack(others), np.stack(bounds), dtype)]
