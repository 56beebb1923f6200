"""The position in training: interrupted epochs, several fits, the order of the rows."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import numpy as np
import pytest

import deltarule as dr

from .conftest import Data
from .interruption import assert_same, interrupt

Make = Callable[..., dr.Network]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 6, 7])
def test_interrupted_epoch_is_finished(
    make_net: Make, blobs: Data, shuffle: bool, batch: int
) -> None:
    how = {"batch_size": 14, "shuffle": shuffle}  # 7 batches, the last is short
    whole = make_net()
    expected = whole.fit(*blobs, epochs=4, **how)
    net = make_net()
    interrupt(net, blobs, 2, batch, epochs=4, **how)
    assert net._position.epoch == 1
    assert net._position.batch >= batch
    # the finished epoch counts as one of the next fit, even where its end alone is left
    history = net.fit(*blobs, epochs=3, **how)
    assert_same(net, whole)
    assert history["loss"] == expected["loss"][-history.epochs :]
    assert history["accuracy"] == expected["accuracy"][-history.epochs :]


@pytest.mark.parametrize(
    "other", [{"batch_size": 13}, {"batch_size": 14, "shuffle": False}, {"rows": 90}]
)
def test_another_fit_begins_a_new_epoch(make_net: Make, blobs: Data, other: dict) -> None:
    net = make_net()
    interrupt(net, blobs, 1, 1, batch_size=14)
    epoch = net._position.epoch
    how = {"batch_size": 14, **other}
    rows = how.pop("rows", len(blobs[1]))
    net.fit(blobs[0][:rows], blobs[1][:rows], **how)
    assert (net._position.epoch, net._position.batch) == (epoch + 2, 0)


def test_ctrl_c_from_the_real_loop(make_net: Make) -> None:
    """A signal in the middle of fit: the network is as after some whole batch and goes on."""
    import _thread

    x = np.random.default_rng(0).normal(size=(4000, 20)).astype("float32")
    y = np.arange(4000) % 3
    how = {"batch_size": 4}
    net = make_net(layers=[dr.Dense(64, "relu"), dr.Dense(3)])
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=100000, **how)
    timer.join()
    at = net._position
    net.fit(x, y, epochs=1, **how)
    whole = make_net(layers=[dr.Dense(64, "relu"), dr.Dense(3)])
    whole.fit(x, y, epochs=at.epoch + 1, **how)
    assert_same(net, whole)


def test_several_fits_are_one(make_net: Make, blobs: Data) -> None:
    one, many = make_net(), make_net()
    expected = one.fit(*blobs, epochs=5, batch_size=20)
    parts = [many.fit(*blobs, epochs=epochs, batch_size=20) for epochs in (1, 3, 1)]
    assert_same(one, many)
    assert [v for part in parts for v in part["loss"]] == expected["loss"]


def test_batches_larger_than_the_data(make_net: Make, blobs: Data) -> None:
    one, two = make_net(), make_net()
    one.fit(*blobs, batch_size=96)
    two.fit(*blobs, batch_size=10**15)
    assert_same(one, two)


@pytest.mark.parametrize("shuffle", [True, False])
def test_shuffle(make_net: Make, blobs: Data, shuffle: bool) -> None:
    net = make_net(optimizer=dr.SGD(0.1))
    twin = copy.deepcopy(net)
    net.fit(*blobs, batch_size=10, shuffle=shuffle)
    twin.build(5)
    for start in range(0, 96, 10):
        twin.train_on_batch(blobs[0][start : start + 10], blobs[1][start : start + 10])
    same = all(
        np.array_equal(value, twin.parameters()[name]) for name, value in net.parameters().items()
    )
    assert same is not shuffle


def test_the_order_of_the_rows(make_net: Make, blobs: Data) -> None:
    """Every epoch its own permutation, by seed and number of the epoch."""
    x, y = blobs
    net = make_net(seed=3, dtype="float64")
    twin = copy.deepcopy(net)
    net.fit(x, y, epochs=2, batch_size=40)
    net.fit(x, y, epochs=1, batch_size=40)
    for epoch in range(3):
        order = dr.reference.random_permutation(96, seed=3, purpose="shuffle", step=epoch)
        for start in range(0, 96, 40):
            rows = order[start : start + 40]
            twin.train_on_batch(x[rows], y[rows])
    for name, value in net.parameters().items():
        np.testing.assert_allclose(twin.parameters()[name], value, rtol=1e-10)
