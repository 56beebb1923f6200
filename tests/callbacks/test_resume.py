"""fit(10) is fit(5), save, load in a new process, fit(5), bit for bit, whatever is in it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data
from ..interruption import assert_same
from .common import Fault, faulty

Make = Callable[..., dr.Network]
EPOCHS = 40  # more than there will be


def scene(backend: str, dtype: str) -> tuple[dr.Network, Data, Data]:
    """Few rows of a noisy rule, and others to be measured by: it will stop."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(96, 5)).astype("float32")
    y = (x[:, 0] + 0.7 * rng.normal(size=96) > 0).astype(int) + (x[:, 1] > 0.5)
    net = dr.Network(
        [dr.Dense(12, "relu"), dr.BatchNorm(), dr.Dropout(0.2), dr.Dense(3, "softmax")],
        "cross_entropy",
        dr.Adam(dr.schedules.CosineAnnealingLR(0.005, 200, every="step")),
        metrics=["accuracy"],
        dtype=dtype,
        backend=backend,
    )
    return net, (x[:48], y[:48]), (x[48:], y[48:])


def train(net: dr.Network, data: Data, other: Data, epochs: int, *more: Any) -> dr.History:
    given = [
        dr.ReduceLROnPlateau("val_loss", 0.5, 1),
        dr.EarlyStopping("val_loss", patience=6, restore_best_weights=True),
        *more,
    ]
    return net.fit(*data, epochs=epochs, batch_size=9, validation_data=other, callbacks=given)


@functools.cache
def in_one_go(backend: str, dtype: str) -> tuple[dr.Network, dr.History]:
    net, *data = scene(backend, dtype)
    history = train(net, *data, EPOCHS)
    assert history.stopped
    assert 10 < history.epochs < EPOCHS
    assert np.argmin(history["val_loss"]) > 1
    return net, history


@pytest.fixture
def whole(backend: str, dtype: str) -> tuple[dr.Network, dr.History]:
    return in_one_go(backend, dtype)


def test_in_pieces(
    whole: tuple[dr.Network, dr.History], backend: str, dtype: str, tmp_path: Path
) -> None:
    """Saved and loaded after every epoch, whatever has been decided in it."""
    net, *data = scene(backend, dtype)
    path, found = tmp_path / "net", []
    for number in range(whole[1].epochs):
        found.append(train(net, *data, 1))
        assert (found[-1].stopped is None) is (number + 1 < whole[1].epochs)
        net.save(path)
        net = dr.load(path, backend=backend)
    for name in whole[1]:
        assert [history[name][0] for history in found] == whole[1][name]
    assert found[-1].stopped == whole[1].stopped
    assert_same(net, whole[0])


@pytest.mark.parametrize("error", [KeyboardInterrupt, Fault])
def test_interrupted_everywhere(
    whole: tuple[dr.Network, dr.History], backend: str, dtype: str, tmp_path: Path,
    error: type[BaseException],
) -> None:  # fmt: skip
    net, *data = scene(backend, dtype)
    path, done = tmp_path / "net", 0
    places = [("on_batch_end", 0, 1), ("on_batch_end", 0, 3), ("on_epoch_end", 2, 0),
              ("on_batch_end", 4, 6), ("on_epoch_begin", 6, 0)]  # fmt: skip
    for event, epoch, batch in places:
        with pytest.raises(error):
            train(net, *data, EPOCHS, faulty(event, epoch, batch, error))
        assert net._position.epoch == epoch
        net.save(path)
        net = dr.load(path, backend=backend)
        done = epoch
    history = train(net, *data, EPOCHS)
    for name in whole[1]:
        assert history[name] == whole[1][name][done:]
    assert history.stopped == whole[1].stopped
    assert_same(net, whole[0])


def test_in_a_new_process(backend: str, tmp_path: Path) -> None:
    net, *data = scene(backend, "float32")
    with pytest.raises(KeyboardInterrupt):
        train(net, *data, EPOCHS, faulty("on_batch_end", 5, 2, KeyboardInterrupt))
    net.save(tmp_path / "net")
    program = (
        "import sys, deltarule as dr\n"
        f"from {__name__} import scene, train, EPOCHS\n"
        "path, backend = sys.argv[1:]\n"
        "net = dr.load(path, backend=backend)\n"
        "train(net, *scene(backend, 'float32')[1:], EPOCHS)\n"
        "net.save(path)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path / "net"), backend]
    subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[2])
    assert_same(dr.load(tmp_path / "net", backend=backend), in_one_go(backend, "float32")[0])


def test_the_best_weights_are_in_the_file(backend: str, dtype: str, tmp_path: Path) -> None:
    import safetensors.numpy

    net, *data = scene(backend, dtype)
    train(net, *data, 8)
    net.save(tmp_path / "net")
    arrays = safetensors.numpy.load_file(tmp_path / "net")
    names = set(net.parameters())
    assert {n.removeprefix("best.") for n in arrays if n.startswith("best.")} == names
    again = dr.load(tmp_path / "net", backend=backend)
    again.restore_best_weights()
    for name, value in again.parameters().items():
        np.testing.assert_array_equal(value, arrays[f"best.{name}"])
        np.testing.assert_array_equal(net.parameters()[name], arrays[name])


def test_another_fit_begins_afresh(backend: str, dtype: str) -> None:
    net, *data = scene(backend, dtype)
    train(net, *data, 3)
    assert net._best is not None
    assert net._callback_states
    net.fit(*data[0], batch_size=9)
    assert net._best is None
    assert net._callback_states == ()
    stop = dr.EarlyStopping("loss", restore_best_weights=True, patience=9)
    net.fit(*data[0], batch_size=9, callbacks=[stop])
    best = net._best
    assert best is not None
    other = dr.EarlyStopping("accuracy", restore_best_weights=True, patience=9)
    net.fit(*data[0], batch_size=9, callbacks=[other])
    assert net._best is not None
    assert net._best.monitor.name == "accuracy"
