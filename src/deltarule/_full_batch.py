"""Training by methods that need all rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import _engine, _fast, _lbfgs, _marquardt
from ._engine import F64, Linearization, Plan, Sums
from ._graph import Graph
from ._position import Position
from .optimizers import LBFGS, FullBatch, LevenbergMarquardt

if TYPE_CHECKING:
    from ._targets import Data
    from .network import Network
    from .performance import Stopwatch

MOST_PARAMETERS = 5000  # of Levenberg-Marquardt
# nodes that take each row by itself, and draw no random numbers
_ALONE = {"dense", "activation", "prelu", "add", "concat", "layer_norm", "rms_norm"}
_JACOBIAN = {"dense"}  # parameters by which nodes know the derivatives of their output


def check_installed(method: FullBatch) -> None:
    """ImportError where scipy is needed and missing."""
    if isinstance(method, LBFGS):
        _lbfgs.check_installed()


def check(method: FullBatch, graph: Graph) -> None:
    """ValueError where a network cannot be trained by a method."""
    name, second = type(method).__name__, isinstance(method, LevenbergMarquardt)
    for node in graph.nodes:
        frozen = node.kind == "batch_norm" and not node.trainable
        if not (node.kind in _ALONE or frozen or (node.kind == "custom" and not second)):
            raise ValueError(
                f"optimizer {name} cannot train layer {node.name}: it needs a loss that is a "
                "function of the parameters alone, from layers without random numbers that take "
                f"each row by itself{' and are not written in Python' if second else ''}"
            )
    for node in graph.nodes:
        if node.learning_rate_factor != 1:
            raise ValueError(
                f"optimizer {name} has no learning rate: learning_rate_factor of layer {node.name} "
                f"must be 1, got {node.learning_rate_factor}"
            )
    size = sum(math.prod(graph.parameter_shapes()[learnt]) for learnt in graph.learnt())
    if size == 0:
        raise ValueError(f"optimizer {name} has no parameters to learn")
    for parameter, constraint, _ in graph.constraints():  # its steps leave no place for one
        raise ValueError(f"optimizer {name} cannot hold {parameter!r} to {constraint!r}")
    if not second:
        return
    for parameter, number, _, _ in graph.parameters():
        if parameter in graph.learnt() and graph.nodes[number].kind not in _JACOBIAN:
            raise ValueError(
                f"optimizer {name} does not know derivatives by {parameter!r}: use LBFGS, or "
                "trainable=False"
            )
    for parameter, l1, _ in graph.penalties():
        if l1:
            raise ValueError(f"optimizer {name} takes penalties l2 only, got l1 of {parameter!r}")
    if graph.loss.kind != "mse":
        raise ValueError(f"optimizer {name} needs loss 'mse', got {graph.loss.kind!r}")
    if size > MOST_PARAMETERS:
        raise ValueError(
            f"optimizer {name} is for up to {MOST_PARAMETERS:,} parameters, got {size:,}, for "
            f"which it would need {16 * size**2 / 1e9:.3g} GB; use LBFGS or Adam"
        )


class Iteration(NamedTuple):
    """An iteration that is done, as a run for the progress bar."""

    sums: Sums
    batch: int = 1
    n_batches: int = 1
    finite: int = 0
    lost_in: int | None = None


class Problem:
    """The loss over all rows as a function of one vector, the parameters that are learnt, in
    float64 whatever the network's dtype is: the engine rounds it.

    Points are tried out in a plan of their own: that of the network only ever has accepted ones,
    whoever looks at it and whatever interrupts.
    damping: as in LevenbergMarquardt, 0 before it has begun. curvature: the second derivatives of
    the penalties, that of weight_decay and those of layers.
    """

    def __init__(
        self,
        net: Network,
        plan: Plan,
        data: Data,
        watch: Stopwatch,
        end_epoch: Callable[[Iteration], str | None],
    ) -> None:
        self._net, self._plan, self._data = net, plan, data
        self._watch, self._end_epoch = watch, end_epoch
        self._scratch = _engine.new_plan(net.backend, plan.graph)
        for name in plan.graph.parameter_shapes():
            self._scratch.set(0, name, plan.get(0, name))
        self._linear: Linearization | None = None
        self._decay: float = net.optimizer.weight_decay
        self.curvature = np.concatenate(list(self._curvatures()))
        self.damping = net._position.damping

    def _curvatures(self) -> Iterator[F64]:
        """Of each parameter, what penalties add to second derivatives."""
        graph = self._plan.graph
        shapes = graph.parameter_shapes()
        l2 = {name: rate for name, _, rate in graph.penalties()}
        for name in graph.learnt():
            yield np.full(math.prod(shapes[name]), self._decay + 2 * l2.get(name, 0.0))

    def _count(self, flops: float) -> None:
        threads = _fast.last_team() if self._net.backend == "fast" else 1
        self._watch.count(rows=len(self._data[0]), flops=flops, threads=threads)

    @property
    def vector(self) -> F64:
        """Where the network is."""
        return self._plan.get_vector().astype(np.float64)

    def loss(self, at: F64, sums: Sums) -> float:
        """With the penalty of weight_decay, which history does not have; those of layers it has."""
        total, weight, _ = sums
        if not self._decay:
            return total / weight
        return total / weight + self._decay / 2 * math.fsum((at * at).tolist())

    def evaluate(self, at: F64) -> Sums:
        with self._watch.on("products"):
            self._scratch.set_vector(at)
            return self._scratch.evaluate(*self._data)

    def gradient(self, at: F64) -> tuple[Sums, F64]:
        """Of the loss without the penalty of weight_decay."""
        with self._watch.on("products"):
            self._scratch.set_vector(at)
            sums, gradient = self._scratch.gradient_vector(*self._data)
        self._count(0.0)
        return sums, gradient.astype(np.float64)

    def linearize(self) -> tuple[Linearization, Sums]:
        """Where the network is; gradient and matrix without all penalties."""
        with self._watch.on("products"):
            if self._linear is None:
                self._linear = self._plan.linearize(*self._data)
            sums = self._linear.compute()
        self._count(self._plan.graph.n_out * len(self._data[0]) * float(len(self.vector)) ** 2)
        return self._linear, sums

    def solve(self, linear: Linearization, damping: float, right: F64) -> F64 | None:
        """A step against `right`."""
        with self._watch.on("optimizer"):
            return linear.solve(self.curvature + damping, right)

    def accept(self, at: F64, sums: Sums, why: str | None = None) -> str | None:
        """An iteration is over, and the network is at this point. Returns why to end:
        `why`, or what callbacks say."""
        self._plan.set_vector(at)
        self._net._standing = Position(self._net._position.epoch + 1, damping=self.damping)
        self._watch.count(steps=1)
        asked = self._end_epoch(Iteration(sums))
        return why or asked


def train(method: FullBatch, problem: Problem, epochs: int) -> str | None:
    """So many iterations, or fewer; then why."""
    with np.errstate(all="ignore"):
        if isinstance(method, LevenbergMarquardt):
            return _marquardt.minimize(method, problem, epochs)
        assert isinstance(method, LBFGS)
        return _lbfgs.minimize(method, problem, epochs)
