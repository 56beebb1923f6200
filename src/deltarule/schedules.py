"""Schedules of the learning rate, for `learning_rate` of any optimizer: Adam(StepLR(1e-3, 30)).

A rate depends on t alone: the updates that the network has made, with every="step", or the epochs
it has begun before, with every="epoch". Both count from 0 over the life of the network and are
saved with it, so a second fit and a loaded model go on where they were. A batch whose weights sum
to zero makes no update. Names, arguments and defaults are PyTorch's, except that the learning rate
to start from comes first; t is how often `scheduler.step()` has been called there.

Both backends get the rates of an epoch from here; they are made of + - * / in double alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from . import _check, _check_names
from ._scalar import cos_sin, exp, ln, power
from ._spec import Spec, describe, from_config

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def _count(argument: str, value: object) -> int:
    return _check.integer(argument, value, 1, 1 << 62)


def _milestones(argument: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, Sequence | np.ndarray) or not _check_names.is_list(value):
        raise TypeError(f"{argument} must be a list of numbers, got {describe(value)}")
    numbers = tuple(_count(f"{argument}[{i}]", number) for i, number in enumerate(value))
    if any(a >= b for a, b in itertools.pairwise(numbers)):
        raise ValueError(f"{argument} must ascend, got {list(numbers)}")
    return numbers


def _strategy(argument: str, value: object) -> str:
    return _check.choice(argument, value, ("cos", "linear"))


def _share(argument: str, value: object) -> float:
    number = _check.non_negative_real(argument, value)
    if number > 1:
        raise ValueError(f"{argument} must be at most 1, got {number}")
    return number


def _then(argument: str, value: object) -> float | Schedule:
    if isinstance(value, Warmup):
        raise TypeError(f"{argument} must not be a warm-up itself")
    return learning_rate(argument, value)


# What an argument has to be, whichever schedule it is one of.
_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "every": lambda argument, value: _check.choice(argument, value, ("step", "epoch")),
    "learning_rate": _check.positive_real,
    "max_lr": _check.positive_real,
    "eta_min": _check.non_negative_real,
    "factor": _check.positive_real,
    "start_factor": _share,
    "gamma": _check.positive_real,
    "power": _check.non_negative_real,
    "decay_rate": _check.non_negative_real,
    "total_iters": _count,
    "step_size": _count,
    "milestones": _milestones,
    "T_max": _count,
    "T_0": _count,
    "T_mult": _count,
    "total_steps": _count,
    "steps": _count,
    "pct_start": _share,
    "anneal_strategy": _strategy,
    "div_factor": _check.positive_real,
    "final_div_factor": _check.positive_real,
    "three_phase": _check.boolean,
    "then": _then,
}


def _raised(x: F64, y: float) -> F64:
    """x^y for x >= 0: by multiplications alone where y is whole, 0^y being 0 for y > 0."""
    if y == int(y):
        whole: F64 = power(x, int(y))
        return whole
    positive = x > 0
    return np.where(positive, exp(y * ln(np.where(positive, x, 1.0))), 0.0)


def _wave(part: F64) -> F64:
    """From 1 at 0 to 0 at 1 along half a cosine: (1 + cos(pi part)) / 2."""
    cosine, _ = cos_sin(part / 2)
    return (1 + cosine) / 2


@dataclass(frozen=True, repr=False)
class Schedule(Spec):
    """Base of the schedules.

    every: "step" or "epoch", what t counts.

    Raises TypeError or ValueError that names the argument.
    """

    _: KW_ONLY
    every: str = "epoch"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _CHECKS[field.name](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @property
    def peak(self) -> float:
        """The rate that the others are measured by, > 0."""
        rate: float = getattr(self, "learning_rate")  # noqa: B009 - of all but a few
        return rate

    def rates(self, n: int, *, step: int = 0, epoch: int = 0) -> F64:
        """The learning rates (n,) of n updates of one epoch: `step` updates have been made before
        the first of them, and `epoch` epochs begun before theirs.

        Raises ValueError where a rate is too large for a number.
        """
        count = _check.integer("n", n, 0, 1 << 62)
        first = _check.integer("step", step, 0, 1 << 62)
        epochs = np.array([_check.integer("epoch", epoch, 0, 1 << 62)])
        with np.errstate(all="ignore"):
            found = self._rates(np.arange(first, first + count), epochs)
        rates = np.array(np.broadcast_to(found, count))
        if not np.isfinite(rates).all():
            at = first + int(np.argmin(np.isfinite(rates)))
            raise ValueError(f"the learning rate of {self!r} is infinite after {at} updates")
        return rates

    def _rates(self, steps: I64, epochs: I64) -> F64:
        return self._at(steps if self.every == "step" else epochs)

    def _at(self, t: I64) -> F64:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class ConstantLR(Schedule):
    """learning_rate * factor while t < total_iters, then learning_rate."""

    kind: ClassVar[str] = "constant_lr"
    learning_rate: float
    factor: float = 1 / 3
    total_iters: int = 5

    def _at(self, t: I64) -> F64:
        return np.where(t < self.total_iters, self.learning_rate * self.factor, self.learning_rate)


@dataclass(frozen=True, repr=False)
class StepLR(Schedule):
    """learning_rate * gamma^floor(t / step_size)."""

    kind: ClassVar[str] = "step_lr"
    learning_rate: float
    step_size: int
    gamma: float = 0.1

    def _at(self, t: I64) -> F64:
        rates: F64 = self.learning_rate * power(self.gamma, t // self.step_size)
        return rates


@dataclass(frozen=True, repr=False)
class MultiStepLR(Schedule):
    """learning_rate * gamma^(milestones that t has reached). milestones: ascending integers."""

    kind: ClassVar[str] = "multi_step_lr"
    learning_rate: float
    milestones: tuple[int, ...]
    gamma: float = 0.1

    def _at(self, t: I64) -> F64:
        reached = np.searchsorted(self.milestones, t, side="right")
        rates: F64 = self.learning_rate * power(self.gamma, reached)
        return rates


@dataclass(frozen=True, repr=False)
class ExponentialLR(Schedule):
    """learning_rate * gamma^t."""

    kind: ClassVar[str] = "exponential_lr"
    learning_rate: float
    gamma: float

    def _at(self, t: I64) -> F64:
        rates: F64 = self.learning_rate * power(self.gamma, t)
        return rates


@dataclass(frozen=True, repr=False)
class PolynomialLR(Schedule):
    """learning_rate * (1 - min(t, total_iters) / total_iters)^power: linear with a power of 1."""

    kind: ClassVar[str] = "polynomial_lr"
    learning_rate: float
    total_iters: int = 5
    power: float = 1.0

    def _at(self, t: I64) -> F64:
        left: F64 = 1 - np.minimum(t, self.total_iters) / self.total_iters
        return self.learning_rate * _raised(left, self.power)


@dataclass(frozen=True, repr=False)
class InverseScaling(Schedule):
    """learning_rate / (1 + decay_rate * t)^power.

    Rates of 1 / t make stochastic approximation converge (Robbins and Monro, 1951). power=1 is
    Keras' InverseTimeDecay and `lr_decay` of PyTorch's Adagrad; decay_rate = samples of an epoch is
    scikit-learn's "invscaling". PyTorch has no such schedule.
    """

    kind: ClassVar[str] = "inverse_scaling"
    learning_rate: float
    power: float = 0.5
    decay_rate: float = 1.0

    def _at(self, t: I64) -> F64:
        return self.learning_rate / _raised(1 + self.decay_rate * t.astype(np.float64), self.power)


@dataclass(frozen=True, repr=False)
class CosineAnnealingLR(Schedule):
    """eta_min + (learning_rate - eta_min) * (1 + cos(pi * t / T_max)) / 2 (Loshchilov and Hutter,
    2017), so it goes up again behind T_max and comes back after 2 * T_max.

    Keras' CosineDecay stays at the end.
    """

    kind: ClassVar[str] = "cosine_annealing_lr"
    learning_rate: float
    T_max: int
    eta_min: float = 0.0

    def _at(self, t: I64) -> F64:
        part = t % (2 * self.T_max) / self.T_max
        return self.eta_min + (self.learning_rate - self.eta_min) * _wave(part)


@dataclass(frozen=True, repr=False)
class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine from learning_rate down to eta_min, over T_0, then T_0 * T_mult, then
    T_0 * T_mult^2 ... (SGDR: Loshchilov and Hutter, 2017)."""

    kind: ClassVar[str] = "cosine_annealing_warm_restarts"
    learning_rate: float
    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def _at(self, t: I64) -> F64:
        if self.T_mult == 1:
            begun, length = t - t % self.T_0, np.array(self.T_0)
        else:
            starts, lengths, last = [0], [self.T_0], int(t.max(initial=0))
            while starts[-1] + lengths[-1] <= last:
                starts.append(starts[-1] + lengths[-1])
                lengths.append(lengths[-1] * self.T_mult)
            cycle = np.searchsorted(starts, t, side="right") - 1
            begun, length = np.array(starts)[cycle], np.array(lengths, float)[cycle]
        part = (t - begun) / length
        return self.eta_min + (self.learning_rate - self.eta_min) * _wave(part)


