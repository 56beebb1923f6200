"""Whether the fast core is right on a user's own network and data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import (
    _bounded,
    _bounds,
    _check,
    _differences,
    _engine,
    _layerwise,
    _loss_bounds,
    ops,
    reference,
)
from ._bounded import Bounded, NearSlots
from ._bounds import Near, exact
from ._inputs import first_nonfinite
from ._layerwise import Data, Pass, Slots, State
from ._operations import check_operations, error_places
from ._report import Check, Report, same_bits, within
from ._targets import ClassWeight
from .optimizers import LevenbergMarquardt

if TYPE_CHECKING:
    from .network import Network

__all__ = ["Check", "Report", "verify"]

Array = npt.NDArray[Any]

LAYERS = "fast plan against layer by layer"
REFERENCE = "fast plan against reference"
SUMS = "sums"


def verify(
    net: Network,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: ClassWeight = None,
    *,
    rows: int = 200,
) -> Report:
    """Compares fast core, reference and central differences on a network and data of yours.

    X, y and weights are as for `net.gradients`; the first `rows` rows are used. The network
    has to be built, and stays exactly as it is, its optimizer state and position included.

    The report lists, in this order:

    * every operation of every layer, the loss and one optimizer step per parameter, fast in the
      network's dtype against the reference in float64, from the same inputs;
    * a new fast plan in the network's state against the same operations layer by layer, which give
      the same bits: outputs, gradients, parameters and optimizer state after one update and after
      a shuffled epoch of two batches, the second one smaller;
    * that plan against a new reference plan in float64;
    * the network's own plan: outputs and gradients;
    * where the optimizer is LevenbergMarquardt, what it solves and a step of it, fast against the
      reference in float64, to the root of the dtype's precision;
    * gradients of both engines in float64 against central differences of the reference's loss, on
      some rows and at most 100 elements of each parameter.

    The bounds follow from the dtype, the lengths of the sums and the magnitudes of their terms
    (Higham, "Accuracy and Stability of Numerical Algorithms", 2002), through all layers where
    whole networks are compared; central differences have to agree to 1e-6 of the gradient's norm
    and what rounding the loss makes of them.

    What rounding does in layers and losses that are written in Python, nobody knows: of networks
    with any, plans are compared with layer by layer, and gradients with central differences.

    Returns a Report: true where all is well, printable, with the worst place in its last line.
    Raises RuntimeError when the network is not built or is training, ValueError when parameters
    are nan or infinite or give results that the dtype cannot hold, and TypeError or ValueError for
    the arguments.
    """
    rows = _check.positive_int("rows", rows)
    with net._gate.training("verify()"):
        plan = net._built("verify()")
        x, t, w = net._prepare(X, y, sample_weight, class_weight)
        chosen = np.ascontiguousarray(x[:rows])
        given = Data(chosen, t[:rows], None if w is None else w[:rows])
        state = _copy_state(net, plan)
        with np.errstate(all="ignore"):
            checks = _all_checks(net.backend, plan, state, given)
            if isinstance(net.optimizer, LevenbergMarquardt):
                checks += _check_linear(state, given)
            return Report(tuple(checks))


def _copy_state(net: Network, plan: _engine.Plan) -> State:
    """Raises ValueError for nan and infinity: such a network has diverged, nothing is defined."""
    names = plan.graph.parameter_shapes()
    slots = tuple({name: plan.get(slot, name) for name in names} for slot in range(plan.n_slots))
    for slot, arrays in enumerate(slots):
        for name, array in arrays.items():
            at = first_nonfinite(array, array.dtype.name)
            if at is not None:
                index = [int(i) for i in np.unravel_index(at, array.shape)]
                what = "parameter" if slot == 0 else f"optimizer state {slot} of"
                raise ValueError(
                    f"{what} {name!r} has {array.reshape(-1)[at]!s} at {index}: the network has "
                    "diverged and there is nothing to compare"
                )
    return State(plan.graph, slots, plan.step, net.seed, plan.averaged)


def _all_checks(backend: str, own: _engine.Plan, state: State, given: Data) -> list[Check]:
    data = given.to(state.graph.dtype)  # the network's own plan converts by itself
    layers = _layerwise.run(ops, state.graph, state.values, data, state.step)
    near = _propagate(state, data) if _bounded.is_possible(state.graph, layers) else None
    exactly = near.now.plain if near else _layerwise.run(
        reference, _layerwise.in_float64(state.graph), state.to("float64")[0],
        data.to("float64"), state.step,
    )  # fmt: skip
    _refuse_overflow(layers, exactly, state.graph.dtype)
    return [
        *check_operations(state, layers, data),
        *_check_plan(state, layers, near, data),
        *_check_own(backend, own, state, layers, near, given),
        *_check_differences(state, data),
    ]


def _refuse_overflow(layers: Pass, plain: Pass, dtype: str) -> None:
    """ValueError where results are infinite because the dtype does not reach that far."""
    largest = float(np.finfo(dtype).max)
    steps = list(zip(layers.steps, plain.steps, strict=True))
    results = [(step.place, step.y, slow.y) for step, slow in steps]
    for step, slow in reversed(steps):
        results += zip(error_places(step), step.sent, slow.sent, strict=False)
    results += [
        (f"{name} gradient", g, plain.gradients[name]) for name, g in layers.gradients.items()
    ]
    for what, got, exactly in results:
        reached = float(np.max(np.abs(exactly), initial=0, where=~np.isnan(exactly)))
        if reached > largest and not np.isfinite(got).all():
            raise ValueError(
                f"{what} reaches {reached:.2g}, more than {dtype} can hold: the network has "
                "diverged and there is nothing to compare"
            )


# ------------------------------------------------------------------------------------------ plans
class _Propagated(NamedTuple):
    """What the reference gives in float64, and how far the network's dtype may be from it."""

    now: Bounded
    updated: NearSlots
    epoch: NearSlots
    sums: Near


