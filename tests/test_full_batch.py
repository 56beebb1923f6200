"""Methods that need all rows at once, through `fit`: bits, state, ends, arguments, Ctrl-C."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _engine

from .full_batch import LBFGS, LM, methods, needs_scipy, network, table
from .interruption import assert_same
from .network.common import GROUPS, THREADS, digest, settings


@methods
def test_every_iteration_is_better(method: Callable[..., Any], backend: str, dtype: str) -> None:
    x, y = table()
    net = network(method(), backend=backend, dtype=dtype)
    before = net_loss(net, x, y)
    history = net.fit(x, y, epochs=20, validation_data=(x[:9], y[:9]))
    losses = [before, *history["loss"]]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.1 * losses[0]
    assert history["loss"][-1] == pytest.approx(net.evaluate(x, y)["loss"], rel=1e-6)
    assert history["val_loss"][-1] == pytest.approx(net.evaluate(x[:9], y[:9])["loss"], rel=1e-6)


def net_loss(net: dr.Network, x: np.ndarray, y: np.ndarray) -> float:
    net.build(x.shape[1])
    return net.evaluate(x, y)["loss"]


# ----------------------------------------------------------------------------------------- the bits
@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_same_bits(dtype: str, decay: float) -> None:
    x, y = table(300, 5, 2)

    def train() -> str:
        net = network(LM(weight_decay=decay), dr.Dense(9, "tanh"), dr.Dense(2), dtype=dtype)
        losses = net.fit(x, y, epochs=7)["loss"]
        arrays = (a.tobytes() for a in net.parameters().values())
        return digest(losses, *arrays, net._position.damping)

    with settings():
        for group in GROUPS:
            hashes = set()
            for isa in group:
                dr.set_isa(isa)
                for threads in THREADS:
                    dr.set_num_threads(threads, exact=True)
                    hashes.add(train())
            assert len(hashes) == 1, group


def _pickled(net: dr.Network, folder: Path) -> dr.Network:
    return copy.deepcopy(net)


def _saved(net: dr.Network, folder: Path) -> dr.Network:
    net.save(folder / "net.safetensors")
    return dr.load(folder / "net.safetensors", backend=net.backend)


@pytest.mark.parametrize("carry", [_pickled, _saved, lambda net, folder: net])
def test_going_on(carry: Callable[..., dr.Network], backend: str, tmp_path: Path) -> None:
    """The damping goes on, too."""
    x, y = table()
    whole, net = network(LM(), backend=backend), network(LM(), backend=backend)
    losses = whole.fit(x, y, epochs=9)["loss"]
    first = net.fit(x, y, epochs=5)["loss"]
    net = carry(net, tmp_path)
    second = net.fit(x, y, epochs=4)["loss"]
    assert first + second == losses
    assert_same(net, whole)


@needs_scipy
def test_lbfgs_begins_with_a_new_memory() -> None:
    x, y = table()
    whole, net = network(LBFGS()), network(LBFGS())
    losses = whole.fit(x, y, epochs=9)["loss"]
    assert net.fit(x, y, epochs=5)["loss"] == losses[:5]
    again = net.fit(x, y, epochs=4)["loss"]
    assert again != losses[5:] and again[-1] < losses[4]


# --------------------------------------------------------------------------------- why it has ended
def _ends(net: dr.Network, x: np.ndarray, y: np.ndarray, why: str) -> None:
    history = net.fit(x, y, epochs=200)
    assert history.epochs < 200 and history.stopped is not None and why in history.stopped
    again = net.fit(x, y, epochs=3)  # there is nothing more
    assert again.epochs == 1 and again.stopped is not None


def test_when_it_ends(backend: str) -> None:
    x, y = table(30)
    _ends(network(LM(tolerance_grad=1e-3), backend=backend), x, y, "tolerance_grad")
    large = LM(tolerance_grad=0, tolerance_change=1e-2)
    _ends(network(large, backend=backend), x, y, "tolerance_change")
    exact = network(LM(tolerance_grad=0, tolerance_change=0), dr.Dense(1), backend=backend)
    _ends(exact, x, y, "tolerance_change")


@needs_scipy
def test_when_lbfgs_ends(backend: str) -> None:
    x, y = table(30)
    _ends(network(LBFGS(tolerance_grad=1e-3), backend=backend), x, y, "PROJECTED GRADIENT")
    _ends(network(LBFGS(tolerance_change=1e-3), backend=backend), x, y, "RELATIVE REDUCTION")


@methods
def test_a_loss_that_is_not_finite(method: Callable[..., Any], backend: str) -> None:
    x, y = table()
    net = network(method(), dr.Dense(1, "exp"), backend=backend)
    net.build(2)
    net.set_parameters({"0.bias": [1e4]})
    history = net.fit(x, y, epochs=5)
    assert history.stopped and not math.isfinite(history["loss"][-1])
    if method is LM:
        assert history.epochs == 1 and "infinite or nan" in history.stopped
    assert net.parameters()["0.bias"] == 1e4


def test_it_has_not_ended(backend: str) -> None:
    assert network(LM(), backend=backend).fit(*table(), epochs=3).stopped is None
    assert network("adam", backend=backend).fit(*table(), epochs=3).stopped is None


# --------------------------------------------------------------------------------------- how to fit
@methods
def test_what_fit_takes(method: Callable[..., Any], backend: str) -> None:
    x, y = table()
    nets = []
    for how in ({}, {"batch_size": 60}, {"batch_size": 1000}, {"shuffle": False}):
        nets.append(network(method(), backend=backend))
        nets[-1].fit(x, y, epochs=3, **how)
    for net in nets[1:]:
        assert_same(net, nets[0])
    for size in (1, 59):
        with pytest.raises(ValueError, match=rf"batch_size .* all 60 rows at once, got {size}"):
            nets[0].fit(x, y, batch_size=size)
    with pytest.raises(ValueError, match="batch_size must be >= 1"):
        nets[0].fit(x, y, batch_size=0)
    with pytest.raises(ValueError, match=r"train_on_batch\(\): .* fit\(\)"):
        nets[0].train_on_batch(x, y)
    assert_same(nets[0], nets[1])


def test_what_levenberg_marquardt_refuses(backend: str) -> None:
    x, y = table()
    large = network(LM(), dr.Dense(1700, "tanh"), dr.Dense(1), backend=backend)
    with pytest.raises(ValueError, match=r"5,000 parameters, got 6,801, .* 0.74 GB"):
        large.fit(x, y)
    assert not large.built
    with pytest.raises(ValueError, match=r"penalties l2 only, got l1 of '0.weight'"):
        network(LM(), dr.Dense(1, l1=0.1), backend=backend).fit(x, y)
    for layer in (dr.LayerNorm(), dr.RMSNorm(), dr.layers.PReLU()):
        net = network(LM(), dr.Dense(4), layer, dr.Dense(1), backend=backend)
        with pytest.raises(ValueError, match=r"derivatives by '1.(weight|slope)': use LBFGS"):
            net.fit(x, y)
    other = dr.Network([dr.Dense(2, "softmax")], "cross_entropy", LM(), backend=backend)
    with pytest.raises(ValueError, match="LevenbergMarquardt needs loss 'mse'"):
        other.fit(x, (y[:, 0] > 0).astype(int))
    assert not other.built


@pytest.mark.parametrize("method", [LM, LBFGS])
def test_a_loss_that_is_no_function_of_the_parameters(
    method: Callable[..., Any], backend: str
) -> None:
    for layer in (dr.Dropout(0.1), dr.GaussianNoise(0.1), dr.BatchNorm()):
        net = network(method(), dr.Dense(4, "tanh"), layer, dr.Dense(1), backend=backend)
        with pytest.raises(ValueError, match=r"cannot train layer 1: .* of the parameters alone"):
            net.build(2)
        assert not net.built
    held = network(method(), dr.Dense(1, constraint="non_negative"), backend=backend)
    with pytest.raises(ValueError, match=r"cannot hold '0.weight' to 'non_negative'"):
        held.build(2)
    frozen = network(method(), dr.Dense(1, trainable=False), backend=backend)
    with pytest.raises(ValueError, match="has no parameters to learn"):
        frozen.build(2)


@needs_scipy
@pytest.mark.parametrize(
    "layer", [dr.LayerNorm(), dr.RMSNorm(), dr.BatchNorm(trainable=False), dr.layers.PReLU()]
)
def test_lbfgs_with_what_learns(layer: dr.Layer, backend: str) -> None:
    x, y = table()
    net = network(LBFGS(), dr.Dense(4, "tanh"), layer, dr.Dense(1), backend=backend)
    losses = net.fit(x, y, epochs=10)["loss"]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2


@needs_scipy
def test_lbfgs_with_any_loss(backend: str) -> None:
    x, y = table()
    net = dr.Network([dr.Dense(5, "tanh"), dr.Dense(2, "softmax")], "cross_entropy", "lbfgs",
                     metrics=["accuracy"], backend=backend)  # fmt: skip
    history = net.fit(x, (y[:, 0] > 0).astype(int), epochs=30)
    assert history["accuracy"][-1] > 0.95
    assert history["accuracy"][-1] == net.evaluate(x, (y[:, 0] > 0).astype(int))["accuracy"]


def test_scipy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == "scipy":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    net = network(LBFGS())
    with pytest.raises(ImportError, match=r"pip install 'deltarule\[lbfgs\]'"):
        net.fit(*table())
    assert not net.built


class Stopped:
    """An engine in which the n-th evaluation is interrupted."""

    def __init__(self, plan: Any, left: int) -> None:
        self._plan, self._left = plan, left

    def __getattr__(self, name: str) -> Any:
        if name in ("evaluate", "gradient_vector"):
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        return getattr(self._plan, name)


@pytest.mark.parametrize("evaluations", [0, 1, 4])
@methods
def test_interrupted(
    method: Callable[..., Any], backend: str, evaluations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is as after the last whole iteration."""
    x, y = table()
    net = network(method(), backend=backend)
    net.build(2)
    made = _engine.new_plan
    with monkeypatch.context() as patch:
        patch.setattr(_engine, "new_plan", lambda *a: Stopped(made(*a), evaluations))
        with pytest.raises(KeyboardInterrupt):
            net.fit(x, y, epochs=10)
    whole = network(method(), backend=backend)
    whole.build(2)
    if net._position.epoch:
        whole.fit(x, y, epochs=net._position.epoch)
    assert net._position.epoch < 5
    assert_same(net, whole)


