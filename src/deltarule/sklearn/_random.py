"""Random numbers as scikit-learn draws them, begun sooner."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState
from numpy.random.bit_generator import ISeedSequence
from sklearn.utils import check_random_state


class Unseeded(ISeedSequence):
    """Numbers for a generator that is to be seeded anyway."""

    _WORDS = (1,) * 624

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        return self._WORDS


def random_state_of(given: Any) -> RandomState:
    """scikit-learn's check_random_state. A RandomState of an int begins with numbers of the
    system's, only to throw them away: that takes as long as some epochs of a small fit."""
    if type(given) is not int:
        state: RandomState = check_random_state(given)
        return state
    state = RandomState(MT19937(Unseeded()))  # type: ignore[arg-type]  # it takes any of these
    state.seed(given)
    return state
