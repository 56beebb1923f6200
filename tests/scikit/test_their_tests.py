"""scikit-learn's own tests of its perceptrons, run against deltarule's: all of them."""

import importlib
import sys
from typing import Any

import pytest
import sklearn.neural_network as room

from deltarule.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore")  # as they run there
_MODULE = "sklearn.neural_network.tests.test_mlp"


def _their_tests() -> dict[str, Any]:
    """Their functions, made while our classes are in the place of scikit-learn's."""
    sys.modules.pop(_MODULE, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "MLPClassifier", MLPClassifier)
        patch.setattr(room, "MLPRegressor", MLPRegressor)
        module = importlib.import_module(_MODULE)
    return {name: thing for name, thing in vars(module).items() if name.startswith("test_")}


_FOUND = _their_tests()
globals().update(_FOUND)


@pytest.fixture
def global_random_seed() -> int:
    return 42


def test_all_of_them_are_here() -> None:
    assert len(_FOUND) == 43
    assert _FOUND["test_fit"].__globals__["MLPClassifier"] is MLPClassifier
