"""Activations y = f(x), their derivatives from y or x, and the flush rule for errors.

Adding an activation is one function pair here, its line in `_TABLE`, and its name in _check (in
NEED_INPUT too, where the derivative is read off x).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from . import normal

Forward = Callable[[Array, float], Array]
Backward = Callable[[Array, Array, Array, float], Array]


def quiet() -> np.errstate:
    """NaN and infinity propagate without a warning, as they do in C."""
    return np.errstate(all="ignore")


def flush(v: Array) -> Array:
    """v with every |v| < 2^-100 (float64: 2^-1000) replaced by +0; NaN stays.

    Errors that vanish on the way back would otherwise become subnormal numbers, on which
    processors are up to fifty times slower, while their effect on any weight is below rounding.
    """
    tiny = 2.0**-100 if v.dtype == np.float32 else 2.0**-1000
    return np.where(np.abs(v) < tiny, v.dtype.type(0), v)


def _identity(x: Array, alpha: float) -> Array:
    """y = x."""
    return x.copy()


def _identity_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1."""
    return dy


# ------------------------------------------------------------------------------- straight lines
def _relu(x: Array, alpha: float) -> Array:
    """y = max(x, 0); NaN stays NaN and -0 becomes +0 (Nair & Hinton, 2010)."""
    return np.where(x > 0, x, np.where(np.isnan(x), x, x.dtype.type(0)))


def _relu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, which is where y > 0; else 0, at the kink too."""
    return np.where(y > 0, dy, dy.dtype.type(0))


def _leaky_relu(x: Array, alpha: float) -> Array:
    """y = x where x > 0, else alpha x (Maas, Hannun & Ng, 2013)."""
    return np.where(x > 0, x, x.dtype.type(alpha) * x)


def _leaky_relu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, else alpha. As alpha >= 0, y > 0 exactly where x > 0."""
    return np.where(y > 0, dy, dy.dtype.type(alpha) * dy)


def _hard_sigmoid(x: Array, alpha: float = 0.0) -> Array:
    """y = min(max(x + 3, 0), 6) / 6 (Howard et al., 2019)."""
    y: Array = np.clip(x + 3, 0, 6) / 6
    return y


def _hard_sigmoid_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1/6 where 0 < y < 1, else 0."""
    return np.where((y > 0) & (y < 1), dy / 6, dy.dtype.type(0))


def _hard_swish(x: Array, alpha: float) -> Array:
    """y = x min(max(x + 3, 0), 6) / 6 (Howard et al., 2019); -0 at -inf, its limit."""
    y: Array = np.maximum(x, x.dtype.type(-3)) * _hard_sigmoid(x)
    return y


def _hard_swish_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 0 below -3, 1 above 3, and x/3 + 1/2 between."""
    inside = dy * (x / 3 + dy.dtype.type(0.5))
    return np.where(x < -3, dy.dtype.type(0), np.where(x > 3, dy, inside))


# -------------------------------------------------------------------------------- from e^x
def _exp(x: Array, alpha: float) -> Array:
    """y = e^x."""
    y: Array = np.exp(x)
    return y


def _exp_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = y."""
    dx: Array = dy * y
    return dx


def _sigmoid(x: Array, alpha: float = 0.0) -> Array:
    """y = 1 / (1 + e^-x).

    With e = e^-|x| <= 1, which cannot overflow, y = 1 / (1 + e) for x >= 0 and e / (1 + e) below.
    """
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, x.dtype.type(1), e) / (1 + e)
    return y


def _sigmoid_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = e^-x / (1 + e^-x)^2 = y (1 - y)."""
    dx: Array = dy * (y * (1 - y))
    return dx


def _tanh(x: Array, alpha: float) -> Array:
    """y = tanh x."""
    y: Array = np.tanh(x)
    return y


def _tanh_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 / cosh^2 x = 1 - y^2."""
    dx: Array = dy * (1 - y * y)
    return dx


def _softsign(x: Array, alpha: float) -> Array:
    """y = x / (1 + |x|) (Bergstra et al., 2009)."""
    a = np.minimum(np.abs(x), x.dtype.type(2.0**100))  # or inf / inf
    y: Array = np.copysign(a / (1 + a), x)
    return y


def _softsign_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 / (1 + |x|)^2 = (1 - |y|)^2."""
    dx: Array = dy * (1 - np.abs(y)) ** 2
    return dx


def _softplus(x: Array, alpha: float = 0.0) -> Array:
    """y = log(1 + e^x) (Dugas et al., 2001), as max(x, 0) + log(1 + e^-|x|)."""
    y: Array = np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x)))
    return y


