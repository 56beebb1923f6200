"""L-BFGS that goes on where it was: scipy's, which always begins afresh, on other variables.

With pairs of steps s and changes of the gradient y of earlier iterations, BFGS makes an estimate H
of the inverse of the second derivatives, from gamma I on (Nocedal and Wright, "Numerical
Optimization", 2006, section 7.2). Where x = start + S z and S S^T = H, a step down the gradient by
z is the step of L-BFGS by x, and what scipy learns of z comes on top of that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
from sklearn.utils.fixes import _get_additional_lbfgs_options_dict
from sklearn.utils.optimize import _check_optimize_result

F64 = npt.NDArray[np.float64]
Function = Callable[[F64], tuple[float, F64]]

MOST = 10  # pairs, as many as scipy keeps


class Scaling:
    """S for pairs (s, y), the oldest first; H is gamma I but in the space of all s and y.

    For two pairs of n numbers: Q (n, 4) has an orthonormal base of that space as its columns, and
    H = gamma (I - Q Q^T) + Q L L^T Q^T.
    """

    def __init__(self, pairs: list[tuple[F64, F64]]) -> None:
        newest_s, newest_y = pairs[-1]
        self._gamma = float(newest_s @ newest_y / (newest_y @ newest_y))
        self._q = np.linalg.qr(np.column_stack([v for pair in pairs for v in pair]))[0]
        one = np.eye(self._q.shape[1])
        h = self._gamma * one
        for s, y in pairs:
            s, y = self._q.T @ s, self._q.T @ y
            turn = one - np.outer(s, y) / (s @ y)
            h = turn @ h @ turn.T + np.outer(s, s) / (s @ y)
        self._l: npt.NDArray[Any] = np.linalg.cholesky((h + h.T) / 2)

    def _apply(self, root: npt.NDArray[Any], v: F64) -> F64:
        inside = self._q.T @ v
        product: F64 = np.sqrt(self._gamma) * (v - self._q @ inside) + self._q @ (root @ inside)
        return product

    def times(self, z: F64) -> F64:
        """S z."""
        return self._apply(self._l, z)

    def transposed_times(self, g: F64) -> F64:
        """S^T g."""
        return self._apply(self._l.T, g)


def minimize(
    function: Function, start: F64, pairs: deque[tuple[F64, F64]], tol: float, **options: Any
) -> Any:
    """scipy's result, from `start` on; pairs are used, and those of this call added.

    function: value and gradient. tol: ends where no element of the gradient is larger. options: of
    scipy's L-BFGS-B. The first call, without pairs, is scipy's own.
    """
    at, (value, gradient) = start, function(start)
    scaling = Scaling(list(pairs)) if pairs else None
    if scaling and np.abs(gradient).max() <= tol:
        message = "CONVERGENCE: NORM OF PROJECTED GRADIENT <= PGTOL"
        return scipy.optimize.OptimizeResult(x=at, fun=value, nit=0, status=0, message=message)
    # the first step that scipy tries has the length 1 by z: that is to be all of it by x
    unit = float(np.linalg.norm(scaling.transposed_times(gradient))) if scaling else 1.0
    latest: tuple[F64, F64, F64] = np.zeros_like(start), at, gradient
    converged = False

    def of_x(z: F64) -> F64:
        return start + unit * scaling.times(z) if scaling else z

    def of_z(z: F64) -> tuple[float, F64]:
        nonlocal latest
        x = of_x(z)
        value, gradient = function(x)
        latest = z.copy(), x.copy(), gradient
        return value, unit * scaling.transposed_times(gradient) if scaling else gradient

    def after_iteration(intermediate_result: Any) -> None:
        nonlocal at, gradient, converged
        z = intermediate_result.x
        if not np.array_equal(z, latest[0]):
            of_z(z)
        _, x, g = latest
        s, y = x - at, g - gradient
        if s @ y > np.finfo(float).eps * (y @ y):  # as scipy has it
            pairs.append((s, y))
        at, gradient = x, g
        if scaling and np.abs(g).max() <= tol:
            converged = True
            raise StopIteration

    found = scipy.optimize.minimize(
        of_z,
        np.zeros_like(start) if scaling else start,
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={**options, "gtol": 0.0 if scaling else tol},
    )
    found.x = of_x(found.x)
    if converged:
        found.status = 0
    return found


def fit(mlp: Any, X: Any, y: Any, sample_weight: Any, problem: Any) -> None:
    """What scikit-learn's _fit_lbfgs does, from where the last call has been on."""
    sizes = [array.size for array in mlp.coefs_ + mlp.intercepts_]
    ends = np.cumsum(sizes).tolist()
    places = list(zip([0, *ends], ends, strict=False))
    n = len(mlp.coefs_)
    mlp._coef_indptr = [
        (*place, coef.shape) for place, coef in zip(places, mlp.coefs_, strict=False)
    ]
    mlp._intercept_indptr = places[n:]
    if not hasattr(mlp, "_curvature"):
        mlp._curvature = deque(maxlen=MOST)

    def function(vector: F64) -> tuple[float, F64]:
        value, gradient = mlp._loss_grad_lbfgs(vector, X, y, sample_weight, problem)
        return float(value), gradient

    start = np.concatenate([array.ravel() for array in mlp.coefs_ + mlp.intercepts_])
    found = minimize(
        function,
        start.astype(np.float64),
        mlp._curvature,
        mlp.tol,
        maxfun=mlp.max_fun,
        maxiter=mlp.max_iter,
        **_get_additional_lbfgs_options_dict("iprint", 1 if mlp.verbose else -1),
    )
    mlp.n_iter_ = _check_optimize_result("lbfgs", found, mlp.max_iter)
    mlp.loss_ = found.fun
    mlp._unpack(found.x)
