"""Where estimators are used: each of the four works there."""

import warnings
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deltarule as dr
from deltarule.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(6)
X = RNG.normal(size=(60, 3))
Y = (X.sum(1) > 0).astype(int)
WEIGHT = RNG.uniform(0.2, 2, 60)
HIDDEN = [dr.Dense(6, "relu"), dr.Dropout(0.1)]
ESTIMATORS = [
    MLPClassifier(6, max_iter=9, random_state=0),
    MLPRegressor(hidden_layer_sizes=6, max_iter=9, random_state=0),
    NetworkClassifier(HIDDEN, epochs=4, random_state=0, optimizer=dr.Adam(0.02)),
    NetworkRegressor(HIDDEN, epochs=4, random_state=0, optimizer=dr.Adam(0.02)),
]
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.parametrize("mine", ESTIMATORS, ids=lambda each: type(each).__name__),
]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables(mine: Any, library: str) -> None:
    """Names of columns are kept and looked at; the numbers are those of an array."""
    tables = pytest.importorskip(library)
    frame = tables.DataFrame({name: X[:, i] for i, name in enumerate("abc")})
    fitted = clone(mine).fit(frame, tables.Series(Y))
    assert list(fitted.feature_names_in_) == list("abc") and fitted.n_features_in_ == 3
    assert_array_equal(fitted.predict(frame), clone(mine).fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[["b", "a", "c"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        fitted.predict(X)
    pipe = make_pipeline(StandardScaler(), clone(mine)).set_output(transform=library)
    assert list(pipe.fit(frame, Y)[-1].feature_names_in_) == list("abc")
    assert pipe.predict(frame).shape == (60,)


def test_pipelines_and_scores(mine: Any) -> None:
    pipe = make_pipeline(StandardScaler(), clone(mine))
    assert_array_equal(cross_val_score(pipe, X, Y, cv=2), cross_val_score(pipe, X, Y, cv=2))
    if is_classifier(mine):
        for method in ("sigmoid", "isotonic"):
            whole = CalibratedClassifierCV(clone(mine), method=method, cv=2).fit(X, Y)
            assert_allclose(whole.predict_proba(X).sum(axis=1), 1)


def test_metadata_routing(mine: Any) -> None:
    """Weights reach fit, score and partial_fit where they have been asked for, and only there."""
    inner = clone(mine)
    scaled = StandardScaler().fit_transform(X)
    fitted = clone(mine).fit(scaled, Y, sample_weight=WEIGHT)
    with sklearn.config_context(enable_metadata_routing=True):
        inner.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        inner.set_partial_fit_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), inner)
        pipe.fit(X, Y, sample_weight=WEIGHT)
        assert_array_equal(pipe.predict(X), fitted.predict(scaled))
        assert pipe.score(X, Y, sample_weight=WEIGHT) == fitted.score(scaled, Y, WEIGHT)
        found = cross_validate(inner, X, Y, params={"sample_weight": WEIGHT}, cv=2)
        assert np.isfinite(found["test_score"]).all()
        refusing = make_pipeline(StandardScaler(), clone(mine))
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
            refusing.fit(X, Y, sample_weight=WEIGHT)


def test_stored(mine: Any, tmp_path) -> None:
    """By joblib, the state of the optimizer included: training goes on with the same bits."""
    fitted, path = clone(mine).fit(X, Y), tmp_path / "it"
    joblib.dump(fitted, path)
    again = joblib.load(path)
    assert_array_equal(joblib.load(path, mmap_mode="r").predict(X), fitted.predict(X))
    for each in (fitted, again):
        each.partial_fit(X, Y).partial_fit(X, Y)
    assert_array_equal(again.predict(X), fitted.predict(X))
    chances = "predict_proba" if is_classifier(mine) else "predict"
    assert_array_equal(getattr(again, chances)(X), getattr(fitted, chances)(X))
    anew = clone(mine).fit(X, Y)  # without the state: other numbers
    for _ in range(2):
        anew = clone(anew).set_params(warm_start=True).fit(X, Y)
    assert (getattr(anew, chances)(X) != getattr(fitted, chances)(X)).any()


def test_shown(mine: Any) -> None:
    """As code, and in notebooks with parameters and what has been fitted."""
    assert type(mine).__name__ in repr(mine) and "random_state=0" in repr(mine)
    page = clone(mine).fit(X, Y)._repr_html_()
    fitted = "network_" if "Network" in repr(mine) else "coefs_"
    for name in (*mine.get_params(deep=False), "n_features_in_", fitted):
        assert name in page


def test_forgets_names(mine: Any) -> None:
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abc"))
    fitted = clone(mine).fit(frame, Y)
    assert not hasattr(fitted.fit(X, Y), "feature_names_in_")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(X)
