"""Optimiser steps: new weights and new state from a gradient."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .activation import flush, quiet

Hyper = tuple[float, ...]
Step = Callable[[Array, Array, tuple[Array, ...], int, Hyper], tuple[Array, ...]]


def _sgd(
    w: Array, g: Array, state: tuple[Array, ...], step: int, hyper: Hyper
) -> tuple[Array, ...]:
    """(w, velocity); hyper = (learning_rate, momentum, nesterov, weight_decay)."""
    (velocity,) = state
    rate, momentum, _, decay = map(w.dtype.type, hyper)
    g = g + decay * w
    if hyper[1] == 0:
        return w - rate * g, velocity.copy()
    velocity = flush(momentum * velocity + g)
    return w - rate * (g + momentum * velocity if hyper[2] else velocity), velocity


def _adam(
    w: Array, g: Array, state: tuple[Array, ...], step: int, hyper: Hyper
) -> tuple[Array, ...]:
    """(w, m, v); hyper = (learning_rate, beta1, beta2, eps), step counted from 1."""
    m, v = state
    learning_rate, beta1, beta2, eps = hyper
    real = w.dtype.type
    m = flush(real(beta1) * m + real(1 - beta1) * g)
    v = flush(real(beta2) * v + real(1 - beta2) * g * g)
    rate = real(learning_rate / (1 - beta1**step))
    root = real(math.sqrt(1 - beta2**step))
    return w - rate * m / (np.sqrt(v) / root + real(eps)), m, v


# The step of each optimiser and how many arrays of state it keeps for one of weights.
TABLE: dict[str, tuple[Step, int]] = {"sgd": (_sgd, 1), "adam": (_adam, 2)}


def sgd_step(
    w: npt.ArrayLike,
    g: npt.ArrayLike,
    velocity: npt.ArrayLike,
    *,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> tuple[Array, Array]:
    """One step of stochastic gradient descent; returns (w, velocity) as new arrays.

        g        <- g + weight_decay w                the gradient of weight_decay |w|^2 / 2
        velocity <- momentum velocity + g             (Polyak, 1964)
        w        <- w - learning_rate velocity
        w        <- w - learning_rate (g + momentum velocity)    where nesterov is True

    The last line is Nesterov's method (1983) as Sutskever et al. (2013) rewrote it, in terms of
    the point looked ahead to. With momentum 0 the velocity is left as it is. A velocity below
    2^-100 (float64: 2^-1000) in magnitude becomes +0. w, g and velocity have one shape and dtype;
    velocity starts as zeros.

    Raises ValueError for differing shapes, learning_rate or weight_decay < 0 or momentum outside
    [0, 1); TypeError for other or mixed dtypes.
    """
    hyper = _check.sgd_hyper(learning_rate, momentum, nesterov, weight_decay)
    w_, g_, velocity_ = _check.step_arrays(w=w, g=g, velocity=velocity)
    with quiet():
        new, speed = _sgd(w_, g_, (velocity_,), 1, hyper)
    return new, speed


def adam_step(
    w: npt.ArrayLike,
    g: npt.ArrayLike,
    m: npt.ArrayLike,
    v: npt.ArrayLike,
    *,
    step: int,
    learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Array, Array, Array]:
    """One step of Adam (Kingma & Ba, 2015); returns (w, m, v) as new arrays.

        m <- beta1 m + (1 - beta1) g              running mean of the gradient
        v <- beta2 v + (1 - beta2) g^2            running mean of its square
        w <- w - learning_rate (m / (1 - beta1^step)) / (sqrt(v / (1 - beta2^step)) + eps)

    Both means start at zero and after `step` updates (this one included: it counts from 1) have
    seen weights that sum to 1 - beta^step; the divisions correct for it. They are computed as
    learning_rate / (1 - beta1^step) and sqrt(v) / sqrt(1 - beta2^step), one scalar each. Means
    below 2^-100 (float64: 2^-1000) in magnitude become +0. w, g, m and v have one shape and dtype;
    m and v start as zeros, and v is >= 0.

    Raises ValueError for differing shapes, step < 1, learning_rate < 0, betas outside [0, 1) or
    eps <= 0; TypeError for other or mixed dtypes.
    """
    hyper = _check.adam_hyper(learning_rate, betas, eps)
    count = _check.positive_int("step", step)
    w_, g_, m_, v_ = _check.step_arrays(w=w, g=g, m=m, v=v)
    with quiet():
        new, mean, square = _adam(w_, g_, (m_, v_), count, hyper)
    return new, mean, square
