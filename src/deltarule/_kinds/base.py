"""The operations that nodes are made of, and what `deltarule.verify` asks of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import reference
from .._bounds import Near, Precision, exact
from .._graph import Node

Array = npt.NDArray[Any]
Inputs = Sequence[Array]
Values = Mapping[str, Array]
NearInputs = Sequence[Near]
NearValues = Mapping[str, Near]


class Call(NamedTuple):
    """What a node does depends on: the activation that applies (none at the end of a network whose
    loss has that in it), whether this is training, and the random numbers that it has then: seed,
    number of the node, step (the updates made before)."""

    node: Node
    activation: str
    training: bool
    stream: tuple[int, int, int]


class Operation:
    """One operation. A node is a chain of them: the first reads what the node reads, each of the
    others what the one before it has put out.

    inputs: what it reads, each (n, columns). values: all parameters of its node, by the names that
    they have there. y: what it puts out. dy: the gradient of the loss there. Near is an array with
    the largest error that it may have already. functions: `deltarule.ops` or `deltarule.reference`.

    Operations with equal settings are equal (frozen dataclasses).
    """

    rowwise: ClassVar[bool] = True  # a row of y depends on that row alone, wherever it stands
    flushes: ClassVar[bool] = False  # the error it sends back becomes +0 where it vanishes
    bounded: ClassVar[bool] = True  # it has the methods that end with _error

    @property
    def name(self) -> str:
        """What the report calls it."""
        return type(self).__name__.lower()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those of the node's that it computes with and has gradients of."""
        return ()

    # ------------------------------------------------------------------------ what it computes
    def forward(self, functions: ModuleType, inputs: Inputs, values: Values) -> Array:
        """y, with the bits of the plan where `functions` are the fast ones."""
        raise NotImplementedError

    def backward(
        self, functions: ModuleType, inputs: Inputs, values: Values, y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        """The errors at the inputs, and the gradients by parameter."""
        raise NotImplementedError

    def join(
        self, functions: ModuleType, values: Values, dy: Array, before: Array, dx: Array
    ) -> Array:
        """The error at a buffer where other readers have sent the error `before`, and this
        operation sends dx."""
        joined: Array = before + dx
        return joined

    def after(self, functions: ModuleType, inputs: Inputs, values: Values) -> dict[str, Array]:
        """New values of parameters that a batch of training changes without a gradient."""
        return {}

    # ------------------------------------------------------------------ how far it may be off
    def forward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Array
    ) -> Array:
        """The largest error of y: of the inputs' errors, and of rounding."""
        raise NotImplementedError

    def backward_error(
        self, p: Precision, inputs: NearInputs, values: NearValues, y: Near, dy: Near
    ) -> tuple[list[Array], dict[str, Array]]:
        """The largest errors of what `backward` returns."""
        raise NotImplementedError

    def join_error(
        self, p: Precision, values: NearValues, dy: Near, before: Near, dx: Near
    ) -> Array:
        """The largest error of what `join` returns."""
        return before.error + dx.error + p.eps * (before.size + dx.size)

    def after_error(
        self, p: Precision, inputs: NearInputs, values: NearValues
    ) -> dict[str, Array]:
        """The largest errors of what `after` returns."""
        return {}

    def rounding(self, p: Precision, inputs: Inputs, values: Values, y: Array) -> Array:
        """What rounding usually adds to y; a sum of k terms is off by sqrt(k) rather than k of
        their roundings."""
        nears = {name: exact(value) for name, value in values.items()}
        return self.forward_error(p, list(map(exact, inputs)), nears, y)

    # -------------------------------------------------------------- how to take differences
    def sides(self, inputs: Inputs) -> Array:
        """(n, k) booleans: on which side of each place where the first or second derivative jumps
        its inputs are."""
        return np.zeros((len(inputs[0]), 0), bool)

    def reach(self, inputs: Inputs, values: Values, part: str) -> Array:
        """For each element of a parameter, by how much an output moves at most when it moves by 1;
        0 or an estimate will do."""
        return np.ones(values[part].shape)

    def moved(
        self, inputs: Inputs, values: Values, y: Array, part: str, element: int, ends: Array
    ) -> Array:
        """What becomes of y, (variants, n, columns), by the reference, for several values of one
        element of a parameter (an index into the flattened one)."""
        outputs = []
        for end in ends:
            changed = values[part].copy()
            changed.reshape(-1)[element] = end
            outputs.append(self.forward(reference, inputs, {**values, part: changed}))
        return np.stack(outputs)
