"""The Levenberg-Marquardt method on a problem; its formulas are in deltarule.optimizers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ._engine import F64

if TYPE_CHECKING:
    from ._full_batch import Problem
    from .optimizers import LevenbergMarquardt

_GRADIENT = "no element of the gradient is above tolerance_grad"
_STEP = "no step above tolerance_change makes the loss smaller"
_LOSS = "the loss or its gradient is infinite or nan"


def minimize(method: LevenbergMarquardt, problem: Problem, epochs: int) -> str | None:
    """So many iterations, or fewer; then why. The last one, which finds nothing, counts as one."""
    for _ in range(epochs):
        why = _iterate(method, problem)
        if why:
            return why
    return None


def _largest(vector: F64) -> float:
    return float(np.max(np.abs(vector), initial=0.0))


def _iterate(method: LevenbergMarquardt, problem: Problem) -> str | None:
    """One step that makes the loss smaller. Sums are math.fsum's, which rounds them once, so that
    the bits are the same everywhere."""
    at = problem.vector
    linear, sums = problem.linearize()
    gradient = linear.gradient + problem.curvature * at
    diagonal = linear.diagonal + problem.curvature
    loss = problem.loss(at, sums)
    if not (math.isfinite(loss) and np.isfinite([gradient, diagonal]).all()):
        return problem.accept(at, sums, _LOSS)
    if _largest(gradient) <= method.tolerance_grad:
        return problem.accept(at, sums, _GRADIENT)

    damping = problem.damping or method.damping * _largest(diagonal)
    growth = 2.0
    while math.isfinite(damping):
        step = problem.solve(linear, damping, gradient)
        if step is not None:
            tolerance = method.tolerance_change
            if _largest(step) <= tolerance * (tolerance + _largest(at)):
                break
            new = at - step
            found = problem.evaluate(new)
            fall = loss - problem.loss(new, found)
            if fall > 0:
                promised = math.fsum((step * (damping * step + gradient)).tolist()) / 2
                gain = 2 * (fall / promised) - 1
                problem.damping = damping * max(1 / 3, 1 - gain * gain * gain)
                return problem.accept(new, found)
        damping *= growth
        growth *= 2
    return problem.accept(at, sums, _STEP)
