"""Constraints of weights: a name such as "max_norm", or an object such as MaxNorm(3.0).

A layer holds its weights to them after each update; what they are at first, or set to, stays until
then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from . import _check_weights
from ._spec import Spec, resolve


@dataclass(frozen=True, repr=False)
class Constraint(Spec):
    """Base of the constraints."""

    @property
    def limit(self) -> float:
        """The number that the engine takes; 0.0 where there is none."""
        return 0.0


@dataclass(frozen=True, repr=False)
class MaxNorm(Constraint):
    """The incoming weights w of each unit become w * max_value / |w| where |w| > max_value, |w|
    being the root of the sum of their squares (Srebro and Shraibman, 2005; Hinton et al., 2012).

    max_value: finite and >= 1e-10. As Keras' MaxNorm with its axis 0.
    """

    kind: ClassVar[str] = "max_norm"
    max_value: float = 2.0

    def __post_init__(self) -> None:
        limit = _check_weights.constraint(self.kind, self.max_value)
        object.__setattr__(self, "max_value", limit)

    @property
    def limit(self) -> float:
        return self.max_value


@dataclass(frozen=True, repr=False)
class NonNegative(Constraint):
    """Weights below 0 become 0 (Keras' NonNeg)."""

    kind: ClassVar[str] = "non_negative"


TABLE: dict[str, type[Constraint]] = {cls.kind: cls for cls in (MaxNorm, NonNegative)}

ALIASES = {"maxnorm": "max_norm", "nonneg": "non_negative", "non_neg": "non_negative"}


def get(constraint: str | Constraint | None) -> Constraint | None:
    """The constraint for a name or an object, or None for none.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return None if constraint is None else resolve(constraint, TABLE, "constraint", ALIASES)
