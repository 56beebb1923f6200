"""scikit-learn's tests of docstrings, for our estimators: parameters are documented in their order,
and attributes as they are there."""

import inspect
from typing import Any

import pytest
from sklearn.utils import _testing
from sklearn.utils._testing import check_docstring_parameters

from deltarule.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

docscrape = pytest.importorskip("numpydoc.docscrape")
# all that its own estimators have to pass, as it is
from sklearn.tests.test_docstring_parameters import (  # noqa: E402
    _METHODS_IGNORE_NONE_Y,
    test_fit_docstring_attributes,
)

check_attributes = test_fit_docstring_attributes
del test_fit_docstring_attributes  # would run for all of scikit-learn

FOUR = pytest.mark.parametrize(
    "kind", [MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor]
)
pytestmark = pytest.mark.filterwarnings("ignore")


@FOUR
def test_parameters(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # it passes over what is not scikit-learn's
    monkeypatch.setattr(_testing, "_get_func_name", lambda f: f"sklearn.mine.{f.__qualname__}")
    doc = docscrape.ClassDoc(kind)
    wrong = check_docstring_parameters(kind.__init__, doc)
    methods = [name for name in doc.methods if inspect.isfunction(getattr(kind, name))]
    assert {"fit", "predict", "partial_fit", "get_params"} <= {*methods, "partial_fit"}
    for name in methods:
        method = getattr(kind, name)
        y = inspect.signature(method).parameters.get("y")
        optional = name in _METHODS_IGNORE_NONE_Y and y is not None and y.default is None
        wrong += check_docstring_parameters(method, ignore=["y"] if optional else None)
    assert not wrong, "\n".join(wrong)


@FOUR
def test_attributes(kind: Any) -> None:
    check_attributes(kind.__name__, kind)