def _softplus_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = e^x / (1 + e^x) = 1 - e^-y."""
    dx: Array = -dy * np.expm1(-y)
    return dx


def _elu(x: Array, alpha: float) -> Array:
    """y = x where x > 0, else alpha (e^x - 1) (Clevert, Unterthiner & Hochreiter, 2015)."""
    return np.where(x < 0, x.dtype.type(alpha) * np.expm1(np.minimum(x, x.dtype.type(0))), x)


def _elu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, else alpha e^x = y + alpha."""
    return np.where(y > 0, dy, dy * (y + y.dtype.type(alpha)))


def _celu(x: Array, alpha: float) -> Array:
    """y = x where x > 0, else alpha (e^(x/alpha) - 1) (Barron, 2017)."""
    a = x.dtype.type(alpha)
    return np.where(x < 0, a * np.expm1(np.minimum(x, x.dtype.type(0)) / a), x)


def _celu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = 1 where x > 0, else e^(x/alpha) = y/alpha + 1."""
    return np.where(y > 0, dy, dy * (y / y.dtype.type(alpha) + 1))


# So chosen that, with weights of variance 1/n_in, mean 0 and variance 1 are handed on.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


def _selu(x: Array, alpha: float) -> Array:
    """y = s x where x > 0, else s a (e^x - 1) (Klambauer et al., 2017)."""
    y: Array = x.dtype.type(_SELU_SCALE) * _elu(x, _SELU_ALPHA)
    return y


def _selu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = s where x > 0, else s a e^x = y + s a."""
    scale, step = dy.dtype.type(_SELU_SCALE), dy.dtype.type(_SELU_SCALE * _SELU_ALPHA)
    dx: Array = np.where(y > 0, scale * dy, dy * (y + step))
    return dx


# --------------------------------------------------------------------------- x times a chance
# At -inf these are -0, their limit: _FAR times a chance of 0, where -inf times it would be NaN.
_FAR = 1000.0


def _limit(x: Array) -> Array:
    """x within +-_FAR."""
    limited: Array = np.clip(x, x.dtype.type(-_FAR), x.dtype.type(_FAR))
    return limited


def _times(x: Array, share: Array) -> Array:
    """x share, where share is 0 below -_FAR."""
    y: Array = np.maximum(x, x.dtype.type(-_FAR)) * share
    return y


def _silu(x: Array, alpha: float) -> Array:
    """y = x s(x) with the sigmoid s (Elfwing, Uchibe & Doya, 2017; also called swish)."""
    return _times(x, _sigmoid(x))


def _silu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = s + x s (1 - s), and 1 - s(x) = s(-x) keeps its digits where s is near 1."""
    s = _sigmoid(x)
    dx: Array = dy * (s + _limit(x) * (s * _sigmoid(-x)))
    return dx


def _mish_shares(x: Array) -> tuple[Array, Array]:
    """t and 1 - t for t = tanh(log(1 + e^x)) = n / (n + 2) with n = (1 + e^x)^2 - 1 = e^2x + 2 e^x;
    where x > 0, n and 2 are divided by e^2x, which would overflow."""
    e = np.exp(-np.abs(x))
    n = np.where(x < 0, e * (e + 2), 1 + 2 * e)
    rest = np.where(x < 0, x.dtype.type(2), 2 * e * e)
    return n / (n + rest), rest / (n + rest)


def _mish(x: Array, alpha: float) -> Array:
    """y = x tanh(log(1 + e^x)) (Misra, 2019)."""
    return _times(x, _mish_shares(x)[0])


def _mish_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """With t = tanh(softplus(x)), y' = t + x (1 - t^2) s(x), as the derivative of softplus is s."""
    t, rest = _mish_shares(x)
    dx: Array = dy * (t + _limit(x) * (rest * (1 + t) * _sigmoid(x)))
    return dx


def _gelu(x: Array, alpha: float) -> Array:
    """y = x P(x), P(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks & Gimpel, 2016)."""
    return _times(x, normal.below(x))


def _gelu_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """y' = P(x) + x p(x) with P' = p(x) = e^(-x^2/2) / sqrt(2 pi)."""
    dx: Array = dy * (normal.below(x) + _limit(x) * normal.density(x))
    return dx


_CUBE = 0.044715


def _gelu_line(x: Array) -> Array:
    """sqrt(8 / pi) in the dtype of x; pi is 4 atan 1."""
    line: Array = np.sqrt(x.dtype.type(2) / np.arctan(x.dtype.type(1)))
    return line


def _gelu_tanh_argument(x: Array) -> Array:
    """2u = sqrt(8 / pi) (x + 0.044715 x^3), where (1 + tanh u) / 2 = s(2u)."""
    z = _limit(x)
    argument: Array = _gelu_line(x) * (z + x.dtype.type(_CUBE) * z**3)
    return argument


def _gelu_tanh(x: Array, alpha: float) -> Array:
    """y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (Hendrycks & Gimpel, 2016)."""
    return _times(x, _sigmoid(_gelu_tanh_argument(x)))


