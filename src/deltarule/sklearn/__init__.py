"""scikit-learn's multi-layer perceptrons, computed by deltarule.

    from deltarule.sklearn import MLPClassifier, MLPRegressor

in place of `from sklearn.neural_network import ...` gives the same numbers in a fraction of the
time. Programs that import from there need not be changed: `python -m deltarule.sklearn script.py`,
or call `patch()` first. Not imported with deltarule, which does not need scikit-learn.
"""

try:
    import sklearn
except ImportError:
    raise ImportError(
        "deltarule.sklearn needs scikit-learn 1.9: pip install 'deltarule[sklearn]'"
    ) from None
if not sklearn.__version__.startswith("1.9."):
    raise ImportError(
        f"deltarule.sklearn does what scikit-learn 1.9 does, and this is {sklearn.__version__}: "
        "pip install 'deltarule[sklearn]'"
    )

from ._classifier import NetworkClassifier
from ._mlp import MLPClassifier, MLPRegressor
from ._patch import is_patched, patch, unpatch
from ._regressor import NetworkRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "is_patched",
    "patch",
    "unpatch",
]
