"""Copies of a network, and its use from several threads."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import deltarule as dr

from .conftest import Data, make_blobs
from .interruption import assert_same, interrupt

Make = Callable[..., dr.Network]


COPIES: dict[str, Callable[[dr.Network], dr.Network]] = {
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("stage", ["new", "built", "fitted", "interrupted"])
@pytest.mark.parametrize("optimizer", ["adam", dr.SGD(0.1, momentum=0.9)])
def test_copies(make_net: Make, blobs: Data, how: str, stage: str, optimizer: object) -> None:
    net = make_net(optimizer=optimizer)
    if stage == "built":
        net.build(5)
    if stage == "fitted":
        net.fit(*blobs, epochs=2)
    if stage == "interrupted":
        interrupt(net, blobs, 2, 1, epochs=2, batch_size=8)
    twin = COPIES[how](net)
    assert_same(net, twin)
    assert repr(net) == repr(twin)
    assert net.fit(*blobs, epochs=2, batch_size=8) == twin.fit(*blobs, epochs=2, batch_size=8)
    assert_same(net, twin)
    before = twin.predict(blobs[0])
    net.fit(*blobs)  # the copy is on its own
    np.testing.assert_array_equal(twin.predict(blobs[0]), before)


# ------------------------------------------------------------------------------------ threads
def test_threads(make_net: Make, blobs: Data) -> None:
    """While one thread trains, between two batches or not, others may predict; everything else
    says why it may not."""
    net, asked = make_net(), 0
    net.fit(*blobs)
    calls: list[Callable[[], object]] = [
        lambda: net.fit(*blobs),
        lambda: net.train_on_batch(*blobs),
        lambda: net.set_parameters({}),
        lambda: net.gradients(*blobs),
        lambda: net.evaluate(*blobs),
        lambda: net.parameters(),
        lambda: pickle.dumps(net),
    ]

    def others(*_: object) -> None:
        nonlocal asked
        asked += 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(net.predict, blobs[0][:5]).result().shape == (5, 3)
            for call in calls:
                with pytest.raises(RuntimeError, match=r"the middle of fit\(\) in another thread"):
                    pool.submit(call).result()

    def pieces() -> Iterator[Data]:
        others()
        yield blobs

    net.fit(pieces, None, batch_size=None, callbacks=[dr.LambdaCallback(on_slice=others)])
    assert asked >= 2
    for call in calls:
        call()


def test_readers_do_not_disturb_each_other(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    expected = net.evaluate(*blobs)
    failures: list[object] = []

    def read() -> None:
        for _ in range(50):
            if net.evaluate(*blobs) != expected or not net.parameters():
                failures.append("differs")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_training_waits_for_readers(make_net: Make, blobs: Data) -> None:
    """Who evaluates sees one state from the first batch to the last."""
    net, done = make_net(), []
    net.fit(*blobs)
    before, begun = net.parameters(), threading.Event()

    def train() -> None:
        begun.set()
        net.fit(*blobs, epochs=3)
        done.append("trained")

    def batches() -> Iterator[Data]:
        yield blobs
        trainer.start()
        begun.wait()
        time.sleep(0.05)  # long enough for a training that does not wait
        yield blobs
        assert all((array == net._plan.get(0, name)).all() for name, array in before.items())
        done.append("read")

    trainer = threading.Thread(target=train)
    net.evaluate(batches)
    trainer.join()
    assert done == ["read", "trained"]


def test_labels_changed_by_another_thread(make_net: Make) -> None:
    """Labels that another thread pushes out of range meanwhile: an error or a whole fit."""
    x, y = make_blobs(2000)
    stop = threading.Event()

    def spoil() -> None:
        while not stop.is_set():
            y[1000] = 2**40
            y[1000] = 0

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        net = make_net()
        for _ in range(30):
            try:
                net.fit(x, y, batch_size=100)
            except ValueError as error:
                assert "label 1099511627776 at row 1000" in str(error)
    finally:
        stop.set()
        thread.join()
