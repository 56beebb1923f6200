"""Layers written in Python: what they compute on both backends, and what happens when they fail."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, layers

from .custom_layers import DOES, Does, MyDense, Overwrites, Pairs, Scale, Swish2, WhileTraining
from .interruption import assert_same
from .network.common import settings

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")

Chain = list[Any]
THREADS = (1, 3) if _fast.has_openmp() else (1,)
SMALL = {"epochs": 2, "batch_size": 8}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    DOES.clear()
    Overwrites.returned.clear()


def make(
    chain: Chain, backend: str, dtype: str = "float64", n_in: int = 5, **arguments: Any
) -> dr.Network:
    keywords = {"loss": "mse", "optimizer": dr.SGD(0.05, momentum=0.9), **arguments}
    net = dr.Network(chain, backend=backend, dtype=dtype, **keywords)
    net.build(n_in)
    return net


# chains with what they do when Dense and functions of numpy do it: None where nothing else can
CHAINS: dict[str, tuple[Chain, Chain | None]] = {
    "first": ([Swish2(), dr.Dense(40, "tanh"), dr.Dense(3)], None),
    "last": ([dr.Dense(40, "tanh"), MyDense(3)], [dr.Dense(40, "tanh"), dr.Dense(3)]),
    "all": ([MyDense(40), MyDense(3)], [dr.Dense(40), dr.Dense(3)]),
    "wide": ([MyDense(900), Scale(0.5), dr.Dense(3)], None),  # more than a tile of parameters
    "fixed": (
        [MyDense(6), MyDense(6, trainable=False), dr.Dense(3)],
        [dr.Dense(6), dr.Dense(6, trainable=False), dr.Dense(3)],
    ),
    "shapes": ([Pairs(), Pairs(), layers.Flatten(), Scale(0.1), dr.Dense(3)], None),
    "residual": (
        [dr.Dense(35), layers.Residual([MyDense(35)]), dr.Dense(3)],
        [dr.Dense(35), layers.Residual([dr.Dense(35)]), dr.Dense(3)],
    ),
    "many readers": (
        [dr.Dense(35), layers.Concat([[MyDense(20)], [MyDense(15), Swish2()], []]), dr.Dense(3)],
        [dr.Dense(35), layers.Concat([[dr.Dense(20)], [dr.Dense(15), Swish2()], []]), dr.Dense(3)],
    ),
    "spoils": (
        [Overwrites(), dr.Dense(6), layers.Residual([Overwrites()]), dr.Dense(3)],
        None,
    ),
}


def close(a: Any, b: Any, dtype: str, steps: int = 1) -> None:
    bound = 20 * steps * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def data(dtype: str = "float64", n: int = 61) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x, t = rng.normal(size=(n, 5)), rng.normal(size=(n, 3))
    return x.astype(dtype), t.astype(dtype), rng.uniform(0.5, 2, n)


def train(net: dr.Network, x: Any, t: Any, w: Any) -> list[Any]:
    """All that a network does; what came of it."""
    found: list[Any] = [net.train_on_batch(x[:9], t[:9])]
    found += net.fit(x, t, sample_weight=w, epochs=3, batch_size=8)["loss"]
    found += [net.evaluate(x, t, w)["loss"], net.predict(x)]
    loss, gradients = net.gradients(x, t, w)
    return [*found, loss, *gradients.values(), *net.parameters().values()]


@pytest.mark.filterwarnings("ignore::deltarule.DivergenceWarning")
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_both_backends_agree(name: str, optimizer: str, dtype: str) -> None:
    """And with built-in layers that do the same, for any number of threads."""
    chain, same = CHAINS[name]
    rows = data(dtype)
    keywords = {"optimizer": dr.SGD(0.02, 0.9) if optimizer == "sgd" else dr.Adam(1e-3, eps=1e-3)}
    expected = train(make(chain, "reference", dtype, **keywords), *rows)
    others = []
    with settings():
        for threads in THREADS:
            dr.set_num_threads(threads, exact=True)
            others.append(train(make(chain, "fast", dtype, **keywords), *rows))
            assert threads == 1 or _fast.last_team() == threads
        for a, b in zip(others[0], others[-1], strict=True):
            np.testing.assert_array_equal(a, b)
    if same:
        twin, own = make(same, "reference", dtype, **keywords), make(chain, "reference", dtype)
        twin.set_parameters(own.parameters())
        others.append(train(twin, *rows))
    for other in others:
        for a, b in zip(expected, other, strict=True):
            close(a, b, dtype, 25)


@pytest.mark.parametrize("name", [name for name in CHAINS if name != "fixed"])
def test_gradients_are_those_of_the_loss(name: str, backend: str) -> None:
    """Central differences in every parameter: errors are passed on, and add up where they meet."""
    chain, _ = CHAINS[name]
    net = make(chain, backend)
    x, t, w = data(n=7)
    parameters = net.parameters()
    _, gradients = net.gradients(x, t, w)
    assert gradients.keys() == parameters.keys()
    for part, values in parameters.items():
        for index in list(np.ndindex(values.shape))[:: max(1, values.size // 5)]:
            losses = []
            for step in (1e-5, -1e-5):
                moved = values.copy()
                moved[index] += step
                net.set_parameters({part: moved})
                losses.append(net.evaluate(x, t, w)["loss"])
            net.set_parameters({part: values})
            slope = (losses[0] - losses[1]) / 2e-5
            assert gradients[part][index] == pytest.approx(slope, rel=1e-6, abs=1e-8), part


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_separate_updates_give_the_same_bits(optimizer: str, dtype: str) -> None:
    """Of parameters that are more than a tile."""
    nets = [make([MyDense(700), MyDense(3)], "fast", dtype, 9, optimizer=optimizer) for _ in "ab"]
    nets[1]._plan.set_fused(False)  # type: ignore[union-attr]
    x, t, _ = data(dtype)
    for net in nets:
        net.fit(np.c_[x, x[:, :4]], t, **SMALL)
    assert_same(*nets)


def test_training_is_said(backend: str) -> None:
    net = make([WhileTraining()], backend)
    x = np.ones((4, 5))
    assert (net.predict(x) == 1).all()
    assert net.evaluate(x, x)["loss"] == 0
    assert net.gradients(x, x)[0] == 1
    assert net.train_on_batch(x, x) == 1


def test_batches_without_weight_are_not_computed(backend: str) -> None:
    calls = []
    DOES["count"] = lambda method, result: (calls.append(method), result)[1]
    net = make([dr.Dense(5), Does("count")], backend)
    x = np.ones((30, 5))
    w = np.repeat([0.0, 1.0, 0.0], 10)
    net.fit(x, x, sample_weight=w, batch_size=10, shuffle=False)
    assert calls == ["forward", "backward"]


def test_first_values(backend: str, dtype: str) -> None:
    """By the layer, its place and the seed; both backends start alike."""
    nets = [make([MyDense(5), Scale(0.25), MyDense(5)], backend, dtype, seed=s) for s in (1, 1, 2)]
    one, same, other = (net.parameters() for net in nets)
    assert (one["1.scale"] == 0.25).all()
    assert not one["0.bias"].any()
    limit = np.sqrt(6 / 10)
    assert limit / 2 < np.abs(one["0.weight"]).max() <= limit
    for different in (other["0.weight"], one["2.weight"]):
        assert (one["0.weight"] != different).all()
    np.testing.assert_array_equal(one["0.weight"], same["0.weight"])
    elsewhere = make([MyDense(5)], "fast", dtype, seed=1).parameters()
    np.testing.assert_array_equal(one["0.weight"], elsewhere["0.weight"])


@pytest.mark.filterwarnings("ignore::deltarule.DivergenceWarning")
def test_nan_is_nobodys_error(backend: str) -> None:
    DOES["nan"] = lambda method, result: (result[0] * np.float64(np.inf) * 0, result[1])
    net = make([dr.Dense(3), Does("nan")], backend)
    x, t, _ = data()
    assert np.isnan(net.fit(x, t)["loss"]).all()
    assert np.isnan(net.predict(x)).all()


def test_width_that_only_the_layer_knows(backend: str) -> None:
    """y is checked against what comes out, before the network is built too."""
    chain = [dr.Dense(4), Pairs(), layers.Flatten()]
    x = np.ones((6, 5)).tolist()
    net = dr.Network(chain, "mse", backend=backend)
    with pytest.raises(ValueError, match=r"y must have shape \(6, 8\)"):
        net.fit(x, np.ones((6, 4)))
    assert not net.built
    net.fit(x, np.ones((6, 8)))
    with pytest.raises(ValueError, match=r"y must have shape \(6, 8\)"):
        net.fit(x, np.ones((6, 4)))
    with pytest.raises(ValueError, match="at least 2 outputs"):
        dr.Network([dr.Dense(1), Swish2()], "cross_entropy", backend=backend)


def failing(method: str, call: int, error: BaseException | Callable[[], None]) -> Any:
    """For DOES: the error at the call-th call of a method."""
    calls = []

    def does(name: str, result: Any) -> Any:
        calls.append(name)
        if name == method and calls.count(name) == call:
            if callable(error):
                error()
            else:
                raise error
        return result

    return does


class Oops(Exception):
    pass


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kind", [Oops, MemoryError, KeyboardInterrupt, SystemExit, "Ctrl-C"])
@pytest.mark.parametrize("threads", THREADS)
def test_exceptions_abandon_the_batch(
    kind: Any, batch: int, method: str, threads: int, backend: str
) -> None:
    """They come out of fit, the network is as after the last whole batch, and training goes on."""
    expected = KeyboardInterrupt if kind == "Ctrl-C" else kind
    error = expected("I am the one")
    chain = [
        dr.Dense(6),
        dr.BatchNorm(),
        Does("it"),
        layers.Residual([MyDense(6), dr.Dropout(0.2)]),
        dr.Dense(3),
    ]
    x, t, w = data(n=32)
    with settings():
        dr.set_num_threads(threads, exact=True)
        net, whole = make(chain, backend), make(chain, backend)
        raises = (lambda: signal.raise_signal(signal.SIGINT)) if kind == "Ctrl-C" else error
        DOES["it"] = failing(method, batch, raises)
        with pytest.raises(expected) as caught:
            net.fit(x, t, sample_weight=w, **SMALL)
        assert kind == "Ctrl-C" or caught.value is error
        frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert method in frames and frames[-1] in ("does", "<lambda>")
        DOES["it"] = lambda name, result: result
        assert net._plan is not None and net._plan.step == batch - 1
        net.fit(x, t, sample_weight=w, **SMALL)
        if batch < 5:  # the first fit of the other has just these batches to go
            assert whole.fit(x, t, sample_weight=w, **SMALL)
        else:
            whole.fit(x, t, sample_weight=w, epochs=3, batch_size=8)
        assert_same(net, whole)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_other_calls_raise_too(method: str, backend: str) -> None:
    net = make([dr.Dense(6), Does("it")], backend)
    twin = make([dr.Dense(6), Does("it")], backend)
    x, t = np.ones((20, 5)), np.ones((20, 6))
    calls: list[Callable[[], Any]] = [
        lambda: net.train_on_batch(x, t),
        lambda: net.gradients(x, t),
        lambda: net.fit(x, t),
    ]
    if method == "forward":
        calls += [lambda: net.predict(x), lambda: net.evaluate(x, t)]
    for call in calls:
        DOES["it"] = failing(method, 1, Oops())
        with pytest.raises(Oops):
            call()
    assert_same(net, twin)


def changed(method: str, change: Callable[[Any, Any], Any]) -> Any:
    return lambda name, result: change(*result) if name == method else result


# what a method returns, made from what it should; the error and what it says
WRONG: list[tuple[str, Callable[[Any, Any], Any], type[Exception], str]] = [
    ("forward", lambda y, kept: y, TypeError, "forward must return (y, kept), got an object of"),
    ("forward", lambda y, kept: (y,), TypeError, "got a tuple of 1"),
    ("forward", lambda y, kept: [y, kept], TypeError, "must return (y, kept), got an object of"),
    ("forward", lambda y, kept: None, TypeError, "must return (y, kept), got None"),
    ("forward", lambda y, kept: (None, kept), TypeError, "y as an array of float32, got None"),
    ("forward", lambda y, kept: (y.tolist(), 1), TypeError, "got an object of type list"),
    ("forward", lambda y, kept: (y.astype("f8"), 1), TypeError, "got dtype float64; .astype c"),
    ("forward", lambda y, kept: (y.astype(int), 1), TypeError, "got dtype int64"),
    ("forward", lambda y, kept: (y > 0, 1), TypeError, "got dtype bool"),
    ("forward", lambda y, kept: (y.astype(object), 1), TypeError, "got dtype object"),
    ("forward", lambda y, kept: (y.astype(">f4"), 1), TypeError, "got dtype >f4"),
    ("forward", lambda y, kept: (y[:-1], 1), ValueError, "of shape (8, 6), got (7, 6)"),
    ("forward", lambda y, kept: (y[:, :-1], 1), ValueError, "of shape (8, 6), got (8, 5)"),
    ("forward", lambda y, kept: (y.T, 1), ValueError, "of shape (8, 6), got (6, 8)"),
    ("forward", lambda y, kept: (y.ravel(), 1), ValueError, "of shape (8, 6), got (48,)"),
    ("forward", lambda y, kept: (y.sum(), 1), TypeError, "y as an array of float32, got"),
    ("backward", lambda dx, g: dx, TypeError, "backward must return (dx, gradients), got an"),
    ("backward", lambda dx, g: (None, g), TypeError, "dx as an array of float32, got None"),
    ("backward", lambda dx, g: (dx[0], g), ValueError, "return dx as an array of float32 of shape"),
    ("backward", lambda dx, g: (dx.astype("f2"), g), TypeError, "got dtype float16"),
    ("backward", lambda dx, g: (dx, None), TypeError, "gradients as a dict, got None"),
    ("backward", lambda dx, g: (dx, {}), ValueError, "gradients of ['bias'], got []"),
    ("backward", lambda dx, g: (dx, {**g, "x": 1}), ValueError, "['bias'], got ['bias', 'x']"),
    ("backward", lambda dx, g: (dx, {"bias": 1.0}), TypeError, "the gradient of 'bias' as an"),
    ("backward", lambda dx, g: (dx, {"bias": dx}), ValueError, "of shape (6,), got (8, 6)"),
    ("backward", lambda dx, g: (dx, {"bias": g["bias"].astype("f8")}), TypeError, "float64"),
]


@pytest.mark.parametrize(("method", "change", "kind", "text"), WRONG)
def test_wrong_results(
    method: str, change: Callable[[Any, Any], Any], kind: type[Exception], text: str, backend: str
) -> None:
    chain = [dr.Dense(6), Does("it")]
    net, twin = make(chain, backend, "float32"), make(chain, backend, "float32")
    DOES["it"] = changed(method, change)
    x, t = np.ones((8, 5)), np.ones((8, 6))
    with pytest.raises(kind) as caught:
        net.fit(x, t)
    assert text in str(caught.value)
    assert str(caught.value).startswith("layer 1, Does: ")
    assert_same(net, twin)
    DOES["it"] = lambda name, result: result
    assert net.fit(x, t) == twin.fit(x, t)


@pytest.mark.parametrize("threads", THREADS)
def test_calls_from_within(threads: int, backend: str) -> None:
    """predict works, also on the network in training; what may not be says so; nothing hangs."""
    x, t = np.ones((8, 5)), np.ones((8, 6))
    other = make([dr.Dense(6), Does("plain")], backend)
    DOES["plain"] = lambda name, result: result
    net = make([dr.Dense(6), Does("it")], backend)
    said: list[str] = []

    def call(name: str, result: Any) -> Any:
        DOES["it"] = DOES["plain"]
        other.predict(x)
        net.predict(x)
        other.fit(x, t)
        for forbidden in (lambda: net.fit(x, t), lambda: net.gradients(x, t), net.parameters):
            with pytest.raises(RuntimeError, match=r"in the middle of fit\(\) in this thread"):
                forbidden()
            said.append(name)
        return result

    with settings():
        dr.set_num_threads(threads)
        DOES["it"] = call
        net.fit(x, t)
        assert len(said) == 3
        DOES["it"] = lambda name, result: (net.predict(x), result)[1]
        with pytest.raises(RecursionError):
            net.predict(x)


def test_predictions_from_several_threads(backend: str) -> None:
    net = make([MyDense(40), Swish2(), dr.Dense(3)], backend)
    x = np.random.default_rng(0).normal(size=(700, 5))
    expected = net.predict(x)
    wrong: list[int] = []

    def predict(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(net.predict(x), expected):
                wrong.append(number)

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
