"""Whole training steps: forward, loss, backward, Adam; float32, relu, softmax cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, pairwise

import numpy as np

import deltarule as dr
from deltarule._fast import Plan
from deltarule._graph import Graph, Node

from .timing import Timing, header, measure, normal, row

NETS = (
    ((4, 16, 16, 3), 8),
    ((64, 64, 64, 10), 32),
    ((64, 100, 10), 200),
    ((784, 128, 10), 64),
    ((784, 512, 512, 10), 256),
)
STEPS = 32  # in an epoch


def _data(widths: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    n = STEPS * batch
    return normal("float32", n, widths[0]), np.arange(n, dtype=np.int64) % widths[-1]


def _activations(widths: tuple[int, ...]) -> list[str]:
    return ["relu"] * (len(widths) - 2) + ["softmax"]


def plan_epoch(widths: tuple[int, ...], batch: int) -> Callable[[], object]:
    """One epoch of the compiled network, nothing else."""
    nodes = tuple(
        Node("dense", str(i), i, i + 1, activation, 0.0, True)
        for i, activation in enumerate(_activations(widths))
    )
    plan = Plan(Graph("float32", widths, nodes, "cross_entropy", "adam", "argmax"))
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        weight = dr.ops.initialize("glorot_uniform", n_in, n_out, seed=0, layer=i)
        plan.set(0, f"{i}.weight", weight)
    plan.set_hyper((1e-3, 0.9, 0.999, 1e-8))
    x, t = _data(widths, batch)
    epochs = count()

    def epoch() -> None:
        run = plan.train(x, t, None, batch_size=batch, shuffle=True, seed=0, epoch=next(epochs))
        while not run.advance(1e9):
            pass

    return epoch


def fit_epochs(widths: tuple[int, ...], batch: int, epochs: int) -> Callable[[], object]:
    """The same through Network.fit."""
    layers = [
        dr.Dense(n, activation=a) for n, a in zip(widths[1:], _activations(widths), strict=True)
    ]
    net = dr.Network(layers, loss="cross_entropy", optimizer="adam", metrics=["accuracy"], seed=0)
    x, t = _data(widths, batch)
    return lambda: net.fit(x, t, epochs=epochs, batch_size=batch, verbose=False)


def on_threads(n: int | None, epoch: Callable[[], object]) -> Callable[[], object]:
    def call() -> None:
        dr.set_num_threads(n)
        epoch()

    return call


def a_step(timing: Timing, steps: int = STEPS) -> Timing:
    return Timing(timing.best / steps, timing.median / steps)


def main() -> None:
    threads = dr.get_num_threads()
    title = f"training step on {dr.get_isa()}"
    header(title, "widths, batch", "1 thread", f"automatic, up to {threads}")
    try:
        for widths, batch in NETS:
            one, auto = measure(
                on_threads(1, plan_epoch(widths, batch)),
                on_threads(None, plan_epoch(widths, batch)),
                windows=7,
                seconds=0.05,
            )
            label = "-".join(map(str, widths)) + f", {batch}"
            row(label, a_step(one), a_step(auto), last=f"{one.median / auto.median:.2f}x")
    finally:
        dr.set_num_threads(None)
    widths, batch = NETS[0]
    header("the same through Network.fit", "epochs a call", "plan", "fit")
    for epochs in (1, 100):
        plan, fit = measure(plan_epoch(widths, batch), fit_epochs(widths, batch, epochs))
        share = f"{fit.median / (epochs * plan.median):.2f}x"
        row(f"{epochs}", a_step(plan), a_step(fit, STEPS * epochs), last=share)
