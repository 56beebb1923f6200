"""What scikit-learn asks of every estimator: its common tests, with its own settings for these."""

import warnings

import pytest
import sklearn.neural_network as stock
from sklearn.utils._test_common.instance_generator import PER_ESTIMATOR_CHECK_PARAMS
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from deltarule.sklearn import MLPClassifier, MLPRegressor

BOTH = (MLPClassifier, MLPRegressor)
for _ours in BOTH:
    PER_ESTIMATOR_CHECK_PARAMS[_ours] = PER_ESTIMATOR_CHECK_PARAMS[getattr(stock, _ours.__name__)]

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks([estimator(max_iter=100) for estimator in BOTH])
def test_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", BOTH)
def test_names_of_columns(estimator):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        check_dataframe_column_names_consistency(estimator.__name__, estimator(max_iter=10))
    assert not any("fitted without feature names" in str(found.message) for found in record)


@pytest.mark.parametrize("estimator", BOTH)
def test_messages_on_parameters(estimator):
    check_param_validation(estimator.__name__, estimator())
