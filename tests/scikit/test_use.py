"""The estimators where estimators are used, and what scikit-learn's own tests do not look at."""

import pickle
import signal
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network as stock
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deltarule.sklearn as ours
from deltarule.sklearn import MLPClassifier, MLPRegressor, _problem

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(1)
SMALL: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 20, "random_state": 0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_live_arrays() -> None:
    """Edited in place or replaced, by hand: predictions and training begin there; training writes
    into the arrays that it has found."""
    both = [module.MLPClassifier(**SMALL, solver="sgd").fit(X, Y) for module in (stock, ours)]
    before = both[1].predict_proba(X)
    for mlp in both:
        mlp.coefs_[0][:] *= 2
        mlp.intercepts_[1] = np.array([1.0, 0.0, -1.0])
    theirs, mine = both
    assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    assert not np.allclose(mine.predict_proba(X), before)
    held = mine.coefs_[0], mine.intercepts_[1]
    for mlp in both:
        mlp.partial_fit(X, Y)
    assert mine.coefs_[0] is held[0] and mine.intercepts_[1] is held[1]
    for a, b in zip(mine.coefs_, theirs.coefs_, strict=True):
        assert_allclose(a, b, rtol=1e-7)


@pytest.mark.parametrize("form", ["fortran", "wide", "float32", "ints"])
def test_forms_of_x(form: str) -> None:
    """Rows of any layout and type give what they give as float64."""
    x = np.round(4 * X)
    given: Any = {
        "fortran": np.asfortranarray(x),
        "wide": np.hstack([x, x])[:, ::2][:, [0, 2, 1, 3]],
        "float32": x.astype("float32"),
        "ints": x.astype(int),
    }[form]
    mlp, other = (MLPRegressor(**SMALL).fit(x.astype(given.dtype), Y) for _ in range(2))
    assert_allclose(mlp.predict(given), other.predict(np.array(given, order="C")), rtol=1e-6)


def test_sparse_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = scipy.sparse.csc_array(np.where(X > 0, X, 0))
    whole = MLPClassifier(**SMALL, batch_size=7).fit(sparse, Y)
    monkeypatch.setattr(_problem, "_NUMBERS_AT_ONCE", 60)
    pieces = MLPClassifier(**SMALL, batch_size=7).fit(sparse, Y)
    for a, b in zip(whole.coefs_, pieces.coefs_, strict=True):
        assert_array_equal(a, b)
    assert whole.loss_curve_ == pieces.loss_curve_
    assert_array_equal(whole.predict_proba(sparse), pieces.predict_proba(sparse))


def test_ctrl_c() -> None:
    """A warning; the estimator is as after the last whole update, and usable."""
    x = RNG.normal(size=(2000, 50))
    mlp = MLPRegressor(hidden_layer_sizes=(300, 300), max_iter=10**6, n_iter_no_change=10**6)
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        mlp.fit(x, x[:, 0])
    assert mlp._optimizer.t > 0 and np.abs(mlp._optimizer.ms[0]).max() > 0
    assert np.isfinite(mlp.predict(x)).all()


def test_bad_weights() -> None:
    weight = np.ones(60)
    weight[20:40] = 0
    settings = {**SMALL, "batch_size": 20, "shuffle": False}
    said = []
    for module in (stock, ours):
        with pytest.raises(ZeroDivisionError) as error:
            module.MLPClassifier(**settings).fit(X, Y, sample_weight=weight)
        said.append(str(error.value))
    assert said[0] == said[1]
    weight[20:40] = -1
    with pytest.raises(ValueError, match="sum to a negative number"):
        MLPClassifier(**settings).fit(X, Y, sample_weight=weight)


def test_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for module in (stock, ours):
        for settings in ({"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive"}):
            mlp = module.MLPClassifier(
                **SMALL, **settings, tol=0.3, n_iter_no_change=2, verbose=True
            )
            mlp.fit(X, Y)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and said[0].count("Setting learning rate") > 1


def test_plain_arrays_are_checked() -> None:
    """What goes past scikit-learn's checks is only what they would let pass as it is."""
    with pytest.raises(NotFittedError):
        MLPClassifier().predict_proba(X)
    mlp = MLPClassifier(**SMALL).fit(X, Y)
    for bad, message in (
        (np.full((2, 4), np.nan), "NaN"),
        (np.array([[1.0, np.inf, 2.0, 0.0]]), "infinity"),
        (X[:, :3], "features"),
        (X[:0], "0 sample"),
        (X[0], "Reshape your data"),
    ):
        for method in (mlp.predict, mlp.predict_proba):
            with pytest.raises(ValueError, match=message):
                method(bad)


@pytest.mark.parametrize("labels", ["three", "bool", "text", "small", "floats", "many", "one"])
def test_plain_targets(labels: str) -> None:
    """Without scikit-learn's checks all is as they leave it, and what they warn of is theirs."""
    y: Any = {
        "three": Y - 7,
        "bool": Y > 0,
        "text": np.array(["a", "bb", "c"])[Y],
        "small": Y.astype("uint8"),
        "floats": Y.astype(float),
        "many": 2 * np.arange(60) // 3,
        "one": np.zeros(60, int),
    }[labels]
    mine, theirs = (module.MLPClassifier(**SMALL) for module in (ours, stock))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mine.fit(X, y)
        n = len(said)
        theirs.fit(X, y)
    assert [str(each.message) for each in said[:n]] == [str(each.message) for each in said[n:]]
    assert mine.n_features_in_ == 4 and mine.out_activation_ == theirs.out_activation_
    assert mine.classes_.dtype == theirs.classes_.dtype
    found, expected = (vars(mlp._label_binarizer) for mlp in (mine, theirs))
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert_array_equal(found[name], value, err_msg=name)


