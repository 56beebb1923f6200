"""Ctrl-C at each point where CPython may run its handler: whatever it hits, the network is not shut,
it is as after the last whole batch, and training goes on to the same bits.

A tracer raises KeyboardInterrupt at the n-th such point. They are the begins of functions, the
places behind calls and the jumps back, in every Python file. (Inside C: network/test_interrupt.py.)
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .conftest import make_blobs
from .interruption import assert_same

X, Y = make_blobs(30)
HOW: dict[str, Any] = {"batch_size": 8, "verbose": False}  # 4 batches, the last is short
EPOCHS = 3


class Interrupts:
    """Lets `call` run up to its n-th point. None: to its end; `points` are how many there were."""

    def __init__(self, at: int | None = None) -> None:
        self.points = 0
        self._at = at
        self._code: dict[CodeType, bytes] = {}
        self._behind: set[FrameType] = set()  # frames whose last instruction was a call

    def __call__(self, call: Callable[[], object]) -> bool:
        """Whether it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            call()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self._count()
        elif event == "opcode":
            if frame in self._behind:
                self._behind.remove(frame)
                self._count()
            code = self._code.setdefault(frame.f_code, frame.f_code.co_code)
            name = dis.opname[code[frame.f_lasti]]
            if name.startswith("CALL") or name == "JUMP_BACKWARD":
                self._behind.add(frame)
        else:
            self._behind.discard(frame)
        return self._trace

    def _count(self) -> None:
        self.points += 1
        if self.points == self._at:
            raise KeyboardInterrupt


# ------------------------------------------------------------------------------------------ scenes
def network(backend: str, **more: Any) -> dr.Network:
    given: dict[str, Any] = {"optimizer": dr.Adam(0.01, average=dr.EMA(0.9)), "seed": 3, **more}
    layers = [dr.layers.Normalization(), dr.Dense(6, "tanh"), dr.BatchNorm(), dr.Dense(3, "softmax")]
    return dr.Network(layers, "cross_entropy", backend=backend, **given)


def fit(net: dr.Network, epochs: int = EPOCHS) -> None:
    called = [
        dr.ReduceLROnPlateau("val_loss", 0.5, 1),
        dr.EarlyStopping("val_loss", patience=9, restore_best_weights=True),
    ]
    net.fit(X, Y, epochs=epochs, validation_data=(X[:9], Y[:9]), callbacks=called, **HOW)


def fit_on(net: dr.Network) -> None:
    while net._position.epoch < EPOCHS:
        fit(net, 1)


def batches(net: dr.Network) -> None:
    for first in (0, 10, 20):
        net.train_on_batch(X[first : first + 10], Y[first : first + 10])


def batches_on(net: dr.Network) -> None:
    done = net.__getstate__()["description"]["step"]
    for first in (0, 10, 20)[done:]:
        net.train_on_batch(X[first : first + 10], Y[first : first + 10])


def stopped_early(net: dr.Network, *more: dr.Callback) -> None:
    """Ends with the best weights, those of the first epoch, when there is a second."""
    stop = dr.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)
    net.fit(X, Y, epochs=3, callbacks=[stop, *more], **HOW)


SCENES: dict[str, tuple[Callable[[dr.Network], None], Callable[[dr.Network], None]]] = {
    "fit": (fit, fit_on),
    "train_on_batch": (batches, batches_on),
}


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize("scene", SCENES)
def test_goes_on_to_the_same_bits(scene: str, backend: str, every: int) -> None:
    run, go_on = SCENES[scene]
    whole = network(backend)
    run(whole)
    counting = Interrupts()
    assert not counting(lambda: run(network(backend)))
    assert counting.points > 300
    for at in range(1, counting.points + 1, every):
        net = network(backend)
        assert Interrupts(at)(lambda net=net: run(net)), at
        go_on(net)
        assert_same(net, whole)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_all_parameters_or_none(backend: str, every: int) -> None:
    """set_parameters, and the best weights at the end of a fit."""
    first, then = (
        {name: np.full(shape, number) for name, shape in shapes.items()}
        for number in (1.0, 2.0)
        for shapes in [{n: a.shape for n, a in trained(backend).parameters().items()}]
    )
    net = trained(backend)
    counting = Interrupts()
    counting(lambda: net.set_parameters(first))
    for at in range(1, counting.points + 1, max(1, every // 8)):
        net.set_parameters(first)
        assert Interrupts(at)(lambda: net.set_parameters(then)), at
        for average in (False, True):
            arrays = net.parameters(average=average).values()
            assert len({float(array.flat[0]) for array in arrays}) == 1, at


def trained(backend: str) -> dr.Network:
    net = network(backend)
    fit(net, 1)
    return net


@pytest.mark.parametrize("what", ["predict", "evaluate", "gradients", "save", "copy"])
def test_what_reads_changes_nothing(what: str, every: int, tmp_path: Path) -> None:
    """And leaves a file that is the old or the new one."""
    net, path = trained("fast"), tmp_path / "net"
    before = trained("fast")
    before.save(path)
    calls: dict[str, Callable[[], object]] = {
        "predict": lambda: net.predict(X.tolist()),
        "evaluate": lambda: net.evaluate(X, Y),
        "gradients": lambda: net.gradients(X, Y),
        "save": lambda: net.save(path),
        "copy": lambda: net.__getstate__(),
    }
    counting = Interrupts()
    counting(calls[what])
    for at in range(1, counting.points + 1, max(1, every // 8)):
        assert Interrupts(at)(calls[what]), at
        assert_same(net, before)
        assert_same(dr.load(path), before)
        net.train_on_batch(X, Y)  # it is not shut
        before.train_on_batch(X, Y)
        before.save(path)


def test_best_weights_are_put_in_place_as_a_whole(every: int) -> None:
    """The network has the weights behind some step, or the best ones, never a mixture."""
    seen: list[dict[str, bytes]] = []

    def frozen(net: dr.Network) -> dict[str, bytes]:
        return {name: array.tobytes() for name, array in net.parameters().items()}

    watch = dr.LambdaCallback(on_batch_end=lambda training: seen.append(frozen(training.network)))
    whole = network("fast")
    stopped_early(whole, watch)
    assert frozen(whole) not in seen
    seen.append(frozen(whole))
    counting = Interrupts()
    counting(lambda: stopped_early(network("fast")))
    for at in range(counting.points, counting.points - 300, -max(1, every // 8)):
        net = network("fast")
        Interrupts(at)(lambda net=net: stopped_early(net))
        assert frozen(net) in seen, at


@pytest.fixture(params=[61, pytest.param(1, marks=pytest.mark.long)], ids=["some", "all"])
def every(request: pytest.FixtureRequest) -> int:
    """Of the points, one in so many."""
    return int(request.param)
