"""Averages of weights: what one more set of weights makes of an average."""

import numpy.typing as npt

from .. import _check_weights
from .._check import Array
from .activation import flush, quiet


def update(w: Array, average: Array, share: float) -> Array:
    """The new average; see `average_step`. From the one that has the larger share, so that with all
    of it w is copied to the last bit."""
    real = w.dtype.type
    if share < 0.5:
        return flush(average + real(share) * (w - average))
    return flush(w + real(1 - share) * (average - w))


def average_step(w: npt.ArrayLike, average: npt.ArrayLike, *, share: float) -> Array:
    """(1 - share) average + share w, as a new array.

    With a constant share 1 - decay that is an exponential moving average, in which weights count
    decay^t times as much t updates later (PyTorch's get_ema_multi_avg_fn; averages of iterates are
    due to Polyak and Juditsky, 1992). With shares 1, 1/2, 1/3, ... it is the mean of all weights so
    far, stochastic weight averaging (Izmailov et al., 2018).

    w and the average have one shape (any shape) and dtype; 0 <= share <= 1. Averages below 2^-100
    (float64: 2^-1000) in magnitude become +0, as all that optimizers keep.

    Raises ValueError for differing shapes and another share; TypeError for other or mixed dtypes.
    """
    w_, average_, part = _check_weights.average(w, average, share)
    with quiet():
        return update(w_, average_, part)