def _propagate(state: State, data: Data) -> _Propagated:
    graph, p = _layerwise.in_float64(state.graph), _bounds.precision(state.graph.dtype)
    exactly = data.to("float64")
    slots: NearSlots = tuple({k: exact(a) for k, a in slot.items()} for slot in state.slots)
    now = _bounded.bounded_run(p, graph, slots[0], exactly, state.step)
    updated, counts = slots, bool(data.weights.any())
    if counts:
        updated = _bounded.bounded_update(p, graph, slots, now, state.step + 1)
    part = _layerwise.share(graph, state.averaged, state.step + 1, updated=counts)
    updated = _bounded.bounded_average(p, updated, part)
    step, taken, sums = state.step, state.averaged, Near(np.zeros(3), np.zeros(3))
    batches = _layerwise.batches(reference, len(data.x), state.seed)
    for chosen in batches:
        rows = exactly.rows(chosen)
        if counts := bool(rows.weights.any()):
            one = _bounded.bounded_run(p, graph, slots[0], rows, step)
            step += 1
            slots = _bounded.bounded_update(p, graph, slots, one, step)
            sums = Near(sums.value + one.sums.value, sums.error + one.sums.error)
        ends = chosen is batches[-1]
        part = _layerwise.share(graph, taken, step, updated=counts, ends=ends)
        slots, taken = _bounded.bounded_average(p, slots, part), taken + (part > 0)
    return _Propagated(now, updated, slots, sums)


def _train(plan: _engine.Plan, state: State, data: Data) -> tuple[float, ...]:
    """The epoch of two batches, in one go; its sums."""
    size = _layerwise.batch_size(len(data.x))
    run = plan.train(
        *data, batch_size=size, shuffle=True, seed=state.seed, epoch=_layerwise.EPOCH,
        averages=True, piece=_layerwise.piece(state.graph, size),
    )  # fmt: skip
    while not run.advance(float("inf")):
        pass
    return run.sums


