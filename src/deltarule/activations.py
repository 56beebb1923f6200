"""Activations: a name such as "relu", or an object such as LeakyReLU(negative_slope=0.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import _check
from ._spec import Spec, resolve


@dataclass(frozen=True, repr=False)
class Activation(Spec):
    """Base of the activations.

    default_init: the initializer of weights before it, unless the layer is told another one.
    rowwise: it takes all features of a sample together.
    """

    default_init: ClassVar[str] = "glorot_uniform"
    rowwise: ClassVar[bool] = False

    @property
    def alpha(self) -> float:
        """The parameter of the activation; 0.0 for one that has none."""
        return 0.0


@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """y = x."""

    kind: ClassVar[str] = "identity"


@dataclass(frozen=True, repr=False)
class ReLU(Activation):
    """y = max(x, 0) (Nair and Hinton, 2010)."""

    kind: ClassVar[str] = "relu"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class LeakyReLU(Activation):
    """y = x where x > 0, else negative_slope * x (Maas et al., 2013).

    negative_slope: finite and >= 0, because the gradient is read off the sign of y. The default is
        PyTorch's; Keras has 0.3.
    """

    kind: ClassVar[str] = "leaky_relu"
    default_init: ClassVar[str] = "he_uniform"
    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        slope = _check.alpha_of(self.kind, "negative_slope", self.negative_slope)
        object.__setattr__(self, "negative_slope", slope)

    @property
    def alpha(self) -> float:
        return self.negative_slope


@dataclass(frozen=True, repr=False)
class ELU(Activation):
    """y = x where x > 0, else alpha * (exp(x) - 1) (Clevert, Unterthiner and Hochreiter, 2015).

    alpha: finite and >= 0.
    """

    kind: ClassVar[str] = "elu"
    default_init: ClassVar[str] = "he_uniform"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _check.alpha_of(self.kind, "alpha", self.alpha))


@dataclass(frozen=True, repr=False)
class SELU(Activation):
    """y = s * x where x > 0, else s * a * (exp(x) - 1) (Klambauer et al., 2017).

    s = 1.0507... and a = 1.6732... are such that activations of mean 0 and variance 1 stay so;
    that takes weights of variance 1 / n_in, hence lecun_normal unless told.
    """

    kind: ClassVar[str] = "selu"
    default_init: ClassVar[str] = "lecun_normal"


@dataclass(frozen=True, repr=False)
class CELU(Activation):
    """y = x where x > 0, else alpha * (exp(x / alpha) - 1): an ELU whose derivative has no jump
    (Barron, 2017).

    alpha: finite and > 0.
    """

    kind: ClassVar[str] = "celu"
    default_init: ClassVar[str] = "he_uniform"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _check.alpha_of(self.kind, "alpha", self.alpha))


@dataclass(frozen=True, repr=False)
class GELU(Activation):
    """y = x * (1 + erf(x / sqrt(2))) / 2 (Hendrycks and Gimpel, 2016); exact, see GELUTanh."""

    kind: ClassVar[str] = "gelu"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class GELUTanh(Activation):
    """y = x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2 (Hendrycks and Gimpel, 2016).

    The usual approximation of GELU, off by 0.0005 at most; gelu with approximate="tanh" in PyTorch,
    with approximate=True in Keras.
    """

    kind: ClassVar[str] = "gelu_tanh"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class SiLU(Activation):
    """y = x / (1 + exp(-x)) (Elfwing, Uchibe and Doya, 2017), also called swish."""

    kind: ClassVar[str] = "silu"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class Mish(Activation):
    """y = x * tanh(log(1 + exp(x))) (Misra, 2019)."""

    kind: ClassVar[str] = "mish"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class Softplus(Activation):
    """y = log(1 + exp(x)) (Dugas et al., 2001); without PyTorch's beta and threshold."""

    kind: ClassVar[str] = "softplus"


@dataclass(frozen=True, repr=False)
class Softsign(Activation):
    """y = x / (1 + |x|) (Bergstra et al., 2009)."""

    kind: ClassVar[str] = "softsign"


@dataclass(frozen=True, repr=False)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x))."""

    kind: ClassVar[str] = "sigmoid"


@dataclass(frozen=True, repr=False)
class HardSigmoid(Activation):
    """y = min(max(x + 3, 0), 6) / 6 (Howard et al., 2019), as in PyTorch and Keras 3; Keras 2 had
    min(max(0.2 * x + 0.5, 0), 1)."""

    kind: ClassVar[str] = "hard_sigmoid"


@dataclass(frozen=True, repr=False)
class HardSwish(Activation):
    """y = x * min(max(x + 3, 0), 6) / 6 (Howard et al., 2019)."""

    kind: ClassVar[str] = "hard_swish"
    default_init: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class Tanh(Activation):
    """y = tanh(x)."""

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True, repr=False)
class Exp(Activation):
    """y = exp(x); "exponential" in Keras."""

    kind: ClassVar[str] = "exp"


@dataclass(frozen=True, repr=False)
class Softmax(Activation):
    """y_i = exp(x_i) / sum_j exp(x_j) over the features of a sample (Bridle, 1990)."""

    kind: ClassVar[str] = "softmax"
    rowwise: ClassVar[bool] = True


@dataclass(frozen=True, repr=False)
class LogSoftmax(Activation):
    """y_i = x_i - log(sum_j exp(x_j)) over the features of a sample: the logarithm of a softmax."""

    kind: ClassVar[str] = "log_softmax"
    rowwise: ClassVar[bool] = True


TABLE: dict[str, type[Activation]] = {
    cls.kind: cls
    for cls in (
        Identity,
        ReLU,
        LeakyReLU,
        ELU,
        SELU,
        CELU,
        GELU,
        GELUTanh,
        SiLU,
        Mish,
        Softplus,
        Softsign,
        Sigmoid,
        HardSigmoid,
        HardSwish,
        Tanh,
        Exp,
        Softmax,
        LogSoftmax,
    )
}

ALIASES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "leakyrelu": "leaky_relu",
    "lrelu": "leaky_relu",
    "parametric_relu": "prelu",
    "swish": "silu",
    "hardswish": "hard_swish",
    "hard_silu": "hard_swish",
    "hardsigmoid": "hard_sigmoid",
    "gelu_new": "gelu_tanh",
    "exponential": "exp",
    "logsoftmax": "log_softmax",
}


def get(activation: str | Activation | None) -> Activation:
    """The activation for a name, an object, or None (identity).

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    if activation is None:
        return Identity()
    return resolve(activation, TABLE, "activation", ALIASES)
