"""The same numbers as scikit-learn's: whole fits and what follows them, over a grid of settings."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network as stock
from numpy.testing import assert_allclose, assert_array_equal

import deltarule.sklearn as ours

RNG = np.random.default_rng(0)
N = 63
X = RNG.normal(size=(N, 4))
SCORE = X @ RNG.normal(size=(4, 3)) + 0.5 * RNG.normal(size=(N, 3))
WEIGHT = RNG.uniform(0.2, 2, N)
TARGETS: dict[str, tuple[str, Any]] = {
    "classes": ("MLPClassifier", np.array(["a", "b", "c"])[SCORE.argmax(1)]),
    "binary": ("MLPClassifier", SCORE[:, 0] > 0),
    "labels": ("MLPClassifier", (SCORE > 0).astype(int)),
    "number": ("MLPRegressor", SCORE[:, 0]),
    "numbers": ("MLPRegressor", SCORE),
    "counts": ("MLPRegressor", np.round(np.exp(0.5 * SCORE[:, :2]))),
}
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (7, 5),
    "batch_size": 10,
    "max_iter": 12,
    "random_state": 1,
    "learning_rate_init": 5e-3,
}


class Case(NamedTuple):
    name: str
    target: str
    settings: dict[str, Any]
    how: str = "fit"  # or "weights", "sparse", "partial", "again": all that is done with it;
    # "network": ours by the loop of Network.fit, as with parameters that scikit-learn has not got
    dtype: str = "float64"


def cases() -> list[Case]:
    found = []
    for target in TARGETS:
        loss = {"loss": "poisson"} if target == "counts" else {}
        for how in ("fit", "weights", "partial"):
            found.append(Case(f"adam {how}", target, loss, how))
        found.append(Case("lbfgs", target, {**loss, "solver": "lbfgs", "max_iter": 8}))
        found.append(
            Case("lbfgs weights", target, {**loss, "solver": "lbfgs", "max_iter": 8}, "weights")
        )
        found.append(Case("stopping", target, {**loss, "early_stopping": True}, "weights"))
        found.append(Case("float32", target, {**loss, "max_iter": 3}, "fit", "float32"))
    sgd = {"solver": "sgd", "learning_rate_init": 0.02}
    settings: dict[str, dict[str, Any]] = {
        f"{activation} {solver}": {"activation": activation, "solver": solver}
        for activation in ("identity", "logistic", "tanh")
        for solver in ("sgd", "adam")
    }
    settings |= {
        "plain sgd": {**sgd, "momentum": 0},
        "momentum": {**sgd, "nesterovs_momentum": False},
        "whole momentum": {**sgd, "momentum": 1.0, "learning_rate_init": 1e-3},
        "invscaling": {**sgd, "learning_rate": "invscaling", "power_t": 0.3},
        "adaptive": {**sgd, "learning_rate": "adaptive", "tol": 10, "n_iter_no_change": 2},
        "adaptive plain": {
            **sgd, "learning_rate": "adaptive", "tol": 10, "n_iter_no_change": 1, "momentum": 0
        },
        "betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        "no penalty": {"alpha": 0},
        "large penalty": {"alpha": 5.0, **sgd},
        "in order": {"shuffle": False},
        "one batch": {"batch_size": "auto"},
        "single rows": {"batch_size": 1, "max_iter": 4},
        "wide": {"hidden_layer_sizes": 40},
        "stops": {"tol": 1, "n_iter_no_change": 3, "max_iter": 50},
        "stops on scores": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 50},
    }
    for name, each in settings.items():
        found += [Case(name, target, each) for target in ("classes", "number")]
    for how in ("sparse", "again", "sparse partial", "again weights"):
        for solver in ("sgd", "adam", "lbfgs"):
            if not (solver == "lbfgs" and "partial" in how):
                each = {"solver": solver, "warm_start": "again" in how}
                found.append(Case(f"{solver} {how}", "classes", each, how))
    for target in TARGETS:
        loss = {"loss": "poisson"} if target == "counts" else {}
        for how in ("network fit", "network partial"):
            found.append(Case(how, target, loss, how))
    for name in ("stops on scores", "stops", "adaptive", "momentum", "invscaling", "in order"):
        found.append(Case(f"network {name}", "classes", settings[name], "network weights"))
    for solver in ("sgd", "adam"):
        each = {"solver": solver, "warm_start": True}
        found.append(Case(f"network {solver}", "number", each, "network again sparse"))
    return found


CASES = cases()


def train(module: Any, case: Case) -> tuple[Any, list[str]]:
    """The estimator, and what it has said."""
    kind, y = TARGETS[case.target]
    x: Any = X.astype(case.dtype)
    if "sparse" in case.how:
        x = scipy.sparse.csr_matrix(np.where(x > 0, x, 0))
    own = {"callbacks": ()} if module is ours and "network" in case.how else {}
    mlp = getattr(module, kind)(**{**SMALL, **case.settings, **own})
    weight = {"sample_weight": WEIGHT} if "weights" in case.how else {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if "partial" in case.how:
            for _ in range(4):
                if kind == "MLPClassifier":
                    weight["classes"] = np.unique(y) if y.ndim == 1 else np.arange(3)
                mlp.partial_fit(x, y, **weight)
        else:
            mlp.fit(x, y, **weight)
        if "again" in case.how:
            mlp.set_params(alpha=0.1).fit(x, y, **weight)
    return mlp, [f"{each.category.__name__}: {each.message}" for each in said]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.target}: {case.name}")
def test_the_same_numbers(case: Case) -> None:
    theirs, warned = train(stock, case)
    mine, said = train(ours, case)
    exactly = {"rtol": 1e-6, "atol": 1e-9}
    nearly = exactly if case.dtype == "float64" else {"rtol": 2e-3, "atol": 1e-4}
    assert said == warned
    of_network = {"_progress", "stopped_"} if "network" in case.how else set()
    if of_network and case.settings.get("early_stopping"):
        of_network.add("validation_loss_curve_")
    assert vars(mine).keys() - type(mine)._own_parameters == vars(theirs).keys() | of_network
    for name, expected in vars(theirs).items():
        got = getattr(mine, name)
        assert type(got) is type(expected) or name == "_label_binarizer", name
        if name in ("coefs_", "intercepts_", "_best_coefs", "_best_intercepts"):
            for a, b in zip(got, expected, strict=True):
                assert a.dtype == b.dtype and a.shape == b.shape
                assert_allclose(a, b, **nearly, err_msg=name)
        elif name in ("loss_curve_", "loss_", "best_loss_", "validation_scores_"):
            if expected is not None:
                assert_allclose(got, expected, **nearly, err_msg=name)
        elif isinstance(expected, int | str):
            assert got == expected, name
    assert_array_equal(mine._random_state.get_state()[1], theirs._random_state.get_state()[1])
    state = vars(theirs._optimizer) if hasattr(theirs, "_optimizer") else {}
    for name, expected in state.items():
        if isinstance(expected, list) and state.get("momentum") != 0:
            for a, b in zip(getattr(mine._optimizer, name), expected, strict=True):
                assert_allclose(a, b, **nearly, err_msg=name)
        elif isinstance(expected, float):
            assert getattr(mine._optimizer, name) == pytest.approx(expected), name
    for method in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(theirs, method):
            expected = getattr(theirs, method)(X.astype(case.dtype))
            got = getattr(mine, method)(X.astype(case.dtype))
            assert got.dtype == expected.dtype
            if got.dtype.kind == "f":
                assert_allclose(got, expected, **nearly)
            else:
                assert_array_equal(got, expected)
