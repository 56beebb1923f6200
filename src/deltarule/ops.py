"""The operations, fast: the names and signatures of deltarule.reference, computed in C.

Arguments, results and errors are documented there, beside the formulas; both go through the same
checks, so the same bad call raises the same error.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from . import _check, _check_weights, _fast, losses, optimizers, reference
from ._check import Array
from ._ops_norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_running,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)
from .losses import Loss
from .optimizers import Optimizer
from .reference.initializer import Source, initial_values
from .reference.noise import arguments as noise_arguments

F64 = npt.NDArray[np.float64]

__all__ = [
    "activation_backward",
    "activation_forward",
    "average_step",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_running",
    "cholesky",
    "cholesky_solve",
    "clip_gradients",
    "constrain",
    "dense_backward",
    "dense_forward",
    "initialize",
    "layer_norm_backward",
    "layer_norm_forward",
    "loss_backward",
    "loss_forward",
    "noise_backward",
    "noise_forward",
    "optimizer_step",
    "penalty_backward",
    "penalty_forward",
    "prelu_backward",
    "prelu_forward",
    "random_bits",
    "random_normal",
    "random_permutation",
    "random_uniform",
    "rms_norm_backward",
    "rms_norm_forward",
]


def _rows(a: Array) -> tuple[int, int]:
    """(n, n_out) of an array seen as rows along its last axis."""
    return (a.size // a.shape[-1] if a.shape[-1] else 0), a.shape[-1]


def activation_forward(activation: str, x: npt.ArrayLike, *, alpha: float | None = None) -> Array:
    """See deltarule.reference.activation_forward."""
    slope = _check.activation(activation, alpha)
    (x_,) = _check.activation_arrays(x)
    y = np.empty_like(x_)
    _fast.activation_forward(x_.dtype.name, activation, slope, *_rows(x_), x_, y)
    return y


def activation_backward(
    activation: str,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    dy: npt.ArrayLike,
    *,
    alpha: float | None = None,
) -> Array:
    """See deltarule.reference.activation_backward."""
    slope = _check.activation(activation, alpha)
    x_, y_, dy_ = _check.activation_arrays(x, y=y, dy=dy)
    dx = np.empty_like(x_)
    _fast.activation_backward(x_.dtype.name, activation, slope, *_rows(x_), x_, y_, dy_, dx)
    return dx


def dense_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike | None = None,
    *,
    activation: str = "identity",
    alpha: float | None = None,
) -> Array:
    """See deltarule.reference.dense_forward."""
    slope = _check.activation(activation, alpha)
    x_, w_, b_ = _check.dense_forward_arrays(x, w, b)
    n, (n_in, n_out) = len(x_), w_.shape
    y = np.empty((n, n_out), x_.dtype)
    _fast.dense_forward(x_.dtype.name, activation, slope, n, n_in, n_out, x_, w_, b_, y)
    return y


def dense_backward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    y: npt.ArrayLike,
    dy: npt.ArrayLike,
    *,
    z: npt.ArrayLike | None = None,
    activation: str = "identity",
    alpha: float | None = None,
) -> tuple[Array, Array, Array]:
    """See deltarule.reference.dense_backward."""
    slope = _check.activation(activation, alpha)
    x_, w_, y_, dy_, z_ = _check.dense_backward_arrays(activation, x, w, y, dy, z)
    dx, dw, db = np.empty_like(x_), np.empty_like(w_), np.empty(w_.shape[1], w_.dtype)
    n, (n_in, n_out) = len(x_), w_.shape
    _fast.dense_backward(
        x_.dtype.name, activation, slope, n, n_in, n_out, x_, w_, z_, y_, dy_, dx, dw, db
    )
    return dx, dw, db


def prelu_forward(x: npt.ArrayLike, slope: npt.ArrayLike) -> Array:
    """See deltarule.reference.prelu_forward."""
    x_, slope_ = _check_weights.prelu_arrays(x, slope)
    y, (n, n_out) = np.empty_like(x_), x_.shape
    _fast.prelu_forward(y.dtype.name, slope_.size != n_out, n, n_out, x_, slope_, y)
    return y


def prelu_backward(
    x: npt.ArrayLike, slope: npt.ArrayLike, dy: npt.ArrayLike
) -> tuple[Array, Array]:
    """See deltarule.reference.prelu_backward."""
    x_, slope_, dy_ = _check_weights.prelu_arrays(x, slope, dy)
    dx, dslope, (n, n_out) = np.empty_like(x_), np.empty_like(slope_), x_.shape
    shared = slope_.size != n_out
    _fast.prelu_backward(dx.dtype.name, shared, n, n_out, x_, slope_, dy_, dx, dslope)
    return dx, dslope


def cholesky(a: npt.ArrayLike) -> Array:
    """See deltarule.reference.cholesky."""
    a_ = _check.square("a", a)
    r = np.empty_like(a_)
    found = _fast.cholesky(a_.dtype.name, len(a_), a_, None, r, None)
    return _check.positive_definite(r if found else None)


def cholesky_solve(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """See deltarule.reference.cholesky_solve."""
    a_, b_ = _check.equations(a, b)
    x = np.empty(len(a_), a_.dtype)
    found = _fast.cholesky(a_.dtype.name, len(a_), a_, b_, None, x)
    return _check.positive_definite(x if found else None)


def _loss(
    loss: str | Loss,
    y: npt.ArrayLike,
    t: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    gradient: bool,
) -> tuple[float, Array | None]:
    kind = losses.get(loss)
    if isinstance(kind, losses.CustomLoss):  # nothing of it is in C
        dy = reference.loss_backward(kind, y, t, sample_weight=sample_weight) if gradient else None
        return reference.loss_forward(kind, y, t, sample_weight=sample_weight), dy
    y_, t_, w = _check.loss_arrays(kind, y, t, sample_weight)
    labels, dense = (t_, None) if t_.ndim == 1 else (None, t_)
    dy = np.empty_like(y_) if gradient else None
    n, n_out = y_.shape
    return _fast.loss_backward(y_.dtype.name, kind, n, n_out, y_, labels, dense, w, dy), dy


def loss_forward(
    loss: str | Loss,
    y: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """See deltarule.reference.loss_forward."""
    return _loss(loss, y, t, sample_weight, False)[0]


def loss_backward(
    loss: str | Loss,
    y: npt.ArrayLike,
    t: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
) -> Array:
    """See deltarule.reference.loss_backward."""
    dy = _loss(loss, y, t, sample_weight, True)[1]
    assert dy is not None
    return dy


def noise_forward(
    noise: str,
    x: npt.ArrayLike,
    amount: float,
    *,
    seed: int,
    layer: int = 0,
    step: int = 0,
    row: int = 0,
) -> Array:
    """See deltarule.reference.noise_forward."""
    x_, number, stream = noise_arguments(noise, "x", x, amount, seed, layer, step, row)
    y = np.empty_like(x_)
    _fast.noise_forward(x_.dtype.name, noise, number, *stream, *_rows(x_), x_, y)
    return y


def noise_backward(
    noise: str,
    dy: npt.ArrayLike,
    amount: float,
    *,
    seed: int,
    layer: int = 0,
    step: int = 0,
    row: int = 0,
) -> Array:
    """See deltarule.reference.noise_backward."""
    dy_, number, stream = noise_arguments(noise, "dy", dy, amount, seed, layer, step, row)
    dx = np.empty_like(dy_)
    _fast.noise_backward(dy_.dtype.name, noise, number, *stream, *_rows(dy_), dy_, dx)
    return dx


def optimizer_step(
    optimizer: str | Optimizer,
    w: npt.ArrayLike,
    g: npt.ArrayLike,
    *state: npt.ArrayLike,
    step: int = 1,
) -> tuple[Array, ...]:
    """See deltarule.reference.optimizer_step."""
    chosen = optimizers.get_step(optimizer)
    w_, g_, *state_ = _check.step_arrays(optimizers.RULES[chosen.rule], w, g, state)
    count = _check.integer("step", step, 1, 1 << 62)
    new = tuple(a.copy() for a in (w_, *state_))
    _fast.optimizer_step(w_.dtype.name, chosen, count, w_.shape, g_, new)
    return new


def average_step(w: npt.ArrayLike, average: npt.ArrayLike, *, share: float) -> Array:
    """See deltarule.reference.average_step."""
    w_, average_, part = _check_weights.average(w, average, share)
    new = average_.copy()
    _fast.average_step(new.dtype.name, part, new.size, w_, new)
    return new


def clip_gradients(
    gradients: Mapping[str, npt.ArrayLike],
    *,
    clipvalue: float | None = None,
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
) -> dict[str, Array]:
    """See deltarule.reference.clip_gradients."""
    arrays = _check_weights.gradients(gradients)
    given = _check_weights.clip(clipvalue, clipnorm, global_clipnorm)
    clipped = {key: g.copy() for key, g in arrays.items()}
    if given and clipped:
        found = list(clipped.values())
        _fast.clip_gradients(found[0].dtype.name, given, [g.shape for g in found], *found)
    return clipped


def constrain(constraint: str, w: npt.ArrayLike, *, max_value: float | None = None) -> Array:
    """See deltarule.reference.constrain."""
    limit = _check_weights.constraint(constraint, max_value)
    held = _check.real_array("w", w, ndim=2).copy()
    n_in, n_out = held.shape
    _fast.constrain(held.dtype.name, constraint, limit, n_in, n_out, held)
    return held


def penalty_forward(w: npt.ArrayLike, *, l1: float = 0.0, l2: float = 0.0) -> float:
    """See deltarule.reference.penalty_forward."""
    rates = _check_weights.penalty(l1, l2)
    w_ = _check.real_array("w", w, ndim=2)
    n_in, n_out = w_.shape
    return _fast.penalty_forward(w_.dtype.name, *rates, n_in, n_out, w_)


def penalty_backward(
    w: npt.ArrayLike, g: npt.ArrayLike, *, l1: float = 0.0, l2: float = 0.0
) -> Array:
    """See deltarule.reference.penalty_backward."""
    rates = _check_weights.penalty(l1, l2)
    w_, g_ = _check_weights.gradient_arrays(w, g)
    found = g_.copy()
    _fast.penalty_backward(found.dtype.name, *rates, found.size, w_, found)
    return found


def random_bits(
    n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0
) -> npt.NDArray[np.uint32]:
    """See deltarule.reference.random_bits."""
    size, *stream = _check.random_arguments(n, 1, seed, purpose, layer, step)
    out = np.empty(size, np.uint32)
    _fast.random_bits(out, size, *stream)
    return out


def _uniforms(n: int, *stream: int) -> F64:
    out = np.empty(n)
    _fast.random_uniform(out, n, *stream)
    return out


def _normals(n: int, *stream: int) -> F64:
    out = np.empty(n)
    _fast.random_normal(out, n, *stream)
    return out


def _orthogonal(v: F64) -> F64:
    cols, rows = v.shape
    q = np.empty((rows, cols))
    _fast.orthogonal(v, q, rows, cols)
    return q


def random_uniform(n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0) -> F64:
    """See deltarule.reference.random_uniform."""
    return _uniforms(*_check.random_arguments(n, 2, seed, purpose, layer, step))


def random_normal(n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0) -> F64:
    """See deltarule.reference.random_normal."""
    return _normals(*_check.random_arguments(n, 2, seed, purpose, layer, step))


def random_permutation(
    n: int, *, seed: int, purpose: str, layer: int = 0, step: int = 0
) -> npt.NDArray[np.int64]:
    """See deltarule.reference.random_permutation."""
    size, *stream = _check.random_arguments(n, 2, seed, purpose, layer, step)
    out = np.empty(size, np.int64)
    _fast.random_permutation(out, size, *stream)
    return out


def initialize(
    initializer: str,
    n_in: int,
    n_out: int,
    *,
    seed: int,
    gain: float = 1.0,
    mean: float = 0.0,
    layer: int = 0,
    purpose: str = "weight",
    dtype: npt.DTypeLike = "float32",
) -> Array:
    """See deltarule.reference.initialize."""
    source = Source(_uniforms, _normals, _orthogonal)
    return initial_values(
        initializer, n_in, n_out, seed, gain, mean, layer, purpose, dtype, source
    )