def _layerwise_epoch(state: State, data: Data) -> tuple[Slots, Array]:
    slots, step, taken, sums = state.slots, state.step, state.averaged, np.zeros(2)
    batches = _layerwise.batches(ops, len(data.x), state.seed)
    for chosen in batches:
        rows = data.rows(chosen)
        total = float(rows.weights.sum())
        if total:
            one = _layerwise.run(ops, state.graph, slots[0], rows, step)
            step += 1
            slots = _layerwise.update_all(ops, state.graph, slots, one, step)
            sums += (one.loss + one.penalty) * total, total
        ends = chosen is batches[-1]
        part = _layerwise.share(state.graph, taken, step, updated=total > 0, ends=ends)
        slots, taken = _layerwise.averaged(ops, slots, part), taken + (part > 0)
    return slots, sums


def _stack(plan: _engine.Plan, name: str) -> Array:
    return np.stack([plan.get(slot, name) for slot in range(plan.n_slots)])


class _Results(NamedTuple):
    """What a plan gives; parameters with their optimizer state, stacked slot by slot."""

    output: Array
    loss: float
    sums: tuple[float, ...]
    gradients: dict[str, Array]
    updated: dict[str, Array]
    epoch: dict[str, Array]
    epoch_sums: tuple[float, ...]


def _results(backend: str, dtype: str, state: State, data: Data) -> _Results:
    graph = replace(state.graph, dtype=dtype)
    rows = data.to(dtype)
    plan = state.plan(backend, graph)
    loss, gradients = plan.gradients(*rows)
    output, sums = plan.predict(rows.x), plan.evaluate(*rows)
    plan.train_batch(*rows)
    names = graph.parameter_shapes()
    updated = {name: _stack(plan, name) for name in names}
    plan = state.plan(backend, graph)
    epoch_sums = _train(plan, state, rows)
    epoch = {name: _stack(plan, name) for name in names}
    return _Results(output, loss, sums, gradients, updated, epoch, epoch_sums)


def _check_plan(
    state: State, layers: Pass, near: _Propagated | None, data: Data
) -> list[Check]:
    """A new fast plan against layer by layer, and against a new reference plan in float64."""
    fast = _results("fast", state.graph.dtype, state, data)
    checks = _check_bits(state, layers, fast, data)
    if near:
        slow = _results("reference", "float64", state, data)
        checks += _check_values(state.graph.dtype, near, fast, slow)
    return checks


def _check_bits(state: State, layers: Pass, fast: _Results, data: Data) -> list[Check]:
    graph, updated = state.graph, state.slots
    counts = bool(data.weights.any())
    if counts:
        updated = _layerwise.update_all(ops, graph, state.slots, layers, state.step + 1)
    part = _layerwise.share(graph, state.averaged, state.step + 1, updated=counts)
    updated = _layerwise.averaged(ops, updated, part)
    epoch, sums = _layerwise_epoch(state, data)
    pairs: list[tuple[str, npt.ArrayLike, npt.ArrayLike]] = [("output", fast.output, layers.output)]
    pairs += [(f"{k} gradient", g, layers.gradients[k]) for k, g in fast.gradients.items()]
    for what, got, slots in (("a step", fast.updated, updated), ("an epoch", fast.epoch, epoch)):
        for name, arrays in got.items():
            expected = np.stack([slot[name] for slot in slots])
            pairs.append((f"{name} after {what}", arrays, expected))
    checks = [same_bits(place, LAYERS, got, other, graph.dtype) for place, got, other in pairs]
    eps = float(np.finfo(float).eps)
    # of others numpy, and of pieces the core, sums the rows in another order
    known, steps = _loss_bounds.known(graph.loss), graph.optimizer.gradient_accumulation_steps
    few = 4 * eps + (0 if known and steps == 1 else len(data.x) * eps)
    loss = same_bits("loss", LAYERS, fast.loss, layers.loss, "float64")
    if graph.penalties() or not known:  # penalties are added to the sum over the rows
        paid = layers.loss + layers.penalty
        loss = within("loss", LAYERS, fast.loss, paid, few * abs(paid), "float64")
    checks.insert(1, loss)
    # the mean of a batch times its weight is its sum but for two roundings
    slack = few * np.abs(sums)
    place = "sums of an epoch"
    checks.append(within(place, LAYERS, fast.epoch_sums[:2], sums, slack, "float64"))
    return checks