def test_names_of_columns_are_forgotten() -> None:
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    mlp = MLPRegressor(**SMALL).fit(frame, X[:, 0])
    assert mlp.n_features_in_ == 4 and list(mlp.feature_names_in_) == list("abcd")
    assert not hasattr(mlp.fit(X, X[:, 0]), "feature_names_in_")


def test_spare_plans() -> None:
    """Estimators in turn, of more shapes than plans are kept for and two of each."""
    mlps = [
        MLPRegressor(hidden_layer_sizes=n, random_state=seed, max_iter=1, activation=activation)
        for activation in ("relu", "tanh")
        for n in (3, 4, 5)
        for seed in (0, 1)
    ]
    for mlp in mlps:
        mlp.fit(X, Y)
    first = [mlp.predict(X) for mlp in mlps]
    assert len({y.tobytes() for y in first}) == len(mlps) > 2 * _problem._SPARES
    for mlp, y in zip(mlps[::-1], first[::-1], strict=True):
        assert_array_equal(mlp.predict(X), y)
    assert 0 < len(_problem._spare) <= _problem._SPARES


def test_where_estimators_work() -> None:
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    assert cross_val_score(pipe, X, Y, cv=2).shape == (2,)
    grid = GridSearchCV(MLPClassifier(**SMALL), {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=2)
    theirs = GridSearchCV(stock.MLPClassifier(**SMALL), {"alpha": [1e-4, 1e-2]}, cv=2)
    scores = [each.fit(X, Y).cv_results_["mean_test_score"] for each in (grid, theirs)]
    assert_allclose(*scores)
    assert CalibratedClassifierCV(MLPClassifier(**SMALL), cv=2).fit(X, Y).score(X, Y) > 0.3
    mlp = MLPClassifier(**SMALL).fit(X, Y)
    assert clone(mlp).get_params() == mlp.get_params()
    assert repr(MLPRegressor("poisson", max_iter=3)) == "MLPRegressor(loss='poisson', max_iter=3)"
    assert "MLPClassifier" in mlp._repr_html_()
    again = pickle.loads(pickle.dumps(mlp))
    assert_array_equal(again.partial_fit(X, Y).coefs_[0], mlp.partial_fit(X, Y).coefs_[0])


def test_parameters_are_checked_again() -> None:
    """What has passed once is remembered by its type and name; the messages are scikit-learn's."""
    good = {"alpha": 1, "tol": 1.0, "hidden_layer_sizes": (6,), "shuffle": True, "max_iter": 1}
    MLPClassifier(**good).fit(X, Y)
    for bad in (
        {"alpha": -1},
        {"shuffle": 1, "alpha": -1},
        {"max_iter": 1.0},
        {"max_iter": "1"},
        {"hidden_layer_sizes": 6.0},
        {"hidden_layer_sizes": ([],), "beta_1": 1},
        {"tol": float("nan")},
        {"random_state": [1]},
        {"activation": {}},
    ):
        said = []
        for module in (stock, ours):
            for _ in range(2):
                with pytest.raises(ValueError) as error:
                    module.MLPClassifier(**{**good, **bad}).fit(X, Y)
                said.append((type(error.value), str(error.value)))
        assert len(set(said)) == 1, said


@pytest.mark.parametrize("n_iter_no_change", [1, 3, np.inf])
def test_epochs_ahead(n_iter_no_change: float) -> None:
    """Epochs without Python in between: stopping, counts and what is drawn are as without them."""
    settings = {**SMALL, "max_iter": 60, "n_iter_no_change": n_iter_no_change}
    settings |= {"tol": 0.02, "learning_rate_init": 0.1}
    seen = []
    for module in (stock, ours):
        mlp = module.MLPClassifier(**{**settings, "random_state": np.random.RandomState(0)})
        mlp.fit(X, Y)
        seen.append((mlp.n_iter_, mlp.t_, mlp._no_improvement_count, mlp._random_state.rand()))
        assert len(mlp.loss_curve_) == mlp.n_iter_ and mlp.loss_ == mlp.loss_curve_[-1]
    assert seen[0] == seen[1]


def test_ctrl_c_between_short_epochs() -> None:
    """Those that are done count; a short one asks nobody, so that is done between them."""
    mlp = MLPRegressor(hidden_layer_sizes=(2,), max_iter=10**8, n_iter_no_change=np.inf)
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        mlp.fit(X, X[:, 0])
    assert mlp.n_iter_ == len(mlp.loss_curve_) == mlp._optimizer.t == mlp.t_ / 60 > 100


@pytest.mark.parametrize("target", ["classes", "two", "text", "labels", "numbers"])
def test_few_rows_and_many(target: str) -> None:
    """One by one, some at once, all together: the same bits, and scikit-learn's numbers."""
    y: Any = {
        "classes": Y,
        "two": Y > 0,
        "text": np.array(["a", "bb", "c"])[Y],
        "labels": np.eye(3, dtype=int)[Y],
        "numbers": X[:, :2],
    }[target]
    kind = "MLPRegressor" if target == "numbers" else "MLPClassifier"
    mine, theirs = (getattr(module, kind)(**SMALL).fit(X, y) for module in (ours, stock))
    methods = ["predict"] if target == "numbers" else ["predict", "predict_proba"]
    for method in methods:
        together = getattr(mine, method)(X)
        assert together.dtype == getattr(theirs, method)(X).dtype
        for n in (1, 3, _problem.FEW, _problem.FEW + 1):
            parts = [getattr(mine, method)(X[i : i + n]) for i in range(0, 60, n)]
            assert_array_equal(np.concatenate(parts), together)
        if together.dtype.kind == "f":
            assert_allclose(together, getattr(theirs, method)(X), rtol=1e-6)
        else:
            assert_array_equal(together, getattr(theirs, method)(X))
