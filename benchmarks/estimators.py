"""deltarule.sklearn against scikit-learn, whole calls of both: the data are checked, the weights
drawn and the epochs run. In turn, window by window, both at their best number of threads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

import deltarule as dr

from . import report
from .race import Effort, allowed_cores
from .timing import measure

FOREVER: dict[str, Any] = {"tol": 0, "n_iter_no_change": 10**9, "random_state": 0}
REST = 0.05  # seconds before a window: OpenBLAS's idle threads spin for some 30 ms
Call = Callable[[], object]


@cache
def digits(rows: int | None = None) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x[:rows], y[:rows]


def iris() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris
    from sklearn.preprocessing import StandardScaler

    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def images() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((5120, 784), np.float32), rng.integers(0, 10, 5120)


def table() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(100_000, 28))
    return x, x[:, 0] * x[:, 1] + np.sin(x[:, 2])


@dataclass(frozen=True)
class Fit:
    """A whole fit; the time is that of an epoch, or with `whole` that of the fit."""

    title: str
    kind: str
    data: Callable[[], tuple[Any, Any]]
    epochs: int
    settings: dict[str, Any] = field(default_factory=dict)
    whole: bool = False

    @property
    def parts(self) -> int:
        return 1 if self.whole else self.epochs

    def call(self, module: Any) -> Call:
        settings = {**FOREVER, "max_iter": self.epochs, **self.settings}
        x, y = self.data()
        return lambda: getattr(module, self.kind)(**settings).fit(x, y)


@dataclass(frozen=True)
class Predict:
    title: str
    rows: int
    parts: int = 1

    def call(self, module: Any) -> Call:
        model = module.MLPClassifier(**{**FOREVER, "max_iter": 5}).fit(*digits())
        return partial(model.predict_proba, digits(self.rows)[0])


@dataclass(frozen=True)
class Search:
    title: str
    parts: int = 1

    def call(self, module: Any) -> Call:
        from sklearn.model_selection import GridSearchCV

        grid = {
            "hidden_layer_sizes": [(32,), (100,), (32, 32)],
            "alpha": [1e-4, 1e-2],
            "learning_rate_init": [1e-3, 1e-2],
            "batch_size": [50, 200],
        }
        model = module.MLPClassifier(**{**FOREVER, "max_iter": 20})
        return lambda: GridSearchCV(model, grid, cv=3, n_jobs=2).fit(*digits())


SMALL = {"hidden_layer_sizes": (16, 16)}
LARGE = {"hidden_layer_sizes": (512, 512), "batch_size": 256}
CASES = (
    Fit("digits, defaults: 64-100-10", "MLPClassifier", digits, 40),
    Fit("iris: 4-16-16-3, one batch", "MLPClassifier", iris, 200, SMALL),
    Fit("the same, batches of 16", "MLPClassifier", iris, 200, SMALL | {"batch_size": 16}),
    Fit("784-512-512-10 float32, batches of 256", "MLPClassifier", images, 1, LARGE),
    Fit("28-100-1, 100,000 rows", "MLPRegressor", table, 2),
    Fit("digits, L-BFGS, 40 iterations", "MLPClassifier", digits, 40, {"solver": "lbfgs"}, True),
    Predict("digits, predict_proba of one row", 1),
    Predict("digits, predict_proba of 1,000 rows", 1000),
    Search("GridSearchCV: 24 settings, 3 folds, 2 processes"),
)  # fmt: skip


def main(effort: Effort) -> list[dict[str, Any]]:
    try:
        import sklearn.neural_network as stock
        from threadpoolctl import threadpool_limits

        import deltarule.sklearn as ours
    except ImportError as error:
        print(f"\nsklearn: skipped, {error}")
        return []
    found = []
    print("\nscikit-learn and deltarule.sklearn, microseconds: median (best) of whole calls, each")
    print("at its best number of threads")
    for case in CASES:
        windows = 3 if isinstance(case, Search) else effort.windows
        best: list[tuple[float, float, int]] = [(np.inf, np.inf, 0)] * 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # epochs do end before convergence
            calls = [case.call(module) for module in (stock, ours)]
            for threads in range(1, min(2, len(allowed_cores())) + 1):
                dr.set_num_threads(threads)
                try:
                    with threadpool_limits(threads):
                        timings = measure(
                            *calls, windows=windows, seconds=effort.seconds, rest=REST
                        )
                finally:
                    dr.set_num_threads(None)
                taken = [(t.median / case.parts, t.best / case.parts, threads) for t in timings]
                best = [min(pair) for pair in zip(best, taken, strict=True)]
        (their, their_best, their_threads), (mine, my_best, my_threads) = best
        found.append({
            "case": case.title,
            "sklearn_us": their, "sklearn_best_us": their_best, "sklearn_threads": their_threads,
            "deltarule_us": mine, "deltarule_best_us": my_best, "deltarule_threads": my_threads,
            "ratio": their / mine, "ratio_of_best": their_best / my_best,
        })  # fmt: skip
    report.table(
        ("", "scikit-learn", "best", "threads", "deltarule", "best", "threads", "times",
         "times, best windows"),
        [
            (f["case"], *(report.number(f[f"sklearn_{what}"]) for what in ("us", "best_us")),
             str(f["sklearn_threads"]),
             *(report.number(f[f"deltarule_{what}"]) for what in ("us", "best_us")),
             str(f["deltarule_threads"]), f"{f['ratio']:.1f}", f"{f['ratio_of_best']:.1f}")
            for f in found
        ],
    )  # fmt: skip
    return found
