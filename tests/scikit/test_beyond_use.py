"""The parameters that scikit-learn has not got: estimators as ever, and errors."""

import inspect
import pickle
import warnings
from typing import Any

import pytest
import sklearn.neural_network as stock
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor

import deltarule as dr
from deltarule.sklearn import MLPClassifier, MLPRegressor

from .test_beyond import NUMBER, SMALL, TEXT, XV, YV, X, same

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OWN: dict[str, Any] = {
    "dropout": [0.1, 0.0], "activation": ["tanh", "selu"], "optimizer": dr.AdamW(1e-3),
    "clip_norm": 1.0, "l1": 1e-3, "batch_norm": True, "callbacks": [dr.TerminateOnNaN()],
    "validation_data": (XV, YV), "early_stopping": True, "scoring": "loss", "dtype": "float32",
    "n_threads": 1, "class_weight": {"a": 2.0},
}  # fmt: skip


def test_clone_and_pickle() -> None:
    mlp = MLPClassifier(**SMALL, **OWN)
    again = clone(mlp)
    assert set(again.get_params()) == set(mlp.get_params()) >= set(OWN)
    assert "AdamW" in repr(again)
    same(mlp.fit(X, TEXT), again.fit(X, TEXT))
    copied = pickle.loads(pickle.dumps(mlp))
    same(mlp.partial_fit(X, TEXT), copied.partial_fit(X, TEXT))
    for key, value in mlp.other_parameters_.items():
        assert_array_equal(value, copied.other_parameters_[key])


@pytest.mark.parametrize("ours", [MLPClassifier, MLPRegressor])
def test_signature_and_docstring(ours: Any) -> None:
    theirs = inspect.signature(getattr(stock, ours.__name__))
    parameters = dict(inspect.signature(ours).parameters)
    for name in ours._own_parameters:
        assert parameters.pop(name).kind is inspect.Parameter.KEYWORD_ONLY
        assert f"\n{name} : " in ours.__doc__
    assert parameters == dict(theirs.parameters)
    for name in (*parameters, "coefs_", "stopped_"):
        assert ours.__doc__.count(f"\n{name} : ") == 1


