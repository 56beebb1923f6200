"""Batches that a program makes, as X of fit, evaluate, predict and adapt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .conftest import Data, make_blobs
from .interruption import assert_same

Make = Callable[..., dr.Network]
Batch = tuple[Any, ...]


def cut(*arrays: np.ndarray, size: int = 14) -> list[Batch]:
    """7 batches of blobs, the last is short."""
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(arrays[0]), size)]


class Again:
    """An iterable without a length."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


WAYS: dict[str, Callable[[list[Batch]], Any]] = {
    "list": lambda batches: batches,
    "iterable": Again,
    "function": lambda batches: lambda: (batch for batch in batches),
    "lists as of PyTorch": lambda batches: Again([list(batch) for batch in batches]),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bits_as_arrays(make_net: Make, blobs: Data, way: str) -> None:
    x, y = blobs
    weights = np.linspace(0, 2, len(y))
    arrays, batches = make_net(), make_net()
    one = arrays.fit(
        x, y, sample_weight=weights, class_weight={0: 2.0}, epochs=3, batch_size=14, shuffle=False,
        validation_data=(x, y),
    )  # fmt: skip
    given, tested = WAYS[way](cut(x, y, weights)), WAYS[way](cut(x, y))
    many = batches.fit(
        given, epochs=3, class_weight={0: 2.0},
        validation_data=tested if way != "list" else lambda: tested,
    )  # fmt: skip
    assert_same(arrays, batches)
    assert one["loss"] == many["loss"] and one["accuracy"] == many["accuracy"]
    np.testing.assert_allclose(one["val_loss"], many["val_loss"], rtol=1e-6)
    expected = arrays.evaluate(x, y, weights)
    assert batches.evaluate(given) == pytest.approx(expected, rel=1e-6)
    if way != "list":
        assert batches.predict(given).tobytes() == arrays.predict(x).tobytes()
        assert batches.predict(lambda: [x[:50], x[50:]]).tobytes() == arrays.predict(x).tobytes()


def test_an_iterator_goes_on_by_steps(make_net: Make, blobs: Data) -> None:
    one, two, three = make_net(), make_net(), make_net()
    one.fit(*blobs, epochs=3, batch_size=14, shuffle=False)
    two.fit(cycle(cut(*blobs)), epochs=3, steps_per_epoch=7)
    three.fit(iter(cut(*blobs)))
    three.fit(iter(cut(*blobs)), epochs=1)
    three.fit(lambda: cycle(cut(*blobs)), steps_per_epoch=7)
    assert_same(one, two)
    assert_same(one, three)


def put(batches: list[Batch], number: int, *batch: Any) -> list[Batch]:
    return [*batches[:number], batch, *batches[number + 1 :]]


def test_callbacks_see_an_epoch_as_ever(make_net: Make, blobs: Data) -> None:
    """Learning rates are those of the whole epoch, batches are counted, though not the end of an
    iterable as one, and a bar goes without knowing how many there are."""
    rates = dr.schedules.StepLR(0.1, step_size=3, gamma=0.5, every="step")
    arrays, batches = (make_net(optimizer=dr.SGD(rates)) for _ in range(2))
    seen: list[list[tuple[int, int, float | None]]] = [[], []]

    def called(number: int) -> list[Any]:
        def look(training: dr.Training) -> None:
            seen[number].append((training.batch, training.finite, training.learning_rate))

        def halve(training: dr.Training) -> None:
            training.scale_learning_rate(0.5)

        return [dr.LambdaCallback(on_batch_end=look, on_epoch_begin=halve)]

    arrays.fit(*blobs, batch_size=14, shuffle=False, epochs=2, callbacks=called(0))
    batches.fit(Again(cut(*blobs)), epochs=2, callbacks=called(1), verbose=True)
    assert_same(arrays, batches)
    assert seen[0] == seen[1] and len(seen[0]) == 14


def test_metrics_are_of_all_batches(make_net: Make, blobs: Data) -> None:
    """An epoch that they have seen in part is not gone on with, but learning rates are its own."""
    metrics = ["accuracy", dr.metrics.F1(average="macro")]
    optimizer = dr.SGD(dr.schedules.StepLR(0.1, 1))
    arrays, batches = (make_net(metrics=metrics, optimizer=optimizer) for _ in range(2))
    how = {
        "epochs": 2,
        "validation_data": lambda: cut(*blobs),
        "callbacks": [dr.LambdaCallback(on_batch_end=lambda fit: None)],
    }
    one = arrays.fit(*blobs, batch_size=14, shuffle=False, **how)
    two = batches.fit(Again(cut(*blobs)), **how)
    assert_same(arrays, batches)
    assert one == two and len(one) == 6
    assert batches.evaluate(cut(*blobs)) == pytest.approx(arrays.evaluate(*blobs), rel=1e-6)
    with pytest.raises(ValueError, match="batch 3 of X"):
        batches.fit(put(cut(*blobs), 3, [[1]], [1]))
    assert (batches._position.epoch, batches._position.batch) == (3, 0)



X, Y = make_blobs()
GOOD = cut(X, Y)
x2, y2 = GOOD[2]
FAULTS: dict[str, tuple[Batch, type[Exception], str]] = {
    "nan": ((np.where(x2 == x2[3, 1], np.nan, x2), y2), ValueError, "X has nan at row 3, column 1"),
    "ragged": (([[1, 2, 3, 4, 5], [1]], y2[:2]), ValueError, "X has rows of different lengths"),
    "columns": ((x2[:, :4], y2), ValueError, "wrong number of features: expected 5, got 4"),
    "no rows": ((x2[:0], y2[:0]), ValueError, "X is empty"),
    "label": ((x2, y2 + 3), ValueError, "y has label"),
    "short": ((x2, y2[:-1]), ValueError, "X has 14 rows but y has 13"),
    "weights": ((x2, y2, -np.ones(14)), ValueError, "sample_weight must be >= 0"),
    "no y": ((x2, None), TypeError, "y must be an array, got None"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_and_leaves_whole_batches(make_net: Make, fault: str) -> None:
    batch, error, message = FAULTS[fault]
    net, twin, whole = make_net(), make_net(), make_net()
    with pytest.raises(error, match=f"batch 2 of X: .*{message}"):
        net.fit(put(GOOD, 2, *batch), epochs=2)
    twin.build(5)
    for x, y in GOOD[:2]:
        twin.train_on_batch(x, y)
    for name, values in net.parameters().items():
        assert values.tobytes() == twin.parameters()[name].tobytes()
    assert (net._position.epoch, net._position.batch) == (0, 2)
    history = net.fit(GOOD)  # goes on behind the second batch
    assert history == whole.fit(GOOD)
    assert_same(net, whole)


def test_a_fault_in_the_first_batch_changes_nothing(make_net: Make) -> None:
    net = make_net()
    with pytest.raises(ValueError, match="batch 0 of X: X has nan"):
        net.fit([(np.full((2, 5), np.nan), [0, 1])])
    with pytest.raises(ValueError, match=r"batch 0 of X must be .* got 4 items"):
        net.fit([(1, 2, 3, 4)])
    assert not net.built


class Broken(Exception):
    pass


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_what_is_raised_between_batches(make_net: Make, error: type[BaseException]) -> None:
    def batches() -> Iterator[Batch]:
        yield from GOOD[:4]
        raise error

    net, once, whole = make_net(), make_net(), make_net()
    with pytest.raises(error) as raised:
        net.fit(batches, epochs=2)
    notes = getattr(raised.value, "__notes__", [])
    assert notes == (["deltarule was waiting for batch 4 of X"] if error is Broken else [])
    assert net._position.batch == 4
    whole.fit(lambda: GOOD)
    net.fit(lambda: GOOD)
    assert_same(net, whole)
    with pytest.raises(error):
        once.fit(batches())
    once.fit(iter(GOOD))  # what an iterator has given is gone: a new epoch
    assert (once._position.epoch, once._position.batch) == (2, 0)


def spent() -> Iterator[Batch]:
    batches = iter(GOOD)
    list(batches)
    return batches


CALLS: dict[str, tuple[Callable[[dr.Network], Any], type[Exception], str]] = {
    "iterator": (lambda n: n.fit(iter(GOOD), epochs=2), ValueError, "one epoch, got epochs=2"),
    "spent": (lambda n: n.fit(spent()), ValueError, "no batches: an iterator serves one epoch"),
    "empty": (lambda n: n.fit([]), ValueError, "X has no batches$"),
    "ended": (
        lambda n: n.fit(iter(GOOD), steps_per_epoch=5, epochs=2),
        ValueError,
        "ended after 2 batches of an epoch, with steps_per_epoch=5",
    ),
    "many": (
        lambda n: dr.fit_many([n], iter(GOOD)),
        ValueError,
        "X is an iterator, which serves one network",
    ),
    "steps": (lambda n: n.fit(X, Y, steps_per_epoch=5), ValueError, "is for iterables of batches"),
    "steps 0": (lambda n: n.fit(GOOD, steps_per_epoch=0), ValueError, "steps_per_epoch must be >="),
    "batch size": (lambda n: n.fit(GOOD, batch_size=14), ValueError, "batch_size must be None"),
    "y": (lambda n: n.fit(iter(GOOD), Y), ValueError, "y must be None where X comes with"),
    "weight": (lambda n: n.fit(GOOD, sample_weight=Y), ValueError, "sample_weight must be None"),
    "balanced": (lambda n: n.fit(GOOD, class_weight="balanced"), ValueError, "counts all labels"),
    "function": (lambda n: n.fit(lambda: 3), TypeError, r"X\(\) must return an iterable of batch"),
    "validation": (
        lambda n: n.fit(X, Y, validation_data=iter(GOOD)),
        ValueError,
        "validation_data is an iterator, which serves once",
    ),
    "validation batch": (
        lambda n: n.fit(X, Y, validation_data=lambda: put(GOOD, 1, X, Y[:3])),
        ValueError,
        "batch 1 of validation_data: X has 96 rows but y has 3",
    ),
    "evaluate": (lambda n: n.evaluate([(X, Y, 0 * Y)]), ValueError, "all weights are zero"),
    "predict": (lambda n: n.predict(iter([X, X[:, 1:]])), ValueError, "batch 1 of X: X has the w"),
    "split": (lambda n: n.fit(GOOD, validation_split=0.1), ValueError, "needs X in memory"),
    "both": (
        lambda n: n.fit(X, Y, validation_split=0.1, validation_data=lambda: GOOD),
        ValueError,
        "cannot both be given",
    ),
    "adapt": (lambda n: n.adapt(GOOD), ValueError, "no Normalization"),
}


@pytest.mark.parametrize("call", CALLS)
def test_bad_calls(make_net: Make, call: str) -> None:
    net = make_net()
    net.build(5)
    do, error, message = CALLS[call]
    with pytest.raises(error, match=message):
        do(net)


def test_methods_that_need_all_rows(make_net: Make) -> None:
    layers = [dr.Dense(3, "tanh"), dr.Dense(1)]
    net = make_net(layers=layers, loss="mse", optimizer=dr.LevenbergMarquardt(), metrics=[])
    with pytest.raises(ValueError, match="LevenbergMarquardt, which needs all rows"):
        net.fit(GOOD)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_normalization_measures_the_same_bits(backend: str, width: int) -> None:
    """More rows than are looked at in one go, in pieces of any length."""
    x = np.random.default_rng(0).normal(3, 2, (70_000 // width, width))
    y, layers = x[:, 0], [dr.Normalization(), dr.Dense(1)]

    def net() -> dr.Network:
        return dr.Network(layers, "mse", backend=backend, dtype="float64")

    arrays, batches, adapted = net(), net(), net()
    arrays.fit(x, y, batch_size=9_000, shuffle=False)
    batches.fit(cut(x, y, size=9_000))
    adapted.adapt(lambda: (batch for (batch,) in cut(x, size=9_000)))
    assert_same(arrays, batches)
    for what in ("running_mean", "running_var"):
        name = f"0.{what}"
        assert adapted.parameters()[name].tobytes() == arrays.parameters()[name].tobytes()
    for once in (lambda n: n.fit(iter(cut(x, y))), lambda n: n.adapt(iter(cut(x, y)))):
        with pytest.raises(ValueError, match=r"an iterator, which serves once.*(adapt\(X\)|twice)"):
            once(net())
