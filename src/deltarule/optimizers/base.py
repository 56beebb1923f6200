"""The base of the optimizers, what their arguments have to be, and the formulas of the engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any, Self

from .. import _check, _check_weights, averages, schedules
from .._check_weights import CLIPS
from .._spec import Spec
from ..averages import Average
from ..schedules import F64, Schedule

# The formulas that the engines know, in the order of dr_rule in csrc/deltarule.h, each with the
# arrays of state that it keeps for one of parameters. An optimizer is one of these or, by its
# options, one of several.
RULES = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "adam": 2,
    "amsgrad": 3,
    "nadam": 2,
    "radam": 2,
    "adamax": 2,
    "lion": 1,
    "rmsprop": 1,
    "rmsprop_momentum": 2,
    "rmsprop_centered": 2,
    "rmsprop_centered_momentum": 3,
    "adagrad": 1,
    "adadelta": 2,
    "rprop": 2,
    "lamb": 2,
}



def _pair_of(check: Callable[[str, object], float]) -> Callable[[str, object], tuple[float, float]]:
    def pair(argument: str, value: object) -> tuple[float, float]:
        if not isinstance(value, tuple | list):
            raise TypeError(f"{argument} must be a pair of numbers, got {type(value).__name__}")
        if len(value) != 2:
            raise ValueError(f"{argument} must be a pair of numbers, got {len(value)}")
        return check(f"{argument}[0]", value[0]), check(f"{argument}[1]", value[1])

    return pair


def _epsilon(argument: str, value: object) -> float:
    number = _check.positive_real(argument, value)
    if number < 2.0**-100:  # would be flushed, and 0 / 0 made of parameters that have no gradient
        raise ValueError(f"{argument} must be >= 2^-100, which is 7.9e-31, got {number}")
    return number


def _limit(argument: str, value: object) -> float | None:
    return None if value is None else _check.positive_real(argument, value)


def _average(argument: str, value: Any) -> Average | None:
    try:
        return averages.get(value)
    except ValueError as error:
        raise ValueError(f"{argument}: {error}") from None


# What an argument has to be, whichever optimizer it is one of.
_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "learning_rate": schedules.learning_rate,
    "weight_decay": _check.non_negative_real,
    "decoupled_weight_decay": _check.boolean,
    "momentum": _check.fraction,
    "nesterov": _check.boolean,
    "betas": _pair_of(_check.fraction),
    "eps": _epsilon,
    "amsgrad": _check.boolean,
    "momentum_decay": _check.non_negative_real,
    "alpha": _check.fraction,
    "centered": _check.boolean,
    "initial_accumulator_value": _check.non_negative_real,
    "rho": _check.fraction,
    "etas": _pair_of(_check.positive_real),
    "step_sizes": _pair_of(_check.positive_real),
    **dict.fromkeys(CLIPS, _limit),
    "average": _average,
    "gradient_accumulation_steps": _check.positive_int,
}


@dataclass(frozen=True, repr=False)
class Optimizer(Spec):
    """Base of the optimizers; these arguments all of them have.

    learning_rate: a number > 0, or a schedule (deltarule.schedules).
    weight_decay >= 0: adds weight_decay * w to the gradient, which is that of
        weight_decay / 2 * |w|^2. With decoupled_weight_decay=True it takes
        learning_rate * weight_decay * w from w, past all that is done with gradients (Loshchilov
        and Hutter, 2019), as Keras does in all optimizers.
    clipvalue, clipnorm, global_clipnorm: a number > 0 for at most one of them, which holds the
        numbers of gradients, the norm of each parameter's gradient, or the norm of all of them
        together to it; see deltarule.reference.clip_gradients. Penalties of weights are part of
        gradients, weight_decay * w is added afterwards.
    average: None, or an average of weights beside the raw ones, by name or as an object, which
        `predict` and `evaluate` use (deltarule.averages): EMA(0.999), SWA(start_epoch=10). It
        costs one array more.
    gradient_accumulation_steps >= 1: an update is made from so many times batch_size rows, which
        are computed batch_size at a time: the memory of one such piece, and the update of all (see
        docs/numerics.md). BatchNorm sees each piece by itself. As in Keras, but what is left at the
        end of an epoch makes an update of its own.

    Raises TypeError or ValueError that names the argument.
    """

    learning_rate: float | Schedule = 1e-3
    _: KW_ONLY
    weight_decay: float = 0.0
    decoupled_weight_decay: bool = False
    clipvalue: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    average: str | Average | None = None
    gradient_accumulation_steps: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _CHECKS[field.name](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _check_weights.clip(*(getattr(self, name) for name in CLIPS))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        config = averages.with_average(schedules.with_schedule(config, "learning_rate"))
        return super().from_config(config)

    @property
    def engine(self) -> Optimizer:
        """What the engine is told: a learning rate that is a number, for when it gets no rates."""
        rate = self.learning_rate
        return replace(self, learning_rate=rate.peak) if isinstance(rate, Schedule) else self

    def rates(self, n: int, *, step: int, epoch: int) -> F64 | None:
        """The learning rates of n updates, as for Schedule.rates, or None: always the same."""
        rate = self.learning_rate
        return rate.rates(n, step=step, epoch=epoch) if isinstance(rate, Schedule) else None

    @property
    def averaging(self) -> Average | None:
        """The average as an object."""
        return averages.get(self.average)

    @property
    def rule(self) -> str:
        """The formula, one of RULES."""
        return self.kind

    @property
    def clip(self) -> dict[str, float]:
        """The argument of clip_gradients that is given, if any."""
        return _check_weights.clip(*(getattr(self, name) for name in CLIPS))

    def alone(self, factor: float) -> Optimizer:
        """For one parameter, whose learning rate is multiplied by `factor`, from gradients that are
        clipped already."""
        if factor == 1 and not self.clip:
            return self
        rate = self.learning_rate
        assert not isinstance(rate, Schedule), "engines know numbers"
        unclipped: dict[str, Any] = dict.fromkeys(CLIPS)
        return replace(self, learning_rate=rate * factor, **unclipped)

    @property
    def numbers(self) -> tuple[float, ...]:
        """What the engines take beside the arguments that all optimizers have, in their order."""
        return ()

    @property
    def initial_state(self) -> tuple[float, ...]:
        """What the arrays of state begin with."""
        return (0.0,) * RULES[self.rule]

    @property
    def n_states(self) -> int:
        """Arrays of state that its steps keep for each parameter."""
        return RULES[self.rule]

    @property
    def n_slots(self) -> int:
        """Arrays kept for each parameter: its value, state and, if any, its average."""
        return 1 + self.n_states + (self.average is not None)