def _check_values(dtype: str, near: _Propagated, fast: _Results, slow: _Results) -> list[Check]:
    compared: list[tuple[str, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]] = [
        ("output", fast.output, slow.output, near.now.output.error),
        ("loss", fast.loss, slow.loss, near.now.loss.error),
        (SUMS, fast.sums, slow.sums, near.now.evaluated.error),
    ]
    for name, g in slow.gradients.items():
        error = near.now.gradients[name].error
        compared.append((f"{name} gradient", fast.gradients[name], g, error))
    for what, got, other, slots in (
        ("a step", fast.updated, slow.updated, near.updated),
        ("an epoch", fast.epoch, slow.epoch, near.epoch),
    ):
        for name, arrays in other.items():
            error = np.stack([slot[name].error for slot in slots])
            compared.append((f"{name} after {what}", got[name], arrays, error))
    compared.append((f"{SUMS} of an epoch", fast.epoch_sums, slow.epoch_sums, near.sums.error))
    return [
        within(place, REFERENCE, got, other, error, dtype) for place, got, other, error in compared
    ]


def _check_own(
    backend: str,
    own: _engine.Plan,
    state: State,
    layers: Pass,
    near: _Propagated | None,
    data: Data,
) -> list[Check]:
    """The network's own plan, in which parameters have been where training has left them."""
    output, (_, gradients) = own.predict(data.x), own.gradients(*data)
    dtype = own.graph.dtype
    if backend == "reference" and near:
        compared = f"the network in {dtype} against float64"
        checks = [within("output", compared, output, *near.now.output, dtype)]
        for name, g in gradients.items():
            error = near.now.gradients[name]
            checks.append(within(f"{name} gradient", compared, g, *error, dtype))
        return checks
    compared = "the network against layer by layer"
    expected, wanted = layers.output, layers.gradients
    if backend == "reference":
        compared, other = "the network against a new one", state.plan(backend, own.graph)
        expected, (_, wanted) = other.predict(data.x), other.gradients(*data)
    checks = [same_bits("output", compared, output, expected, dtype)]
    for name, g in gradients.items():
        checks.append(same_bits(f"{name} gradient", compared, g, wanted[name], dtype))
    return checks


def _linear(backend: str, dtype: str, state: State, given: Data, damping: float) -> list[Array]:
    """The loss; gradient and diagonal of the least squares there; a damped step, nan if there is
    none."""
    linear = state.plan(backend, replace(state.graph, dtype=dtype)).linearize(*given.to(dtype))
    total, weight, _ = linear.compute()
    gradient, diagonal = linear.gradient, linear.diagonal
    added = np.full_like(gradient, damping or float(diagonal.max()))
    step = linear.solve(added, gradient)
    nothing = np.full_like(gradient, np.nan)
    return [np.array(total / weight), gradient, diagonal, nothing if step is None else step]


def _check_linear(state: State, given: Data) -> list[Check]:
    """None of these is larger than the roots of the loss and of the diagonal allow, which is what
    errors are measured by: at a minimum the gradient is a sum of large numbers that cancel."""
    if not given.weights.any():
        return []
    dtype = state.graph.dtype
    loss, *slow = _linear("reference", "float64", state, given, 0.0)
    largest = float(slow[1].max())
    if not largest:
        return []
    _, *fast = _linear("fast", dtype, state, given, largest)
    slope = float(2 * loss * largest) ** 0.5
    near = float(np.finfo(dtype).eps) ** 0.5
    places = {
        "linearised gradient": slope,
        "linearised diagonal": largest,
        "damped step": slope / largest,
    }
    return [
        within(place, REFERENCE, got, expected, near * size, dtype)
        for (place, size), got, expected in zip(places.items(), fast, slow, strict=True)
    ]


def _check_differences(state: State, data: Data) -> list[Check]:
    """On rows that count, which are those of positive weight, if there are any."""
    counting = np.flatnonzero(data.weights)[: _differences.ROWS]
    part = data.rows(counting if len(counting) else slice(_differences.ROWS)).to("float64")
    graph = _layerwise.in_float64(state.graph)
    found = {
        f"{backend} in float64": state.plan(backend, graph).gradients(*part)[1]
        for backend in ("reference", "fast")
    }
    return _differences.check_gradients(graph, state.to("float64")[0], part, state.step, found)
