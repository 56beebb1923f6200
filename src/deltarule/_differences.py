"""Gradients against central differences of the loss, in float64.

Moving one element w by h to either side gives D(h) = (L(w + h) - L(w - h)) / 2h, which is
L'(w) + c h^2 + ...; Richardson's extrapolation (4 D(h) - D(2h)) / 3 cancels the term in h^2.

How far to move. Every weight goes so far that the sums x w + b which it is part of move by a fixed
length: h = length / max |x_i| for the weights of input i, be it a pixel of 0 .. 255 or of 0 .. 1.
A length of 2^-13 makes a rounding error of 1e-16 in L one of 1e-12 in D, and is short enough that
few units pass a kink on the way. It is shortened where D(h) and D(2h) differ by 1e-4 or more (what
is extrapolated from less is good to the square of that, 1e-8), or where more than half of the
elements straddle a kink: there the differences are no derivatives, and they are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _bounds, _layerwise, _loss_bounds, ops, reference
from ._bounds import KINKS, exact
from ._graph import Graph
from ._layerwise import Data, Pass
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
    """The loss as a function of the parameters, computed by the reference."""

    def __init__(self, graph: Graph, values: dict[str, Array], data: Data) -> None:
        self.graph, self.values, self.data = graph, values, data
        self.plain: Pass = _layerwise.run(reference, graph, values, data)
        self.noise = self._noise()

    def _noise(self) -> float:
        """What rounding may change in the loss: what each operation rounds off, times the
        derivative of the loss there. The errors are many and of either sign: a sum of k terms is
        off by sqrt(k) rather than k of them, and all together by the root of the sum of squares
        (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019)."""
        p, plain, data = _bounds.precision("float64"), self.plain, self.data
        squares = 0.0
        for step in plain.steps:
            assert step.dy is not None and step.dz is not None
            start = None if step.b is None else exact(step.b)
            of_z = _bounds.product(p, exact(step.x), exact(step.w), start)
            of_z /= np.sqrt(step.x.shape[1])
            of_y = _bounds.activation(p, step.kind, step.node.alpha, exact(step.z), step.y)
            squares += float(np.sum((step.dz * of_z) ** 2) + np.sum((step.dy * of_y) ** 2))
        weights = data.weights
        share = weights / (float(weights.sum()) or 1.0)
        of_rows = _loss_bounds.rows(p, self.graph.loss, exact(plain.y), data.t)
        squares += float(np.sum((share * of_rows) ** 2)) + (p.eps * plain.loss) ** 2
        return DEVIATIONS * float(np.sqrt(squares))

    def after(self, first: int, z: Array) -> tuple[Array, Array]:
        """For z (variants, rows, n), what node number `first` has before its activation, of several
        variants of the network: the losses (variants,), and on which side of its kink each unit is,
        and each row of its loss (variants, kinks)."""
        count, rows, _ = z.shape
        steps = self.plain.steps
        buffers = {0: np.tile(self.data.x, (count, 1))}
        for step in steps[:first]:
            buffers[step.node.target] = np.tile(step.y, (count, 1))
        sides = [np.zeros((count, 0), bool)]
        y = z.reshape(count * rows, -1)
        for step in steps[first:]:
            if step is not steps[first]:
                y = reference.dense_forward(buffers[step.node.source], step.w, step.b)
            for kink in KINKS.get(step.kind, ()):
                sides.append((y > kink).reshape(count, -1))
            y = reference.activation_forward(step.kind, y, alpha=step.alpha)
            buffers[step.node.target] = y
        t, w = self.data.t, self.data.w
        outputs = y.reshape(count, rows, -1)
        losses = [
            reference.loss_forward(self.graph.loss, one, t, sample_weight=w) for one in outputs
        ]
        of_loss = [_loss_bounds.sides(self.graph.loss, one, t).reshape(-1) for one in outputs]
        return np.array(losses), np.concatenate([*sides, np.array(of_loss)], axis=1)

    def differences(
        self, first: int, bias: bool, chosen: npt.NDArray[np.int64], steps: Array
    ) -> tuple[Array, Array, Array]:
        """D(h) and D(2h) for some elements, and whether a unit changes sides in between."""
        step = self.plain.steps[first]
        x, w = step.x, step.w
        b = np.zeros(w.shape[1]) if step.b is None else step.b
        z = np.tile(reference.dense_forward(x, w, step.b), (len(chosen), 4, 1, 1))
        spans = np.empty((len(chosen), 2))
        rows, columns = (chosen, chosen) if bias else np.divmod(chosen, w.shape[1])
        for one, span, h, i, j in zip(z, spans, steps, rows, columns, strict=True):
            # only column j of z depends on the element: four variants of it, side by side
            weights, biases = np.repeat(w[:, [j]], 4, axis=1), np.repeat(b[j], 4)
            moved = biases if bias else weights[i]
            moved += h * np.array([1.0, -1.0, 2.0, -2.0])
            span[:] = moved[0] - moved[1], moved[2] - moved[3]  # as they have been rounded
            one[:, :, j] = reference.dense_forward(x, weights, biases).T
        losses, sides = self.after(first, z.reshape(-1, *z.shape[2:]))
        up_down = losses.reshape(-1, 2, 2)
        variants = sides.reshape(len(chosen), 4, -1)
        kinks = (variants != variants[:, :1]).any(axis=(1, 2))
        near, far = ((up_down[..., 0] - up_down[..., 1]) / spans).T
        return near, far, kinks

    def sample(self, first: int, bias: bool, chosen: npt.NDArray[np.int64]) -> _Sample:
        """Differences for some elements of a parameter of node number `first`."""
        n_out = self.plain.steps[first].w.shape[1]
        reach = np.ones(len(chosen))
        if not bias:
            largest = np.abs(self.plain.steps[first].x).max(axis=0)
            reach = np.where(largest > 1e-100, largest, 1.0)[chosen // n_out]
        node = self.graph.nodes[first]
        flat = self.values[f"{node.name}.bias" if bias else f"{node.name}.weight"].reshape(-1)
        least = 2.0**-30 * np.abs(flat[chosen])  # less would be lost on the element itself
        for length in LENGTHS:
            steps = np.maximum(length / reach, least)
            parts = [
                self.differences(first, bias, chosen[i : i + CHUNK], steps[i : i + CHUNK])
                for i in range(0, len(chosen), CHUNK)
            ]
            near, far, kinks = (np.concatenate(part) for part in zip(*parts, strict=True))
            keep = ~kinks
            found = _Sample(
                chosen[keep],
                ((4 * near - far) / 3)[keep],
                1.5 * self.noise / steps[keep],  # (4 noise / h + noise / 2h) / 3
            )
            curved = float(np.linalg.norm((far - near)[keep]))
            limit = CURVED * float(np.linalg.norm(near[keep])) + float(np.linalg.norm(found.noise))
            if curved <= limit and 2 * int(kinks.sum()) <= len(chosen):
                break
        return found


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
    graph: Graph, values: dict[str, Array], data: Data, found: dict[str, dict[str, Array]]
) -> list[Check]:
    """Gradients of float64 engines, by what they are called in the report, each a dict by name.

    graph, values and data are in float64; the loss is that over the rows of `data`.
    """
    loss = _Loss(graph, values, data)
    samples: dict[str, _Sample] = {}
    for first, node in enumerate(graph.nodes):
        for bias, name in enumerate((f"{node.name}.weight", f"{node.name}.bias")[: 1 + node.bias]):
            size, number = values[name].size, len(samples)
            order = ops.random_permutation(size, seed=number, purpose="shuffle")
            samples[name] = loss.sample(first, bool(bias), np.sort(order[:ELEMENTS]))
    return [
        _norm_check(name, f"{engine} against central differences", gradients[name], sample)
        for engine, gradients in found.items()
        for name, sample in samples.items()
    ]
