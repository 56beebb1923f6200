"""Losses: a name such as "cross_entropy", or an object such as Huber(0.5).

The loss of a batch is sum(w * l) / sum(w) over its samples, l being the loss of one sample. A mean
over the outputs is one over the n_out columns. Names and defaults are PyTorch's where it has them.
"""

from __future__ import annotations

from .. import _custom
from .._spec import from_config, resolve
from .base import Loss
from .classes import (
    BinaryCrossEntropy,
    BinaryFocal,
    CategoricalHinge,
    CrossEntropy,
    Focal,
    Hinge,
    KLDivergence,
)
from .custom import CustomLoss
from .numbers import MAE, MSE, Cosine, GaussianNLL, Huber, LogCosh, Poisson, Quantile
from .sums import Summed

__all__ = [
    "MAE",
    "MSE",
    "TABLE",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalHinge",
    "Cosine",
    "CrossEntropy",
    "CustomLoss",
    "Focal",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "get",
]

# The position of a name is its number in C (the enum dr_loss of deltarule.h).
TABLE: dict[str, type[Loss]] = {
    cls.kind: cls
    for cls in (
        MSE,
        MAE,
        Huber,
        LogCosh,
        Quantile,
        Poisson,
        GaussianNLL,
        BinaryCrossEntropy,
        BinaryFocal,
        Hinge,
        CrossEntropy,
        KLDivergence,
        Focal,
        CategoricalHinge,
        Cosine,
    )
}

ALIASES = {
    "mean_squared_error": "mse",
    "l2": "mse",
    "squared_error": "mse",
    "mean_absolute_error": "mae",
    "l1": "mae",
    "absolute_error": "mae",
    "smooth_l1": "huber",
    "logcosh": "log_cosh",
    "pinball": "quantile",
    "poisson_nll": "poisson",
    "gaussian": "gaussian_nll",
    "crossentropy": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy",
    "sparsecategoricalcrossentropy": "cross_entropy",
    "softmaxcrossentropy": "cross_entropy",
    "nll": "cross_entropy",
    "logloss": "cross_entropy",
    "bce": "binary_cross_entropy",
    "binarycrossentropy": "binary_cross_entropy",
    "binaryfocalcrossentropy": "binary_focal",
    "categoricalfocalcrossentropy": "focal",
    "crammer_singer": "categorical_hinge",
    "kld": "kl_divergence",
    "kldiv": "kl_divergence",
    "cosine_similarity": "cosine",
}


def get(loss: str | Loss) -> Loss:
    """The loss for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    if isinstance(loss, CustomLoss):
        _custom.check(loss)
        return loss
    if isinstance(loss, Summed):
        return loss
    return resolve(loss, TABLE, "loss", ALIASES)


def of_config(config: object) -> Loss:
    """The loss that a JSON form describes."""
    table = {**TABLE, **_custom.known(CustomLoss)}
    loss: Loss = from_config(config, table, "loss", _custom.HINT)
    return loss
