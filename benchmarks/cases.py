"""What is timed: networks, their data and first weights, the useful work of a step, the loss.

Everything here is numpy and seeded, so that every system, in a process of its own, gets the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

OUTPUT = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "mse": "identity"}
NOISE = 0.1  # the share of labels that are random: the loss has something left to fall
BUDGET = 2e11  # floating-point operations that a check of the loss may take
CHECK_STEPS = 32


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


FUNCTIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softmax": softmax,
}


@dataclass(frozen=True)
class Case:
    """A network and what is done with it: task "train", "gradient", "predict" or "many", which
    trains several that differ in the order of the rows alone."""

    name: str
    widths: tuple[int, ...]
    batch: int
    rows: int  # a whole number of batches; a single one is not shuffled
    hidden: str = "relu"
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    dtype: str = "float32"
    task: str = "train"
    gain: float = 1.0  # of the first weights
    networks: int = 1
    isa: str = ""  # the instruction set that systems are held to, as far as they let themselves

    def __post_init__(self) -> None:
        if self.rows % self.batch:
            raise ValueError(f"{self.name}: {self.rows} rows are no multiple of {self.batch}")

    @property
    def steps(self) -> int:
        """In an epoch, a computation of gradients or a call of predict."""
        return self.rows // self.batch

    @property
    def flops(self) -> int:
        """Useful ones of a step: products of true sizes, no input gradient for the first layer."""
        products = [2 * self.batch * n_in * n_out for n_in, n_out in pairwise(self.widths)]
        if self.task == "predict":
            return sum(products)
        return self.networks * (3 * sum(products) - products[0])

    @property
    def trains(self) -> bool:
        """Whether the loss is to fall."""
        return self.task in ("train", "many")

    @property
    def check_epochs(self) -> int:
        """After how many the losses of all systems are compared."""
        steps = min(CHECK_STEPS, max(4, int(BUDGET / self.flops)))
        return -(-steps // self.steps)

    @property
    def activations(self) -> list[str]:
        return [self.hidden] * (len(self.widths) - 2) + [OUTPUT[self.loss]]

    @property
    def title(self) -> str:
        shape = "-".join(map(str, self.widths))
        how = f"{self.hidden}, {self.dtype}" + (f", {self.isa}" if self.isa else "")
        if self.trains:
            how = f"batch {self.batch:,} of {self.rows:,}, {how}, {self.loss}, {self.optimizer}"
            shape = f"{self.networks} times {shape}" if self.networks > 1 else shape
        else:
            how = f"{self.rows:,} row{'s' if self.rows > 1 else ''}, {how}"
        return f"{self.name}: {shape}, {how}"

    def data(self) -> tuple[Array, Array]:
        """Normal inputs; targets of a random linear teacher, some of its labels wrong."""
        random = np.random.default_rng(1)
        x = random.normal(size=(self.rows, self.widths[0])).astype(self.dtype)
        z = x @ random.normal(size=(self.widths[0], self.widths[-1])).astype(self.dtype)
        if self.loss == "mse":
            return x, np.tanh(z / self.widths[0] ** 0.5)
        wrong = random.random(self.rows) < NOISE
        if self.loss == "binary_cross_entropy":
            return x, ((z > 0) ^ wrong[:, None]).astype(self.dtype)
        labels = z.argmax(axis=1)
        labels[wrong] = random.integers(self.widths[-1], size=wrong.sum())
        every = np.arange(min(self.widths[-1], self.rows))
        labels[every] = every  # scikit-learn has no output for a class that it does not see
        return x, labels

    def parameters(self) -> list[Array]:
        """The first ones, Glorot-uniform times `gain`: weight, bias, weight, bias, ..."""
        random = np.random.default_rng(2)
        arrays = []
        for n_in, n_out in pairwise(self.widths):
            limit = self.gain * (6 / (n_in + n_out)) ** 0.5
            arrays.append(random.uniform(-limit, limit, (n_in, n_out)).astype(self.dtype))
            arrays.append(np.zeros(n_out, self.dtype))
        return arrays

    def forward(self, parameters: list[Array], x: Array) -> list[Array]:
        """The input and what every layer puts out."""
        outputs = [x]
        for w, b, kind in zip(parameters[::2], parameters[1::2], self.activations, strict=True):
            outputs.append(FUNCTIONS[kind](outputs[-1] @ w + b))
        return outputs

    def mean_loss(self, parameters: list[Array]) -> float:
        """Over all rows, in float64: one judge for all systems."""
        x, t = self.data()
        y = self.forward([np.float64(p) for p in parameters], np.float64(x))[-1]
        if self.loss == "mse":
            return float(np.mean((y - t) ** 2))
        if self.loss == "binary_cross_entropy":
            hit = np.where(t > 0, y, 1 - y)
        else:
            hit = y[np.arange(self.rows), t]
        return float(-np.log(np.maximum(hit, 1e-300)).mean())


_SIX = (
    Case("tiny", (4, 16, 16, 3), 8, 1024),
    Case("small", (64, 64, 64, 10), 32, 2048),
    Case("digits", (64, 100, 10), 200, 1600),
    Case("mnist", (784, 128, 10), 64, 8192),
    Case("mnist-l", (784, 512, 512, 10), 256, 2048),
    Case("large", (1024, 2048, 2048, 1000), 1024, 2048),
)
_TINY, _SMALL, _DIGITS, _MNIST, _MNIST_L, _LARGE = _SIX
_ONE = Case("batch-1", (64, 128, 32), 1, 512)
_DEEP = (64,) * 17 + (10,)

TRAIN = (
    *_SIX,
    replace(_SMALL, name="small-tanh", hidden="tanh"),
    replace(_SMALL, name="small-sigmoid", hidden="sigmoid"),
    replace(_MNIST_L, name="mnist-l-tanh", hidden="tanh"),
    replace(_SMALL, name="small-sgd", optimizer="sgd", learning_rate=0.05),
    replace(_MNIST, name="mnist-sgd", optimizer="sgd", learning_rate=0.05),
    # SimpleChains.jl publishes 5.7 us on one thread for this one, 41 us an epoch on 18 cores (of an
    # i9-10980XE) for the next
    Case("chain-gradient", (24, 8, 2), 200, 200, "tanh", "mse", dtype="float64", task="gradient"),
    Case("chain", (4, 32, 16, 4), 10_000, 10_000, "tanh", "mse"),
    Case("higgs", (28, 300, 300, 300, 300, 300, 1), 100, 3200, "tanh", "binary_cross_entropy"),
    replace(_ONE, name="batch-1-sgd", optimizer="sgd", learning_rate=0.01),
    replace(_ONE, name="batch-1-adam"),
    # errors shrink to 0.25 * gain of themselves from layer to layer: in the second, below 1e-38
    Case("deep", _DEEP, 32, 1024, "sigmoid", gain=4.0),
    Case("deep-vanishing", _DEEP, 32, 1024, "sigmoid", gain=0.01),
    *(replace(case, name=f"{case.name}-avx2", isa="avx2") for case in _SIX),
)

PREDICT = (
    Case("one row", (64, 64, 10), 1, 1, task="predict"),
    Case("wide", (784, 512, 512, 10), 10_000, 10_000, task="predict"),
    Case("many rows", (64, 64, 10), 100_000, 100_000, task="predict"),
)

MANY = (Case("many", (64, 64, 10), 32, 1440, networks=64, task="many"),)
