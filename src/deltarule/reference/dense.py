"""The dense layer y = f(x w + b) and its gradients."""

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from . import activation as activations
from .activation import quiet


def forward(x: Array, w: Array, b: Array | None) -> Array:
    """z = x w + b of checked arguments, before the activation."""
    z = x @ w
    return z if b is None else z + b


def backward(x: Array, w: Array, dz: Array) -> tuple[Array, Array, Array]:
    """(dx, dw, db) from dz, the gradient at z = x w + b.

    z_ij = sum_k x_ik w_kj + b_j, so dz_ij/dw_kj = x_ik, dz_ij/db_j = 1 and dz_ij/dx_ik = w_kj.
    Summing dz_ij times these over the free indices:
    dw_kj = sum_i x_ik dz_ij, db_j = sum_i dz_ij, dx_ik = sum_j dz_ij w_kj.
    """
    return dz @ w.T, x.T @ dz, np.sum(dz, axis=0)


def dense_forward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike | None = None,
    *,
    activation: str = "identity",
    alpha: float | None = None,
) -> Array:
    """y = activation(x w + b).

    x (n, n_in), w (n_in, n_out), b (n_out,) or None, all of one dtype, float32 or float64; `alpha`
    as in activation_forward. Returns y (n, n_out).

    Raises ValueError for an unknown activation or shapes that do not fit, TypeError for other or
    mixed dtypes.
    """
    slope = _check.activation(activation, alpha)
    x_, w_, b_ = _check.dense_forward_arrays(x, w, b)
    with quiet():
        return activations.forward(activation, forward(x_, w_, b_), slope)


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
    """The gradients (dx, dw, db) of a dense layer from the gradient `dy` at its output y.

    With z = x w + b and dz = flush(dy f'(z)), as in activation_backward:
    dx = dz w^T (n, n_in), dw = x^T dz (n_in, n_out), db = the column sums of dz (n_out,).
    This is one step of backpropagation (Rumelhart, Hinton & Williams, 1986). x (n, n_in),
    w (n_in, n_out), y and dy (n, n_out); y is the output of dense_forward for the same arguments.
    `z` (n, n_out), x w + b, is needed where f' is read off it (gelu, gelu_tanh, silu, mish,
    hard_swish) and ignored elsewhere.

    Raises ValueError for an unknown activation, shapes that do not fit or a missing z, TypeError
    for other or mixed dtypes.
    """
    slope = _check.activation(activation, alpha)
    x_, w_, y_, dy_, z_ = _check.dense_backward_arrays(activation, x, w, y, dy, z)
    with quiet():
        dz = activations.backward(activation, y_ if z_ is None else z_, y_, dy_, slope)
        return backward(x_, w_, dz)
