"""LearningRateScheduler and ReduceLROnPlateau."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from ..conftest import Data

Make = Callable[..., dr.Network]
NAN = float("nan")


def test_scheduler(make_net: Make, blobs: Data) -> None:
    """A function of the epochs of the network's life."""
    net, twin = make_net(optimizer=dr.SGD(9)), make_net(optimizer=dr.SGD(dr.schedules.StepLR(1, 1)))
    by = dr.LearningRateScheduler(lambda epoch: 0.1**epoch)
    for epochs in (2, 1):
        net.fit(*blobs, epochs=epochs, callbacks=[by])
        twin.fit(*blobs, epochs=epochs)
    for name, value in net.parameters().items():
        np.testing.assert_allclose(value, twin.parameters()[name], rtol=1e-5, atol=1e-7)


def test_there_has_to_be_a_learning_rate(make_net: Make, blobs: Data) -> None:
    layers = [dr.Dense(1)]
    for callback in (dr.LearningRateScheduler(lambda epoch: 0.1), dr.ReduceLROnPlateau("loss")):
        net = make_net(loss="mse", optimizer="levenberg_marquardt", layers=layers, metrics=[])
        with pytest.raises(ValueError, match="LevenbergMarquardt has no learning rate"):
            net.fit(blobs[0], blobs[1] * 1.0, callbacks=[callback])


def factors(name: str, values: list[float], **arguments: Any) -> list[float]:
    """The factor after each epoch."""
    callback = dr.ReduceLROnPlateau(name, **{"factor": 0.5, **arguments})
    callback.set_state({})
    found = []
    for value in values:
        callback.on_epoch_end(None, {name: value})  # type: ignore[arg-type]
        callback.set_state(callback.state())  # as if each epoch were a process of its own
        found.append(float.fromhex(callback.state()["factor"]))
    return found


@pytest.mark.parametrize(
    ("arguments", "values", "expected"),
    [
        ({"patience": 0}, [3, 3, 2, 2, 2], [1, 0.5, 0.5, 0.25, 0.125]),
        ({"patience": 1}, [3, 3, 3, 3, 3], [1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "cooldown": 1}, [3] * 6, [1, 1, 0.5, 0.5, 0.5, 0.25]),
        ({"patience": 0, "cooldown": 2}, [3] * 6, [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 0, "threshold": 0.5}, [4, 2.5, 1.5], [1, 0.5, 0.5]),
        ({"patience": 0, "threshold": 1.5, "threshold_mode": "abs"}, [4, 2.4], [1, 1]),
        ({"patience": 0, "threshold": 1.75, "threshold_mode": "abs"}, [4, 2.4], [1, 0.5]),
        ({"patience": 0}, [NAN, 3, NAN, 2], [0.5, 0.5, 0.25, 0.25]),
        ({"patience": 0, "mode": "max"}, [3, 2, 4], [1, 0.5, 0.5]),
    ],
)
def test_plateau(arguments: dict[str, Any], values: list[float], expected: list[float]) -> None:
    assert factors("loss", values, **arguments) == expected


def test_as_pytorch() -> None:
    """Random losses and settings."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = np.round(rng.uniform(0.5, 2, 60), 1).tolist()
        settings = {
            "patience": int(rng.integers(0, 4)),
            "threshold": float(rng.choice([0.0, 1e-4, 0.23])),
            "threshold_mode": str(rng.choice(["rel", "abs"])),
            "cooldown": int(rng.integers(0, 4)),
            "mode": str(rng.choice(["min", "max"])),
        }
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, eps=0, **settings
        )
        rates = []
        for value in values:
            scheduler.step(value)
            rates.append(optimizer.param_groups[0]["lr"])
        assert factors("loss", values, **settings) == rates


def test_the_rate_is_reduced(make_net: Make, blobs: Data) -> None:
    """min_lr holds back the factor, not a rate that is smaller anyway."""
    rates: list[float | None] = []
    see = dr.LambdaCallback(on_epoch_end=lambda fit, values: rates.append(fit.learning_rate))
    never_better = {"threshold": 1e9, "threshold_mode": "abs", "patience": 0}
    reduce = dr.ReduceLROnPlateau("loss", 0.5, min_lr=0.25, **never_better)
    net = make_net(optimizer=dr.SGD(1.0))
    net.fit(*blobs, epochs=5, callbacks=[see, reduce])
    assert rates == [1.0, 1.0, 0.5, 0.25, 0.25]
    rates.clear()
    net = make_net(optimizer=dr.SGD(dr.schedules.MultiStepLR(1.0, [2], 0.1)))
    net.fit(*blobs, epochs=4, callbacks=[see, reduce])
    assert rates == [1.0, 1.0, 0.1, 0.1]
