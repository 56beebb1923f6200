"""What scikit-learn asks of every estimator: its common tests, with its own settings for these."""

import warnings
from typing import Any

import pytest
import sklearn.neural_network as stock
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_CHECK_PARAMS
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

import deltarule as dr
from deltarule.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

for _ours in (MLPClassifier, MLPRegressor):
    PER_ESTIMATOR_CHECK_PARAMS[_ours] = PER_ESTIMATOR_CHECK_PARAMS[getattr(stock, _ours.__name__)]
# rows with a weight are as good as several where all of them are in one batch, but for rounding
_WHOLE = {"batch_size": 1000, "dtype": "float64", "epochs": 20}
for _ours in (NetworkClassifier, NetworkRegressor):
    PER_ESTIMATOR_CHECK_PARAMS[_ours] = {
        f"check_sample_weight_equivalence_on_{kind}_data": _WHOLE for kind in ("dense", "sparse")
    }
_NETWORK: dict[str, Any] = {"network": [dr.Dense(16, "relu")], "optimizer": dr.Adam(0.01)}
ESTIMATORS = [
    MLPClassifier(max_iter=100),
    MLPRegressor(max_iter=100),
    NetworkClassifier(**_NETWORK, epochs=30),
    NetworkRegressor(**_NETWORK, epochs=30),
]
EACH = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    check(estimator)


@EACH
def test_names_of_columns(estimator):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        check_dataframe_column_names_consistency(type(estimator).__name__, estimator)
    assert not any("fitted without feature names" in str(found.message) for found in record)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_names_of_columns_in_early_stopping(kind):
    """Its own perceptrons fail here: they check the rows held out as if they were new ones."""
    estimator = kind(max_iter=10, early_stopping=True, n_iter_no_change=1)
    test_names_of_columns(estimator)


@EACH
def test_messages_on_parameters(estimator):
    check_param_validation(type(estimator).__name__, estimator)
