"""Plain numpy, as somebody would write it who knows numpy: BLAS products, one flat Adam."""

from __future__ import annotations

import numpy as np

from ..cases import Array, Case
from . import System


class _Net(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        first = case.parameters()
        self.first = np.concatenate([p.ravel() for p in first])
        self.flat, self.gradient = self.first.copy(), np.zeros_like(self.first)
        self.parameters = self._views(self.flat, first)
        self.gradients = self._views(self.gradient, first)
        self.m, self.v = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.step = 0
        self.random = np.random.default_rng(0)

    @staticmethod
    def _views(flat: Array, like: list[Array]) -> list[Array]:
        pieces = np.split(flat, np.cumsum([p.size for p in like])[:-1])
        return [piece.reshape(p.shape) for piece, p in zip(pieces, like, strict=True)]

    def reset(self) -> None:
        self.flat[:] = self.first

    def result(self) -> list[Array]:
        return [p.copy() for p in self.parameters]

    def differentiate(self, x: Array, t: Array) -> None:
        outputs = self.case.forward(self.parameters, x)
        dz = outputs[-1]
        if self.case.loss == "cross_entropy":
            dz[np.arange(len(x)), t] -= 1
            dz /= len(x)
        elif self.case.loss == "binary_cross_entropy":
            dz = (dz - t) / len(x)
        else:
            dz = (dz - t) * (2 / dz.size)
        for i in reversed(range(len(outputs) - 1)):
            w, dw, db = self.parameters[2 * i], *self.gradients[2 * i : 2 * i + 2]
            np.matmul(outputs[i].T, dz, out=dw)
            np.sum(dz, axis=0, out=db)
            if i:
                dz = self.through(outputs[i], dz @ w.T)

    def through(self, y: Array, dy: Array) -> Array:
        if self.case.hidden == "relu":
            return dy * (y > 0)
        return dy * (1 - y * y) if self.case.hidden == "tanh" else dy * y * (1 - y)

    def update(self) -> None:
        g, rate = self.gradient, self.case.learning_rate
        if self.case.optimizer == "sgd":
            self.flat -= rate * g
            return
        self.step += 1
        self.m += 0.1 * (g - self.m)
        self.v += 0.001 * (g * g - self.v)
        rate /= 1 - 0.9**self.step
        correction = (1 - 0.999**self.step) ** -0.5
        self.flat -= rate * self.m / (np.sqrt(self.v) * correction + 1e-8)


class Train(_Net):
    def run(self, n: int) -> None:
        case = self.case
        for _ in range(n):
            if case.steps == 1:
                self.differentiate(self.x, self.t)
                self.update()
                continue
            for rows in self.random.permutation(case.rows).reshape(case.steps, case.batch):
                self.differentiate(self.x[rows], self.t[rows])
                self.update()


class Gradient(_Net):
    def run(self, n: int) -> None:
        for _ in range(n):
            self.differentiate(self.x, self.t)

    def result(self) -> list[Array]:
        return self.gradients


class Predict(_Net):
    def run(self, n: int) -> None:
        for _ in range(n):
            self.output = self.case.forward(self.parameters, self.x)[-1]

    def result(self) -> list[Array]:
        return [self.output]
