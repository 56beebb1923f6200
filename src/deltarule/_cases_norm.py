"""The cases of the normalisations."""

from collections.abc import Iterator

import numpy as np

from ._case import Arrays, Case, magnitude, normal, wide
from ._check import Array
from .reference import batch_norm, layer_norm

_EPS = 1e-5


def _normal_sizes(x: Array, axis: int, centred: bool) -> tuple[Array, Array]:
    """Of what (x - mean) / sqrt(var + eps) is the difference, and 1 / sqrt(var + eps)."""
    mean, var = batch_norm.moments(x, axis)
    if not centred:
        mean, var = 0 * mean, var + mean * mean
    inverse = batch_norm.inverse_deviation(var, _EPS)
    return (np.abs(x) + np.abs(mean)) * inverse, inverse


def _norm_backward_sizes(x: Array, w: Array, dy: Array, axis: int, centred: bool) -> Arrays:
    """The sums of the magnitudes of what dx, dw and db are sums of."""
    size, inverse = _normal_sizes(x, axis, centred)
    g = np.abs(dy * w)
    dx = g + np.mean(g, axis, keepdims=True) + size * np.mean(g * size, axis, keepdims=True)
    return dx * inverse, np.sum(np.abs(dy) * size, axis=0), np.sum(np.abs(dy), axis=0)


def batch_norm_cases(dtype: str, n: int, columns: int) -> Iterator[Case]:
    x, dy = normal(dtype, n, columns, stream=20), normal(dtype, n, columns, stream=21)
    w, b = normal(dtype, columns, stream=22), normal(dtype, columns, stream=23)
    mean, var = normal(dtype, columns, stream=24), np.square(normal(dtype, columns, stream=25))
    size = f"{n}x{columns}"

    def inference() -> Arrays:
        return (batch_norm.inference(wide(x), wide(mean), wide(var), wide(w), wide(b), _EPS),)

    def running() -> Arrays:
        return batch_norm.running(wide(b), wide(var), wide(mean), wide(var), n, 0.1)

    def forward_sizes(truth: Arrays) -> Arrays:
        y = _normal_sizes(wide(x), 0, True)[0] * np.abs(w) + np.abs(b)
        return y, np.mean(np.abs(x), axis=0), truth[2]

    def inference_sizes(truth: Arrays) -> Arrays:
        inverse = batch_norm.inverse_deviation(wide(var), _EPS)
        return ((np.abs(x) + np.abs(mean)) * inverse * np.abs(w) + np.abs(b),)

    yield Case(
        "batch_norm_forward", "", size, dtype,
        lambda module: module.batch_norm_forward(x, w, b),
        lambda: batch_norm.forward(wide(x), wide(w), wide(b), _EPS), forward_sizes,
    )  # fmt: skip
    yield Case(
        "batch_norm_backward", "", size, dtype,
        lambda module: module.batch_norm_backward(x, w, dy),
        lambda: batch_norm.backward(wide(x), wide(w), wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(wide(x), w, dy, 0, True),
    )  # fmt: skip
    yield Case(
        "batch_norm_inference", "", size, dtype,
        lambda module: (module.batch_norm_inference(x, mean, var, w, b),), inference,
        inference_sizes,
    )  # fmt: skip
    yield Case(
        "batch_norm_running", "", str(columns), dtype,
        lambda module: module.batch_norm_running(b, var, mean, var, n=n), running,
        lambda truth: (np.maximum(np.abs(b), np.abs(mean)), truth[1]),
    )  # fmt: skip


def row_norm_cases(dtype: str, n: int, columns: int) -> Iterator[Case]:
    x, dy = normal(dtype, n, columns, stream=26), normal(dtype, n, columns, stream=27)
    w, b = normal(dtype, columns, stream=28), normal(dtype, columns, stream=29)
    size = f"{n}x{columns}"

    yield Case(
        "layer_norm_forward", "", size, dtype,
        lambda module: (module.layer_norm_forward(x, w, b),),
        lambda: (layer_norm.layer_forward(wide(x), wide(w), wide(b), _EPS),),
        lambda truth: (_normal_sizes(wide(x), 1, True)[0] * np.abs(w) + np.abs(b),),
    )  # fmt: skip
    yield Case(
        "layer_norm_backward", "", size, dtype,
        lambda module: module.layer_norm_backward(x, w, dy),
        lambda: layer_norm.layer_backward(wide(x), wide(w), wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(wide(x), w, dy, 1, True),
    )  # fmt: skip
    yield Case(
        "rms_norm_forward", "", size, dtype,
        lambda module: (module.rms_norm_forward(x, w, eps=_EPS),),
        lambda: (layer_norm.rms_forward(wide(x), wide(w), _EPS),), magnitude,
    )  # fmt: skip
    yield Case(
        "rms_norm_backward", "", size, dtype,
        lambda module: module.rms_norm_backward(x, w, dy, eps=_EPS),
        lambda: layer_norm.rms_backward(wide(x), wide(w), wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(wide(x), w, dy, 1, False)[:2],
    )  # fmt: skip
