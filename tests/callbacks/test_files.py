"""ModelCheckpoint, CSVLogger and TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data
from ..interruption import assert_same
from .common import Counter, Fault, faulty

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


# ------------------------------------------------------------------------------------------ csv
def rows(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=separator))


@pytest.mark.parametrize("separator", [",", ";"])
def test_csv(make_net: Make, blobs: Data, tmp_path: Path, separator: str) -> None:
    net, path = make_net(), tmp_path / "log.csv"
    path.write_text("something else\n")

    def fit(epochs: int, **how: Any) -> dr.History:
        log = dr.CSVLogger(path, separator)
        return net.fit(*blobs, epochs=epochs, callbacks=[log], **HOW, **how)

    history = fit(2, validation_data=blobs)
    header, *cells = rows(path, separator)
    assert header == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row[0] for row in cells] == ["1", "2"]
    for column, name in enumerate(header[1:], 1):
        assert [float(row[column]) for row in cells] == history[name]
    fit(1, validation_data=blobs)  # goes on
    assert [row[0] for row in rows(path, separator)] == ["epoch", "1", "2", "3"]


def test_csv_appends(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for append in (False, True, False):
        make_net().fit(*blobs, callbacks=[dr.CSVLogger(path, append=append)], **HOW)
        lines = [row[0] for row in rows(path)]
        assert lines == (["epoch", "1", "1"] if append else ["epoch", "1"])
    path.unlink()
    make_net().fit(*blobs, callbacks=[dr.CSVLogger(path, append=True)], **HOW)
    assert [row[0] for row in rows(path)] == ["epoch", "1"]


def test_csv_after_an_error(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    """The file is closed and whole, and the next fit goes on with it."""
    net, log = make_net(), dr.CSVLogger(tmp_path / "log.csv")
    with pytest.raises(Fault):
        net.fit(*blobs, epochs=4, callbacks=[log, faulty("on_slice", 2, 1)], **HOW)
    net.fit(*blobs, epochs=2, callbacks=[log], **HOW)
    assert [row[0] for row in rows(tmp_path / "log.csv")] == ["epoch", "1", "2", "3", "4"]
    with pytest.raises(FileNotFoundError):
        net.fit(*blobs, callbacks=[dr.CSVLogger(tmp_path / "no" / "log.csv")])


# ---------------------------------------------------------------------------------- tensorboard
def test_tensorboard(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    """Read back by TensorBoard itself."""
    pytest.importorskip("tensorboardX")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    net = make_net(optimizer=dr.Adam(dr.schedules.ExponentialLR(0.1, 0.5)))
    board = dr.TensorBoard(tmp_path)
    histories = [
        net.fit(*blobs, epochs=epochs, callbacks=[board], validation_data=blobs, **HOW)
        for epochs in (2, 1)
    ]
    expected = {name: [v for h in histories for v in h[name]] for name in histories[0]}
    expected["learning_rate"] = [0.1, 0.05, 0.025]
    for part, prefix in [("train", ""), ("validation", "val_")]:
        found = events.EventAccumulator(str(tmp_path / part))
        found.Reload()
        names = [n.removeprefix("val_") for n in expected if n.startswith("val_") == bool(prefix)]
        assert set(found.Tags()["scalars"]) == {f"epoch_{name}" for name in names}
        for name in names:
            scalars = found.Scalars(f"epoch_{name}")
            assert [scalar.step for scalar in scalars] == [0, 1, 2]
            values = [scalar.value for scalar in scalars]
            np.testing.assert_allclose(values, expected[prefix + name], rtol=1e-6)


def test_tensorboard_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'deltarule\[tensorboard\]'"):
        dr.TensorBoard()
