"""What ``deltarule compare`` runs: every operation on inputs of a usual size, with its true result.

The cases are made from the registries (activations, losses, noises, optimizers, initialisers and
the names of :mod:`deltarule.ops`), so that an operation appears by being registered.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from . import _check, losses, ops, optimizers
from ._check import Array
from .losses import Loss
from .reference import activation as activations
from .reference import batch_norm, dense, layer_norm, noise, optimizer
from .reference import loss as reference_loss
from .reference.activation import quiet

__all__ = ["Case", "all_cases", "wide_type"]

Arrays = tuple[Array, ...]

# (rows, inputs, outputs) of the dense cases, and the rows and columns of the others
_DENSE = ((32, 64, 100), (256, 256, 256))
_ROWS, _COLUMNS = 256, 256
_DENSE_QUICK = ((8, 16, 40),)
_ROWS_QUICK, _COLUMNS_QUICK = 16, 24

_STEP = 10
_EPS = 1e-5


@dataclass(frozen=True)
class Case:
    """One operation on one set of arguments.

    operation, variant: "activation_forward", "relu"; variant is "" where there are none.
    size: for people, as "256x256".
    dtype: of the arguments; "float64" for random numbers, which have no other.
    run: the operation as `deltarule.ops` or `deltarule.reference` has it: its results.
    truth: the results in the wider type, from the same arguments.
    scale: what an ulp is taken of, one array a result, from the results of `truth`.
    """

    operation: str
    variant: str
    size: str
    dtype: str
    run: Callable[[ModuleType], Arrays]
    truth: Callable[[], Arrays]
    scale: Callable[[Arrays], Arrays]


def wide_type(dtype: str) -> np.dtype[Any]:
    """The type in which true results are computed: float64 for float32, longdouble for float64
    where it has at least 10 bits more (x86, 64-bit ARM on Linux), else float64 again."""
    if dtype == "float32" or np.finfo(np.longdouble).nmant < np.finfo(np.float64).nmant + 10:
        return np.dtype(np.float64)
    return np.dtype(np.longdouble)


def all_cases(dtype: str, quick: bool) -> Iterator[Case]:
    """The cases of a dtype, in the order in which they are shown."""
    n, columns = (_ROWS_QUICK, _COLUMNS_QUICK) if quick else (_ROWS, _COLUMNS)
    yield from _forward_first(_activation(name, dtype, n, columns) for name in _check.ACTIVATIONS)
    for sizes in _DENSE_QUICK if quick else _DENSE:
        yield from _dense(dtype, *sizes)
    yield from _batch_norm(dtype, n, columns)
    yield from _row_norms(dtype, n, columns)
    yield from _forward_first(_loss(cls(), dtype, n, columns) for cls in losses.TABLE.values())
    yield from _forward_first(_noise(name, dtype, n, columns) for name in _check.NOISES)
    for rule, chosen in optimizers.examples().items():
        yield _optimizer(rule, replace(chosen, weight_decay=1e-4), dtype, n * columns)
    for name in _check.INITIALIZERS:
        yield _initializer(name, dtype, n, columns)
    if dtype == "float64":
        for name in ops.__all__:
            if name.startswith("random_"):
                yield _random(name, n * columns)


def _forward_first(pairs: Iterable[tuple[Case, Case]]) -> Iterator[Case]:
    """All the forward ones, then all the backward ones."""
    return itertools.chain(*zip(*pairs, strict=True))


def _normal(dtype: str, *shape: int, stream: int, deviation: float = 1.0) -> Array:
    """Normal numbers that are the same on every machine."""
    flat = ops.random_normal(int(np.prod(shape)), seed=1, purpose="weight", layer=stream)
    return (flat * deviation).astype(dtype).reshape(shape)


def _wide(a: Array) -> Array:
    return a.astype(wide_type(a.dtype.name))


def _magnitude(truth: Arrays) -> Arrays:
    """Of results that are each one number's business: an ulp of the number itself."""
    return tuple(map(np.abs, truth))


def _row_maximum(truth: Arrays) -> Arrays:
    return tuple(np.broadcast_to(np.max(np.abs(t), axis=-1, keepdims=True), t.shape) for t in truth)


def _rowwise(name: str, slope: float) -> bool:
    """Whether an output depends on the other elements of its row."""
    y = activations.forward(name, np.array([[1.0, 2.0], [1.0, 3.0]]), slope)
    return bool(y[0, 0] != y[1, 0])


