"""Initialisers of weights and biases: a name such as "he_uniform", or an object.

n_in and n_out are the sizes of the weights that are drawn, or that the biases belong to. A `gain`
multiplies what is drawn: with tanh behind a layer PyTorch's calculate_gain advises 5 / 3, for
example. What a layer is not told, it takes from its activation: he_uniform for relu and its kin
(for leaky_relu with the gain that its slope asks for), lecun_normal for selu, glorot_uniform for
the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from . import _check
from ._spec import Spec, resolve
from .activations import Activation


@dataclass(frozen=True, repr=False)
class Initializer(Spec):
    """Base of the initialisers."""

    @property
    def arguments(self) -> dict[str, Any]:
        """`gain` and `mean` of deltarule.ops.initialize, where they are not 1 and 0."""
        return {}


@dataclass(frozen=True, repr=False)
class _Scaled(Initializer):
    gain: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", _check.positive_real("gain", self.gain))

    @property
    def arguments(self) -> dict[str, Any]:
        return {"gain": self.gain}


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All zero."""

    kind: ClassVar[str] = "zeros"


@dataclass(frozen=True, repr=False)
class Ones(Initializer):
    """All one."""

    kind: ClassVar[str] = "ones"


@dataclass(frozen=True, repr=False)
class Constant(Initializer):
    """All the same: `value`, any finite number."""

    kind: ClassVar[str] = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _check.finite_real("value", self.value))

    @property
    def arguments(self) -> dict[str, Any]:
        return {"gain": self.value}


@dataclass(frozen=True, repr=False)
class Uniform(Initializer):
    """Uniform between `low` and `high`, low < high.

    The defaults are those of PyTorch's uniform_; Keras' RandomUniform has -0.05 and 0.05.
    """

    kind: ClassVar[str] = "uniform"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", _check.finite_real("low", self.low))
        object.__setattr__(self, "high", _check.finite_real("high", self.high))
        if self.low >= self.high:
            raise ValueError(f"high must be > low, {self.low}; got {self.high}")

    @property
    def arguments(self) -> dict[str, Any]:
        half, middle = self.high / 2 - self.low / 2, self.high / 2 + self.low / 2
        return {"gain": half, "mean": middle}


@dataclass(frozen=True, repr=False)
class Normal(Initializer):
    """Normal with a mean and a standard deviation, stddev > 0.

    The defaults are those of PyTorch's normal_; Keras' RandomNormal has stddev=0.05.
    """

    kind: ClassVar[str] = "normal"
    mean: float = 0.0
    stddev: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _check.finite_real("mean", self.mean))
        object.__setattr__(self, "stddev", _check.positive_real("stddev", self.stddev))

    @property
    def arguments(self) -> dict[str, Any]:
        return {"gain": self.stddev, "mean": self.mean}


@dataclass(frozen=True, repr=False)
class TruncatedNormal(Normal):
    """Normal, where a number further than 2 stddev from the mean is drawn again: so the standard
    deviation of what comes out is 0.88 stddev.

    As Keras', whose default is stddev=0.05; PyTorch's trunc_normal_ takes the limits by themselves.
    """

    kind: ClassVar[str] = "truncated_normal"


@dataclass(frozen=True, repr=False)
class Orthogonal(_Scaled):
    """gain times a matrix with orthonormal columns or, where these are longer, rows, of all such
    ones evenly (Saxe, McClelland and Ganguli, 2014; drawn as by Stewart, 1980): what passes
    through neither grows nor shrinks, however many layers there are. Of biases a vector of
    length gain.
    """

    kind: ClassVar[str] = "orthogonal"


@dataclass(frozen=True, repr=False)
class GlorotUniform(_Scaled):
    """Uniform in +-gain sqrt(6 / (n_in + n_out)) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "glorot_uniform"


@dataclass(frozen=True, repr=False)
class GlorotNormal(_Scaled):
    """Normal with variance gain^2 2 / (n_in + n_out) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "glorot_normal"


@dataclass(frozen=True, repr=False)
class HeUniform(_Scaled):
    """Uniform in +-gain sqrt(6 / n_in), for relu (He et al., 2015).

    PyTorch's kaiming_uniform_ has the 2 of the variance in its gain; here the gain comes besides.
    """

    kind: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class HeNormal(_Scaled):
    """Normal with variance gain^2 2 / n_in, for relu (He et al., 2015).

    PyTorch's kaiming_normal_ has the 2 of the variance in its gain; here the gain comes besides.
    """

    kind: ClassVar[str] = "he_normal"


@dataclass(frozen=True, repr=False)
class LecunUniform(_Scaled):
    """Uniform in +-gain sqrt(3 / n_in) (LeCun et al., 1998)."""

    kind: ClassVar[str] = "lecun_uniform"


@dataclass(frozen=True, repr=False)
class LecunNormal(_Scaled):
    """Normal with variance gain^2 / n_in (LeCun et al., 1998)."""

    kind: ClassVar[str] = "lecun_normal"


TABLE: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        Zeros,
        Ones,
        Constant,
        Uniform,
        Normal,
        TruncatedNormal,
        Orthogonal,
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LecunUniform,
        LecunNormal,
    )
}

ALIASES = {
    "zero": "zeros",
    "one": "ones",
    "random_uniform": "uniform",
    "random_normal": "normal",
    "trunc_normal": "truncated_normal",
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "glorot": "glorot_uniform",
    "he": "he_uniform",
    "lecun": "lecun_uniform",
}


def get(initializer: str | Initializer) -> Initializer:
    """The initialiser for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return resolve(initializer, TABLE, "initializer", ALIASES)


def default_for(activation: Activation) -> Initializer:
    """The initialiser of weights before an activation, unless a layer is told another one.

    What has variance 2 / n_in before relu needs 2 / (1 + slope^2) / n_in before a leaky_relu or
    prelu (He et al., 2015).
    """
    if activation.kind in ("leaky_relu", "prelu"):
        return HeUniform(gain=1 / math.sqrt(1 + activation.alpha**2))
    return TABLE[activation.default_init]()
