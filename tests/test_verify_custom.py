"""verify() of networks with parts that users have written: no bounds are known of those, but plans
have the bits of layer by layer, and derivatives are compared with central differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import deltarule as dr
from deltarule import layers
from deltarule._report import Report

from .custom_layers import (
    MyCrossEntropy,
    MyDense,
    MyMSE,
    Overwrites,
    Pairs,
    Scale,
    Swish2,
    WhileTraining,
)

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")


@dataclass(frozen=True)
class Maxout(dr.CustomLayer):
    """y_j = max(x_j, x_(j + n/2)), with kinks of which nobody knows."""

    kind = "maxout"
    factor: float = 1.0  # of the derivative

    def output_shape(self, input_shape):
        return (input_shape[0] // 2,)

    def forward(self, x, parameters, training):
        a, b = np.split(x, 2, axis=1)
        return np.maximum(a, b), a > b

    def backward(self, dy, first, parameters):
        dy = dy * dy.dtype.type(self.factor)
        return np.concatenate([dy * first, dy * ~first], axis=1), {}


class WrongScale(Scale):
    kind = "wrong_scale"

    def backward(self, dy, kept, parameters):
        dx, gradients = super().backward(dy, kept, parameters)
        return dx, {"scale": -gradients["scale"]}


class WrongMSE(MyMSE):
    kind = "wrong_mse"

    def backward(self, y, t):
        return super().backward(y, t) / 2


def report_on(stack, loss="mse", **keywords) -> Report:
    rng = np.random.default_rng(0)
    net = dr.Network([*stack, dr.Dense(3)], loss, dr.Adam(1e-2), **keywords)
    net.build(6)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 3))
    if net.loss.kind.endswith("cross_entropy"):
        y = rng.integers(0, 3, 40)
    return dr.verify(net, X, y, rng.integers(0, 3, 40).astype(float))


STACKS = {
    "no parameters": [dr.Dense(17), Swish2(), layers.Residual([Swish2()])],
    "parameters": [MyDense(9), dr.Dense(5, "tanh"), Scale(0.7), layers.Concat([[MyDense(4)], []])],
    "frozen": [MyDense(9, trainable=False), dr.Dense(5, "tanh")],
    "another shape": [dr.Dense(4), Pairs(), layers.Flatten()],
    "only in training": [dr.Dense(4), WhileTraining(), dr.Dropout(0.2)],
    "spoils what it gets": [dr.Dense(4), Overwrites()],
    "kinks": [dr.Dense(40), Maxout(), layers.BatchNorm()],
}


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_layers(stack, dtype, backend):
    report = report_on(stack, dtype=dtype, backend=backend)
    assert report.ok, report


@pytest.mark.parametrize("loss", [MyMSE(), MyCrossEntropy()], ids=lambda loss: loss.kind)
def test_losses(loss, dtype, backend):
    report = report_on([dr.Dense(7, "tanh")], loss, dtype=dtype, backend=backend)
    assert report.ok, report


def test_it_says_what_it_does_not_know():
    text = str(report_on([dr.Dense(7), Swish2()], MyMSE()))
    assert "1.output (Python: no bound)" in text
    assert "loss (Python: no bound)" in text
    assert "against reference" not in text.replace("operations against reference", "")


WRONG = {
    "a gradient of the wrong sign": ([WrongScale()], "mse", "0.scale gradient"),
    "an error too small": ([dr.Dense(40), Maxout(0.9)], "mse", "0.weight gradient"),
    "a loss that lacks a 2": ([dr.Dense(5)], WrongMSE(), "0.weight gradient"),
}


@pytest.mark.parametrize(("stack", "loss", "place"), WRONG.values(), ids=WRONG)
def test_wrong_derivatives_are_found(stack, loss, place, backend):
    report = report_on(stack, loss, backend=backend)
    assert not report.ok
    assert report.worst.place == place
    assert report.worst.compared == "reference in float64 against central differences"
