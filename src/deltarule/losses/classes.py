"""Losses of classes: of two, where each output is a question of its own, and of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Loss


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(Loss):
    """l = mean over the outputs of -(t log p + (1 - t) log(1 - p)), p = sigmoid(logits).

    The negative log-likelihood of a sigmoid (Baum and Wilczek, 1988). Targets are 0 to 1. The last
    layer is a sigmoid, or linear: then it puts out the logits.
    """

    kind: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "shares"
    decides: ClassVar[str] = "threshold"
    half: ClassVar[float] = 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("sigmoid", "identity")

    @property
    def link(self) -> str:
        return "sigmoid"


@dataclass(frozen=True, repr=False)
class BinaryFocal(BinaryCrossEntropy):
    """l = mean over the outputs of -alpha_t * (1 - p)^gamma * log(p), p being the chance that the
    output gives to its target: binary_cross_entropy with little weight for what is learnt already
    (Lin et al., 2017).

    gamma: finite and >= 0. alpha: alpha_t is alpha for targets of 1 and 1 - alpha for those of 0,
        a number between 0 and 1; None: 1 for both. The defaults are torchvision's and the paper's;
        Keras' BinaryFocalCrossentropy has no alpha_t unless told.

    Targets are 0 or 1. The last layer is a sigmoid, or linear: then it puts out the logits.
    """

    kind: ClassVar[str] = "binary_focal"
    targets: ClassVar[str] = "bits"
    gamma: float = 2.0
    alpha: float | None = 0.25

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.gamma, -1.0 if self.alpha is None else self.alpha)


@dataclass(frozen=True, repr=False)
class Hinge(Loss):
    """l = mean over the outputs of max(0, 1 - t * y), t being -1 or 1: the loss of a support vector
    machine (Cortes and Vapnik, 1995).

    Targets are -1 and 1, or 0 and 1, which are taken for them, as in Keras. Several outputs are
    several questions, as for one class against the rest; for classes see categorical_hinge.
    """

    kind: ClassVar[str] = "hinge"
    targets: ClassVar[str] = "signs"
    decides: ClassVar[str] = "threshold"
    half: ClassVar[float] = 0.0


# ------------------------------------------------------------------------------ of several classes
@dataclass(frozen=True, repr=False)
class _OfSoftmax(Loss):
    """Computed from the logits of a softmax."""

    decides: ClassVar[str] = "argmax"
    least: ClassVar[int] = 2

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("log_softmax", "softmax", "identity")

    @property
    def link(self) -> str:
        return "softmax"


@dataclass(frozen=True, repr=False)
class CrossEntropy(_OfSoftmax):
    """l = -sum_k t_k log softmax(logits)_k; targets are labels or probabilities.

    The negative log-likelihood of a softmax (Bridle, 1990). The last layer is a softmax, its
    logarithm, or linear: then it puts out the logits.

    label_smoothing: s in [0, 1); targets become (1 - s) * t + s / n_out (Szegedy et al., 2016).
    ignore_index: samples with this label count for nothing, neither here nor in metrics: theirs is
        the weight 0.
    """

    kind: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "classes"
    instead: ClassVar[str] = "binary_cross_entropy"
    label_smoothing: float = 0.0
    ignore_index: int = -100

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.label_smoothing,)


@dataclass(frozen=True, repr=False)
class KLDivergence(_OfSoftmax):
    """l = sum_k t_k (log t_k - log softmax(logits)_k); targets are probabilities (Kullback and
    Leibler, 1951).

    cross_entropy less the entropy of the target: the same gradient, and 0 where the two agree. The
    sum goes over the classes and the mean over samples, as in Keras and with reduction="batchmean"
    in PyTorch. The last layer is a softmax, its logarithm, or linear.
    """

    kind: ClassVar[str] = "kl_divergence"
    targets: ClassVar[str] = "chances"
    instead: ClassVar[str] = "binary_cross_entropy"


@dataclass(frozen=True, repr=False)
class Focal(_OfSoftmax):
    """l = -alpha * (1 - p)^gamma * log(p), p being the softmax at the label: cross_entropy with
    little weight for what is learnt already (Lin et al., 2017).

    gamma: finite and >= 0. alpha: a factor between 0 and 1; None: 1. For one of each class see
        class_weight of fit. The defaults are Keras' (CategoricalFocalCrossentropy).
    ignore_index: as in cross_entropy.

    Targets are labels or one-hot rows. The last layer is a softmax, its logarithm, or linear.
    """

    kind: ClassVar[str] = "focal"
    targets: ClassVar[str] = "labels"
    instead: ClassVar[str] = "binary_focal"
    gamma: float = 2.0
    alpha: float | None = 0.25
    ignore_index: int = -100

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.gamma, 1.0 if self.alpha is None else self.alpha)


@dataclass(frozen=True, repr=False)
class CategoricalHinge(Loss):
    """l = max(0, 1 + the largest output but the label's - the label's output) (Crammer and Singer,
    2001), as in sklearn.metrics.hinge_loss.

    ignore_index: as in cross_entropy.

    Targets are labels or one-hot rows. Keras' loss of this name takes 0 for one of the other
    outputs, PyTorch's MultiMarginLoss adds up the margins of all of them.
    """

    kind: ClassVar[str] = "categorical_hinge"
    targets: ClassVar[str] = "labels"
    decides: ClassVar[str] = "argmax"
    least: ClassVar[int] = 2
    instead: ClassVar[str] = "hinge"
    ignore_index: int = -100
