"""deltarule itself: through Network, and the compiled plan under it; the peak of FMAs."""

from __future__ import annotations

from itertools import count

import deltarule as dr
from deltarule import _fast

from ..cases import Array, Case
from . import System


def network(case: Case, seed: int = 0) -> dr.Network:
    """With the weights of the case."""
    layers = [
        dr.Dense(n, activation=a) for n, a in zip(case.widths[1:], case.activations, strict=True)
    ]
    kind = {"adam": dr.Adam, "sgd": dr.SGD}[case.optimizer]
    optimizer = kind(case.learning_rate)
    net = dr.Network(layers, loss=case.loss, optimizer=optimizer, dtype=case.dtype, seed=seed)
    net.build(case.widths[0])
    return net


class _Own(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        dr.set_num_threads(threads)
        self.net = network(case)
        self.first = dict(zip(self.net.parameters(), case.parameters(), strict=True))
        self.reset()

    def reset(self) -> None:
        self.net.set_parameters(self.first)

    def result(self) -> list[Array]:
        return list(self.net.parameters().values())


class Fit(_Own):
    """Several epochs a call."""

    def run(self, n: int) -> None:
        if n:
            case = self.case
            shuffle = case.steps > 1
            self.net.fit(
                self.x, self.t, epochs=n, batch_size=case.batch, shuffle=shuffle, verbose=False
            )


class _Plan(_Own):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.data = self.net._prepare(self.x, self.t, None)
        self.plan = self.net._built("")
        self.epochs = count()


class TrainPlan(_Plan):
    """Without the checks and the report of fit."""

    def run(self, n: int) -> None:
        case = self.case
        for _ in range(n):
            run = self.plan.train(
                *self.data,
                batch_size=case.batch,
                shuffle=case.steps > 1,
                seed=0,
                epoch=next(self.epochs),
            )
            while not run.advance(1e9):
                pass


class Gradients(_Own):
    def run(self, n: int) -> None:
        for _ in range(n):
            self.gradients = self.net.gradients(self.x, self.t)[1]

    def result(self) -> list[Array]:
        return list(self.gradients.values())


class GradientPlan(_Plan):
    def run(self, n: int) -> None:
        for _ in range(n):
            self.gradients = self.plan.gradients(*self.data)[1]

    def result(self) -> list[Array]:
        return list(self.gradients.values())


class Predict(_Own):
    def run(self, n: int) -> None:
        predict, x = self.net.predict, self.x
        for _ in range(n):
            self.output = predict(x)

    def result(self) -> list[Array]:
        return [self.output]


class Peak(System):
    """The useful operations of the case at the rate of FMAs on registers, on one thread."""

    def __init__(self, case: Case, threads: int) -> None:
        self.case = case

    def window(self, n: int) -> float:
        return n * self.case.steps * self.case.flops / _fast.peak(self.case.dtype, 0.01)
