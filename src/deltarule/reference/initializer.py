"""Initial weights and biases, from the project's own random numbers."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import Array
from .random import normals, uniforms

Draw = Callable[[int, int, int, int, int], npt.NDArray[np.float64]]

# A uniform number in +-limit has the variance limit^2 / 3, a normal one deviation^2.
_LIMITS: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda n_in, n_out: math.sqrt(6 / (n_in + n_out)),
    "he": lambda n_in, n_out: math.sqrt(6 / n_in),
    "lecun": lambda n_in, n_out: math.sqrt(3 / n_in),
}
_DEVIATIONS: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
    "he": lambda n_in, n_out: math.sqrt(2 / n_in),
    "lecun": lambda n_in, n_out: math.sqrt(1 / n_in),
}


def initialize(
    initializer: str,
    n_in: int,
    n_out: int,
    *,
    seed: int,
    layer: int = 0,
    purpose: str = "weight",
    dtype: npt.DTypeLike = "float32",
) -> Array:
    """Initial weights (n_in, n_out), or for purpose="bias" initial biases (n_out,).

    A sum of n_in products keeps the variance of its inputs when the weights have the variance

        lecun    1 / n_in                (LeCun, Bottou, Orr & Mueller, 1998)
        glorot   2 / (n_in + n_out)      between forwards and backwards (Glorot & Bengio, 2010)
        he       2 / n_in                relu halves the mean square (He et al., 2015)

    "_normal" draws z sqrt(variance) and "_uniform" (2u - 1) sqrt(3 variance); "zeros" and "ones"
    are what they say.
    Numbers are drawn in row-major order, computed in float64 and rounded to `dtype`, so that
    float32 and float64 networks start alike. `seed` and `layer` as in random_bits.

    Raises ValueError for an unknown name, sizes < 1 or numbers out of range; TypeError for other
    types.
    """
    return initial_values(initializer, n_in, n_out, seed, layer, purpose, dtype, uniforms, normals)


def initial_values(
    initializer: str,
    n_in: int,
    n_out: int,
    seed: int,
    layer: int,
    purpose: str,
    dtype: npt.DTypeLike,
    uniforms: Draw,
    normals: Draw,
) -> Array:
    """What initialize() returns, from given generators: the C ones give the same bits, sooner."""
    _check.choice("initializer", initializer, _check.INITIALIZERS)
    _check.choice("purpose", purpose, ("weight", "bias"))
    shape = (_check.positive_int("n_in", n_in), _check.positive_int("n_out", n_out))
    size = shape[0] * shape[1] if purpose == "weight" else shape[1]
    stream = _check.random_arguments(size, 2, seed, purpose, layer, 0)
    real = _check.float_dtype("dtype", dtype)
    family, _, kind = initializer.partition("_")
    if kind == "uniform":
        flat = (2 * uniforms(*stream) - 1) * _LIMITS[family](*shape)
    elif kind == "normal":
        flat = normals(*stream) * _DEVIATIONS[family](*shape)
    else:
        flat = np.full(size, float(family == "ones"))
    return flat.astype(real).reshape(shape if purpose == "weight" else shape[1:])
