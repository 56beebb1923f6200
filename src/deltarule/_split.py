"""Holding rows out for validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import _check, _engine
from ._check_sparse import Sparse
from ._inputs import Array, as_array
from ._targets import VALIDATION, Data, Target, prepare_data, prepare_validation

if TYPE_CHECKING:
    from .network import Network

Rows = npt.NDArray[np.int64]


def prepare(
    net: Network,
    values: tuple[Array | Sparse, object, object, object],
    validation_data: object,
    validation_split: object,
) -> tuple[Data, Data | None]:
    """The data of a fit as an engine takes it: what is learnt from, and what is validated on.

    values: X, y, sample_weight and class_weight; weights of classes do not count in validation.
    """
    fraction = _check.fraction("validation_split", validation_split)
    if fraction and validation_data is not None:
        raise ValueError("validation_data and validation_split cannot both be given")
    X, y, sample_weight, class_weight = values
    y = as_array(y, "y")  # once: what makes arrays may make another the next time
    if sample_weight is not None:
        sample_weight = as_array(sample_weight, "sample_weight")
    data = prepare_data((X, y, sample_weight, class_weight), net._target(), positive=True)
    target = net._target(X.shape[1:])
    if not fraction:
        return data, prepare_validation(validation_data, target)
    # all has been prepared once before, so that messages name rows as the user knows them
    given = [X, y] if sample_weight is None else [X, y, sample_weight]
    learnt, held = share_out(len(X), fraction, _strata(target, data), net.seed, net.backend)
    first, second = ([*(a[rows] for a in given), None][:3] for rows in (learnt, held))
    return (
        prepare_data((*first, class_weight), target, positive=True),
        prepare_data(tuple(second), target, names=VALIDATION, positive=True),
    )


def _strata(target: Target, data: Data) -> Array | None:
    """A number for each class; None where there are none. Rows that do not count are one, too."""
    _, t, w = data
    if target.loss.decides == "argmax":
        classes = t if t.ndim == 1 else t.argmax(axis=1)
    elif target.loss.decides == "threshold" and t.shape[1] == 1:
        classes = (t[:, 0] > 0.5).astype(np.int64)
    else:
        return None
    return classes if w is None else np.where(w > 0, classes, -1)


def share_out(
    n: int, fraction: float, strata: Array | None, seed: int, backend: str
) -> tuple[Rows, Rows]:
    """(rows to learn from, rows held out), both ascending. They depend on nothing but n, seed and
    strata, so that a later fit holds out the same.

    round(n * fraction) rows, at least one, are held out; of each stratum its share, whole numbers
    by the largest remainders.
    """
    wanted = max(1, round(n * fraction))
    if wanted >= n:
        raise ValueError(
            f"validation_split={fraction} holds out all of X, which has {n} "
            f"row{'s' if n > 1 else ''}"
        )
    order = _engine.functions(backend).random_permutation(n, seed=seed, purpose="split")
    if strata is None:
        strata = np.zeros(n, np.int64)
    _, of_row, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    quotas, remainders = np.divmod(sizes * wanted, n)
    quotas[np.argsort(-remainders, kind="stable")[: wanted - quotas.sum()]] += 1
    order = order[np.argsort(of_row[order], kind="stable")]  # stratum by stratum
    place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # in its stratum
    is_held = np.zeros(n, bool)
    is_held[order] = place < np.repeat(quotas, sizes)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)
