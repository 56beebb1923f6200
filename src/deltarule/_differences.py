"""Gradients against central differences of the loss, in float64.

Moving one element w by h to either side gives D(h) = (L(w + h) - L(w - h)) / 2h, which is
L'(w) + c h^2 + ...; Richardson's extrapolation (4 D(h) - D(2h)) / 3 cancels the term in h^2.

How far to move. Every parameter goes so far that the output of its operation moves by a fixed
length: h = length / max |x_i| for the weights of input i, be it a pixel of 0 .. 255 or of 0 .. 1.
A length of 2^-13 makes a rounding error of 1e-16 in L one of 1e-12 in D, and is short enough that
few units pass a kink on the way. It is shortened where D(h) and D(2h) differ by 1e-4 or more (what
is extrapolated from less is good to the square of that, 1e-8), or where more than half of the
elements straddle a kink: there the differences are no derivatives, and they are left out. What is
written in Python may have kinks that nobody has told of: there, elements are left out for which
D(h) and D(2h) differ.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _bounds, _layerwise, _loss_bounds, ops, reference
from ._bounded import is_possible
from ._graph import Graph
from ._layerwise import Data, Key, Pass, Step, last
from ._report import Check

Array = npt.NDArray[Any]

ROWS = 16  # with more, nearly every element has some unit of some row at a kink
ELEMENTS = 100  # of each parameter
CHUNK = 10  # of them at a time: four variants of each share one pass over the later layers
LENGTHS = (2.0**-13, 2.0**-17, 2.0**-21)
TOLERANCE = 1e-6  # of the norm of the gradient
CURVED = 1e-4
DEVIATIONS = 4  # of the rounding errors of the loss, which would be so large once in 10^4 times


class _Sample(NamedTuple):
    """Extrapolated central differences of some elements of a parameter."""

    chosen: npt.NDArray[np.int64]  # into the flattened parameter, without those at kinks
    slope: Array
    noise: Array  # what the rounding of L may add


class _Loss:
    """The loss of training as a function of the parameters, computed by the reference."""

    def __init__(self, graph: Graph, values: dict[str, Array], data: Data, updates: int) -> None:
        self.graph, self.values, self.data = graph, values, data
        self.plain: Pass = _layerwise.run(reference, graph, values, data, updates)
        self.rates = {name: (l1, l2) for name, l1, l2 in _layerwise.charged(graph, data)}
        self.noise = self._noise()
        self.smooth = is_possible(graph, self.plain)  # but for kinks that are known

    def _noise(self) -> float:
        """What rounding may change in the loss: what each operation rounds off, times the
        derivative of the loss there. The errors are many and of either sign: a sum of k terms is
        off by sqrt(k) rather than k of them, and all together by the root of the sum of squares
        (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019)."""
        p, plain, data = _bounds.precision("float64"), self.plain, self.data
        squares = 0.0
        for step in plain.steps:
            if step.dy is not None:  # others are not computed again
                of_y = step.operation.rounding(p, step.inputs, step.values, step.y)
                squares += float(np.sum((step.dy * of_y) ** 2))
        weights = data.weights
        share = weights / (float(weights.sum()) or 1.0)
        of_rows = _loss_bounds.rounding(p, self.graph.loss, plain.y, data.t)
        squares += float(np.sum((share * of_rows) ** 2)) + (p.eps * plain.loss) ** 2
        return DEVIATIONS * float(np.sqrt(squares))

    def after(self, first: int, y: Array) -> tuple[Array, Array]:
        """For y (variants, rows, n), what operation number `first` puts out, of several variants of
        the network: the losses (variants,), and on which side of its kinks each unit behind it is,
        and each row of its loss (variants, kinks). Only what depends on y is computed again."""
        steps, count = self.plain.steps, len(y)
        changed: dict[Key, Array] = {steps[first].target: y}
        sides = [np.zeros((count, 0), bool)]
        for step in steps[first + 1 :]:
            if not any(source in changed for source in step.sources):
                continue
            inputs = [
                changed.get(source, np.broadcast_to(plain, (count, *plain.shape)))
                for source, plain in zip(step.sources, step.inputs, strict=True)
            ]
            flat = [x.reshape(-1, x.shape[2]) for x in inputs]
            sides.append(step.operation.sides(flat).reshape(count, -1))
            changed[step.target] = _variants(step, inputs, flat)
        outputs = changed.get(last(self.graph, steps).target, [self.plain.y] * count)
        t, w = self.data.t, self.data.w
        losses = [
            reference.loss_forward(self.graph.loss, one, t, sample_weight=w) for one in outputs
        ]
        of_loss = [_loss_bounds.sides(self.graph.loss, one, t).reshape(-1) for one in outputs]
        return np.array(losses), np.concatenate([*sides, np.array(of_loss)], axis=1)

    def differences(
        self, first: int, part: str, chosen: npt.NDArray[np.int64], lengths: Array
    ) -> tuple[Array, Array, Array]:
        """D(h) and D(2h) for some elements of a parameter of operation number `first`, and whether
        a unit changes sides in between."""
        step = self.plain.steps[first]
        now = step.values[part].reshape(-1)[chosen]
        ends = now[:, None] + lengths[:, None] * np.array([1.0, -1.0, 2.0, -2.0])
        spans = np.stack([ends[:, 0] - ends[:, 1], ends[:, 2] - ends[:, 3]])  # as rounded
        outputs = [
            step.operation.moved(step.inputs, step.values, step.y, part, int(element), four)
            for element, four in zip(chosen, ends, strict=True)
        ]
        losses, sides = self.after(first, np.concatenate(outputs))
        l1, l2 = self.rates.get(f"{step.node.name}.{part}", (0.0, 0.0))
        costs = l1 * np.abs(ends) + l2 * np.square(ends)  # those of all others stay
        up_down = (losses.reshape(ends.shape) + costs).reshape(-1, 2, 2)
        corners = ends[:, :, None] * (l1 > 0) > 0
        variants = np.concatenate([sides.reshape(len(chosen), 4, -1), corners], axis=2)
        kinks = (variants != variants[:, :1]).any(axis=(1, 2))
        near, far = (up_down[..., 0] - up_down[..., 1]).T / spans
        return near, far, kinks

    def sample(self, first: int, part: str, chosen: npt.NDArray[np.int64]) -> _Sample:
        """Differences for some elements of a parameter of operation number `first`."""
        step = self.plain.steps[first]
        reach = step.operation.reach(step.inputs, step.values, part).reshape(-1)[chosen]
        reach = np.where(reach > 1e-100, reach, 1.0)
        # less would be lost on the element itself
        least = 2.0**-30 * np.abs(step.values[part].reshape(-1)[chosen])
        for length in LENGTHS:
            steps = np.maximum(length / reach, least)
            parts = [
                self.differences(first, part, chosen[i : i + CHUNK], steps[i : i + CHUNK])
                for i in range(0, len(chosen), CHUNK)
            ]
            near, far, kinks = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            noise = 1.5 * self.noise / steps  # (4 noise / h + noise / 2h) / 3
            if not self.smooth:
                kinks |= np.abs(far - near) > TOLERANCE * np.abs(near).max() + 2 * noise
            keep = ~kinks
            found = _Sample(
                chosen[keep],
                ((4 * near - far) / 3)[keep],
                noise[keep],
            )
            curved = float(np.linalg.norm((far - near)[keep]))
            limit = CURVED * float(np.linalg.norm(near[keep])) + float(np.linalg.norm(found.noise))
            if curved <= limit and 2 * int(kinks.sum()) <= len(chosen):
                break
        return found


def _variants(step: Step, inputs: list[Array], flat: list[Array]) -> Array:
    """An operation on inputs (variants, rows, n), which are `flat` all rows together."""
    operation, count = step.operation, len(inputs[0])
    if operation.rowwise:
        y = operation.forward(reference, flat, step.values)
        return y.reshape(count, -1, y.shape[1])
    each = zip(*inputs, strict=True)
    return np.stack([operation.forward(reference, list(one), step.values) for one in each])


def _norm_check(name: str, compared: str, gradient: Array, sample: _Sample) -> Check:
    """The error of the sampled elements as one vector, by its length."""
    place = f"{name} gradient"
    if not len(sample.chosen):
        return Check(place, compared, True, 0.0, np.nan, (), 0.0, 0.0, "all at kinks")
    got = np.ravel(gradient)[sample.chosen]
    wrong = np.abs(got - sample.slope)
    length = float(np.linalg.norm(wrong))
    scale = max(float(np.linalg.norm(got)), float(np.linalg.norm(sample.slope)))
    bound = TOLERANCE * scale + float(np.linalg.norm(sample.noise))
    error = length / bound if length else 0.0
    worst = int(np.argmax(wrong))
    index = np.unravel_index(int(sample.chosen[worst]), gradient.shape)
    return Check(
        place=place,
        compared=compared,
        ok=error <= 1,  # false for nan
        error=error if error == error else np.inf,
        ulp=np.nan,
        index=tuple(int(i) for i in index),
        got=float(got[worst]),
        expected=float(sample.slope[worst]),
        note=f"{len(got)}/{gradient.size}",
    )


def check_gradients(
    graph: Graph,
    values: dict[str, Array],
    data: Data,
    updates: int,
    found: dict[str, dict[str, Array]],
) -> list[Check]:
    """Gradients of float64 engines after so many updates, by what they are called in the report,
    each a dict by name.

    graph, values and data are in float64; the loss is that over the rows of `data`.
    """
    loss = _Loss(graph, values, data, updates)
    owners = {
        f"{step.node.name}.{part}": (number, part)
        for number, step in enumerate(loss.plain.steps)
        for part in step.operation.parameters
    }
    samples: dict[str, _Sample] = {}
    for number, name in enumerate(graph.learnt()):
        order = ops.random_permutation(values[name].size, seed=number, purpose="shuffle")
        samples[name] = loss.sample(*owners[name], np.sort(order[:ELEMENTS]))
    return [
        _norm_check(name, f"{engine} against central differences", gradients[name], sample)
        for engine, gradients in found.items()
        for name, sample in samples.items()
    ]
