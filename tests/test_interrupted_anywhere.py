"""Ctrl-C at each point where CPython may run its handler: whatever it hits, the network is not
shut, it is as after the last whole batch, and training goes on to the same bits.

A tracer raises KeyboardInterrupt at the n-th such point. They are the begins of functions, the
returns of calls and the jumps back, in every Python file. (Inside C: network/test_interrupt.py.)
"""

from __future__ import annotations

import contextlib
import dis
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .conftest import make_blobs
from .interruption import assert_same

X, Y = make_blobs(20)
HOW: dict[str, Any] = {"batch_size": 8, "verbose": False}  # 3 batches, the last is short
EPOCHS = 2

# it may come into the end of a generator, where CPython ignores it
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@functools.cache
def of_code(code: CodeType) -> tuple[dict[int, str], dict[int, object]]:
    """By offset: names of instructions, and where what they raise is caught."""
    instructions = list(dis.get_instructions(code))
    names = {i.offset: i.opname for i in instructions}
    catches: dict[int, object] = dict.fromkeys(names)
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]
        catches |= {at: entry.target for at in names if entry.start <= at < entry.end}
    return names, catches


class Interrupts:
    """A tracer that raises KeyboardInterrupt at the n-th point."""

    def __init__(self, at: int) -> None:
        self.points = 0
        self._at = at
        self._behind: dict[FrameType, object] = {}  # who catches what the call raises

    def __call__(self, call: Callable[[], object]) -> bool:
        """Whether there was such a point; if not, `call` has come to its end."""
        before = sys.gettrace()
        with contextlib.suppress(KeyboardInterrupt):
            sys.settrace(self._trace)
            try:
                call()
            finally:
                sys.settrace(before)
        return self.points >= self._at

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self._count()
        elif event == "opcode":
            names, catches = of_code(frame.f_code)
            at = frame.f_lasti
            # a signal belongs to the call, the tracer's exception to what follows
            if frame in self._behind and self._behind.pop(frame) == catches[at]:
                self._count()
            if names[at].startswith("CALL") or names[at] == "JUMP_BACKWARD":
                self._behind[frame] = catches[at]
        else:
            self._behind.pop(frame, None)
        return self._trace

    def _count(self) -> None:
        self.points += 1
        if self.points == self._at:
            raise KeyboardInterrupt


def interrupted(
    make: Callable[[], Any], call: Callable[[Any], object], every: int
) -> Iterator[tuple[int, Any]]:
    """What `make` gives after a call that was interrupted at point 1, 1 + every, ..."""
    for at in itertools.count(1, every):
        made = make()
        if not Interrupts(at)(lambda made=made: call(made)):
            assert at > every
            return
        yield at, made


# ------------------------------------------------------------------------------------------ scenes
def network(backend: str) -> dr.Network:
    adam = dr.Adam(0.01, average=dr.EMA(0.9))
    inner = [dr.Dense(6, "tanh"), dr.BatchNorm(), dr.Dense(3, "softmax")]
    layers = [dr.layers.Normalization(), *inner]
    return dr.Network(layers, "cross_entropy", adam, backend=backend)


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
    for first in (0, 10):
        net.train_on_batch(X[first : first + 10], Y[first : first + 10])


def batches_on(net: dr.Network) -> None:
    done = net.__getstate__()["description"]["step"]
    for first in (0, 10)[done:]:
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
    for _, net in interrupted(lambda: network(backend), run, every):
        go_on(net)
        assert_same(net, whole)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_all_parameters_or_none(backend: str, every: int) -> None:
    net = trained(backend)
    ones, twos = (
        {name: np.full(array.shape, number) for name, array in net.parameters().items()}
        for number in (1.0, 2.0)
    )

    def begin() -> dr.Network:
        net.set_parameters(ones)
        return net

    for at, _ in interrupted(begin, lambda net: net.set_parameters(twos), max(1, every // 8)):
        for average in (False, True):
            arrays = net.parameters(average=average).values()
            assert len({number for array in arrays for number in array.flat}) == 1, at


def trained(backend: str) -> dr.Network:
    net = network(backend)
    fit(net, 1)
    return net


@pytest.mark.parametrize("what", ["predict", "evaluate", "gradients", "save", "copy"])
def test_what_reads_changes_nothing(what: str, every: int, tmp_path: Path) -> None:
    """And leaves a file that is the old or the new one."""
    net, same, path = trained("fast"), trained("fast"), tmp_path / "net"
    calls: dict[str, Callable[[Any], object]] = {
        "predict": lambda net: net.predict(X.tolist()),
        "evaluate": lambda net: net.evaluate(X, Y),
        "gradients": lambda net: net.gradients(X, Y),
        "save": lambda net: net.save(path),
        "copy": lambda net: net.__getstate__(),
    }
    net.save(path)
    for _ in interrupted(lambda: net, calls[what], max(1, every // 4)):
        assert_same(net, same)
        assert_same(dr.load(path), same)
        for one in (net, same):
            one.train_on_batch(X, Y)  # it is not shut
        same.save(path)


def test_best_weights_are_put_in_place_as_a_whole(every: int) -> None:
    """The network has the weights behind some step, or the best ones, never a mixture."""

    def frozen(net: dr.Network) -> dict[str, bytes]:
        return {name: array.tobytes() for name, array in net.parameters().items()}

    seen: list[dict[str, bytes]] = []
    watch = dr.LambdaCallback(
        on_epoch_begin=lambda training: seen.append(frozen(training.network)),
        on_batch_end=lambda training: seen.append(frozen(training.network)),
    )
    whole = network("fast")
    stopped_early(whole, watch)
    assert frozen(whole) not in seen
    seen.append(frozen(whole))
    for at, net in interrupted(lambda: network("fast"), stopped_early, every):
        assert not net.built or not net._plan.step or frozen(net) in seen, at


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.long)])
def every(request: pytest.FixtureRequest) -> int:
    """Of the points, one in so many. There are many more in Python's engine."""
    slow = request.node.callspec.params.get("backend") == "reference"
    return 1 if request.param == "all" else 1201 if slow else 151