def _activation(name: str, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    x = _normal(dtype, n, columns, stream=0, deviation=3.0)
    dy = _normal(dtype, n, columns, stream=1)
    slope = _check.activation(name)
    with quiet():
        y = activations.forward(name, _wide(x), slope).astype(dtype)

    def forward() -> Arrays:
        return (activations.forward(name, _wide(x), slope),)

    def backward() -> Arrays:
        return (activations.backward(name, _wide(x), _wide(y), _wide(dy), slope),)

    def outgoing(truth: Arrays) -> Arrays:
        # a logarithm near 0 has the rounding errors of the numbers it is the difference of
        logarithm = _rowwise(name, slope) and bool(np.any(truth[0] < 0))
        return _row_maximum(truth) if logarithm else _magnitude(truth)

    def incoming(truth: Arrays) -> Arrays:
        if _rowwise(name, slope):
            return _row_maximum((dy * y, *truth))[:1]
        return (np.maximum(np.abs(dy), np.abs(truth[0])),)

    size = f"{n}x{columns}"
    return (
        Case(
            "activation_forward", name, size, dtype,
            lambda module: (module.activation_forward(name, x),), forward, outgoing,
        ),
        Case(
            "activation_backward", name, size, dtype,
            lambda module: (module.activation_backward(name, x, y, dy),), backward, incoming,
        ),
    )  # fmt: skip


def _dense(dtype: str, n: int, n_in: int, n_out: int) -> Iterator[Case]:
    x, w = _normal(dtype, n, n_in, stream=2), _normal(dtype, n_in, n_out, stream=3)
    b, dy = _normal(dtype, n_out, stream=4), _normal(dtype, n, n_out, stream=5)

    def forward() -> Arrays:
        return (dense.forward(_wide(x), _wide(w), _wide(b)),)

    def backward() -> Arrays:
        return dense.backward(_wide(x), _wide(w), _wide(dy))

    def forward_sums(truth: Arrays) -> Arrays:
        return (dense.forward(np.abs(x), np.abs(w), np.abs(b)),)

    def backward_sums(truth: Arrays) -> Arrays:
        return dense.backward(np.abs(x), np.abs(w), np.abs(dy))

    size = f"{n}x{n_in}x{n_out}"
    y = forward()[0].astype(dtype)
    yield Case(
        "dense_forward", "", size, dtype,
        lambda module: (module.dense_forward(x, w, b),), forward, forward_sums,
    )  # fmt: skip
    yield Case(
        "dense_backward", "", size, dtype,
        lambda module: module.dense_backward(x, w, y, dy), backward, backward_sums,
    )  # fmt: skip


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


def _batch_norm(dtype: str, n: int, columns: int) -> Iterator[Case]:
    x, dy = _normal(dtype, n, columns, stream=20), _normal(dtype, n, columns, stream=21)
    w, b = _normal(dtype, columns, stream=22), _normal(dtype, columns, stream=23)
    mean, var = _normal(dtype, columns, stream=24), np.square(_normal(dtype, columns, stream=25))
    size = f"{n}x{columns}"

    def inference() -> Arrays:
        return (batch_norm.inference(_wide(x), _wide(mean), _wide(var), _wide(w), _wide(b), _EPS),)

    def running() -> Arrays:
        return batch_norm.running(_wide(b), _wide(var), _wide(mean), _wide(var), n, 0.1)

    def forward_sizes(truth: Arrays) -> Arrays:
        y = _normal_sizes(_wide(x), 0, True)[0] * np.abs(w) + np.abs(b)
        return y, np.mean(np.abs(x), axis=0), truth[2]

    def inference_sizes(truth: Arrays) -> Arrays:
        inverse = batch_norm.inverse_deviation(_wide(var), _EPS)
        return ((np.abs(x) + np.abs(mean)) * inverse * np.abs(w) + np.abs(b),)

    yield Case(
        "batch_norm_forward", "", size, dtype,
        lambda module: module.batch_norm_forward(x, w, b),
        lambda: batch_norm.forward(_wide(x), _wide(w), _wide(b), _EPS), forward_sizes,
    )  # fmt: skip
    yield Case(
        "batch_norm_backward", "", size, dtype,
        lambda module: module.batch_norm_backward(x, w, dy),
        lambda: batch_norm.backward(_wide(x), _wide(w), _wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(_wide(x), w, dy, 0, True),
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


def _row_norms(dtype: str, n: int, columns: int) -> Iterator[Case]:
    x, dy = _normal(dtype, n, columns, stream=26), _normal(dtype, n, columns, stream=27)
    w, b = _normal(dtype, columns, stream=28), _normal(dtype, columns, stream=29)
    size = f"{n}x{columns}"

    yield Case(
        "layer_norm_forward", "", size, dtype,
        lambda module: (module.layer_norm_forward(x, w, b),),
        lambda: (layer_norm.layer_forward(_wide(x), _wide(w), _wide(b), _EPS),),
        lambda truth: (_normal_sizes(_wide(x), 1, True)[0] * np.abs(w) + np.abs(b),),
    )  # fmt: skip
    yield Case(
        "layer_norm_backward", "", size, dtype,
        lambda module: module.layer_norm_backward(x, w, dy),
        lambda: layer_norm.layer_backward(_wide(x), _wide(w), _wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(_wide(x), w, dy, 1, True),
    )  # fmt: skip
    yield Case(
        "rms_norm_forward", "", size, dtype,
        lambda module: (module.rms_norm_forward(x, w, eps=_EPS),),
        lambda: (layer_norm.rms_forward(_wide(x), _wide(w), _EPS),), _magnitude,
    )  # fmt: skip
    yield Case(
        "rms_norm_backward", "", size, dtype,
        lambda module: module.rms_norm_backward(x, w, dy, eps=_EPS),
        lambda: layer_norm.rms_backward(_wide(x), _wide(w), _wide(dy), _EPS),
        lambda truth: _norm_backward_sizes(_wide(x), w, dy, 1, False)[:2],
    )  # fmt: skip


def _target(loss: Loss, dtype: str, n: int, columns: int) -> Array:
    """What the engines take for such a loss."""
    chances = ops.activation_forward("softmax", _normal(dtype, n, columns, stream=7))
    if not loss.takes(labels=False):
        labels: Array = chances.argmax(axis=1)
        return labels
    if loss.targets in ("bits", "signs"):
        bits = (chances > 1 / columns).astype(dtype)
        return bits if loss.targets == "bits" else 2 * bits - 1
    each = loss.per_target
    return np.repeat(chances[:, ::each], each, axis=1)[:, :columns]


def _loss(loss: Loss, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    y = _normal(dtype, n, columns, stream=6, deviation=2.0)
    t = _target(loss, dtype, n, columns)
    wide = _wide(t) if t.ndim > 1 else t

    def samples() -> Arrays:
        each = reference_loss.samples(loss, _wide(y), wide)
        return (np.asarray(np.mean(each, dtype=wide_type(dtype))),)

    def gradient() -> Arrays:
        w = reference_loss.weights(y, None)
        return (reference_loss.backward(loss, _wide(y), wide, w),)

    size = f"{n}x{columns}"
    return (
        Case(
            "loss_forward", loss.kind, size, dtype,
            lambda module: (np.array(module.loss_forward(loss, y, t)),), samples, _magnitude,
        ),
        Case(
            "loss_backward", loss.kind, size, dtype,
            lambda module: (module.loss_backward(loss, y, t),), gradient, _row_maximum,
        ),
    )  # fmt: skip


def _noise(name: str, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    x = _normal(dtype, n, columns, stream=12)
    amount, stream = 0.25, (1, 0, 0, 0)

    def forward() -> Arrays:
        return (noise.forward(name, _wide(x), amount, stream),)

    def backward() -> Arrays:
        return (noise.backward(name, _wide(x), amount, stream),)

    def terms(truth: Arrays) -> Arrays:
        # y is a sum with a number of about this size, which has the errors of its own factors
        added = amount if name == "gaussian_noise" else float(name == "alpha_dropout")
        return (np.maximum(np.abs(x) + added, np.abs(truth[0])),)

    size = f"{n}x{columns}"
    return (
        Case(
            "noise_forward", name, size, dtype,
            lambda module: (module.noise_forward(name, x, amount, seed=1),), forward, terms,
        ),
        Case(
            "noise_backward", name, size, dtype,
            lambda module: (module.noise_backward(name, x, amount, seed=1),), backward, _magnitude,
        ),
    )  # fmt: skip


def _optimizer(rule: str, chosen: optimizers.Optimizer, dtype: str, n: int) -> Case:
    n_state = optimizers.RULES[rule]
    # Squares are what some optimizers keep: state that is >= 0 suits all of them.
    w, g, *state = (
        _normal(dtype, n, stream=8),
        _normal(dtype, n, stream=9),
        *(np.square(_normal(dtype, n, stream=10 + slot)) for slot in range(n_state)),
    )

    def truth() -> Arrays:
        wide = _wide(w)
        # constants in wide numbers, too: 1 - beta^step loses digits that the result ought to have
        return optimizer.update(
            chosen, wide, _wide(g), tuple(map(_wide, state)), _STEP, wide.dtype.type
        )

    def largest(truth: Arrays) -> Arrays:
        # w, then the state: old and new value, as a small difference of them is no small error
        return tuple(
            np.maximum(np.abs(a), np.abs(b)) for a, b in zip((w, *state), truth, strict=True)
        )

    return Case(
        "optimizer_step", rule, str(n), dtype,
        lambda module: module.optimizer_step(chosen, w, g, *state, step=_STEP), truth, largest,
    )  # fmt: skip


def _initializer(name: str, dtype: str, n_in: int, n_out: int) -> Case:
    def run(module: ModuleType, real: str = dtype) -> Arrays:
        return (module.initialize(name, n_in, n_out, seed=0, dtype=real),)

    def truth() -> Arrays:
        from . import reference

        return run(reference, "float64")

    return Case("initialize", name, f"{n_in}x{n_out}", dtype, run, truth, _magnitude)


def _random(name: str, n: int) -> Case:
    def run(module: ModuleType) -> Arrays:
        return (getattr(module, name)(n, seed=0, purpose="shuffle"),)

    def truth() -> Arrays:
        from . import reference

        return run(reference)

    return Case(name, "", str(n), "float64", run, truth, _magnitude)
