"""CSVLogger and TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data
from .common import Fault, faulty

Make = Callable[..., dr.Network]
HOW = {"batch_size": 40}


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


@pytest.mark.parametrize("append", [False, True])
def test_csv_of_epochs_that_are_done_again(
    make_net: Make, blobs: Data, tmp_path: Path, append: bool
) -> None:
    """As after a kill: the file knows more than the checkpoint, the last row is cut short."""
    path, checkpoint = tmp_path / "log.csv", tmp_path / "net"
    net, log = make_net(), dr.CSVLogger(path, append=append)
    net.fit(*blobs, epochs=2, callbacks=[log], **HOW)
    net.save(checkpoint)
    net.fit(*blobs, epochs=3, callbacks=[log], **HOW)
    whole = path.read_text()
    cut = whole[:-3]
    path.write_text(cut)
    again = dr.load(checkpoint, backend=net.backend)
    again.fit(*blobs, epochs=3, callbacks=[dr.CSVLogger(path, append=append)], **HOW)
    assert path.read_text() == (cut + "".join(whole.splitlines(True)[3:]) if append else whole)


def test_csv_of_an_epoch_that_all_see_again(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    """An error of another callback came when its row was there."""
    net, log = make_net(), dr.CSVLogger(tmp_path / "log.csv")
    with pytest.raises(Fault):
        net.fit(*blobs, epochs=4, callbacks=[log, faulty("on_epoch_end", 1)], **HOW)
    net.fit(*blobs, epochs=3, callbacks=[log], **HOW)
    assert [row[0] for row in rows(tmp_path / "log.csv")] == ["epoch", "1", "2", "3", "4"]


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
