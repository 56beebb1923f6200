"""Rows on their way into a network: X of every type, in order and shuffled, beyond the caches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

import deltarule as dr
from deltarule._check import ELEMENTS
from deltarule._fast import Plan
from deltarule._graph import Graph, Node

from .timing import DTYPES, Timing, header, measure, row

ROWS, WIDTHS, BATCH = 65536, (784, 28), 64


def epoch(x: np.ndarray, dtype: str, shuffle: bool) -> Callable[[], object]:
    """One epoch of the smallest network there is."""
    node = Node("dense", "0", 0, 1, "identity", 0.0, True)
    plan = Plan(Graph(dtype, (x.shape[1], 1), (node,), "mse", dr.SGD(1e-9), "none"))
    t, epochs = np.zeros((len(x), 1), dtype), count()

    def call() -> None:
        run = plan.train(x, t, None, batch_size=BATCH, shuffle=shuffle, seed=0, epoch=next(epochs))
        while not run.advance(1e9):
            pass

    return call


def a_row(timing: Timing) -> Timing:
    return Timing(timing.best / ROWS, timing.median / ROWS)


def main() -> None:
    header(f"a row through a network of one output on {dr.get_isa()}", "", "in order", "shuffled")
    for width in WIDTHS:
        for dtype in DTYPES:
            for element in ELEMENTS:
                x = np.ones((ROWS, width), element)
                both = measure(epoch(x, dtype, False), epoch(x, dtype, True), windows=5)
                row(f"{width} {element} into {dtype}", *map(a_row, both))
