"""EarlyStopping, TimeBudget, TerminateOnNaN, and what becomes of the best weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data, make_blobs
from ..interruption import assert_same
from .common import by_clock

Make = Callable[..., dr.Network]
HOW = {"batch_size": 40}  # 3 batches of 96 rows
NAN, INF = float("nan"), float("inf")


class Says:
    """As much of a Training as callbacks at the end of epochs need."""

    def __init__(self) -> None:
        self.stopped: str | None = None

    def stop(self, reason: str) -> None:
        self.stopped = reason


def epochs_of(callback: Any, name: str, values: list[float]) -> tuple[int, str | None]:
    """After how many epochs with these values it ends a fit, and why."""
    callback.set_state({})
    for number, value in enumerate(values, 1):
        fit = Says()
        callback.on_epoch_end(fit, {name: value})
        callback.set_state(callback.state())  # as if each epoch were a process of its own
        if fit.stopped:
            return number, fit.stopped
    return len(values), None


@pytest.mark.parametrize(
    ("name", "arguments", "values", "ends"),
    [
        ("loss", {}, [3, 2, 1, 1, 0], 4),
        ("loss", {}, [3, 2, 1, 0, -1], None),
        ("loss", {"patience": 2}, [3, 4, 2, 3, 2, 1], 5),
        ("loss", {"patience": 3}, [3, 4, 2, 3, 2, 1], None),
        ("val_loss", {"patience": 2}, [1, 1, 1, 1], 3),
        ("mae", {}, [3, 2, 3], 3),
        ("accuracy", {}, [3, 4, 4], 3),
        ("accuracy", {"mode": "min"}, [3, 2, 2], 3),
        ("loss", {"mode": "max"}, [1, 2, 1], 3),
        ("loss", {"min_delta": 0.5}, [3, 2, 1.5], 3),
        ("loss", {"min_delta": 0.5}, [3, 2, 1.375], None),
        ("loss", {"min_delta": 0.5, "patience": 2}, [3, 2.75, 2.25, 2, 2], 5),
        ("accuracy", {"min_delta": 0.5, "patience": 1}, [1, 1.75, 2], 3),
        ("loss", {"baseline": 2, "patience": 2}, [5, 4, 3, 3], 4),
        ("loss", {"baseline": 2, "patience": 2}, [5, 1, 3, 3], 4),
        ("loss", {"baseline": 2, "patience": 2}, [5, 4, 3, 2.5], None),
        ("loss", {"start_from_epoch": 2}, [1, 1, 3, 2, 2], 5),
        ("loss", {"patience": 1}, [NAN, NAN, NAN], 2),
        ("loss", {"patience": 2}, [NAN, 3, 2, NAN, NAN], 5),
        ("loss", {"patience": 1}, [INF, 3, 2, 1], None),
        ("accuracy", {}, [NAN, 1], None),
    ],
)
def test_early_stopping(
    name: str, arguments: dict[str, Any], values: list[float], ends: int | None
) -> None:
    number, why = epochs_of(dr.EarlyStopping(name, **arguments), name, values)
    assert (number if why else None) == ends


def test_why_it_stopped() -> None:
    _, why = epochs_of(dr.EarlyStopping("loss", patience=2), "loss", [1 / 3, 1, 1])
    assert why == "loss has not been better than 0.333333 for 2 epochs"
    _, why = epochs_of(dr.EarlyStopping("loss", patience=1), "loss", [NAN, NAN])
    assert why == "loss has not been a number for 2 epochs"


# --------------------------------------------------------------------------------- best weights
def overfitting(make_net: Make, **arguments: Any) -> tuple[dr.Network, Data, Data]:
    """A network, random labels to learn, and others to be measured by."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 5)).astype("float32")
    half = (x[:32], rng.integers(0, 3, 32)), (x[32:], rng.integers(0, 3, 32))
    return make_net(**{"optimizer": dr.Adam(0.05), **arguments}), *half


def watching(kept: list[Any]) -> dr.LambdaCallback:
    """Keeps the parameters of each epoch."""
    return dr.LambdaCallback(
        on_epoch_end=lambda fit, values: kept.append(fit.network.parameters())
    )


@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_are_put_in_place(make_net: Make, restore: bool) -> None:
    net, data, other = overfitting(make_net)
    kept: list[Any] = []
    stop = dr.EarlyStopping(patience=3, restore_best_weights=restore)
    history = net.fit(
        *data, epochs=99, validation_data=other, callbacks=[stop, watching(kept)], **HOW
    )
    assert history.stopped
    assert history.epochs < 99
    best = int(np.argmin(history["val_loss"])) if restore else -1
    assert history.epochs - 1 - int(np.argmin(history["val_loss"])) == 3
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, kept[best][name])
    assert net._best is None
    with pytest.raises(RuntimeError, match="no best weights have been kept"):
        net.restore_best_weights()


