"""Initialisers of weights and biases: a name such as "he_uniform", or an object.

With fans n_in and n_out, the uniform ones draw from [-limit, limit), the normal ones with the
standard deviation std:

    glorot   limit = sqrt(6 / (n_in + n_out))   std = sqrt(2 / (n_in + n_out))   Glorot, Bengio 2010
    he       limit = sqrt(6 / n_in)             std = sqrt(2 / n_in)             He et al. 2015
    lecun    limit = sqrt(3 / n_in)             std = sqrt(1 / n_in)             LeCun et al. 1998
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
    kind: ClassVar[str] = "zeros"


@dataclass(frozen=True, repr=False)
class GlorotUniform(Initializer):
    kind: ClassVar[str] = "glorot_uniform"


@dataclass(frozen=True, repr=False)
class GlorotNormal(Initializer):
    kind: ClassVar[str] = "glorot_normal"


@dataclass(frozen=True, repr=False)
class HeUniform(Initializer):
    kind: ClassVar[str] = "he_uniform"


@dataclass(frozen=True, repr=False)
class HeNormal(Initializer):
    kind: ClassVar[str] = "he_normal"


@dataclass(frozen=True, repr=False)
class LecunUniform(Initializer):
    kind: ClassVar[str] = "lecun_uniform"


@dataclass(frozen=True, repr=False)
class LecunNormal(Initializer):
    kind: ClassVar[str] = "lecun_normal"


TABLE: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        Zeros,
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
