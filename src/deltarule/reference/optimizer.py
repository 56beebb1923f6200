"""Optimizer steps: new parameters and new state from a gradient.

The formulas and where they are from stand in deltarule.optimizers. Here each is two functions: its
constants, which are the same for all parameters and are computed once a step in double precision,
and what is done at each place. Weight decay comes before, the same for all. They use no more of
numpy than `deltarule._rounding` has bounds for.

Adding an optimizer is the two functions and their line in `TABLE`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check, optimizers
from .._check import Array
from .._scalar import exp, power
from ..optimizers import Optimizer
from .activation import flush, quiet

Arrays = tuple[Array, ...]
Numbers = tuple[Any, ...]  # float, or of a wider type


class Rule(NamedTuple):
    """constants(learning_rate, numbers of the optimizer, t) gives the factor of the step and the
    constants; update(w, g, state, rate, constants) gives the new (w, *state), or, of a layered
    rule, the direction in place of w."""

    constants: Callable[[Any, Numbers, int], tuple[Any, Numbers]]
    update: Callable[[Array, Array, Arrays, Any, Numbers], Arrays]
    layered: bool = False


def _larger(a: Any, b: Any) -> Array:
    """max(a, b); the second where either is NaN."""
    larger: Array = np.where(a > b, a, b)
    return larger


def _smaller(a: Any, b: Any) -> Array:
    """min(a, b); the second where either is NaN."""
    smaller: Array = np.where(a < b, a, b)
    return smaller


def _sign(x: Array) -> Array:
    """1 or -1; 0 and NaN stay."""
    one = x.dtype.type(1)
    return np.where(x > 0, one, np.where(x < 0, -one, x))


# ---------------------------------------------------------------------------- along the gradient
def _given(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    return rate, h


def _sgd(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    return (w - rate * g,)


def _momentum(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    velocity = flush(c[0] * s[0] + g)
    return w - rate * velocity, velocity


def _nesterov(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    """The gradient at the point that the velocity leads to, in terms of that point."""
    velocity = flush(c[0] * s[0] + g)
    return w - rate * (c[0] * velocity + g), velocity


# ------------------------------------------------------------------------------ Adam and its kin
def _of_means(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    return rate, (h[0], 1 - h[0], h[1], 1 - h[1])


def _of_adam(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    """Means begin at zero; after t steps the weights of what they have seen sum to 1 - beta^t, and
    divisions by that correct them: one for the rate, one for the root."""
    correction = 1 / np.sqrt(1 - power(h[1], t))
    eps = h[2] * correction if len(h) > 3 and h[3] else h[2]
    return rate / (1 - power(h[0], t)), (*_of_means(rate, h, t)[1], correction, eps)


def _means(g: Array, s: Arrays, c: Numbers) -> tuple[Array, Array]:
    """The running means of the gradient and of its square."""
    return flush(c[0] * s[0] + c[1] * g), flush(c[2] * s[1] + c[3] * np.square(g))


def _adam(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    m, v = _means(g, s, c)
    return w - rate * (m / (np.sqrt(v) * c[4] + c[5])), m, v


def _amsgrad(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    m, v = _means(g, s, c)
    top = flush(_larger(s[2], v))
    return w - rate * (m / (np.sqrt(top) * c[4] + c[5])), m, v, top


def _nadam_momentum(h: Numbers, t: Array) -> Array:
    return float(h[0]) * (1 - 0.5 * exp(t * float(h[3]) * -0.04082199452025517))  # ln 0.96


@lru_cache(maxsize=64)
def _nadam_product(h: Numbers, t: int) -> float:
    """mu(1) ... mu(t); once 1 - product is 1, what is left makes no difference."""
    product, done = 1.0, 0
    while done < t and product > 2.0**-60:
        some = np.arange(done + 1.0, min(done + 1000, t) + 1)
        product = float(np.multiply.reduce(_nadam_momentum(h, some), initial=product))
        done += len(some)
    return product


def _of_nadam(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    (now, after), product = _nadam_momentum(h, np.array([t, t + 1.0])), _nadam_product(h, t)
    shares = ((1 - now) / (1 - product), after / (1 - product * after))
    return rate, (*_of_adam(rate, h[:3], t)[1], *shares)


def _nadam(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    m, v = _means(g, s, c)
    return w - rate * ((c[6] * g + c[7] * m) / (np.sqrt(v) * c[4] + c[5])), m, v


def _of_radam(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    """Adam's with another rate; while the variance of 1 / sqrt(v), a scaled inverse chi, is not
    finite, m is divided by 0 sqrt(v) + 1."""
    left, most = power(h[1], t), 2 / (1 - h[1]) - 1
    length = most - 2 * t * left / (1 - left)
    rate = rate / (1 - power(h[0], t))
    means = _of_means(rate, h, t)[1]
    if not length > 5:
        return rate, (*means, 0.0, 1.0)
    square = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    return rate * np.sqrt(square * (1 - left)), (*means, 1.0, h[2])


def _of_adamax(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    return rate / (1 - power(h[0], t)), (*_of_means(rate, h, t)[1], h[2])


def _adamax(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    m = flush(c[0] * s[0] + c[1] * g)
    u = flush(_larger(c[2] * s[1], np.abs(g) + c[4]))
    return w - rate * (m / u), m, u


def _lion(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    direction = _sign(c[0] * s[0] + c[1] * g)
    return w - rate * direction, flush(c[2] * s[0] + c[3] * g)


def _of_lamb(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    return rate, (*_of_adam(rate, h[:3], t)[1], h[3], 1 / (1 - power(h[0], t)))


def _lamb(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    m, v = _means(g, s, c)
    return c[7] * (m / (np.sqrt(v) * c[4] + c[5])) + c[6] * w, m, v


def _squares(a: Array) -> Any:
    return np.sum(np.square(a), dtype=np.promote_types(a.dtype, np.float64))


def along(w: Array, direction: Array, rate: Any) -> Array:
    """The parameters of a layered rule, gone in a direction so far as they are long."""
    weights, length = _squares(w), _squares(direction)
    if weights > 0 and length > 0:
        rate = rate * (np.sqrt(weights) / np.sqrt(length))
    moved: Array = w - w.dtype.type(rate) * direction
    return moved


# ------------------------------------------------------------------------ by the size of gradients
def _of_mean(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    return rate, (h[0], 1 - h[0], *h[1:])


def _rmsprop(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    v = flush(c[0] * s[0] + c[1] * np.square(g))
    return w - rate * (g / (np.sqrt(v) + c[2])), v


def _rmsprop_momentum(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    v = flush(c[0] * s[0] + c[1] * np.square(g))
    b = flush(c[3] * s[1] + g / (np.sqrt(v) + c[2]))
    return w - rate * b, v, b


def _deviation(v: Array, m: Array) -> Array:
    """From the mean square and the mean; rounding may make the variance negative."""
    return np.sqrt(_larger(v.dtype.type(0), v - np.square(m)))


def _rmsprop_centered(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    v, m = flush(c[0] * s[0] + c[1] * np.square(g)), flush(c[0] * s[1] + c[1] * g)
    return w - rate * (g / (_deviation(v, m) + c[2])), v, m


def _rmsprop_centered_momentum(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    v, m = flush(c[0] * s[0] + c[1] * np.square(g)), flush(c[0] * s[1] + c[1] * g)
    b = flush(c[3] * s[2] + g / (_deviation(v, m) + c[2]))
    return w - rate * b, v, m, b


def _adagrad(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    total = flush(s[0] + np.square(g))
    return w - rate * (g / (np.sqrt(total) + c[0])), total


def _adadelta(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    v = flush(c[0] * s[0] + c[1] * np.square(g))
    step = np.sqrt((s[1] + c[2]) / (v + c[2])) * g
    return w - rate * step, v, flush(c[0] * s[1] + c[1] * np.square(step))


def _of_rprop(rate: Any, h: Numbers, t: int) -> tuple[Any, Numbers]:
    """The steps, which have begun with the learning rate, are all there is."""
    return 1.0, h


def _rprop(w: Array, g: Array, s: Arrays, rate: Any, c: Numbers) -> Arrays:
    one, zero = w.dtype.type(1), w.dtype.type(0)
    agree = _sign(g) * s[0]
    factor = np.where(agree < 0, c[0], np.where(agree > 0, c[1], one))
    step = flush(_smaller(c[3], _larger(c[2], factor * s[1])))
    g = flush(np.where(agree < 0, zero, g))
    return w - rate * _sign(g) * step, g, step


TABLE: dict[str, Rule] = {
    "sgd": Rule(_given, _sgd),
    "momentum": Rule(_given, _momentum),
    "nesterov": Rule(_given, _nesterov),
    "adam": Rule(_of_adam, _adam),
    "amsgrad": Rule(_of_adam, _amsgrad),
    "nadam": Rule(_of_nadam, _nadam),
    "radam": Rule(_of_radam, _adam),
    "adamax": Rule(_of_adamax, _adamax),
    "lion": Rule(_of_means, _lion),
    "rmsprop": Rule(_of_mean, _rmsprop),
    "rmsprop_momentum": Rule(_of_mean, _rmsprop_momentum),
    "rmsprop_centered": Rule(_of_mean, _rmsprop_centered),
    "rmsprop_centered_momentum": Rule(_of_mean, _rmsprop_centered_momentum),
    "adagrad": Rule(_given, _adagrad),
    "adadelta": Rule(_of_mean, _adadelta),
    "rprop": Rule(_of_rprop, _rprop),
    "lamb": Rule(_of_lamb, _lamb, layered=True),
}


def place_by_place(
    optimizer: Optimizer,
    w: Array,
    g: Array,
    state: Arrays,
    t: int,
    rate: float | None = None,
    kind: type[Any] = float,
) -> Arrays:
    """(w, *state) after update number t, of checked arguments, or the direction of a layered rule
    and the state. rate: in place of the optimizer's own; constants are computed in `kind`."""
    rule, real = TABLE[optimizer.rule], w.dtype.type
    rate = kind(optimizer.learning_rate if rate is None else rate)
    decay = kind(optimizer.weight_decay)
    coupled, left = (0.0, 1 - rate * decay) if optimizer.decoupled_weight_decay else (decay, 1.0)
    if rule.layered:
        left = 1.0  # decoupled decay is part of the direction
    factor, constants = rule.constants(rate, tuple(map(kind, optimizer.numbers)), t)
    if coupled or left != 1:  # one of them
        g, w = real(coupled) * w + g, real(left) * w
    return rule.update(w, g, state, real(factor), tuple(map(real, constants)))