def _gelu_tanh_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """With s = s(2u), y' = s + x s (1 - s) 2u', 2u' = sqrt(8 / pi) (1 + 3 0.044715 x^2)."""
    z, argument = _limit(x), _gelu_tanh_argument(x)
    s = _sigmoid(argument)
    inner = _gelu_line(x) * (1 + 3 * x.dtype.type(_CUBE) * z * z)
    dx: Array = dy * (s + z * inner * (s * _sigmoid(-argument)))
    return dx


# --------------------------------------------------------------------------------- along rows
def _softmax(x: Array, alpha: float = 0.0) -> Array:
    """y_i = e^x_i / sum_j e^x_j along the last axis (Bridle, 1990).

    Subtracting the row's maximum divides numerator and denominator by the same number, and keeps
    every exponential <= 1.
    """
    e = np.exp(x - np.max(x, axis=-1, keepdims=True, initial=-np.inf))
    y: Array = e / np.sum(e, axis=-1, keepdims=True)
    return y


def _softmax_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """dy_i/dx_j = y_i ([i = j] - y_j).

    With the error e_i at y_i, that at x_j is sum_i e_i dy_i/dx_j = y_j (e_j - sum_i e_i y_i).
    """
    dx: Array = y * (dy - np.sum(dy * y, axis=-1, keepdims=True))
    return dx


def _log_softmax(x: Array, alpha: float) -> Array:
    """y_i = x_i - log sum_j e^x_j along the last axis, the row's maximum taken out of both."""
    z = x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    y: Array = z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    return y


def _log_softmax_backward(x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """dy_i/dx_j = [i = j] - e^y_j, so the error at x_j is e_j - e^y_j sum_i e_i."""
    dx: Array = dy - np.exp(y) * np.sum(dy, axis=-1, keepdims=True)
    return dx


_TABLE: dict[str, tuple[Forward, Backward]] = {
    "identity": (_identity, _identity_backward),
    "relu": (_relu, _relu_backward),
    "leaky_relu": (_leaky_relu, _leaky_relu_backward),
    "elu": (_elu, _elu_backward),
    "selu": (_selu, _selu_backward),
    "celu": (_celu, _celu_backward),
    "gelu": (_gelu, _gelu_backward),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_backward),
    "silu": (_silu, _silu_backward),
    "mish": (_mish, _mish_backward),
    "softplus": (_softplus, _softplus_backward),
    "softsign": (_softsign, _softsign_backward),
    "sigmoid": (_sigmoid, _sigmoid_backward),
    "hard_sigmoid": (_hard_sigmoid, _hard_sigmoid_backward),
    "hard_swish": (_hard_swish, _hard_swish_backward),
    "tanh": (_tanh, _tanh_backward),
    "exp": (_exp, _exp_backward),
    "softmax": (_softmax, _softmax_backward),
    "log_softmax": (_log_softmax, _log_softmax_backward),
}


def forward(name: str, x: Array, alpha: float) -> Array:
    """f(x) of checked arguments."""
    return _TABLE[name][0](x, alpha)


def backward(name: str, x: Array, y: Array, dy: Array, alpha: float) -> Array:
    """flush(dy f'(x)) of checked arguments. Unless the name is in _check.NEED_INPUT, f' is read off
    y = f(x) alone, and x may be anything."""
    return flush(_TABLE[name][1](x, y, dy, alpha))


def activation_forward(activation: str, x: npt.ArrayLike, *, alpha: float | None = None) -> Array:
    """The activation of x.

    `x` has any shape with at least one dimension; softmax and log_softmax run along the last axis,
    the others act on each element. `alpha` is the slope of leaky_relu below zero (>= 0, default
    0.01), or the alpha of elu (>= 0) or celu (> 0), 1 by default.
    Returns y, shape and dtype of x. NaN propagates.

    Raises ValueError for an unknown activation or an alpha that it does not take, TypeError for
    anything but float32 and float64.
    """
    slope = _check.activation(activation, alpha)
    (x_,) = _check.activation_arrays(x)
    with quiet():
        return forward(activation, x_, slope)


def activation_backward(
    activation: str,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    dy: npt.ArrayLike,
    *,
    alpha: float | None = None,
) -> Array:
    """The gradient at the input of an activation, from the gradient `dy` at its output.

    By the chain rule dx_j = sum_i dy_i df_i/dx_j, which is dx = dy f'(x) where f acts on each
    element (Rumelhart, Hinton & Williams, 1986). `x` is the input of activation_forward and `y`
    its output; x, y, dy and the result have one shape and dtype. Results below 2^-100 (float64:
    2^-1000) in magnitude become +0.

    Raises ValueError for an unknown activation, an alpha that it does not take or differing
    shapes; TypeError for other dtypes than float32 and float64 or a mixture of them.
    """
    slope = _check.activation(activation, alpha)
    x_, y_, dy_ = _check.activation_arrays(x, y=y, dy=dy)
    with quiet():
        return backward(activation, x_, y_, dy_, slope)
