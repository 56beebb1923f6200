"""Arrays of any dtype, shape, layout and value, drawn by hypothesis: they give the bits of the same
numbers in a plain array, and what the reference gives; or an error, the same on both backends.

`--hypothesis-profile=long` draws 1,000 of each in place of 25 (docs/reliability/inputs.md).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import ops, reference

from .layouts import LAYOUTS, MORE, Csr, bits

pytest.importorskip("hypothesis")
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

BACKENDS = ("fast", "reference")
FLOATS = ("float32", "float64")
NUMBERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g")
NO_NUMBERS = ("c8", "c16", "O", "S3", "U2", "M8[s]", "m8[ms]", "f4,f4", "V4")
SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e-45, 1e-38, 2e-308, 3.4e38, 1e39, 1e308)
TAME = st.integers(-64, 64).map(lambda i: i / 16)


@st.composite
def array(draw: Any, shape: Any, dtypes: Any, *, wild: bool = True, low: int | None = None) -> Any:
    """Of a shape, one of these dtypes and any layout. wild: numbers of all sizes, nan and infinity.
    low: integers from there to 3."""
    dtype, size = np.dtype(draw(st.sampled_from(dtypes))), draw(shape)
    if low is not None or (dtype.kind in "iu" and not wild):
        least = max(-4 if low is None else low, 0 if dtype.kind == "u" else -128)
        values = draw(hnp.arrays(np.int64, size, elements=st.integers(least, 3)))
    elif dtype.kind == "f":
        numbers = TAME | st.sampled_from(SPECIAL) | st.floats() if wild else TAME
        values = draw(hnp.arrays(np.float64, size, elements=numbers))
    elif dtype.kind in "OV":
        values = np.full(size, None) if dtype.kind == "O" else np.zeros(size, dtype)
    else:
        values = draw(hnp.arrays(dtype, size))
    with np.errstate(all="ignore"):
        values = values.astype(dtype)
    layouts = MORE if values.ndim != 2 else LAYOUTS | MORE
    return layouts[draw(st.sampled_from(sorted(layouts)))](values)


def plain(given: Any) -> Any:
    """The same numbers in an array of its own, native, row after row."""
    if given is None:
        return None
    values = np.array(np.asarray(given))
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def sizes(least: int = 0) -> Any:
    """(n, features), rarely another number of dimensions."""
    rows = st.tuples(st.integers(least, 9), st.integers(least, 5))
    return rows | rows | rows | hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def outcome(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call gives, and its error in words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dr.DivergenceWarning)
        try:
            return call(), ""
        except (TypeError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"


def alike(call: Callable[..., Any], *arrays: Any) -> Iterator[tuple[str, Any, Any]]:
    """(dtype, fast, reference): results of call(backend, dtype, *arrays), which must not depend on
    how the arrays lie in memory. Both backends refuse the same with the same words."""
    plainly = [plain(one) for one in arrays]
    for dtype in FLOATS:
        results, errors = [], []
        for backend in BACKENDS:
            found, error = outcome(partial(call, backend, dtype, *arrays))
            same, other = outcome(partial(call, backend, dtype, *plainly))
            assert bits(found) == bits(same), (backend, dtype)
            assert error.partition(":")[0] == other.partition(":")[0], (error, other)
            results.append(found)
            errors.append(error)
        assert errors[0] == errors[1]
        if not errors[0]:
            yield dtype, *results


# ---------------------------------------------------------------------------------------- predict
@cache
def linear(backend: str, dtype: str, features: int) -> dr.Network:
    net = dr.Network([dr.Dense(3, bias_init="normal")], "mse", backend=backend, dtype=dtype)
    net.build(features)
    return net


def near(fast: Any, slow: Any, bound: Any) -> None:
    """Where the bound says something, that is, where nothing on the way can have overflowed."""
    known = np.isfinite(bound)
    with np.errstate(all="ignore"):
        off = np.abs(np.subtract(fast, slow, dtype="g"))
    assert (off[known] <= bound[known]).all()


@given(array(sizes(), NUMBERS + NO_NUMBERS))
def test_predict(x: Any) -> None:
    shape = np.shape(x)
    features = shape[1] if len(shape) == 2 and shape[1] else 2

    def call(backend: str, dtype: str, given: Any) -> Any:
        return linear(backend, dtype, features).predict(given)

    for dtype, fast, slow in alike(call, x):
        assert fast.dtype == slow.dtype == dtype and fast.shape == slow.shape == (shape[0], 3)
        parameters = linear("fast", dtype, features).parameters()
        with np.errstate(all="ignore"):
            rows = np.abs(plain(x).astype(dtype).astype("g"))
            size = rows @ np.abs(parameters["0.weight"]) + np.abs(parameters["0.bias"])
            of_nan = np.isnan(rows).any(axis=1)
            size[(size > np.finfo(dtype).max / 2) | np.isnan(size)] = np.inf
            info = np.finfo(dtype)
            bound = 2 * (features + 1) * (info.eps * size + info.smallest_subnormal)
        assert np.isnan(fast[of_nan]).all() and np.isnan(slow[of_nan]).all()
        near(fast, slow, bound)


# --------------------------------------------------------------------------------------- training
METRICS = ["accuracy", "f1_macro", "log_loss"]


def classifier(backend: str, dtype: str) -> dr.Network:
    layers = [dr.Dense(4, "tanh"), dr.Dense(3, "softmax")]
    how: dict[str, Any] = {"metrics": METRICS, "backend": backend, "dtype": dtype}
    return dr.Network(layers, "cross_entropy", dr.SGD(0.1), **how)


def everything(net: dr.Network, x: Any, y: Any, w: Any) -> dict[str, Any]:
    """Whatever can be had of data."""
    one = net.train_on_batch(x, y, w)
    loss, gradients = net.gradients(x, y, w)
    history = net.fit(x, y, epochs=2, batch_size=4, sample_weight=w, validation_data=(x, y, w))
    (other,) = dr.fit_many([net], x, y, batch_size=3, sample_weight=w, callbacks=None)
    found = {"batch": one, "loss": loss, "history": history.as_dict(), "other": other.as_dict()}
    return found | gradients | net.evaluate(x, y, w) | {"y": net.predict(x)} | net.parameters()


@given(st.data())
def test_learning_from_numbers_of_any_size(data: Any) -> None:
    """X and weights may be anything; so far the reference can say only what is refused, and that
    the layout says nothing."""
    x = data.draw(array(sizes(least=1), NUMBERS))
    n = len(x) if np.ndim(x) else 1
    y = data.draw(array(st.just((n,)), NUMBERS[:9], low=-1))
    w = data.draw(st.none() | array(st.just((n,)), NUMBERS))
    for _ in alike(lambda b, d, *a: everything(classifier(b, d), *a), x, y, w):
        pass


@given(st.data())
def test_learning_as_the_reference(data: Any) -> None:
    n, features = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 5)))
    x = data.draw(array(st.just((n, features)), NUMBERS, wild=False))
    y = data.draw(array(st.just((n,)), NUMBERS[1:9], low=0))
    assume((plain(y) < 3).all())
    w = data.draw(st.none() | array(st.just((n,)), FLOATS, low=0))
    for dtype, fast, slow in alike(lambda b, d, *a: everything(classifier(b, d), *a), x, y, w):
        off = 1e-3 if dtype == "float32" else 1e-9
        assert fast.keys() == slow.keys()
        for name in fast.keys() - {"history", "other"}:
            np.testing.assert_allclose(fast[name], slow[name], rtol=off, atol=off, err_msg=name)


@given(st.data())
def test_targets_of_any_kind(data: Any) -> None:
    """Regression and its metrics; y of no dtype is taken for something else."""
    x = data.draw(array(st.just((4, 2)), ("f4",), wild=False))
    y = data.draw(array(st.just((4,)) | st.just((4, 1)) | sizes(), NUMBERS + NO_NUMBERS))

    def call(backend: str, dtype: str, *rows: Any) -> Any:
        layers = [dr.Dense(1)]
        net = dr.Network(layers, metrics=["rmse", "r2"], loss="mse", backend=backend, dtype=dtype)
        return everything(net, *rows)

    for _ in alike(call, x, y, None):
        pass


# ----------------------------------------------------------------------------------------- sparse
@st.composite
def csr(draw: Any) -> Csr:
    n, columns = draw(st.tuples(st.integers(1, 7), st.integers(1, 5)))
    counts = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    total = sum(counts)
    indices = draw(hnp.arrays(np.int64, total, elements=st.integers(0, columns - 1)))
    kinds = st.sampled_from(("i4", "i8", ">i4", ">i8", "u2"))
    data = draw(array(st.just((total,)), ("f4", "f8", "f2", "u1", "i4", "i8"), wild=False))
    indptr = np.cumsum([0, *counts]).astype(draw(kinds))
    return Csr(data, indices.astype(draw(kinds)), indptr, (n, columns))


@given(csr())
def test_sparse_rows(x: Csr) -> None:
    y = np.arange(x.shape[0]) % 3
    for backend in BACKENDS:
        for dtype in FLOATS:
            dense = everything(classifier(backend, dtype), x.toarray(), y, None)
            assert bits(everything(classifier(backend, dtype), x, y, None)) == bits(dense)


@given(csr(), st.data())
def test_sparse_rows_that_do_not_fit(x: Csr, data: Any) -> None:
    """One part is replaced by anything: what is taken is read within bounds."""
    part = data.draw(st.sampled_from(("data", "indices", "indptr", "shape")))
    if part == "shape":
        x.shape = data.draw(st.tuples(st.integers(-1, 9), st.integers(-1, 9)) | sizes())
    else:
        n = len(getattr(x, part))
        size = st.just((n,)) | st.just((n + 1,)) | st.just((n // 2,)) | sizes()
        setattr(x, part, data.draw(array(size, NUMBERS + NO_NUMBERS)))
    y = np.arange(max(x.shape[0], 1) if x.shape else 1) % 3
    nets = [classifier(backend, "float32") for backend in BACKENDS]
    found = [outcome(partial(everything, net, x, y, None)) for net in nets]
    assert found[0][1] == found[1][1]


# -------------------------------------------------------------------------------------------- ops
ROWS, COLUMNS, MATRIX = (5, 4), (4,), (4, 3)
OPS: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "dense": (lambda m, *a: m.dense_forward(*a, activation="gelu"), (ROWS, MATRIX, (3,))),
    "dense back": (
        lambda m, *a: m.dense_backward(*a, activation="tanh"), (ROWS, MATRIX, (5, 3), (5, 3))
    ),
    "softmax": (lambda m, x: m.activation_forward("softmax", x), (ROWS,)),
    "softmax back": (lambda m, *a: m.activation_backward("softmax", *a), (ROWS, ROWS, ROWS)),
    "prelu": (lambda m, *a: m.prelu_backward(*a), (ROWS, COLUMNS, ROWS)),
    "loss": (lambda m, *a: m.loss_backward("huber", *a), (ROWS, ROWS)),
    "noise": (lambda m, x: m.noise_forward("dropout", x, 0.5, seed=3), (ROWS,)),
    "optimizer": (lambda m, *a: m.optimizer_step("adam", *a), (ROWS,) * 4),
    "clip": (lambda m, g: m.clip_gradients({"g": g}, clipnorm=1.0)["g"], (ROWS,)),
    "constrain": (lambda m, w: m.constrain("max_norm", w, max_value=1.0), (ROWS,)),
    "penalty": (lambda m, w: m.penalty_forward(w, l1=0.1, l2=0.1), (ROWS,)),
    "average": (lambda m, *a: m.average_step(*a, share=0.1), (ROWS, ROWS)),
    "layer_norm": (lambda m, *a: m.layer_norm_forward(*a), (ROWS, COLUMNS, COLUMNS)),
    "batch_norm": (lambda m, *a: m.batch_norm_forward(*a), (ROWS, COLUMNS, COLUMNS)),
}


@pytest.mark.parametrize("name", OPS)
@given(data=st.data())
def test_operations(name: str, data: Any) -> None:
    call, shapes = OPS[name]
    dtype = data.draw(st.sampled_from(("f4", "f8", ">f4", ">f8", "f2", "i4", "O")))
    wild = data.draw(st.booleans())
    arrays = [data.draw(array(st.just(shape), (dtype,), wild=wild)) for shape in shapes]
    plainly = [plain(one) for one in arrays]
    errors = []
    for module in (ops, reference):
        found, error = outcome(partial(call, module, *arrays))
        same, _ = outcome(partial(call, module, *plainly))
        assert bits(found) == bits(same)
        errors.append(error)
    assert errors[0] == errors[1]