@methods
def test_what_is_reported(
    method: Callable[..., Any], backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = table()
    history = network(method(), backend=backend).fit(x, y, epochs=4, verbose=True)
    text = capsys.readouterr().err
    assert "epoch 4/4" in text and f"loss={history['loss'][-1]:.4g}" in text and "rows/s" in text
    spent = history.performance
    assert spent is not None
    assert spent.steps == 4 and spent.rows >= 4 * len(x) and spent.threads >= 1
    assert spent.products > 0 and spent.flops > 0 and 0 < spent.seconds < 60


@pytest.mark.parametrize("method", [LM, LBFGS])
def test_arguments(method: Callable[..., Any]) -> None:
    for name in ("weight_decay", "tolerance_grad", "tolerance_change"):
        assert getattr(method(**{name: 0}), name) == 0
        for bad in (-1, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be"):
                method(**{name: bad})
        with pytest.raises(TypeError, match=f"{name} must be a real number"):
            method(**{name: "small"})
    with pytest.raises(ValueError, match="damping must be > 0"):
        LM(damping=0)
    with pytest.raises(ValueError, match="history_size must be >= 1"):
        LBFGS(history_size=0)
    assert repr(LM(damping=0.1)) == "LevenbergMarquardt(damping=0.1)"
    assert LBFGS.from_config(LBFGS(history_size=3).to_config()) == LBFGS(history_size=3)
