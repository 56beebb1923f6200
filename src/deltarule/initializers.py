"""Initialisers of weights and biases: a name such as "he_uniform", or an object.

n_in and n_out are the sizes of the weights that are drawn, or that the biases belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ._spec import Spec, resolve


@dataclass(frozen=True, repr=False)
class Initializer(Spec):
    """Base of the initialisers."""


@dataclass(frozen=True, repr=False)
class Zeros(Initializer):
    """All zero."""

    kind: ClassVar[str] = "zeros"


@dataclass(frozen=True, repr=False)
class Ones(Initializer):
    """All one."""

    kind: ClassVar[str] = "ones"


@dataclass(frozen=True, repr=False)
class GlorotUniform(Initializer):
    """Uniform in +-sqrt(6 / (n_in + n_out)) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "glorot_uniform"


@dataclass(frozen=True, repr=False)
class GlorotNormal(Initializer):
    """Normal with variance 2 / (n_in + n_out) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "glorot_normal"


@dataclass(frozen=True, repr=False)
class HeUniform(Initializer):
    """Uniform in +-sqrt(6 / n_in), for relu (He et al., 2015)."""

    kind: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class HeNormal(Initializer):
    """Normal with variance 2 / n_in, for relu (He et al., 2015)."""

    kind: ClassVar[str] = "he_normal"


@dataclass(frozen=True, repr=False)
class LecunUniform(Initializer):
    """Uniform in +-sqrt(3 / n_in) (LeCun et al., 1998)."""

    kind: ClassVar[str] = "lecun_uniform"


@dataclass(frozen=True, repr=False)
class LecunNormal(Initializer):
    """Normal with variance 1 / n_in (LeCun et al., 1998)."""

    kind: ClassVar[str] = "lecun_normal"


TABLE: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        Zeros,
        Ones,
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
