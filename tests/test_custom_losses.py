"""Losses written in Python: what they compute on both backends, and what happens when they fail."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast, losses

from .conftest import Data
from .custom_layers import CUSTOM_LOSSES, DOES, DoesLoss, MyCrossEntropy, MyDense, MyMSE
from .interruption import assert_same
from .network.common import settings

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")

THREADS = (1, 3) if _fast.has_openmp() else (1,)
PAIRS = [(MyMSE(), "mse"), (MyCrossEntropy(), "cross_entropy")]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    DOES.clear()


def make(loss: Any, backend: str, dtype: str = "float64", width: int = 40, **arguments: Any) -> Any:
    chain = [dr.Dense(width, "tanh"), dr.Dense(3)]
    keywords = {"optimizer": dr.SGD(0.05, momentum=0.9), "metrics": ["accuracy"], **arguments}
    return dr.Network(chain, loss, backend=backend, dtype=dtype, **keywords)


def targets(loss: Any, labels: Any) -> Any:
    return labels if loss.targets == "labels" else np.eye(3)[labels]


def train(net: dr.Network, x: Any, t: Any, **how: Any) -> list[Any]:
    """All that a network does; what came of it."""
    found: list[Any] = [net.train_on_batch(x[:9], t[:9])]
    history = net.fit(x, t, epochs=3, batch_size=10, **how)
    found += [history["loss"], history["accuracy"], *net.evaluate(x, t).values()]
    loss, gradients = net.gradients(x, t)
    return [*found, loss, *gradients.values(), *net.parameters().values(), net.predict(x)]


@pytest.mark.parametrize(("own", "same"), PAIRS)
@pytest.mark.parametrize("how", [{}, {"shuffle": False}, {"sample_weight": 1}, {"class_weight": 1}])
def test_same_as_the_built_in_one(
    own: Any, same: str, how: dict[str, Any], dtype: str, blobs: Data
) -> None:
    """On both backends, for any number of threads."""
    x, labels = blobs
    t = targets(own, labels)
    how = dict(how)
    if "sample_weight" in how:
        how["sample_weight"] = np.random.default_rng(0).uniform(size=len(x)).round(1)
    if "class_weight" in how:
        if own.targets != "labels":
            return
        how["class_weight"] = {0: 2.0, 2: 0.0}
    bound = 2e3 * float(np.finfo(dtype).eps)
    expected = train(make(same, "fast", dtype), x, t, **how)
    results = [train(make(own, "reference", dtype), x, t, **how)]
    with settings():
        for threads in THREADS:
            dr.set_num_threads(threads, exact=True)
            results.append(train(make(own, "fast", dtype), x, t, **how))
    for a, b in zip(results[1], results[-1], strict=True):
        np.testing.assert_array_equal(a, b)
    for found in results:
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def test_with_custom_layers_and_batches_without_weight(backend: str, blobs: Data) -> None:
    x, labels = blobs
    calls = []
    DOES["loss"] = lambda method, result: (calls.append((method, len(result))), result)[1]
    net = dr.Network([MyDense(5), MyDense(3)], DoesLoss(), "sgd", backend=backend)
    w = np.repeat([0.0, 1.0, 0.0], 32)
    net.fit(x, np.eye(3)[labels], sample_weight=w, batch_size=32, shuffle=False)
    assert sorted(calls) == [("backward", 32), ("forward", 32)]
    net.evaluate(x, np.eye(3)[labels])
    assert len(calls) > 2 and "backward" not in dict(calls[2:])


def test_single_operations(dtype: str) -> None:
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(2, 6, 3)).astype(dtype)
    w = rng.uniform(size=6).astype(dtype)
    for functions in (dr.ops, dr.reference):
        for name in ("loss_forward", "loss_backward"):
            found, expected = (
                getattr(functions, name)(loss, y, t, sample_weight=w) for loss in (MyMSE(), "mse")
            )
            np.testing.assert_allclose(found, expected, rtol=1e-6)


class Oops(Exception):
    pass


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("threads", THREADS)
def test_exceptions_abandon_the_batch(
    method: str, threads: int, backend: str, blobs: Data
) -> None:
    x, t = blobs[0], np.eye(3)[blobs[1]]
    net, whole = make(DoesLoss(), backend), make(DoesLoss(), backend)
    calls: list[str] = []

    def fails(name: str, result: Any) -> Any:
        calls.append(name)
        if calls.count(method) == 3:
            raise Oops
        return result

    with settings():
        dr.set_num_threads(threads, exact=True)
        DOES["loss"] = fails
        with pytest.raises(Oops):
            net.fit(x, t, batch_size=16)
        assert net._plan.step == 2
        DOES["loss"] = lambda name, result: result
        net.fit(x, t, batch_size=16)
        whole.fit(x, t, batch_size=16)
        assert_same(net, whole)


WRONG: list[tuple[str, Callable[[Any], Any], type[Exception], str]] = [
    ("forward", lambda a: None, TypeError, "forward must return losses as an array of float32"),
    ("forward", lambda a: a.mean(), TypeError, "as an array of float32, got an object of type flo"),
    ("forward", lambda a: a[:-1], ValueError, "of shape (8,), got (7,)"),
    ("forward", lambda a: a[:, None], ValueError, "of shape (8,), got (8, 1)"),
    ("forward", lambda a: a.astype("f8"), TypeError, "got dtype float64; .astype converts it"),
    ("backward", lambda a: a[0], ValueError, "backward must return a gradient as an array of floa"),
    ("backward", lambda a: a.sum(axis=1), ValueError, "of shape (8, 3), got (8,)"),
    ("backward", lambda a: a.astype(int), TypeError, "got dtype int64"),
]


@pytest.mark.parametrize(("method", "change", "kind", "text"), WRONG)
def test_wrong_results(
    method: str, change: Callable[[Any], Any], kind: type[Exception], text: str, backend: str
) -> None:
    net, twin = (make(DoesLoss(), backend, "float32") for _ in "ab")
    for one in (net, twin):
        one.build(5)
    DOES["loss"] = lambda name, result: change(result) if name == method else result
    with pytest.raises(kind) as caught:
        net.fit(np.ones((8, 5)), np.ones((8, 3)))
    assert text in str(caught.value)
    assert str(caught.value).startswith("loss DoesLoss: ")
    assert_same(net, twin)


# ---------------------------------------------------------------------------- classes and files
def test_round_trip(backend: str, blobs: Data, tmp_path: Path) -> None:
    net = make(MyCrossEntropy(2.0), backend)
    net.fit(*blobs, batch_size=10)
    net.save(tmp_path / "model")
    again = [
        dr.load(tmp_path / "model", backend=backend, custom=CUSTOM_LOSSES),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ]
    net.fit(*blobs, batch_size=10)
    for other in again:
        assert other.loss == MyCrossEntropy(2.0)
        assert repr(other) == repr(net)
        other.fit(*blobs, batch_size=10)
        assert_same(net, other)
    for custom in (None, {}, {"my_mse": MyMSE}):
        with pytest.raises(dr.ModelFileError, match=r"unknown loss 'my_cross_entropy'.* custom="):
            dr.load(tmp_path / "model", backend=backend, custom=custom)


class _Taken(MyMSE):
    kind = "mse"


class _Layers(MyMSE):
    kind = "dense"


class _Half(dr.CustomLoss):
    kind = "half"

    def forward(self, y: Any, t: Any) -> Any:
        return y


class _Shared(MyMSE):
    kind = "my_dense"


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: _Taken(), ValueError, "_Taken must have a kind of its own, 'mse' is taken"),
    (lambda: _Layers(), ValueError, "'dense' is taken"),
    (lambda: _Half(), TypeError, "abstract"),  # type: ignore[abstract]
    (lambda: _Shared(), ValueError, "are both of kind 'my_dense'"),
    (lambda: MyCrossEntropy(np.ones(3)), TypeError, "temperature must be a finite number"),  # type: ignore[arg-type]
    (lambda: MyMSE, TypeError, "loss must be a name or one of"),
    (lambda: MyDense(3), TypeError, "loss must be a name or one of"),
]


@pytest.mark.parametrize(("bad", "kind", "text"), BAD)
def test_refused_in_a_network(bad: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        dr.Network([MyDense(3)], bad())
    assert text in str(caught.value)


def test_it_is_said_that_it_is_slow(backend: str) -> None:
    net = make(MyMSE(), backend)
    net.build(5)
    assert "computed in Python: MyMSE" in net.summary()
    assert losses.get(MyMSE()) == MyMSE() != MyCrossEntropy()
    assert "loss=MyCrossEntropy(temperature=1.0)" in repr(make(MyCrossEntropy(), backend))


def test_methods_on_all_rows(backend: str, blobs: Data) -> None:
    """L-BFGS takes any loss, Levenberg-Marquardt no other than its own."""
    pytest.importorskip("scipy")
    x, labels = blobs
    losses = []
    for loss in (MyMSE(), "mse"):
        net = make(loss, backend, optimizer=dr.optimizers.LBFGS(), metrics=[])
        losses.append(net.fit(x, np.eye(3)[labels], epochs=10)["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)
    net = make(MyMSE(), backend, optimizer=dr.optimizers.LevenbergMarquardt(), metrics=[])
    with pytest.raises(ValueError, match="LevenbergMarquardt needs loss 'mse', got 'my_mse'"):
        net.fit(x, np.eye(3)[labels])