@dataclass(frozen=True, repr=False)
class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to max_lr until t = pct_start * total_steps - 1, and down to
    max_lr / div_factor / final_div_factor until t = total_steps - 1 (Smith and Topin, 2019). There
    it stays, where PyTorch raises an error; and momentum is left alone, which PyTorch cycles too.

    anneal_strategy: "cos" or "linear". three_phase: down to max_lr / div_factor first, in as many
    steps as up, and from there on to the end.
    """

    kind: ClassVar[str] = "one_cycle_lr"
    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False
    _: KW_ONLY
    every: str = "step"

    @property
    def peak(self) -> float:
        return self.max_lr

    def _at(self, t: I64) -> F64:
        first, end = self.max_lr / self.div_factor, self.total_steps - 1
        top = self.pct_start * self.total_steps - 1
        ends, rates = [top, end], [first, self.max_lr, first / self.final_div_factor]
        if self.three_phase:
            ends[1:], rates[2:] = [2 * top, end], [first, rates[2]]
        t, begun, found = np.minimum(t, end), 0.0, np.empty(0)
        for number, until in enumerate(ends):
            length = until - begun
            part = np.clip((t - begun) / length, 0, 1) if length > 0 else np.ones(len(t))
            left = _wave(part) if self.anneal_strategy == "cos" else 1 - part
            phase = rates[number + 1] + (rates[number] - rates[number + 1]) * left
            found = np.where(t > begun, phase, found) if number else phase
            begun = until
        return found


@dataclass(frozen=True, repr=False)
class Warmup(Schedule):
    """Up along a line, from start_factor of the first rate of `then` to all of it, while t < steps;
    behind that `then`, a learning rate or another schedule.

        rate = then(0) * (start_factor + (1 - start_factor) * t / steps)      where t < steps

    Where both count the same, t of `then` begins at 0 behind the warm-up. Where this counts steps
    and `then` epochs, epochs of the warm-up count, too, of which it is usually a part. A warm-up of
    epochs needs a `then` that counts them. In PyTorch these are SequentialLR and LinearLR.
    """

    kind: ClassVar[str] = "warmup"
    steps: int
    then: float | Schedule
    start_factor: float = 1 / 3
    _: KW_ONLY
    every: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.then, Schedule) and (self.every, self.then.every) == ("epoch", "step"):
            raise ValueError("a warm-up with every='epoch' needs a `then` with every='epoch', too")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return super().from_config(with_schedule(config, "then"))

    @property
    def peak(self) -> float:
        return self.then.peak if isinstance(self.then, Schedule) else self.then

    def _rates(self, steps: I64, epochs: I64) -> F64:
        t = steps if self.every == "step" else epochs
        share = self.start_factor + (1 - self.start_factor) * (t / self.steps)
        if not isinstance(self.then, Schedule):
            return np.where(t < self.steps, self.then * share, self.then)
        behind = np.maximum(t - self.steps, 0)
        if self.then.every == self.every:
            then = self.then._at(behind)
            first = self.then._at(np.zeros(1, np.int64))
        else:
            then = first = self.then._at(epochs)
        return np.where(t < self.steps, first * share, then)


TABLE: dict[str, type[Schedule]] = {
    cls.kind: cls
    for cls in (
        ConstantLR, StepLR, MultiStepLR, ExponentialLR, PolynomialLR, InverseScaling,
        CosineAnnealingLR, CosineAnnealingWarmRestarts, OneCycleLR, Warmup,
    )
}  # fmt: skip


def learning_rate(argument: str, value: object) -> float | Schedule:
    """A number > 0, or a schedule. Raises TypeError or ValueError for anything else."""
    if isinstance(value, Schedule) and type(value) in TABLE.values():
        return value
    if isinstance(value, type) and issubclass(value, Schedule):
        raise TypeError(f"{argument} must be an instance, {value.__name__}(...), not the class")
    if isinstance(value, Spec | str):
        raise TypeError(f"{argument} must be a number or a schedule, got {describe(value)}")
    return _check.positive_real(argument, value)


def with_schedule(config: Mapping[str, Any], argument: str) -> Mapping[str, Any]:
    """A description in which that argument is a schedule, if it was the description of one."""
    if not isinstance(value := config.get(argument), Mapping):
        return config
    return {**config, argument: from_config(value, TABLE, "schedule")}
