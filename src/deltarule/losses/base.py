"""The base of all losses, and checks of what they are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from .. import _check, _check_names
from .._spec import Spec
from ..activations import Activation

MOST_LEVELS = 99  # DR_LOSS_PARAMETERS of deltarule.h


def _share(argument: str, value: object) -> float:
    return _check.fraction(argument, _check.positive_real(argument, value))


def _levels(argument: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, Sequence | np.ndarray) or not _check_names.is_list(value):
        return (_share(argument, value),)
    if not 1 <= len(value) <= MOST_LEVELS:
        raise ValueError(f"{argument} must be 1 to {MOST_LEVELS} numbers, got {len(value)}")
    return tuple(_share(f"{argument}[{i}]", level) for i, level in enumerate(value))


def _eps(argument: str, value: object) -> float:
    eps = _check.positive_real(argument, value)
    if eps < 1e-30:  # not 0 in float32, whose logarithm is taken
        raise ValueError(f"{argument} must be >= 1e-30, got {eps}")
    return eps


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "delta": _check.positive_real,
    "levels": _levels,
    "log_input": _check.boolean,
    "eps": _eps,
    "gamma": _check.non_negative_real,
    "alpha": lambda name, value: None if value is None else _share(name, value),
    "label_smoothing": _check.fraction,
    "ignore_index": lambda name, value: _check.integer(name, value, -(1 << 63), 1 << 63),
}


@dataclass(frozen=True, repr=False)
class Loss(Spec):
    """Base of the losses.

    targets: what y may be, one of the entries of deltarule._targets.
    decides: how an output stands for a class: "argmax", "threshold" (each output by itself),
        "either" (numbers: a threshold for one output, argmax for several) or "" (it does not).
    half: the threshold.
    least: the number of outputs that it takes at least; `instead` is the loss for fewer.
    """

    targets: ClassVar[str] = "numbers"
    decides: ClassVar[str] = ""
    half: ClassVar[float] = 0.5
    least: ClassVar[int] = 1
    instead: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _CHECKS[field.name](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the engines take."""
        return ()

    @property
    def over(self) -> tuple[float, float]:
        """What the sum over the outputs is divided by, in the value and in the slope of a loss that
        is a mean over them; 0 is their number."""
        return 0.0, 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """The activations that the last layer may have; empty means any."""
        return ()

    @property
    def link(self) -> str:
        """The activation that it has in it where it is computed on logits, else "identity"."""
        return "identity"

    @property
    def logits(self) -> bool:
        """Whether it is computed before the activation of the last layer, whose inverse it has in
        it, so that neither rounding nor saturation is in the way."""
        return self.link != "identity"

    @property
    def per_target(self) -> int:
        """Outputs for each target; they follow each other."""
        return 1

    @property
    def ignored(self) -> int | None:
        """The label of samples that count for nothing."""
        found: int | None = getattr(self, "ignore_index", None)
        return found

    def takes(self, labels: bool) -> bool:
        """Whether the engines take targets that are labels (n,), or numbers (n, n_out)."""
        return self.targets == "classes" or (self.targets == "labels") == labels

    def has_labels(self, ndim: int) -> bool:
        """Whether targets of so many dimensions are labels (or, if not, a mistake)."""
        return self.takes(labels=True) and (ndim == 1 or not self.takes(labels=False))

    def check_columns(self, n_out: int) -> None:
        """Raises ValueError for a number of outputs that this loss cannot have."""
        if n_out % self.per_target:
            raise ValueError(
                f"loss {self.kind!r} has {self.per_target} outputs for each target: the number of "
                f"outputs must be a multiple of that, got {n_out}"
            )

    def check_output(self, activation: Activation, n_out: int) -> None:
        """Raises ValueError when the last layer does not fit this loss."""
        if self.outputs and activation.kind not in self.outputs:
            wanted = " or ".join(repr(name) for name in self.outputs)
            hint = " (identity: its outputs are logits)" if self.logits else ""
            raise ValueError(
                f"loss {self.kind!r} needs a last layer with activation {wanted}{hint}, got "
                f"{activation.kind!r}"
            )
        if n_out < self.least:
            hint = f": for two classes use loss={self.instead!r}" if self.instead else ""
            raise ValueError(
                f"loss {self.kind!r} needs at least {self.least} outputs, got {n_out}{hint}"
            )
        self.check_columns(n_out)