BAD: list[tuple[type, dict[str, Any], str]] = [
    (MLPRegressor, {"dropout": 1.0}, "'dropout' parameter of MLPRegressor must be .* Got 1.0"),
    (MLPClassifier, {"dropout": [0.1]}, "must be one for each of the 2 hidden layers"),
    (MLPClassifier, {"dropout": [0.1, 2.0]}, r"must be in \[0.0, 1.0\)"),
    (MLPClassifier, {"activation": "rely"}, r"must be a str among \{.*\}\. Got 'rely'"),
    (MLPClassifier, {"activation": ["relu", "rely"]}, "did you mean 'relu'"),
    (MLPClassifier, {"activation": ["relu"]}, "one for each of the 2 hidden layers"),
    (MLPRegressor, {"loss": "hubert"}, "'loss' parameter of MLPRegressor must be"),
    (MLPRegressor, {"quantile": 0.9}, "quantile needs loss='quantile', got loss='squared_error'"),
    (MLPRegressor, {"huber_delta": 2.0}, "huber_delta needs loss='huber'"),
    (MLPRegressor, {"loss": "quantile", "quantile": [0.1, 1.0]}, r"must be in \(0.0, 1.0\)"),
    (MLPClassifier, {"scoring": "loss"}, "scoring needs early_stopping=True"),
    (MLPClassifier, {"validation_data": (XV,)}, r"must be \(X, y\) or \(X, y, sample_weight\)"),
    (MLPClassifier, {"validation_data": (XV, XV[:, 0] > 0)}, "has classes that `y` has not"),
    (MLPRegressor, {"validation_data": (XV, XV)}, "as many targets as `y`"),
    (MLPRegressor, {"validation_data": (XV[:, :2], YV)}, "2 features, but MLPRegressor"),
    (MLPClassifier, {"optimizer": "adan"}, "'optimizer' parameter of MLPClassifier must be"),
    (MLPClassifier, {"optimizer": "adamw", "momentum": 0.5}, "momentum has no effect where"),
    (MLPClassifier, {"optimizer": dr.Adam(average="ema")}, "must have no average of weights"),
    (MLPRegressor, {"optimizer": "lbfgs", "clip_norm": 1.0}, "clip_norm has no effect"),
    (MLPRegressor, {"optimizer": "lbfgs", "dropout": 0.5}, "cannot train layer"),
    (MLPRegressor, {"optimizer": dr.SGD(clipvalue=1.0), "clip_norm": 1.0}, "clip"),
    (MLPClassifier, {"optimizer": "levenberg_marquardt"}, "needs loss 'mse'"),
    (MLPClassifier, {"clip_norm": 0.0}, "'clip_norm' parameter"),
    (MLPClassifier, {"l1": -1.0}, "'l1' parameter"),
    (MLPClassifier, {"batch_norm": True, "batch_size": 1}, "batches of 2 rows or more"),
    (MLPClassifier, {"callbacks": [dr.EarlyStopping]}, "must be an instance"),
    (MLPClassifier, {"callbacks": [dr.EarlyStopping()]}, "there is no validation data"),
    (MLPClassifier, {"dtype": "float16"}, "'dtype' parameter"),
    (MLPClassifier, {"n_threads": 0}, "'n_threads' parameter"),
    (MLPClassifier, {"keep_curvature": True}, "needs solver='lbfgs' and warm_start=True"),
    (MLPClassifier, {"class_weight": {"a": -1.0}}, "class_weight must have finite numbers >= 0"),
    (MLPClassifier, {"class_weight": {"d": 1.0}}, "are not in class_weight"),
    *((MLPClassifier, {name: value, "solver": "lbfgs"}, f"{name} needs solver='sgd' or 'adam'")
      for name, value in {"dropout": 0.1, "batch_norm": True, "clip_norm": 1.0, "callbacks": [],
                          "validation_data": (XV, YV)}.items()),
    (MLPRegressor, {"activation": "prelu", "solver": "lbfgs"}, "'prelu', which learns, needs"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case[0].__name__} {case[1]}"[:60])
def test_bad_values(case: Any) -> None:
    kind, settings, message = case
    with pytest.raises((ValueError, TypeError), match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind(**{**SMALL, **settings}).fit(X, TEXT if kind is MLPClassifier else NUMBER)


def test_what_cannot_go_on() -> None:
    mlp = MLPRegressor(**SMALL).fit(X, NUMBER).set_params(batch_norm=True)
    for call in (lambda: mlp.predict(X), lambda: mlp.partial_fit(X, NUMBER)):
        with pytest.raises(ValueError, match="its network has other layers; call fit"):
            call()
    with pytest.raises(ValueError, match="'balanced' is not possible in partial_fit"):
        MLPClassifier(class_weight="balanced").partial_fit(X, TEXT, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        MLPRegressor(early_stopping=True, l1=1.0).partial_fit(X, NUMBER)


def test_callbacks_of_scikit_learn() -> None:
    """They see each epoch, with all that has been learnt by then."""
    monitor = ScoringMonitor(scoring="accuracy")
    mlp = MLPClassifier(**SMALL, batch_norm=True).set_callbacks(monitor).fit(X, TEXT)
    scores = [each["accuracy"] for each in monitor.get_logs().data if "accuracy" in each]
    assert len(scores) == 5 and scores.count(mlp.score(X, TEXT)) >= 2  # of epochs, and of all
    mlp = MLPClassifier(**SMALL, solver="lbfgs", warm_start=True, keep_curvature=True)
    with pytest.raises(ValueError, match="knows no callbacks of scikit-learn's"):
        mlp.set_callbacks(monitor).fit(X, TEXT)
