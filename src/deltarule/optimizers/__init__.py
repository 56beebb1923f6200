"""Optimizers: a name such as "adam", or an object such as SGD(0.1, momentum=0.9).

Names of arguments, formulas and defaults are PyTorch's, or Keras' where PyTorch has no such
optimizer; what differs between these two is said. In the formulas w is a parameter, g its gradient,
t the number of the update, counted from 1, and <- makes new state, which begins as zeros unless
something else is said. State smaller in magnitude than 2^-100 (float64: 2^-1000) becomes +0.
"""

from __future__ import annotations

import itertools
from dataclasses import fields
from typing import Any

from .._spec import resolve
from ..schedules import Schedule
from .adam import LAMB, Adam, Adamax, AdamW, Lion, NAdam, RAdam
from .base import RULES, Optimizer
from .classic import SGD, Adadelta, Adagrad, RMSprop, Rprop
from .full_batch import LBFGS, FullBatch, LevenbergMarquardt

__all__ = [
    "LAMB",
    "LBFGS",
    "RULES",
    "SGD",
    "STEPS",
    "TABLE",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "FullBatch",
    "LevenbergMarquardt",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "examples",
    "get",
    "get_step",
]

# those that make a step from one gradient
STEPS: dict[str, type[Optimizer]] = {
    cls.kind: cls
    for cls in (
        SGD,
        Adam,
        AdamW,
        NAdam,
        RAdam,
        Adamax,
        Lion,
        LAMB,
        RMSprop,
        Adagrad,
        Adadelta,
        Rprop,
    )
}
TABLE: dict[str, type[Optimizer | FullBatch]] = {
    **STEPS,
    **{cls.kind: cls for cls in (LBFGS, LevenbergMarquardt)},
}


def get(optimizer: str | Optimizer | FullBatch) -> Optimizer | FullBatch:
    """The optimizer for a name or an object.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return resolve(optimizer, TABLE, "optimizer")


def get_step(optimizer: str | Optimizer) -> Optimizer:
    """The same, of those that make a step from one gradient, with one learning rate."""
    found = resolve(optimizer, STEPS, "optimizer")
    if isinstance(found.learning_rate, Schedule):
        raise TypeError(f"optimizer: a single step needs a number for learning_rate, got {found!r}")
    if found.clip:
        raise ValueError(f"optimizer: a step does not clip, clip_gradients does; got {found!r}")
    return found


def examples() -> dict[str, Optimizer]:
    """An optimizer for each rule, found by trying the options of all of them: for tests and
    comparisons, which a new rule is part of by being in RULES."""
    found: dict[str, Optimizer] = {}
    for cls in STEPS.values():
        choices: dict[str, tuple[Any, ...]] = {}
        for field in fields(cls):
            if isinstance(field.default, bool):
                choices[field.name] = (field.default, not field.default)
            elif field.name == "momentum":
                choices[field.name] = (0.0, 0.9)
        for chosen in itertools.product(*choices.values()):
            try:
                optimizer = cls(**dict(zip(choices, chosen, strict=True)))
            except ValueError:  # nesterov without momentum
                continue
            found.setdefault(optimizer.rule, optimizer)
    return {rule: found[rule] for rule in RULES}
