"""Least squares, linearised: what a Gauss-Newton step is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._check import Array
from .._check_sparse import Rows
from . import loss
from .activation import quiet
from .cholesky import factor, solve
from .nodes import Mode

if TYPE_CHECKING:
    from .plan import Plan
    from .run import Sums

F64 = npt.NDArray[np.float64]


class Linearization:
    """The loss mse of a plan on some rows, near the parameters p at the time of `compute`.

    With y the outputs of all rows one after the other and J = dy/dp, outputs at p + d are about
    y + J d. So the loss there, the weighted mean of (y + J d - t)^2, is loss + g d + d A d / 2 with
    g = c J^T W (y - t) and A = c J^T W J, c = 2 / (outputs times the sum of the weights W): g is
    its gradient, A, without second derivatives of y, Gauss's approximation of its Hessian.
    """

    def __init__(self, plan: Plan, x: Rows, t: Array, w: Array | None) -> None:
        self._plan, self._data = plan, (np.asarray(x), t, w)
        self._gradient: F64 = np.empty(0)
        self._matrix: F64 = np.empty((0, 0))

    def _jacobian(self, x: Array) -> tuple[Array, F64]:
        """(y, dy/dp) of one row of data (1, n_in): backpropagation of one output at a time."""
        plan = self._plan
        values = plan._state.slots[0]
        buffers, kept = plan._forward(values, x, mode=Mode.TRAIN)
        y = buffers[-1]
        rows = []
        for output in np.eye(y.shape[1], dtype=y.dtype):
            gradients = plan._backward(values, buffers, kept, output[None])
            rows.append(np.concatenate([g.ravel() for g in gradients.values()]))
        return y, np.array(rows, np.float64)

    def compute(self) -> Sums:
        """Linearises at the present parameters; the sums that `Plan.evaluate` returns."""
        x, t, w = self._data
        weights = np.asarray(loss.weights(x, w), np.float64)
        size, n_out = len(self._plan.get_vector()), t.shape[1]
        matrix, gradient = np.zeros((size, size)), np.zeros(size)
        with quiet():
            for row, target, weight in zip(x, t, weights, strict=True):
                y, jacobian = self._jacobian(row[None])
                matrix += weight * (jacobian.T @ jacobian)
                gradient += weight * (jacobian.T @ (y[0].astype(np.float64) - target))
            scale = 2 / (n_out * float(np.sum(weights))) if weights.any() else 0.0
            self._matrix, self._gradient = scale * matrix, scale * gradient
        return self._plan.evaluate(x, t, w)

    @property
    def gradient(self) -> F64:
        """g, in the order of `Plan.get_vector`."""
        return self._gradient

    @property
    def diagonal(self) -> F64:
        """Of A."""
        return self._matrix.diagonal().copy()

    def solve(self, added: F64, right: F64) -> F64 | None:
        """x with (A + diag(added)) x = right; None where that matrix is not positive definite."""
        r = factor(self._matrix + np.diag(added))
        return None if r is None else solve(r, right)
