"""deltarule.sklearn against scikit-learn, where that is installed (extra `sklearn`)."""

import pytest

pytest.importorskip("sklearn")
