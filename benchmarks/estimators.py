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

from .race import Effort, allowed_cores
from .timing import Timing, measure, row

FOREVER: dict[str, Any] = {"tol": 0, "n_iter_no_change": 10**9, "random_state": 0}
REST = 0.15  # seconds before a window: OpenBLAS's idle threads spin for some 110 ms
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
        model = module.MLPClassifier(**{**FOREVER, "max_iter": 10})
        return lambda: GridSearchCV(model, grid, cv=2, n_jobs=2).fit(*digits())


SMALL = {"hidden_layer_sizes": (16, 16)}
LARGE = {"hidden_layer_sizes": (512, 512), "batch_size": 256}
CASES = (
    Fit("digits, defaults: 64-100-10", "MLPClassifier", digits, 40),
    Fit("iris: 4-16-16-3, one batch", "MLPClassifier", iris, 200, SMALL),
    Fit("the same, batches of 16", "MLPClassifier", iris, 200, SMALL | {"batch_size": 16}),
    Fit("784-512-512-10 float32, batch 256", "MLPClassifier", images, 1, LARGE),
    Fit("28-100-1, 100,000 rows", "MLPRegressor", table, 2),
    Fit("digits, L-BFGS, 40 iterations", "MLPClassifier", digits, 40, {"solver": "lbfgs"}, True),
    Predict("digits, predict_proba of one row", 1),
    Predict("digits, predict_proba of 1,000 rows", 1000),
    Search("GridSearchCV: 24 settings, 2 processes"),
)


def compare(case: Any, stock: Any, ours: Any, limits: Any, effort: Effort) -> dict[str, Any]:
    processes = isinstance(case, Search)  # which are many threads already, and take long
    most = 1 if processes else min(2, len(allowed_cores()))
    best = [Timing(np.inf, np.inf)] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # epochs do end before convergence
        calls = [case.call(module) for module in (stock, ours)]
        for threads in range(1, most + 1):
            dr.set_num_threads(threads)
            try:
                with limits(threads):
                    timings = measure(
                        *calls,
                        windows=3 if processes else effort.windows,
                        seconds=effort.seconds,
                        rest=REST,
                    )
            finally:
                dr.set_num_threads(None)
            best = [min(pair, key=lambda t: t.median) for pair in zip(best, timings, strict=True)]
    theirs, mine = (Timing(t.best / case.parts, t.median / case.parts) for t in best)
    ratio = theirs.median / mine.median
    row(case.title, theirs, mine, last=f"{ratio:.1f}x")
    return {
        "case": case.title,
        "sklearn_us": theirs.median,
        "deltarule_us": mine.median,
        "ratio": ratio,
        "ratio_of_best": theirs.best / mine.best,
    }


def main(effort: Effort) -> list[dict[str, Any]]:
    try:
        import sklearn.neural_network as stock
        from threadpoolctl import threadpool_limits

        import deltarule.sklearn as ours
    except ImportError as error:
        print(f"\nsklearn: skipped, {error}")
        return []
    print("\nscikit-learn and deltarule.sklearn, microseconds of whole calls, each at its best")
    print("number of threads")
    print(f"{'':48}{'scikit-learn':>23}{'deltarule':>23}{'times':>10}")
    return [compare(case, stock, ours, threadpool_limits, effort) for case in CASES]
