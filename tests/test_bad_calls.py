"""One table of bad calls for both backends: the error, what it says, and that nothing has changed.

Each call gets a built network (5 features, 3 classes), X (12, 5) and y (12,).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .conftest import make_blobs

Call = Callable[[dr.Network, np.ndarray, np.ndarray], Any]


def put(array: np.ndarray, index: Any, value: Any) -> np.ndarray:
    array = np.array(array)
    array[index] = value
    return array


class Reenters:
    """Data whose conversion calls back into the network."""

    def __init__(self, call: Callable[[], Any], data: np.ndarray) -> None:
        self._call = call
        self._data = data

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self._call()
        return self._data


DATA: list[tuple[str, Callable[..., tuple[Any, ...]], type[Exception], str]] = [
    ("x none", lambda x, y: (None, y), TypeError, "X must be an array, got None"),
    ("x text", lambda x, y: ("abc", y), TypeError, "X must be an array"),
    ("x scalar", lambda x, y: (3.0, y), ValueError, "X must have shape (n, features), got a sc"),
    ("x 1d", lambda x, y: (x[0], y), ValueError, "X.reshape(1, -1)"),
    ("x 3d", lambda x, y: (x[:, :, None], y), ValueError, "X.reshape(len(X), -1)"),
    ("x images", lambda x, y: (np.zeros((12, 8, 8), "u1"), y), ValueError, "reshape to (n, f"),
    ("x narrow", lambda x, y: (x[:, :4], y), ValueError, "expected 5, got 4"),
    ("x wide", lambda x, y: (np.c_[x, x], y), ValueError, "expected 5, got 10"),
    ("x no features", lambda x, y: (x[:, :0], y), ValueError, "X has no features"),
    ("x empty", lambda x, y: (x[:0], y[:0]), ValueError, "X is empty"),
    ("x empty list", lambda x, y: ([], []), ValueError, "X is empty"),
    ("x object", lambda x, y: (x.astype(object), y), TypeError, "dtype object"),
    ("x complex", lambda x, y: (x.astype(complex), y), TypeError, "dtype complex128"),
    ("x str", lambda x, y: (x.astype(str), y), TypeError, "X must be numbers"),
    ("x dates", lambda x, y: (x.astype("M8[s]"), y), TypeError, "dtype datetime64"),
    ("x void", lambda x, y: (np.zeros(12, "f4,f4"), y), TypeError, "X must be numbers"),
    ("x ragged", lambda x, y: ([[1, 2], [3]], y), ValueError, "rows of different lengths"),
    ("x dict", lambda x, y: ({"a": x}, y), TypeError, "X must be an array"),
    ("x big ints", lambda x, y: ([[10**30] * 5] * 12, y), TypeError, "X must be numbers"),
    ("x masked", lambda x, y: (np.ma.masked_less(x, 0), y), ValueError, "masked values"),
    ("x nan", lambda x, y: (put(x, (3, 2), np.nan), y), ValueError, "nan at row 3, column 2"),
    ("x inf", lambda x, y: (put(x, (11, 4), -np.inf), y), ValueError, "-inf at row 11, column 4"),
    (
        "x overflow",
        lambda x, y: (put(x.astype("f8"), (1, 0), 1e39), y),
        ValueError,
        "1e+39 at row 1, column 0, which becomes inf in float32",
    ),
    ("y none", lambda x, y: (x, None), TypeError, "y must be an array, got None"),
    ("y short", lambda x, y: (x, y[:-1]), ValueError, "X has 12 rows but y has 11"),
    ("y scalar", lambda x, y: (x, 1), ValueError, "y must have one row a sample"),
    ("y float", lambda x, y: (x, y.astype(float)), TypeError, "y.astype(int)"),
    ("y float column", lambda x, y: (x, y[:, None] * 1.0), TypeError, "y.astype(int)"),
    ("y str", lambda x, y: (x, y.astype(str)), TypeError, "np.unique(y, return_inverse=True)"),
    ("y object", lambda x, y: (x, y.astype(object)), TypeError, "dtype object"),
    ("y complex", lambda x, y: (x, y * 1j), TypeError, "dtype complex128"),
    ("y high", lambda x, y: (x, put(y, 4, 3)), ValueError, "label 3 at row 4; with 3 outputs"),
    ("y negative", lambda x, y: (x, put(y, 7, -1)), ValueError, "label -1 at row 7"),
    ("y wrong width", lambda x, y: (x, np.eye(4)[y]), ValueError, "or (12, 3)"),
    ("y 3d", lambda x, y: (x, np.zeros((12, 3, 1))), ValueError, "or (12, 3)"),
    ("y nan", lambda x, y: (x, put(np.eye(3)[y], (2, 1), np.nan)), ValueError, "y has nan at row"),
    ("y below", lambda x, y: (x, put(np.eye(3)[y], (2, 1), -1)), ValueError, "-1.0 at row 2, col"),
    ("y sums", lambda x, y: (x, put(np.eye(3)[y], 5, 0.5)), ValueError, "row 5 sums to 1.5"),
    ("w long", lambda x, y: (x, y, np.ones(13)), ValueError, "sample_weight has 13"),
    ("w column", lambda x, y: (x, y, np.ones((12, 1))), ValueError, "must have shape (12,)"),
    ("w scalar", lambda x, y: (x, y, 1.0), ValueError, "must have shape (12,), got ()"),
    ("w nan", lambda x, y: (x, y, put(np.ones(12), 3, np.nan)), ValueError, "nan at row 3"),
    ("w negative", lambda x, y: (x, y, put(np.ones(12), 3, -1)), ValueError, "-1.0 at row 3"),
    ("w str", lambda x, y: (x, y, ["1"] * 12), TypeError, "sample_weight must be numbers"),
]


def fit(net: dr.Network, x: Any, y: Any, w: Any = None) -> Any:
    return net.fit(x, y, sample_weight=w)


def fit_validation(net: dr.Network, x: Any, y: Any, w: Any = None) -> Any:
    good = make_blobs(12)
    return net.fit(*good, validation_data=(x, y, w))


METHODS: dict[str, Callable[..., Any]] = {
    "fit": fit,
    "validation": fit_validation,
    "train_on_batch": dr.Network.train_on_batch,
    "evaluate": dr.Network.evaluate,
    "gradients": dr.Network.gradients,
}

CALLS: list[tuple[str, Call, type[Exception], str]] = [
    ("epochs 0", lambda n, x, y: n.fit(x, y, epochs=0), ValueError, "epochs must be >= 1"),
    ("epochs float", lambda n, x, y: n.fit(x, y, epochs=1.5), TypeError, "epochs must be an int"),
    ("batch 0", lambda n, x, y: n.fit(x, y, batch_size=0), ValueError, "batch_size must be >= 1"),
    ("batch bool", lambda n, x, y: n.fit(x, y, batch_size=True), TypeError, "batch_size must be"),
    ("shuffle", lambda n, x, y: n.fit(x, y, shuffle="no"), TypeError, "shuffle must be"),
    ("verbose", lambda n, x, y: n.fit(x, y, verbose="yes"), ValueError, "verbose must be"),
    ("positional", lambda n, x, y: n.fit(x, y, 3), TypeError, "positional argument"),
    ("unknown", lambda n, x, y: n.fit(x, y, epoch=3), TypeError, "epoch"),
    ("val array", lambda n, x, y: n.fit(x, y, validation_data=x), TypeError, "data must be (X"),
    ("val 1", lambda n, x, y: n.fit(x, y, validation_data=(x,)), ValueError, "got 1 item"),
    (
        "val 4",
        lambda n, x, y: n.fit(x, y, validation_data=(x, y, None, 1)),
        ValueError,
        "got 4 items",
    ),
    (
        "fit w zero",
        lambda n, x, y: n.fit(x, y, sample_weight=np.zeros(12)),
        ValueError,
        "zero everywhere",
    ),
    (
        "evaluate w zero",
        lambda n, x, y: n.evaluate(x, y, np.zeros(12)),
        ValueError,
        "zero everywhere",
    ),
    ("predict narrow", lambda n, x, y: n.predict(x[:, 1:]), ValueError, "expected 5, got 4"),
    ("predict 1d", lambda n, x, y: n.predict(x[0]), ValueError, "X.reshape(1, -1)"),
    ("predict object", lambda n, x, y: n.predict(x.astype(object)), TypeError, "dtype object"),
    ("predict none", lambda n, x, y: n.predict(None), TypeError, "X must be an array"),
    ("build other", lambda n, x, y: n.build((6,)), ValueError, "already built for"),
    ("build none", lambda n, x, y: n.build(None), TypeError, "input_shape must be an int"),
    ("build batch", lambda n, x, y: n.build((None, 5)), TypeError, "input_shape must be an int"),
    ("build zero", lambda n, x, y: n.build(0), ValueError, "input_shape must be >= 1"),
    ("build empty", lambda n, x, y: n.build(()), ValueError, "got ()"),
    ("set list", lambda n, x, y: n.set_parameters([1]), TypeError, "parameters must be a dict"),
    ("set name", lambda n, x, y: n.set_parameters({0: x}), TypeError, "names of parameters"),
    (
        "set unknown",
        lambda n, x, y: n.set_parameters({"0.weigth": x}),
        ValueError,
        "did you mean '0.weight'",
    ),
    (
        "set shape",
        lambda n, x, y: n.set_parameters({"0.bias": np.zeros(7), "0.weight": np.zeros((7, 5))}),
        ValueError,
        "must have shape (5, 7), got (7, 5)",
    ),
    (
        "set nan",
        lambda n, x, y: n.set_parameters({"0.bias": np.zeros(7), "1.bias": [0, np.nan, 0]}),
        ValueError,
        "parameter '1.bias' has nan at row 1",
    ),
    (
        "set overflow",
        lambda n, x, y: n.set_parameters({"1.bias": [0, 1e300, 0]}),
        ValueError,
        "which becomes inf in float32",
    ),
    (
        "set complex",
        lambda n, x, y: n.set_parameters({"1.bias": np.zeros(3, complex)}),
        TypeError,
        "parameter '1.bias' must be numbers",
    ),
    (
        "set none",
        lambda n, x, y: n.set_parameters({"1.bias": None}),
        TypeError,
        "parameter '1.bias' must be an array",
    ),
    ("save int", lambda n, x, y: n.save(3), TypeError, "int"),
    ("save bytes", lambda n, x, y: n.save(b"x"), TypeError, "path must be a str"),
    ("save keep", lambda n, x, y: n.save("x", keep_previous=1), TypeError, "keep_previous must be"),
    ("save directory", lambda n, x, y: n.save("/"), IsADirectoryError, "is a directory"),
    ("save nowhere", lambda n, x, y: n.save("/no/such/folder/x"), FileNotFoundError, "/no/such"),
    ("save device", lambda n, x, y: n.save("/dev/null"), OSError, "not a regular file"),
    ("optimizer", lambda n, x, y: setattr(n, "optimizer", "sgd"), AttributeError, "optimizer"),
    (
        "fit in fit",
        lambda n, x, y: n.fit(Reenters(lambda: n.fit(x, y), x), y),
        RuntimeError,
        "in the middle of fit() in this thread",
    ),
    (
        "train in fit",
        lambda n, x, y: n.fit(Reenters(lambda: n.train_on_batch(x, y), x), y),
        RuntimeError,
        "train_on_batch(): this network is in the middle of fit()",
    ),
    (
        "set in fit",
        lambda n, x, y: n.fit(Reenters(lambda: n.set_parameters({}), x), y),
        RuntimeError,
        "set_parameters(): this network",
    ),
    (
        "save in fit",
        lambda n, x, y: n.fit(Reenters(lambda: n.save("x"), x), y),
        RuntimeError,
        "save(): this network",
    ),
    (
        "fit in evaluate",
        lambda n, x, y: n.evaluate(Reenters(lambda: n.fit(x, y), x), y),
        RuntimeError,
        "this thread is in the middle of reading",
    ),
]

ALL_CALLS: list[tuple[str, Call, type[Exception], str]] = CALLS + [
    (f"{method} {name}", lambda n, x, y, m=METHODS[method], d=data: m(n, *d(x, y)), error, text)
    for method in METHODS
    for name, data, error, text in DATA
]


@pytest.mark.parametrize(
    ("call", "error", "text"), [c[1:] for c in ALL_CALLS], ids=[c[0] for c in ALL_CALLS]
)
def test_bad_call_changes_nothing(
    make_net: Callable[..., dr.Network], call: Call, error: type[Exception], text: str
) -> None:
    x, y = make_blobs(12)
    net = make_net()
    net.fit(x, y, epochs=2, batch_size=4)
    twin = copy.deepcopy(net)
    with pytest.raises(error) as caught:
        call(net, x.copy(), y.copy())
    assert text in str(caught.value).replace("validation ", "")
    for name, value in twin.parameters().items():
        np.testing.assert_array_equal(net.parameters()[name], value)
    np.testing.assert_array_equal(net.predict(x), twin.predict(x))
    assert net.fit(x, y, epochs=2, batch_size=4) == twin.fit(x, y, epochs=2, batch_size=4)
    np.testing.assert_array_equal(net.predict(x), twin.predict(x))


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [c[1:] for c in DATA if c[0] not in ("x narrow", "x wide")],
    ids=[c[0] for c in DATA if c[0] not in ("x narrow", "x wide")],
)
@pytest.mark.parametrize("method", ["fit", "validation", "train_on_batch"])
def test_bad_data_does_not_build(
    make_net: Callable[..., dr.Network],
    method: str,
    data: Callable[..., tuple[Any, ...]],
    error: type[Exception],
    text: str,
) -> None:
    x, y = make_blobs(12)
    net = make_net()
    with pytest.raises(error) as caught:
        METHODS[method](net, *data(x, y))
    assert text in str(caught.value).replace("validation ", "")
    assert not net.built
    net.build(6)  # another number of features: nothing was kept


UNBUILT: list[tuple[str, Call]] = [
    ("predict", lambda n, x, y: n.predict(x)),
    ("evaluate", lambda n, x, y: n.evaluate(x, y)),
    ("gradients", lambda n, x, y: n.gradients(x, y)),
    ("parameters", lambda n, x, y: n.parameters()),
    ("set_parameters", lambda n, x, y: n.set_parameters({})),
    ("n_parameters", lambda n, x, y: n.n_parameters),
    ("summary", lambda n, x, y: n.summary()),
    ("save", lambda n, x, y: n.save("x.safetensors")),
]


@pytest.mark.parametrize("call", [c for _, c in UNBUILT], ids=[name for name, _ in UNBUILT])
def test_before_build(make_net: Callable[..., dr.Network], call: Call) -> None:
    with pytest.raises(RuntimeError, match=r"not built; call build\(\) or fit\(\) first"):
        call(make_net(), *make_blobs(12))


TARGETS = [
    ("mse", 1, np.zeros((4, 2)), ValueError, "(4,) or (4, 1) for loss 'mse' and 1 output,"),
    ("mse", 2, np.zeros(4), ValueError, "must have shape (4, 2) for loss 'mse' and 2 outputs"),
    ("mse", 2, np.zeros(4, int), ValueError, "for class labels use loss='cross_entropy'"),
    ("mse", 1, [0, 1, np.inf, 0], ValueError, "y has inf at row 2, column 0"),
    ("mse", 1, ["a", "b", "c", "d"], TypeError, "y must be numbers"),
    ("binary_cross_entropy", 1, [0, 1, 2, 0], ValueError, "got 2 at row 2"),
    ("binary_cross_entropy", 1, [0, 1, 0, -1], ValueError, "must be in [0, 1]"),
    ("binary_cross_entropy", 1, [0, 1, 0, np.nan], ValueError, "y has nan at row 3"),
    ("binary_cross_entropy", 2, [0, 1, 0, 1], ValueError, "must have shape (4, 2)"),
]


@pytest.mark.parametrize(("loss", "units", "y", "error", "text"), TARGETS)
def test_bad_targets(
    backend: str, loss: str, units: int, y: Any, error: type[Exception], text: str
) -> None:
    net = dr.Network([dr.Dense(units)], loss, backend=backend)
    with pytest.raises(error) as caught:
        net.fit(np.zeros((4, 3)), y)
    assert text in str(caught.value)
    assert not net.built


NETWORKS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"layers": []}, ValueError, "1 to 1000 layers, got 0"),
    ({"layers": [dr.Dense(3)] * 1001}, ValueError, "1 to 1000 layers, got 1001"),
    ({"layers": dr.Dense(3)}, TypeError, "layers must be a list"),
    ({"layers": None}, TypeError, "layers must be a list"),
    ({"layers": "dense"}, TypeError, "layers must be a list"),
    ({"layers": [dr.Dense(3), 4]}, TypeError, "layers[1] must be a layer"),
    ({"layers": [dr.Dense]}, TypeError, "layers[0] must be a layer"),
    ({"layers": [dr.Layer()]}, TypeError, "layers[0] must be a layer"),
    ({"loss": "msee"}, ValueError, "did you mean 'mse'"),
    ({"loss": None}, TypeError, "loss must be a name"),
    ({"loss": "binary_cross_entropy"}, ValueError, "'sigmoid' or 'identity'"),
    ({"layers": [dr.Dense(3, "relu")]}, ValueError, "'softmax' or 'identity'"),
    ({"layers": [dr.Dense(3, "sigmoid")]}, ValueError, "got 'sigmoid'"),
    ({"layers": [dr.Dense(1)]}, ValueError, "use loss='binary_cross_entropy'"),
    ({"optimizer": "adamm"}, ValueError, "did you mean 'adam'"),
    ({"optimizer": 0.1}, TypeError, "optimizer must be a name"),
    ({"metrics": "accuracy"}, TypeError, "metrics must be a list"),
    ({"metrics": 3}, TypeError, "metrics must be a list"),
    ({"metrics": ["acc"]}, ValueError, "did you mean 'accuracy'"),
    ({"metrics": ["accuracy", "accuracy"]}, ValueError, "same metric twice"),
    ({"dtype": "float16"}, ValueError, "dtype must be 'float32' or 'float64'"),
    ({"dtype": int}, TypeError, "dtype must be 'float32' or 'float64'"),
    ({"backend": "numpy"}, ValueError, "did you mean 'reference'"),
    ({"backend": None}, TypeError, "backend must be"),
    ({"seed": -1}, ValueError, "seed must be >= 0"),
    ({"seed": 1 << 64}, ValueError, "seed must be"),
    ({"seed": None}, TypeError, "seed must be an int"),
    ({"seed": 0.0}, TypeError, "seed must be an int"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), NETWORKS, ids=[n[2] for n in NETWORKS])
def test_bad_networks(
    make_net: Callable[..., dr.Network],
    arguments: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error) as caught:
        make_net(**arguments)
    assert text in str(caught.value)


def test_too_large_to_build(make_net: Callable[..., dr.Network]) -> None:
    net = make_net(layers=[dr.Dense(2**31 - 1), dr.Dense(2**31 - 1), dr.Dense(3)])
    with pytest.raises(MemoryError, match="parameters"):
        net.build(5)
    assert not net.built
    rank = make_net()
    with pytest.raises(ValueError, match="samples of rank 1"):
        rank.build((8, 8))
