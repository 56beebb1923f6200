"""When callbacks are called, what they may do, and what their errors leave behind."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data
from ..interruption import assert_same
from .common import EVENTS, Counter, Fault, by_clock, faulty, listening

Make = Callable[..., dr.Network]
HOW = {"batch_size": 40}  # 3 batches of 96 rows


def test_order_of_events(make_net: Make, blobs: Data) -> None:
    heard: list[Any] = []
    make_net().fit(*blobs, epochs=2, callbacks=[listening(heard)], **HOW)
    by_batch = [(e, b) for b in (1, 2, 3) for e in ("on_batch_end", "on_slice")]
    epoch = [("on_epoch_begin", 0), *by_batch, ("on_epoch_end", 3)]
    assert heard == [
        ("on_fit_begin", 0, 0),
        *((event, 0, batch) for event, batch in epoch),
        *((event, 1, batch) for event, batch in epoch),
        ("on_fit_end", 1, 3),
    ]


def test_an_epoch_is_one_run(make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a callback that asks for batches there are as many slices as the clock says."""
    heard: list[Any] = []
    monkeypatch.setattr("deltarule._fit._SLICE", 1e9)
    make_net().fit(*blobs, epochs=2, callbacks=[listening(heard, batches=False)], **HOW)
    assert [h for h in heard if h[0] == "on_slice"] == [("on_slice", 0, 3), ("on_slice", 1, 3)]


