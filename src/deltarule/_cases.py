"""What ``deltarule compare`` runs: every operation on inputs of a usual size, with its true result.

The cases are made from the registries (activations, losses, noises, optimizers, initialisers and
the names of :mod:`deltarule.ops`), so that an operation appears by being registered.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType

import numpy as np

from . import _check, _check_weights, losses, ops, optimizers
from ._case import Arrays, Case, magnitude, normal, wide, wide_type
from ._cases_norm import batch_norm_cases, row_norm_cases
from ._check import Array
from ._check_weights import CLIPS, CONSTRAINTS
from .losses import Loss
from .reference import activation as activations
from .reference import average, clip, constraint, dense, noise, optimizer, penalty, prelu
from .reference import loss as reference_loss
from .reference.activation import quiet
from .reference.cholesky import factor, solve

__all__ = ["Case", "all_cases", "wide_type"]

# (rows, inputs, outputs) of the dense cases, and the rows and columns of the others
_DENSE = ((32, 64, 100), (256, 256, 256))
_ROWS, _COLUMNS = 256, 256
_DENSE_QUICK = ((8, 16, 40),)
_ROWS_QUICK, _COLUMNS_QUICK = 16, 24

_STEP = 10


def all_cases(dtype: str, quick: bool) -> Iterator[Case]:
    """The cases of a dtype, in the order in which they are shown."""
    n, columns = (_ROWS_QUICK, _COLUMNS_QUICK) if quick else (_ROWS, _COLUMNS)
    yield from _forward_first(_activation(name, dtype, n, columns) for name in _check.ACTIVATIONS)
    yield from _prelu(dtype, n, columns)
    for sizes in _DENSE_QUICK if quick else _DENSE:
        yield from _dense(dtype, *sizes)
    yield from batch_norm_cases(dtype, n, columns)
    yield from row_norm_cases(dtype, n, columns)
    yield from _cholesky(dtype, columns)
    yield from _forward_first(_loss(cls(), dtype, n, columns) for cls in losses.TABLE.values())
    yield from _forward_first(_noise(name, dtype, n, columns) for name in _check.NOISES)
    for rule, chosen in optimizers.examples().items():
        yield _optimizer(rule, replace(chosen, weight_decay=1e-4), dtype, n * columns)
    yield from _penalty(dtype, n, columns)
    for name in CLIPS:
        yield _clip(name, dtype, n, columns)
    for name in CONSTRAINTS:
        yield _constraint(name, dtype, n, columns)
    yield _average(dtype, n, columns)
    for name in _check.INITIALIZERS:
        yield _initializer(name, dtype, n, columns)
    if dtype == "float64":
        for name in ops.__all__:
            if name.startswith("random_"):
                yield _random(name, n * columns)


def _forward_first(pairs: Iterable[tuple[Case, Case]]) -> Iterator[Case]:
    """All the forward ones, then all the backward ones."""
    return itertools.chain(*zip(*pairs, strict=True))


def _row_maximum(truth: Arrays) -> Arrays:
    return tuple(np.broadcast_to(np.max(np.abs(t), axis=-1, keepdims=True), t.shape) for t in truth)


def _rowwise(name: str, slope: float) -> bool:
    """Whether an output depends on the other elements of its row."""
    y = activations.forward(name, np.array([[1.0, 2.0], [1.0, 3.0]]), slope)
    return bool(y[0, 0] != y[1, 0])


def _activation(name: str, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    x = normal(dtype, n, columns, stream=0, deviation=3.0)
    dy = normal(dtype, n, columns, stream=1)
    slope = _check.activation(name)
    with quiet():
        y = activations.forward(name, wide(x), slope).astype(dtype)

    def forward() -> Arrays:
        return (activations.forward(name, wide(x), slope),)

    def backward() -> Arrays:
        return (activations.backward(name, wide(x), wide(y), wide(dy), slope),)

    def outgoing(truth: Arrays) -> Arrays:
        # a logarithm near 0 has the rounding errors of the numbers it is the difference of
        logarithm = _rowwise(name, slope) and bool(np.any(truth[0] < 0))
        return _row_maximum(truth) if logarithm else magnitude(truth)

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


def _prelu(dtype: str, n: int, columns: int) -> Iterator[Case]:
    x, dy = normal(dtype, n, columns, stream=16), normal(dtype, n, columns, stream=17)
    slope = np.abs(normal(dtype, columns, stream=18))

    def backward() -> Arrays:
        return prelu.backward(*map(wide, (x, slope, dy)))

    def scale(truth: Arrays) -> Arrays:
        return np.maximum(np.abs(dy), np.abs(truth[0])), np.sum(np.abs(x * dy), axis=0)

    size = f"{n}x{columns}"
    yield Case(
        "prelu_forward", "", size, dtype,
        lambda module: (module.prelu_forward(x, slope),),
        lambda: (prelu.forward(wide(x), wide(slope)),), magnitude,
    )  # fmt: skip
    yield Case(
        "prelu_backward", "", size, dtype,
        lambda module: module.prelu_backward(x, slope, dy), backward, scale,
    )  # fmt: skip


def _dense(dtype: str, n: int, n_in: int, n_out: int) -> Iterator[Case]:
    x, w = normal(dtype, n, n_in, stream=2), normal(dtype, n_in, n_out, stream=3)
    b, dy = normal(dtype, n_out, stream=4), normal(dtype, n, n_out, stream=5)

    def forward() -> Arrays:
        return (dense.forward(wide(x), wide(w), wide(b)),)

    def backward() -> Arrays:
        return dense.backward(wide(x), wide(w), wide(dy))

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


def _cholesky(dtype: str, n: int) -> Iterator[Case]:
    g, b = normal("float64", n, n, stream=12), normal(dtype, n, stream=13)
    a = (g.T @ g / n + np.eye(n)).astype(dtype)

    def truth() -> Arrays:
        r = factor(wide(a))
        assert r is not None
        return (r,)

    def largest(truth: Arrays) -> Arrays:
        return (np.broadcast_to(np.max(np.abs(truth[0])), truth[0].shape),)

    yield Case(
        "cholesky", "", f"{n}x{n}", dtype,
        lambda module: (module.cholesky(a),), truth, largest,
    )  # fmt: skip
    yield Case(
        "cholesky_solve", "", f"{n}x{n}", dtype,
        lambda module: (module.cholesky_solve(a, b),),
        lambda: (solve(truth()[0], wide(b)),), largest,
    )  # fmt: skip


def _target(loss: Loss, dtype: str, n: int, columns: int) -> Array:
    """What the engines take for such a loss."""
    chances = ops.activation_forward("softmax", normal(dtype, n, columns, stream=7))
    if not loss.takes(labels=False):
        labels: Array = chances.argmax(axis=1)
        return labels
    if loss.targets in ("bits", "signs"):
        bits = (chances > 1 / columns).astype(dtype)
        return bits if loss.targets == "bits" else 2 * bits - 1
    each = loss.per_target
    return np.repeat(chances[:, ::each], each, axis=1)[:, :columns]


def _loss(loss: Loss, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    y = normal(dtype, n, columns, stream=6, deviation=2.0)
    t = _target(loss, dtype, n, columns)
    exact = wide(t) if t.ndim > 1 else t

    def samples() -> Arrays:
        each = reference_loss.samples(loss, wide(y), exact)
        return (np.asarray(np.mean(each, dtype=wide_type(dtype))),)

    def gradient() -> Arrays:
        w = reference_loss.weights(y, None)
        return (reference_loss.backward(loss, wide(y), exact, w),)

    size = f"{n}x{columns}"
    return (
        Case(
            "loss_forward", loss.kind, size, dtype,
            lambda module: (np.array(module.loss_forward(loss, y, t)),), samples, magnitude,
        ),
        Case(
            "loss_backward", loss.kind, size, dtype,
            lambda module: (module.loss_backward(loss, y, t),), gradient, _row_maximum,
        ),
    )  # fmt: skip


def _noise(name: str, dtype: str, n: int, columns: int) -> tuple[Case, Case]:
    x = normal(dtype, n, columns, stream=12)
    amount, stream = 0.25, (1, 0, 0, 0)

    def forward() -> Arrays:
        return (noise.forward(name, wide(x), amount, stream),)

    def backward() -> Arrays:
        return (noise.backward(name, wide(x), amount, stream),)

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
            lambda module: (module.noise_backward(name, x, amount, seed=1),), backward, magnitude,
        ),
    )  # fmt: skip


def _optimizer(rule: str, chosen: optimizers.Optimizer, dtype: str, n: int) -> Case:
    n_state = optimizers.RULES[rule]
    # Squares are what some optimizers keep: state that is >= 0 suits all of them.
    w, g, *state = (
        normal(dtype, n, stream=8),
        normal(dtype, n, stream=9),
        *(np.square(normal(dtype, n, stream=10 + slot)) for slot in range(n_state)),
    )

    def truth() -> Arrays:
        value = wide(w)
        # constants in wide numbers, too: 1 - beta^step loses digits that the result ought to have
        return optimizer.update(
            chosen, value, wide(g), tuple(map(wide, state)), _STEP, kind=value.dtype.type
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


def _penalty(dtype: str, n_in: int, n_out: int) -> Iterator[Case]:
    w, g = normal(dtype, n_in, n_out, stream=14), normal(dtype, n_in, n_out, stream=15)
    rates = {"l1": 1e-3, "l2": 1e-2}

    def value() -> Arrays:
        exactly = wide(w)
        sums = rates["l1"] * np.sum(np.abs(exactly)) + rates["l2"] * np.sum(np.square(exactly))
        return (np.asarray(sums),)

    def gradient() -> Arrays:
        return (wide(g) + penalty.gradient(wide(w), **rates),)

    def largest(truth: Arrays) -> Arrays:
        return (np.maximum(np.abs(g), np.abs(truth[0])),)

    size = f"{n_in}x{n_out}"
    yield Case(
        "penalty_forward", "", size, dtype,
        lambda module: (np.array(module.penalty_forward(w, **rates)),), value, magnitude,
    )  # fmt: skip
    yield Case(
        "penalty_backward", "", size, dtype,
        lambda module: (module.penalty_backward(w, g, **rates),), gradient, largest,
    )  # fmt: skip


def _clip(name: str, dtype: str, n_in: int, n_out: int) -> Case:
    gradients = {"weight": normal(dtype, n_in, n_out, stream=20)}
    given = {name: 0.5}

    def truth() -> Arrays:
        exactly = {key: wide(g) for key, g in gradients.items()}
        return tuple(clip.clip(exactly, given).values())

    return Case(
        "clip_gradients", name, f"{n_in}x{n_out}", dtype,
        lambda module: tuple(module.clip_gradients(gradients, **given).values()), truth, magnitude,
    )  # fmt: skip


def _constraint(name: str, dtype: str, n_in: int, n_out: int) -> Case:
    w = normal(dtype, n_in, n_out, stream=19)
    limit = _check_weights.constraint(name)

    def truth() -> Arrays:
        return (constraint.TABLE[name](wide(w), limit),)

    size = f"{n_in}x{n_out}"
    return Case(
        "constrain", name, size, dtype,
        lambda module: (module.constrain(name, w),), truth, magnitude,
    )  # fmt: skip


def _average(dtype: str, n_in: int, n_out: int) -> Case:
    w, old = (normal(dtype, n_in, n_out, stream=stream) for stream in (30, 31))

    def truth() -> Arrays:
        return (average.update(wide(w), wide(old), 0.01),)

    def largest(truth: Arrays) -> Arrays:
        return (np.maximum(np.abs(w), np.abs(old)),)

    size = f"{n_in}x{n_out}"
    return Case(
        "average_step", "", size, dtype,
        lambda module: (module.average_step(w, old, share=0.01),), truth, largest,
    )  # fmt: skip


def _initializer(name: str, dtype: str, n_in: int, n_out: int) -> Case:
    def run(module: ModuleType, real: str = dtype) -> Arrays:
        return (module.initialize(name, n_in, n_out, seed=0, dtype=real),)

    def truth() -> Arrays:
        from . import reference

        return run(reference, "float64")

    return Case("initialize", name, f"{n_in}x{n_out}", dtype, run, truth, magnitude)


def _random(name: str, n: int) -> Case:
    def run(module: ModuleType) -> Arrays:
        return (getattr(module, name)(n, seed=0, purpose="shuffle"),)

    def truth() -> Arrays:
        from . import reference

        return run(reference)

    return Case(name, "", str(n), "float64", run, truth, magnitude)
