"""Noise that keeps a network from relying on single features: what it adds or drops in training.

The random numbers of an element are words of Philox4x32-10, of the stream (seed, "noise", layer,
step), and depend on its row in the batch and its column alone: any block of rows can be computed
by itself, and the way back finds the numbers of the way there without having kept them. Rows go
together, 4 in a dropout, 2 in Gaussian noise, and so do 16 columns; together they have 8 blocks:

    block(row, column) = 8 (row div together * ceil(columns / 16) + column div 16)
                         + column mod 16 div 2

and of this block the words i and 2 + i, i = column mod 2.
"""

import numpy as np
import numpy.typing as npt

from .. import _check
from .._check import PURPOSES, Array
from .activation import flush, quiet
from .random import blocks

Stream = tuple[int, int, int, int]  # seed, layer, step, row

_COLUMNS = 16
_BLOCKS = _COLUMNS // 2
_SELU_LEAST = -1.7580993408473768  # the limit of selu at -inf


def arguments(
    noise: object, argument: str, x: object, amount: object, seed: object, layer: object,
    step: object, row: object,
) -> tuple[Array, float, Stream]:  # fmt: skip
    """(x, amount, stream) of the noise functions.

    Two rows of 16 columns use eight blocks, of which a stream has 2^32.
    """
    gaussian = _check.choice("noise", noise, _check.NOISES) == "gaussian_noise"
    check = _check.non_negative_real if gaussian else _check.fraction
    number, array = check("amount", amount), _check.rows_of(argument, x)
    _, *key = _check.random_arguments(0, 1, seed, "noise", layer, step)
    first, columns = _check.non_negative_int("row", row), array.shape[-1]
    end = first + (array.size // columns if columns else 0)
    if -(-end // 2) * -(-columns // _COLUMNS) > 1 << 29:
        raise ValueError(f"row must leave {argument} within one stream of random numbers: {end} "
                         f"rows of {columns} are too many")  # fmt: skip
    return array, number, (key[0], key[2], key[3], first)


def _words(
    shape: tuple[int, int], together: int, stream: Stream
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.intp]]:
    """For each element its two words, and for each row its place among those that go together."""
    (n, columns), (seed, layer, step, row) = shape, stream
    units = -(-columns // _COLUMNS)
    first, end = row // together, -(-(row + n) // together)
    four = blocks(
        first * units * _BLOCKS, (end - first) * units * _BLOCKS,
        seed, PURPOSES["noise"], layer, step,
    ).reshape(end - first, units * _BLOCKS, 2, 2)  # fmt: skip
    rows = row + np.arange(n)
    low, high = (
        four[:, :, i].reshape(end - first, units * _COLUMNS)[rows // together - first, :columns]
        for i in (0, 1)
    )
    return low, high, rows % together


def dropped(shape: tuple[int, int], p: float, stream: Stream) -> npt.NDArray[np.bool_]:
    """Which elements of the rows row .. row + n - 1 of a batch are dropped: (n, columns).

    Every element has a 32-bit number v, and is dropped where v < round(p 2^32): the chance is p to
    10 digits. Of four rows, row 0 has the word i, row 1 the same word with its halves exchanged,
    rows 2 and 3 likewise the word 2 + i; v is what has that word's highest bit flipped. The two
    elements that share a word are all but independent: each has the 16 bits that decide nearly
    always to itself, and their correlation is at most 2^-15 for p >= 0.0001.
    """
    low, high, place = _words(shape, 4, stream)
    word = np.where(place[:, None] < 2, low, high)
    half = np.uint32(16)
    word = np.where(place[:, None] % 2 == 0, word, word << half | word >> half)
    below = min(int(np.floor(p * 2.0**32 + 0.5)), (1 << 32) - 1)
    return (word ^ np.uint32(1 << 31)) < np.uint32(below)


def normals(shape: tuple[int, int], dtype: npt.DTypeLike, stream: Stream) -> Array:
    """Standard normal numbers of the rows row .. row + n - 1 of a batch, (n, columns).

    Box & Muller (1958): of two rows, row 0 has r cos a and row 1 r sin a, where r = sqrt(-2 ln u).
    Let v = (b + 1/2) / 2^32. Where the highest bit of the word i is set, b is its other bits and u
    is v; else b is the others flipped and u is 1 - v: so u is uniform in (0, 1), and near both
    ends it has as many digits as a floating-point number can have. The word 2 + i, as a whole
    number with a sign, gives the angle a = 2 pi k / 2^32. Computed in float64 or wider.
    """
    real = np.result_type(dtype, np.float64)
    low, high, place = _words(shape, 2, stream)
    small = low >> np.uint32(31) == 1
    bits = np.where(small, low, ~low) & np.uint32(0x7FFFFFFF)
    v = (bits.astype(real) + real.type(0.5)) / 2**32
    r = np.sqrt(-2 * np.where(small, np.log(v), np.log1p(-v)))
    pi = 4 * np.arctan(real.type(1))
    a = high.view(np.int32).astype(real) * (pi / 2**31)
    z: Array = (r * np.where(place[:, None] == 0, np.cos(a), np.sin(a))).astype(dtype)
    return z


def scale(noise: str, amount: float) -> float:
    """dy/dx of an element that is not dropped."""
    if noise == "dropout":
        return 1 / (1 - amount)
    if noise == "alpha_dropout":
        return float(1 / np.sqrt((1 - amount) * (1 + amount * _SELU_LEAST**2)))
    return 1.0


def forward(noise: str, x: Array, amount: float, stream: Stream) -> Array:
    """y of rows (n, columns)."""
    real = x.dtype.type
    if noise == "gaussian_noise":
        y: Array = x + real(amount) * normals(x.shape, x.dtype, stream)
        return y
    factor, shift, constant = scale(noise, amount), 0.0, 0.0
    if noise == "alpha_dropout":
        shift = -factor * amount * _SELU_LEAST
        constant = factor * (1 - amount) * _SELU_LEAST
    kept = real(factor) * x + real(shift)
    y = np.where(dropped(x.shape, amount, stream), real(constant), kept)
    return y


def backward(noise: str, dy: Array, amount: float, stream: Stream) -> Array:
    """dx of rows (n, columns)."""
    if noise == "gaussian_noise":
        return flush(dy)
    real = dy.dtype.type
    kept = real(scale(noise, amount)) * dy
    return flush(np.where(dropped(dy.shape, amount, stream), real(0), kept))


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
    """x (any shape, rows along its last axis) with noise: what a layer puts out in training.

        dropout         0 with chance p, else x / (1 - p)  (Srivastava, Hinton et al., 2014)
        alpha_dropout   s x + t, with chance p s l + t, where l = -1.758... is what selu tends to,
                        and s = ((1 - p) (1 + p l^2))^-1/2, t = -s p l keep mean 0 and variance 1
                        (Klambauer, Unterthiner, Mayr & Hochreiter, 2017)
        gaussian_noise  x + amount z, z normal with mean 0 and variance 1

    `amount` is p, 0 <= p < 1, or the standard deviation, >= 0. A dropped element is dropped even
    if it is NaN or infinite. The random numbers are those of `seed`, `layer` and `step` (see
    random_bits), of the rows from number `row` of a batch on; the same in float32 and float64.

    Raises TypeError unless x is float32 or float64; ValueError for an unknown noise and numbers
    out of range.
    """
    array, number, stream = arguments(noise, "x", x, amount, seed, layer, step, row)
    with quiet():
        y = forward(noise, array.reshape(-1, array.shape[-1] or 1), number, stream)
    return y.reshape(array.shape)


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
    """The error at x from the error dy at y = noise_forward(x), any shape; flushed.

    dropout: 0 where dropped, else dy / (1 - p); alpha_dropout: 0 where dropped, else s dy;
    gaussian_noise: dy. What is smaller in magnitude than 2^-100 (float64: 2^-1000) becomes +0.

    Arguments and errors as for noise_forward.
    """
    array, number, stream = arguments(noise, "dy", dy, amount, seed, layer, step, row)
    with quiet():
        dx = backward(noise, array.reshape(-1, array.shape[-1] or 1), number, stream)
    return dx.reshape(array.shape)