def test_looks_that_are_asked_for(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next slice is as short as they say, those behind it are not."""
    net, seen = make_net(), []
    net.build(5)
    by_clock(net, monkeypatch, 1.0)
    monkeypatch.setattr("deltarule._fit._SLICE", 5.0)

    def look(fit: dr.Training) -> None:
        seen.append(fit.batch)
        for seconds in (4.5, 1.5, 9.5) if fit.batch == 5 else ():
            fit.look_again_in(seconds)

    net.fit(*blobs, batch_size=6, callbacks=[dr.LambdaCallback(on_slice=look)])
    assert seen == [5, 7, 12, 16]


def test_callbacks_do_not_change_bits(make_net: Make, blobs: Data) -> None:
    plain, watched = make_net(), make_net()
    heard: list[Any] = []
    expected = plain.fit(*blobs, epochs=3, validation_data=blobs, **HOW)
    found = watched.fit(
        *blobs, epochs=3, validation_data=blobs, callbacks=[listening(heard)], **HOW
    )
    assert_same(plain, watched)
    assert found == expected


def test_what_is_seen(make_net: Make, blobs: Data) -> None:
    net = make_net(optimizer=dr.Adam(dr.schedules.ExponentialLR(0.1, 0.5)))
    seen: list[Any] = []

    def look(fit: dr.Training, values: Any) -> None:
        assert fit.network is net
        assert (fit.epochs, fit.stopped, fit.batches) == (2, None, 3)
        assert {n: fit.history[n][-1] for n in fit.names} == values
        assert fit.values == {name: values[name] for name in ("loss", "accuracy")}
        assert fit.seconds > 0
        seen.append((fit.epoch, fit.history.epochs, fit.learning_rate))

    net.fit(*blobs, **HOW)
    watching = dr.LambdaCallback(on_epoch_end=look)
    net.fit(*blobs, epochs=2, callbacks=[watching], validation_data=blobs, **HOW)
    assert seen == [(1, 1, 0.05), (2, 2, 0.025)]


# ----------------------------------------------------------------------------- what is allowed
READS: dict[str, Callable[[dr.Network, Data, Path], Any]] = {
    "predict": lambda net, data, path: net.predict(data[0]),
    "evaluate": lambda net, data, path: net.evaluate(*data),
    "parameters": lambda net, data, path: net.parameters(),
    "copy": lambda net, data, path: copy.deepcopy(net),
    "save": lambda net, data, path: net.save(path),
}
CHANGES: dict[str, Callable[[dr.Network, Data], Any]] = {
    "fit": lambda net, data: net.fit(*data),
    "train_on_batch": lambda net, data: net.train_on_batch(*data),
    "set_parameters": lambda net, data: net.set_parameters(net.parameters()),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("what", READS)
def test_reading_in_a_callback(
    make_net: Make, blobs: Data, tmp_path: Path, what: str, event: str
) -> None:
    net, plain = make_net(), make_net()
    done: list[Any] = []

    def read(fit: dr.Training, values: Any = None) -> None:
        done.append(READS[what](net, blobs, tmp_path / "net"))

    net.fit(*blobs, callbacks=[dr.LambdaCallback(**{event: read})], **HOW)
    plain.fit(*blobs, **HOW)
    assert done
    assert_same(net, plain)


@pytest.mark.parametrize("what", CHANGES)
def test_changing_in_a_callback(make_net: Make, blobs: Data, what: str) -> None:
    net = make_net()
    recursive = dr.LambdaCallback(on_epoch_end=lambda fit, values: CHANGES[what](net, blobs))
    message = rf"{what}\(\): this network is in the middle of fit\(\) in this thread"
    with pytest.raises(RuntimeError, match=message):
        net.fit(*blobs, callbacks=[recursive], **HOW)
    net.fit(*blobs, **HOW)


def test_no_reading_in_the_middle_of_a_batch(make_net: Make, blobs: Data) -> None:
    """A signal handler, say, of which C has been told while it trains."""
    net = make_net()
    net.build(5)
    with net._gate.training("fit()"), pytest.raises(RuntimeError, match="in the middle of fit"):
        net.parameters()


# -------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("error", [Fault, KeyboardInterrupt])
@pytest.mark.parametrize(
    ("event", "epoch", "batch"),
    [
        ("on_fit_begin", 0, 0),
        ("on_epoch_begin", 2, 0),
        ("on_slice", 1, 1),
        ("on_batch_end", 1, 2),
        ("on_batch_end", 1, 3),
        ("on_epoch_end", 1, 3),
        ("on_epoch_end", 4, 3),
        ("on_fit_end", 4, 0),
    ],
)
def test_errors_are_interruptions(
    make_net: Make, blobs: Data, event: str, epoch: int, batch: int, error: type[BaseException]
) -> None:
    """The next fit ends what was interrupted, and no callback has missed or seen anything twice."""
    whole, net = make_net(), make_net()
    how = {**HOW, "validation_data": blobs}
    expected = whole.fit(*blobs, epochs=5, callbacks=[Counter(), Counter()], **how)
    first, last = Counter(), Counter()
    heard: list[Any] = []
    wrong = faulty(event, epoch, batch, error)
    with pytest.raises(error):
        net.fit(*blobs, epochs=5, callbacks=[first, wrong, listening(heard), last], **how)
    assert [name for name, *_ in heard].count("on_fit_end") == (event != "on_fit_begin")
    left = 5 - net._position.epoch
    if left:
        found = net.fit(*blobs, epochs=left, callbacks=[first, last], **how)
        for name in expected:
            assert found[name] == expected[name][-left:]
    assert first.losses == last.losses == [value.hex() for value in expected["loss"]]
    assert_same(net, whole)


def test_every_callback_that_has_begun_ends(make_net: Make, blobs: Data) -> None:
    heard: list[Any] = []
    ends = [
        dr.LambdaCallback(on_fit_end=lambda fit, number=number: heard.append(number))
        for number in range(3)
    ]
    wrong = faulty("on_fit_begin", 0)
    with pytest.raises(Fault):
        make_net().fit(*blobs, callbacks=[*ends[:2], wrong, ends[2]], **HOW)
    assert heard == [1, 0]
    with pytest.raises(Fault):
        make_net().fit(*blobs, callbacks=[*ends, faulty("on_fit_end", 0)], **HOW)
    assert heard == [1, 0, 2, 1, 0]


# ------------------------------------------------------------------------------ stop and pause
@pytest.mark.parametrize("event", EVENTS[:-1])
def test_stop(make_net: Make, blobs: Data, event: str) -> None:
    """Between batches the epoch is given up; at its end it counts."""
    net, counter = make_net(), Counter()
    stop = dr.LambdaCallback(**{event: lambda fit, values=None: fit.epoch and fit.stop("enough")})
    net.fit(*blobs, callbacks=[counter], **HOW)
    history = net.fit(*blobs, epochs=9, callbacks=[counter, stop], **HOW)
    assert history.stopped == "enough"
    assert history.epochs == (event == "on_epoch_end")
    assert (net._position.epoch, net._position.batch) == (1 + (event in EVENTS[2:5]), 0)
    net.fit(*blobs, callbacks=[counter], **HOW)
    assert len(counter.losses) == 1  # afresh


@pytest.mark.parametrize("event", EVENTS[:-1])
@pytest.mark.parametrize("batch", [0, 2, 3])
def test_pause(make_net: Make, blobs: Data, event: str, batch: int) -> None:
    net, whole, counter = make_net(), make_net(), Counter()
    pause = dr.LambdaCallback(
        **{event: lambda fit, _=None: fit.epoch and fit.batch >= batch and fit.pause("enough")}
    )
    whole.fit(*blobs, epochs=5, callbacks=[Counter()], **HOW)
    net.fit(*blobs, callbacks=[counter], **HOW)
    net.fit(*blobs, epochs=4, callbacks=[counter, pause], **HOW)
    left = 5 - net._position.epoch
    if left:
        net.fit(*blobs, epochs=left, callbacks=[counter], **HOW)
    assert_same(net, whole)


def test_the_first_reason_counts(make_net: Make, blobs: Data) -> None:
    def both(fit: dr.Training, values: Any) -> None:
        fit.pause("one")
        fit.stop("two")

    net = make_net()
    history = net.fit(*blobs, epochs=9, callbacks=[dr.LambdaCallback(on_epoch_end=both)], **HOW)
    assert (history.stopped, history.epochs) == ("one", 1)


# -------------------------------------------------------------------------------- learning rate
def test_rates_are_those_of_an_optimizer(make_net: Make, blobs: Data) -> None:
    """Scaled or replaced, in place of the optimizer's own."""

    def rates(*calls: tuple[Any, ...]) -> dr.LambdaCallback:
        def begin(fit: dr.Training) -> None:
            for name, *arguments in calls:
                getattr(fit, f"{name}_learning_rate")(*arguments)

        return dr.LambdaCallback(on_epoch_begin=begin)

    step = dr.schedules.StepLR
    for optimizer, calls, as_if in [
        (dr.SGD(0.1), [], dr.SGD(0.1)),
        (dr.SGD(0.1), [("set", 0.25)], dr.SGD(0.25)),
        (dr.SGD(0.5), [("scale", 0.5), ("scale", 0.25)], dr.SGD(0.0625)),
        (dr.SGD(0.5), [("scale", 0.5, 0.375)], dr.SGD(0.375)),
        (dr.SGD(0.5), [("scale", 0.5, 0.625)], dr.SGD(0.5)),
        (dr.SGD(step(0.5, 2)), [("scale", 0.5)], dr.SGD(step(0.25, 2))),
        (dr.SGD(step(0.5, 2)), [("set", 0.5), ("scale", 0.25)], dr.SGD(0.125)),
    ]:
        net, other = make_net(optimizer=optimizer), make_net(optimizer=as_if)
        net.fit(*blobs, epochs=3, callbacks=[rates(*calls)], **HOW)
        other.fit(*blobs, epochs=3, **HOW)
        for name, value in net.parameters().items():
            np.testing.assert_array_equal(value, other.parameters()[name])


def test_rates_are_settled_at_the_begin(make_net: Make, blobs: Data) -> None:
    late = dr.LambdaCallback(on_epoch_end=lambda fit, values: fit.scale_learning_rate(0.5))
    with pytest.raises(RuntimeError, match="settled when an epoch begins"):
        make_net().fit(*blobs, callbacks=[late])
    for wrong in (-1.0, float("nan")):
        early = dr.LambdaCallback(on_epoch_begin=lambda fit, w=wrong: fit.set_learning_rate(w))
        with pytest.raises(ValueError, match="rate must be"):
            make_net().fit(*blobs, callbacks=[early])
    net = make_net(loss="mse", optimizer=dr.LevenbergMarquardt(), layers=[dr.Dense(1)], metrics=[])
    early = dr.LambdaCallback(on_epoch_begin=lambda fit: fit.set_learning_rate(1.0))
    with pytest.raises(ValueError, match="LevenbergMarquardt has no learning rate"):
        net.fit(blobs[0], blobs[1] * 1.0, callbacks=[early])


# --------------------------------------------------------------------------- methods on all rows
@pytest.mark.parametrize("method", [dr.LevenbergMarquardt, dr.LBFGS])
def test_all_rows_at_once(make_net: Make, blobs: Data, method: Any) -> None:
    if method is dr.LBFGS:
        pytest.importorskip("scipy")
    heard: list[Any] = []
    layers = [dr.Dense(3, "tanh"), dr.Dense(1)]
    net = make_net(loss="mse", optimizer=method(), layers=layers, metrics=[], dtype="float64")
    stop = dr.LambdaCallback(
        on_epoch_end=lambda fit, values: fit.history.epochs == 3 and fit.stop("enough")
    )
    both = [listening(heard, batches=False), stop]
    history = net.fit(blobs[0], blobs[1] * 1.0, epochs=9, callbacks=both)
    assert (history.stopped, history.epochs) == ("enough", 3)
    epoch = ["on_epoch_begin", "on_slice", "on_epoch_end"]
    assert [name for name, *_ in heard] == ["on_fit_begin", *epoch * 3, "on_fit_end"]