def test_the_best_weights_are_kept_apart(make_net: Make) -> None:
    """A fit that nobody ends goes on from where it is; the best ones may be had by hand."""
    net, data, other = overfitting(make_net)
    plain, _, _ = overfitting(make_net)
    kept: list[Any] = []
    stop = dr.EarlyStopping(patience=99, restore_best_weights=True)
    how = {"epochs": 12, "validation_data": other, **HOW}
    history = net.fit(*data, callbacks=[stop, watching(kept)], **how)
    plain.fit(*data, **how)
    best = int(np.argmin(history["val_loss"]))
    assert 0 < best < 11
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, plain.parameters()[name])
    net.restore_best_weights()
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, kept[best][name])


def test_whoever_ends_the_fit(make_net: Make) -> None:
    net, data, other = overfitting(make_net)
    kept: list[Any] = []
    end = dr.LambdaCallback(on_epoch_end=lambda fit, values: fit.epoch == 11 and fit.stop("me"))
    stop = dr.EarlyStopping(patience=99, restore_best_weights=True)
    given = [stop, watching(kept), end]
    history = net.fit(*data, epochs=99, validation_data=other, callbacks=given, **HOW)
    assert history.stopped == "me"
    best = int(np.argmin(history["val_loss"]))
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, kept[best][name])


def test_running_statistics_are_among_the_best_weights(make_net: Make) -> None:
    layers = [dr.Dense(7, "relu"), dr.BatchNorm(), dr.Dense(3, "softmax")]
    net, data, other = overfitting(make_net, layers=layers)
    stop = dr.EarlyStopping(patience=3, restore_best_weights=True)
    history = net.fit(*data, epochs=99, validation_data=other, callbacks=[stop], **HOW)
    assert net.evaluate(*other)["loss"] == min(history["val_loss"])


# ---------------------------------------------------------------------------------- time budget
# 3 batches of 0.25 s an epoch, and a second of validation
@pytest.mark.parametrize(
    ("seconds", "validation", "epochs", "batch", "ends"),
    [
        (2.0, 0.0, 2, 2, 2.0),
        (2.1, 0.0, 2, 3, 2.25),  # the batch under way is finished; there is no time for the end
        (0.5, 1.0, 0, 2, 0.5),
        (4.0, 1.0, 2, 2, 4.0),
        (2.75, 1.0, 1, 3, 2.5),  # of the second validation a quarter would be in time
        (3.0, 1.0, 2, 0, 3.5),  # half
        (9e9, 1.0, 3, 0, 5.25),
    ],
)
@pytest.mark.parametrize("restore", [True, False])
def test_time_budget(
    make_net: Make, monkeypatch: pytest.MonkeyPatch, seconds: float, validation: float,
    epochs: int, batch: int, ends: float, restore: bool,
) -> None:  # fmt: skip
    net, whole = make_net(), make_net()
    data = make_blobs(96)
    net.build(5)
    clock = by_clock(net, monkeypatch, 0.25, validation)
    monkeypatch.setattr("deltarule._fit._SLICE", 9.9)
    kept: list[Any] = []
    budget = dr.TimeBudget(seconds, restore_best_weights=restore)
    given = {"validation_data": data} if validation else {}
    history = net.fit(*data, epochs=3, callbacks=[budget, watching(kept)], **given, **HOW)
    assert clock.now - 100 == ends
    assert history.epochs == epochs
    name = "val_loss" if validation else "loss"
    if seconds > 1e9:
        assert history.stopped is None
        return
    assert history.stopped == f"the time of {seconds:g} s is over"
    if restore:
        assert net._position.batch == 0
        assert net._position.epoch == epochs + (batch > 0)
        if epochs:
            best = kept[int(np.argmin(history[name]))]
            for name, value in net.parameters().items():
                np.testing.assert_array_equal(value, best[name])
    else:
        assert (net._position.epoch, net._position.batch) == (epochs, batch)
        left = 3 - epochs
        net._plan = net._plan._plan  # type: ignore[union-attr]
        net.fit(*data, epochs=max(left, 1), **given, **HOW)
        whole.fit(*data, epochs=epochs + max(left, 1), **given, **HOW)
        assert_same(net, whole)


def test_no_time_at_all(make_net: Make, blobs: Data) -> None:
    net, plain = make_net(), make_net()
    history = net.fit(*blobs, callbacks=[dr.TimeBudget(1e-9)])
    plain.build(5)
    assert history.epochs == 0
    assert history.stopped == "the time of 1e-09 s is over"
    assert_same(net, plain)


# ------------------------------------------------------------------------------------------ nan
def test_terminate_on_nan_leaves_the_best_weights(make_net: Make) -> None:
    net, data, other = overfitting(make_net, optimizer=dr.SGD(0.1))
    worse = dr.LearningRateScheduler(lambda epoch: 0.1 if epoch < 3 else 1e30)
    stop = dr.EarlyStopping(patience=99, restore_best_weights=True)
    given = [stop, dr.TerminateOnNaN(), worse]
    history = net.fit(*data, epochs=9, validation_data=other, callbacks=given, **HOW)
    assert 3 <= history.epochs < 9
    assert "since batch" in str(history.stopped)
    assert net.evaluate(*other)["loss"] == np.nanmin(history["val_loss"])
