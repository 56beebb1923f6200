"""ModelCheckpoint: what is saved when, and how training goes on from there."""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _files

from ..conftest import Data
from ..interruption import assert_same
from .common import Counter, by_clock

Make = Callable[..., dr.Network]
HOW = {"batch_size": 40}


def test_checkpoints(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    net, path = make_net(), tmp_path / "net-{epoch:02d}-{val_loss:.3f}"
    history = net.fit(
        *blobs, epochs=4, callbacks=[dr.ModelCheckpoint(path, every=2)], validation_data=blobs,
        **HOW,
    )  # fmt: skip
    net.fit(*blobs, epochs=2, callbacks=[dr.ModelCheckpoint(tmp_path / "{epoch}", every=3)], **HOW)
    losses = history["val_loss"]
    expected = {f"net-02-{losses[1]:.3f}", f"net-04-{losses[3]:.3f}", "6"}
    assert set(os.listdir(tmp_path)) == expected


@pytest.mark.parametrize("first", [True, False])
def test_training_goes_on_from_a_checkpoint(
    make_net: Make, blobs: Data, tmp_path: Path, first: bool
) -> None:
    """Wherever in the list it stands: it is written when all have seen the epoch."""
    net = make_net()

    def given() -> list[Any]:
        stop = dr.EarlyStopping("loss", patience=9, restore_best_weights=True)
        save = dr.ModelCheckpoint(tmp_path / "{epoch}")
        return [save, Counter(), stop] if first else [Counter(), stop, save]

    net.fit(*blobs, epochs=4, callbacks=given(), **HOW)
    again = dr.load(tmp_path / "2", backend=net.backend)
    assert (again._position.epoch, again._position.batch) == (2, 0)
    again.fit(*blobs, epochs=2, callbacks=given(), **HOW)
    assert_same(net, again)
    assert_same(net, dr.load(tmp_path / "4", backend=net.backend))


def test_only_the_best(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    net = make_net(optimizer=dr.SGD(0.5))
    save = dr.ModelCheckpoint(tmp_path / "{epoch}", save_best_only=True, monitor="accuracy")
    accuracy = net.fit(*blobs, epochs=12, callbacks=[save], **HOW)["accuracy"]
    best = [str(e + 1) for e in range(12) if accuracy[e] > max([-1.0, *accuracy[:e]])]
    assert 1 < len(best) < 12
    assert sorted(os.listdir(tmp_path), key=int) == best


def test_a_checkpoint_that_fails(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    net, whole = make_net(), make_net()
    with pytest.raises(FileNotFoundError):
        net.fit(*blobs, epochs=3, callbacks=[dr.ModelCheckpoint(tmp_path / "a" / "b")], **HOW)
    net.fit(*blobs, epochs=2, **HOW)
    whole.fit(*blobs, epochs=3, **HOW)
    assert_same(net, whole)


# ------------------------------------------------------------------------ in the middle of an epoch
class Batches(dr.Callback):
    """Counts them, so that its state changes in the middle of epochs."""

    batches = True

    def __init__(self) -> None:
        self.count = 0

    def state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: Any) -> None:
        self.count = state.get("count", 0)

    def on_batch_end(self, training: dr.Training) -> None:
        self.count += 1


@pytest.mark.parametrize(
    ("every", "places"),
    [
        (None, [(0, 7), (0, 14), (1, 5), (1, 12)]),
        (1, [(0, 7), (0, 14), (1, 0), (1, 7), (1, 14), (2, 0)]),
    ],
)
def test_by_the_clock(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch, every: int | None, places: Any
) -> None:
    """16 batches of a second each. The time of a checkpoint begins with the first batch, and when
    the one before has been written, for whatever reason."""
    net, saved = make_net(), []
    net.build(5)
    by_clock(net, monkeypatch, 1.0)

    def note(net: dr.Network, path: Any, **_: Any) -> None:
        saved.append((net.epochs_done, net._position.batch))

    monkeypatch.setattr(dr.Network, "save", note)
    save = dr.ModelCheckpoint("{epoch}", every=every, every_seconds=6)
    net.fit(*blobs, epochs=2, batch_size=6, callbacks=[save])
    assert saved == places


def test_from_the_middle_of_an_epoch(
    make_net: Make, blobs: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a checkpoint holds goes on to the same end, callbacks included."""
    net, whole = make_net(metrics=["f1_macro"]), make_net(metrics=["f1_macro"])

    def given(**how: Any) -> list[dr.Callback]:
        return [
            dr.ModelCheckpoint(tmp_path / "net-{epoch}", keep_previous=False, **how),
            Counter(), Batches(),
            dr.EarlyStopping("loss", patience=9, restore_best_weights=True),
        ]  # fmt: skip

    whole.fit(*blobs, epochs=3, batch_size=6, callbacks=given(every=9))
    net.build(5)
    by_clock(net, monkeypatch, 1.0)
    net.fit(*blobs, epochs=2, batch_size=6, callbacks=given(every_seconds=6))
    assert sorted(os.listdir(tmp_path)) == ["net-1", "net-2"]
    for number, batch in ((1, 14), (2, 12)):
        again = dr.load(tmp_path / f"net-{number}", backend=net.backend)
        assert (again.epochs_done, again._position.batch) == (number - 1, batch)
        again.fit(*blobs, epochs=3 - again.epochs_done, batch_size=6, callbacks=given(every=9))
        assert_same(again, whole)


def test_copies_in_the_middle_go_on(make_net: Make, blobs: Data) -> None:
    """What a callback saves or copies itself is where the network is."""
    net, copies = make_net(metrics=["f1_macro"]), []
    watch = dr.LambdaCallback(on_batch_end=lambda fit: copies.append(copy.deepcopy(fit.network)))
    net.fit(*blobs, epochs=2, callbacks=[watch], **HOW)
    assert [(c.epochs_done, c._position.batch) for c in copies] == [
        (epoch, batch) for epoch in (0, 1) for batch in (1, 2, 3)
    ]
    for found in copies:
        found.fit(*blobs, epochs=2 - found.epochs_done, **HOW)
        assert_same(found, net)


def test_a_fit_that_is_stopped(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    """What it leaves is what is saved at its last epoch."""
    net = make_net(optimizer=dr.SGD(0.5))
    stop = dr.EarlyStopping("loss", restore_best_weights=True, min_delta=9.0)
    save = dr.ModelCheckpoint(tmp_path / "net")
    assert net.fit(*blobs, epochs=9, callbacks=[save, stop], **HOW).epochs == 2
    assert_same(dr.load(tmp_path / "net", backend=net.backend), net)
    assert dr.load(tmp_path / "net.previous", backend=net.backend).epochs_done == 1


# -------------------------------------------------------------------------------- what goes wrong
@pytest.mark.parametrize("on_error", ["raise", "warn"])
def test_a_disk_that_is_full(
    make_net: Make, blobs: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    """At the end of the second epoch: what was saved stays, and training goes on, or can."""
    net, whole, path = make_net(), make_net(), tmp_path / "net"
    whole.fit(*blobs, epochs=4, callbacks=[dr.ModelCheckpoint(tmp_path / "whole")], **HOW)
    seen, works = [], os.fsync

    def full_disk(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill(fit: dr.Training) -> None:
        monkeypatch.setattr(_files.os, "fsync", full_disk if fit.epoch == 1 else works)
        seen.append(dr.load(path, backend=net.backend).epochs_done if path.exists() else 0)

    def fit(epochs: int) -> None:
        save = dr.ModelCheckpoint(path, on_error=on_error)
        net.fit(
            *blobs, epochs=epochs, callbacks=[dr.LambdaCallback(on_epoch_begin=fill), save], **HOW
        )

    if on_error == "warn":
        with pytest.warns(dr.CheckpointWarning, match="no checkpoint: .*No space left on device"):
            fit(4)
    else:
        with pytest.raises(OSError, match="No space left on device: it is not written") as caught:
            fit(4)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
        assert net.epochs_done == 2
        fit(2)
    assert seen == [0, 1, 1, 3]
    assert_same(net, whole)
    assert_same(net, dr.load(path, backend=net.backend))
    assert set(os.listdir(tmp_path)) == {"net", "net.previous", "whole", "whole.previous"}


def test_what_has_diverged_is_not_saved(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    """The first batch was still measured before the step that has spoilt the weights."""
    net = make_net(layers=[dr.Dense(3)], loss="mse", optimizer=dr.SGD(1e30), metrics=[])
    save = dr.ModelCheckpoint(tmp_path / "net", every=1, every_seconds=1e-9)
    with pytest.warns(dr.DivergenceWarning):
        net.fit(blobs[0], np.eye(3)[blobs[1]], epochs=3, callbacks=[save], batch_size=96)
    assert dr.load(tmp_path / "net", backend=net.backend).epochs_done == 1
