"""Initial weights and biases, from the project's own random numbers."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .orthogonal import orthogonal
from .random import normals, uniforms

F64 = npt.NDArray[np.float64]
Draw = Callable[[int, int, int, int, int], F64]
Scale = Callable[[int, int], float]


class Source(NamedTuple):
    """What numbers are drawn with; those in C give the same bits as these, sooner."""

    uniforms: Draw = uniforms
    normals: Draw = normals
    orthogonal: Callable[[F64], F64] = orthogonal


class _Call(NamedTuple):
    """What is to be drawn: (n_in, n_out), the stream without its step, and with what."""

    shape: tuple[int, int]
    size: int
    stream: tuple[int, int, int]
    source: Source

    def normals(self, step: int = 0) -> F64:
        return self.source.normals(self.size, *self.stream, step)


Unit = Callable[[_Call], F64]


# A uniform number in +-limit has the variance limit^2 / 3, a normal one deviation^2.
def _uniform(call: _Call) -> F64:
    u: F64 = 2 * call.source.uniforms(call.size, *call.stream, 0) - 1
    return u


def _normal(call: _Call) -> F64:
    return call.normals()


def _truncated_normal(call: _Call) -> F64:
    """What lies beyond 2 is drawn again, from the same element of the streams of step 1, 2, ..."""
    z = call.normals()
    for step in itertools.count(1):
        far = np.abs(z) > 2
        if not far.any():
            break
        z = np.where(far, call.normals(step), z)
    return z


def _orthogonal(call: _Call) -> F64:
    rows, cols = max(call.shape), min(call.shape)
    q = call.source.orthogonal(call.normals().reshape(cols, rows))
    return (q if call.shape == q.shape else q.T).reshape(-1)


def _one(n_in: int, n_out: int) -> float:
    return 1.0


_TABLE: dict[str, tuple[Unit, Scale]] = {
    "zeros": (lambda call: np.zeros(call.size), _one),
    "ones": (lambda call: np.ones(call.size), _one),
    "constant": (lambda call: np.ones(call.size), _one),
    "uniform": (_uniform, _one),
    "normal": (_normal, _one),
    "truncated_normal": (_truncated_normal, _one),
    "orthogonal": (_orthogonal, _one),
    "glorot_uniform": (_uniform, lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "glorot_normal": (_normal, lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": (_uniform, lambda n_in, n_out: math.sqrt(6 / n_in)),
    "he_normal": (_normal, lambda n_in, n_out: math.sqrt(2 / n_in)),
    "lecun_uniform": (_uniform, lambda n_in, n_out: math.sqrt(3 / n_in)),
    "lecun_normal": (_normal, lambda n_in, n_out: math.sqrt(1 / n_in)),
}


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
    """Initial weights (n_in, n_out), or for purpose="bias" initial biases (n_out,).

    They are mean + gain * v, and v is

        zeros              0
        ones, constant     1
        uniform            between -1 and 1
        normal             of mean 0 and variance 1
        truncated_normal   the same, drawn again where beyond 2
        orthogonal         orthonormal columns or, where these are longer, rows (Saxe, McClelland &
                           Ganguli, 2014): no vector that passes grows or shrinks; for biases a
                           vector of length 1

    A sum of n_in products keeps the variance of its inputs when the weights have the variance

        lecun    1 / n_in                (LeCun, Bottou, Orr & Mueller, 1998)
        glorot   2 / (n_in + n_out)      between forwards and backwards (Glorot & Bengio, 2010)
        he       2 / n_in                relu halves the mean square (He et al., 2015)

    which v has as "_normal" and, in +-sqrt(3 variance), as "_uniform". Numbers are drawn in
    row-major order, computed in float64 and rounded to `dtype`, so that float32 and float64
    networks start alike. `seed` and `layer` as in random_bits.

    Raises ValueError for an unknown name, sizes < 1 or numbers out of range; TypeError for other
    types.
    """
    source = Source()
    return initial_values(initializer, n_in, n_out, seed, gain, mean, layer, purpose, dtype, source)


def initial_values(
    initializer: str,
    n_in: int,
    n_out: int,
    seed: int,
    gain: float,
    mean: float,
    layer: int,
    purpose: str,
    dtype: npt.DTypeLike,
    source: Source,
) -> Array:
    """What initialize() returns, from a given source of random numbers."""
    _check.choice("initializer", initializer, _check.INITIALIZERS)
    _check.choice("purpose", purpose, ("weight", "bias"))
    shape = (_check.positive_int("n_in", n_in), _check.positive_int("n_out", n_out))
    own = shape if purpose == "weight" else (1, shape[1])
    size = _check.integer("n_in * n_out", own[0] * own[1], 1, (1 << 33) + 1)
    _, *stream, _ = _check.random_arguments(size, 2, seed, purpose, layer, 0)
    real = _check.float_dtype("dtype", dtype)
    unit, scale = _TABLE[initializer]
    factor, start = _check.finite_real("gain", gain), _check.finite_real("mean", mean)
    v = unit(_Call(own, size, (stream[0], stream[1], stream[2]), source))
    values = v * (scale(*shape) * factor)
    if start:
        values += start
    return values.astype(real).reshape(own if purpose == "weight" else own[1:])
