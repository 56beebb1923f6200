"""scikit-learn's own callbacks, which its perceptrons know nothing of, with these estimators."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone, is_classifier
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.callback.tests._utils import (
    FailingCallback,
    RecordingAutoPropagatedCallback,
    RecordingCallback,
    StopFitCallback,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deltarule as dr
from deltarule.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(4)
X = RNG.normal(size=(40, 3))
Y = (X.sum(1) > 0).astype(int)
N = 4
HIDDEN = [dr.Dense(5, "tanh")]
ESTIMATORS = {
    "adam": MLPClassifier(5, max_iter=N, random_state=0),
    "stopping": MLPClassifier(5, max_iter=N, random_state=0, early_stopping=True),
    "lbfgs": MLPClassifier(5, solver="lbfgs", max_iter=N, random_state=0),
    "regressor": MLPRegressor(hidden_layer_sizes=5, max_iter=N, random_state=0, solver="sgd"),
    "network": NetworkClassifier(HIDDEN, epochs=N, random_state=0),
    "network regressor": NetworkRegressor(HIDDEN, epochs=N, random_state=0),
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.parametrize("name", ESTIMATORS),
]


def shorter(name: str, n: int) -> Any:
    estimator = clone(ESTIMATORS[name])
    return estimator.set_params(**{"epochs" if "network" in name else "max_iter": n})


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_array])
def test_hooks(name: str, form: Any) -> None:
    """One task, and in it one for each epoch; each is told of whole X, y and weights."""
    watcher, estimator = RecordingCallback(), clone(ESTIMATORS[name])
    x, weight = form(X), np.append(np.ones(39), 0)
    estimator.set_callbacks(watcher).fit(x, Y, sample_weight=weight)
    hooks = [each["name"] for each in watcher.record]
    epoch = ["on_fit_task_begin", "on_fit_task_end"]
    assert hooks == ["setup", epoch[0], *epoch * N, epoch[1], "teardown"]
    for each in watcher.record[1:-1]:
        assert each["kwargs"]["X"] is x and each["kwargs"]["y"] is Y
        assert each["kwargs"]["metadata"]["sample_weight"] is weight
    tasks = [each["context"] for each in watcher.record[2:-2:2]]
    assert [task.task_id for task in tasks] == list(range(N))
    assert tasks[0].parent.max_subtasks == N
    plain = clone(ESTIMATORS[name]).set_callbacks().fit(x, Y, sample_weight=weight)
    assert sorted(vars(plain)) == sorted(set(vars(estimator)) - {"_skl_callbacks"})
    np.testing.assert_array_equal(plain.predict(x), estimator.predict(x))


def test_what_is_shown_is_fitted(name: str) -> None:
    """After each epoch callbacks see the estimator as it is where a fit ends with that epoch."""
    if name == "stopping":
        pytest.skip("a fit ends with the best weights, not with those of its last epoch")
    watcher, estimator = RecordingCallback(), clone(ESTIMATORS[name])
    estimator.set_callbacks(watcher).fit(X, Y)
    shown = [each["kwargs"].get("fitted_estimator") for each in watcher.record[3:-1:2]]
    for n, fitted in enumerate(shown[:-1], 1):
        np.testing.assert_array_equal(fitted.predict(X), shorter(name, n).fit(X, Y).predict(X))
    assert len(shown) == N


def test_scores(name: str) -> None:
    score = "accuracy" if is_classifier(ESTIMATORS[name]) else "r2"
    monitor = ScoringMonitor(scoring=score)
    estimator = clone(ESTIMATORS[name]).set_callbacks(monitor).fit(X, Y)
    rows = monitor.get_logs().data
    assert len(rows) == N + 1
    (whole,) = [row[score] for row in rows if not row["parent_task_id_path"]]
    assert whole == pytest.approx(estimator.score(X, Y))


def test_progress(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    clone(ESTIMATORS[name]).set_callbacks(ProgressBar()).fit(X, Y)
    assert f"{type(ESTIMATORS[name]).__name__} - fit" in capsys.readouterr().out


def test_ending(name: str) -> None:
    """A callback may end a fit after an epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it has not failed to converge
        estimator = clone(ESTIMATORS[name]).set_callbacks(StopFitCallback()).fit(X, Y)
    np.testing.assert_array_equal(estimator.predict(X), shorter(name, 1).fit(X, Y).predict(X))


@pytest.mark.parametrize("where", ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"])
def test_errors(name: str, where: str) -> None:
    """They end the fit, are cleaned up behind, and leave an estimator that can be fitted."""
    failing = FailingCallback(fail_at=where)
    estimator = clone(ESTIMATORS[name]).set_callbacks(failing)
    with pytest.raises(ValueError, match=f"failed at {where}"):
        estimator.fit(X, Y)
    assert failing.count_hooks("teardown") == 1
    assert not {"_tasks", "_callback_fit_ctx"} & set(vars(estimator))
    assert estimator.set_callbacks().fit(X, Y).predict(X).shape == Y.shape


def test_in_others(name: str) -> None:
    """Set on a search, callbacks see the epochs of the estimator at the end of its pipeline."""
    watcher = RecordingAutoPropagatedCallback()
    pipe = make_pipeline(StandardScaler(), clone(ESTIMATORS[name]))
    step = pipe.steps[-1][0]
    key = "epochs" if "network" in name else "max_iter"
    search = GridSearchCV(pipe, {f"{step}__{key}": [N]}, cv=2).set_callbacks(watcher)
    search.fit(X, Y)
    ours = [
        each for each in watcher.record
        if each["name"] == "on_fit_task_end"
        and each["estimator"].__class__ is type(ESTIMATORS[name])
    ]  # fmt: skip
    assert len(ours) == 3 * (N + 1)  # two folds and the fit on all