def update(
    optimizer: Optimizer,
    w: Array,
    g: Array,
    state: Arrays,
    t: int,
    rate: float | None = None,
    kind: type[Any] = float,
) -> Arrays:
    """(w, *state); as place_by_place."""
    new = place_by_place(optimizer, w, g, state, t, rate, kind)
    if TABLE[optimizer.rule].layered:
        rate = kind(optimizer.learning_rate if rate is None else rate)
        return along(w, new[0], rate), *new[1:]
    return new


def optimizer_step(
    optimizer: str | Optimizer,
    w: npt.ArrayLike,
    g: npt.ArrayLike,
    *state: npt.ArrayLike,
    step: int = 1,
) -> tuple[Array, ...]:
    """One update of the parameters w by their gradient g; returns (w, *state) as new arrays.

    `optimizer` is a name or an object; its docstring has the formula, its source and, in this
    order, the arrays of state, as many as `deltarule.optimizers.RULES` says. They begin with
    `optimizer.initial_state`. `step` counts updates, this one included, from 1. w, g and the state
    have one shape (any shape) and dtype; averages of squares are >= 0. State below 2^-100 (float64:
    2^-1000) in magnitude becomes +0.

    Raises ValueError for an unknown optimizer, another number of arrays, differing shapes or
    step < 1; TypeError for other or mixed dtypes.
    """
    chosen = optimizers.get_step(optimizer)
    arrays = _check.step_arrays(optimizers.RULES[chosen.rule], w, g, state)
    count = _check.integer("step", step, 1, 1 << 62)
    with quiet():
        return tuple(map(np.asarray, update(chosen, arrays[0], arrays[1], arrays[2:], count)))
