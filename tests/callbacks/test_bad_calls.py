"""What callbacks may not be, and what of them a network can keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr
from deltarule import callbacks

from ..conftest import Data
from ..interruption import assert_same
from .common import Counter, Fault, faulty

Make = Callable[..., dr.Network]
HOW = {"batch_size": 40}  # 3 batches of 96 rows


class Strange(Counter):
    def __init__(self, state: Any) -> None:
        super().__init__()
        self._state = state

    def state(self) -> Any:
        return self._state

    def set_state(self, state: Any) -> None:
        pass


def nested(depth: int) -> Any:
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        ([], TypeError, "must return a dict"),
        ({"a": float("nan")}, TypeError, "what JSON has"),
        ({"a": {1, 2}}, TypeError, "what JSON has"),
        ({1: 2, "1": 3}, TypeError, "twice"),
        ({"a": nested(12)}, TypeError, "nested more than 16"),
        ({"a": "x" * 50_000}, ValueError, "50,000 characters"),
    ],
)
def test_states_have_to_fit_into_a_file(
    make_net: Make, blobs: Data, tmp_path: Path, state: Any, error: Any, text: str
) -> None:
    with pytest.raises(error, match=f"Strange: .*{text}"):
        make_net().fit(*blobs, callbacks=[Strange(state)])
    net = make_net()
    for fitting in ({"a": nested(11)}, {"a": "\\" * 24_990}):
        net.fit(*blobs, callbacks=[Strange(fitting)])
        net.save(tmp_path / "net")
        assert_same(net, dr.load(tmp_path / "net", backend=net.backend))


def test_states_belong_to_classes_in_their_order(make_net: Make, blobs: Data) -> None:
    """Callbacks that have none may come and go."""
    net, one, two = make_net(), Counter(), dr.EarlyStopping("loss", patience=9)
    silent = dr.LambdaCallback()
    for given, seen in [([one, two], 1), ([silent, one, two], 2), ([two, one], 1), ([one], 1)]:
        net.fit(*blobs, callbacks=given, verbose=False)
        assert len(one.losses) == seen
    with pytest.raises(Fault):
        net.fit(*blobs, callbacks=[one, faulty("on_epoch_begin", 0)])
    one.losses.append("mine")  # what the network has kept is its own
    net.fit(*blobs, callbacks=[one])
    assert len(one.losses) == 2
    other = make_net()
    other.fit(*blobs, callbacks=[one])
    assert len(one.losses) == 1


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (dr.EarlyStopping("loss"), TypeError, "callbacks must be a list"),
        ("EarlyStopping", TypeError, "callbacks must be a list"),
        (None, TypeError, "callbacks must be a list"),
        ([print], TypeError, r"callbacks\[0\] must be a Callback"),
        ([dr.TerminateOnNaN], TypeError, r"an instance, TerminateOnNaN\(\.\.\.\), not the class"),
        ([dr.EarlyStopping("loss")] * 2, ValueError, r"callbacks\[1\] is there twice"),
        ([dr.EarlyStopping()], ValueError, "EarlyStopping: .*there is no validation data"),
        ([dr.TimeBudget(9, monitor="acuracy")], ValueError, "did you mean 'accuracy'"),
        ([dr.ReduceLROnPlateau()], ValueError, "ReduceLROnPlateau: .*no validation data"),
        ([dr.ModelCheckpoint("x", save_best_only=True)], ValueError, "no validation data"),
        ([dr.ModelCheckpoint("{val_loss}")], ValueError, "path may name epoch, loss, accuracy"),
        ([dr.ModelCheckpoint("{}")], ValueError, "path may name"),
        ([dr.ModelCheckpoint("{epoch.a}")], ValueError, "path may name"),
        ([dr.ModelCheckpoint("{loss}", every_seconds=9)], ValueError, "path may name epoch in"),
        (
            [dr.EarlyStopping("loss", restore_best_weights=True),
             dr.TimeBudget(9, monitor="accuracy")],
            ValueError, r"by 'loss' \(min\) and by 'accuracy' \(max\)",
        ),
    ],
)  # fmt: skip
def test_bad_callbacks(make_net: Make, blobs: Data, given: Any, error: Any, text: str) -> None:
    net = make_net()
    with pytest.raises(error, match=text):
        net.fit(*blobs, callbacks=given)
    assert not net.built


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: dr.EarlyStopping(3), TypeError, "monitor must be a name"),
        (lambda: dr.EarlyStopping(patience=-1), ValueError, "patience must be >= 0"),
        (lambda: dr.EarlyStopping(min_delta=-1), ValueError, "min_delta must be >= 0"),
        (lambda: dr.EarlyStopping(mode="up"), ValueError, "mode must be one of 'auto', 'min'"),
        (lambda: dr.EarlyStopping(baseline="a"), TypeError, "baseline must be"),
        (lambda: dr.EarlyStopping(start_from_epoch=0.5), TypeError, "start_from_epoch must be"),
        (lambda: dr.EarlyStopping(restore_best_weights=1), TypeError, "restore_best_weights"),
        (lambda: dr.TimeBudget(0), ValueError, "seconds must be > 0"),
        (lambda: dr.ReduceLROnPlateau(factor=1.0), ValueError, "factor must be"),
        (lambda: dr.ReduceLROnPlateau(threshold_mode="x"), ValueError, "threshold_mode must be"),
        (lambda: dr.ReduceLROnPlateau(min_lr=-1), ValueError, "min_lr must be"),
        (lambda: dr.LearningRateScheduler(0.1), TypeError, "schedule must be a function"),
        (lambda: dr.ModelCheckpoint(3), TypeError, "PathLike"),
        (lambda: dr.ModelCheckpoint(b"x"), TypeError, "path must be a str"),
        (lambda: dr.ModelCheckpoint("x", every=0), ValueError, "every must be >= 1"),
        (lambda: dr.ModelCheckpoint("x", every_seconds=0), ValueError, "every_seconds must be > 0"),
        (lambda: dr.ModelCheckpoint("x", on_error="ignore"), ValueError, "on_error must be one of"),
        (lambda: dr.ModelCheckpoint("x", keep_previous=1), TypeError, "keep_previous must be"),
        (
            lambda: dr.ModelCheckpoint("x", every_seconds=1, save_best_only=True),
            ValueError,
            "every_seconds and save_best_only cannot both be given",
        ),
        (lambda: dr.CSVLogger("x", ";;"), ValueError, "separator must be one character"),
        (lambda: dr.CSVLogger("x", append=1), TypeError, "append must be"),
        (lambda: dr.LambdaCallback(on_fit_end=3), TypeError, "on_fit_end must be a function"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_the_base_does_nothing(make_net: Make, blobs: Data) -> None:
    net, plain = make_net(), make_net()
    net.fit(*blobs, callbacks=[callbacks.Callback()])
    plain.fit(*blobs)
    assert_same(net, plain)
