"""scipy's L-BFGS-B on a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._engine import F64

if TYPE_CHECKING:
    from ._engine import Sums
    from ._full_batch import Problem
    from .optimizers import LBFGS

MISSING = "LBFGS needs scipy: pip install 'deltarule[lbfgs]'"
_EVALUATIONS = 2**31 - 1  # no limit: epochs are counted in iterations


def check_installed() -> None:
    """Raises ImportError where scipy is missing."""
    try:
        import scipy.optimize  # noqa: F401
    except ImportError:
        raise ImportError(MISSING) from None


def minimize(method: LBFGS, problem: Problem, epochs: int) -> str | None:
    """So many iterations, or fewer; then why. One that finds nothing to gain counts, too."""
    from scipy.optimize import minimize

    latest: tuple[F64, Sums] = problem.vector, (0.0, 0.0, 0.0)

    def function(vector: F64) -> tuple[float, F64]:
        nonlocal latest
        sums, gradient = problem.gradient(vector)
        latest = vector.copy(), sums
        return problem.loss(vector, sums), gradient + method.weight_decay * vector

    def after_iteration(intermediate_result: Any) -> None:
        at, sums = latest
        if not np.array_equal(at, intermediate_result.x):
            at = intermediate_result.x.copy()
            sums = problem.evaluate(at)
        if problem.accept(at, sums):
            raise StopIteration  # as scipy wants it

    found = minimize(
        function,
        problem.vector,
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={
            "maxiter": epochs,
            "maxfun": _EVALUATIONS,
            "maxcor": method.history_size,
            "gtol": method.tolerance_grad,
            "ftol": method.tolerance_change,
        },
    )
    if found.nit == 0:
        problem.accept(problem.vector, problem.evaluate(problem.vector))
    return str(found.message) if found.nit < epochs else None
