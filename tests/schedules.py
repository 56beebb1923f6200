"""Schedules of every kind, and their rates by the formulas as published, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from deltarule.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    InverseScaling,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    Schedule,
    StepLR,
    Warmup,
)

# all but Warmup, which comes in front of each of these
PLAIN: list[Schedule] = [
    ConstantLR(0.1),
    ConstantLR(0.1, 0.5, 3),
    StepLR(0.1, 3),
    StepLR(0.3, 1, 0.97),
    MultiStepLR(0.1, [2, 3, 11]),
    MultiStepLR(0.1, (1,), 0.5),
    MultiStepLR(0.1, ()),
    ExponentialLR(0.1, 0.9),
    ExponentialLR(0.1, 1.0001),
    PolynomialLR(0.1),
    PolynomialLR(0.1, 20, 2.0),
    PolynomialLR(0.1, 20, 0.7),
    PolynomialLR(0.1, 20, 0.0),
    InverseScaling(0.1),
    InverseScaling(0.1, 1.0, 0.01),
    InverseScaling(0.1, 0.25, 50.0),
    CosineAnnealingLR(0.1, 10),
    CosineAnnealingLR(0.1, 1, 0.01),
    CosineAnnealingLR(0.1, 37, 0.2),
    CosineAnnealingWarmRestarts(0.1, 7),
    CosineAnnealingWarmRestarts(0.1, 1, 2, 0.01),
    CosineAnnealingWarmRestarts(0.1, 3, 3),
    OneCycleLR(0.1, 100),
    OneCycleLR(0.1, 20, 0.25, "linear", 10.0, 100.0),
    OneCycleLR(0.1, 33, 0.4, three_phase=True),
    OneCycleLR(0.1, 10, 0.1),
    OneCycleLR(0.1, 10, 0.0),
    OneCycleLR(0.1, 10, 1.0),
    OneCycleLR(0.1, 2),
    OneCycleLR(0.1, 1),
]
WARM: list[Schedule] = [
    Warmup(5, 0.1),
    Warmup(1, 0.1, 0.0),
    Warmup(3, 0.1, 1.0, every="epoch"),
    *[Warmup(4, then, every=then.every) for then in PLAIN],
    Warmup(4, StepLR(0.1, 2)),
]
SCHEDULES = [*PLAIN, *WARM]


def _one_cycle(s: OneCycleLR, t: int) -> float:
    first = s.max_lr / s.div_factor
    last = first / s.final_div_factor
    top, end = s.pct_start * s.total_steps - 1, s.total_steps - 1
    phases = [(top, first, s.max_lr), (end, s.max_lr, last)]
    if s.three_phase:
        phases[1:] = [(2 * top, s.max_lr, first), (end, first, last)]
    begun, t = 0.0, min(t, end)
    for number, (until, a, b) in enumerate(phases, 1):
        if t <= until or number == len(phases):
            part = (t - begun) / (until - begun) if until > begun else 1.0
            if s.anneal_strategy == "linear":
                return a + (b - a) * part
            return b + (a - b) / 2 * (1 + math.cos(math.pi * part))
        begun = until
    raise AssertionError


def _restarts(s: CosineAnnealingWarmRestarts, t: int) -> float:
    length = s.T_0
    while t >= length:
        t, length = t - length, length * s.T_mult
    return s.eta_min + (s.learning_rate - s.eta_min) * (1 + math.cos(math.pi * t / length)) / 2


PUBLISHED: dict[str, Callable[[Any, int], float]] = {
    "constant_lr": lambda s, t: s.learning_rate * (s.factor if t < s.total_iters else 1),
    "step_lr": lambda s, t: s.learning_rate * s.gamma ** (t // s.step_size),
    "multi_step_lr": lambda s, t: s.learning_rate * s.gamma ** sum(m <= t for m in s.milestones),
    "exponential_lr": lambda s, t: s.learning_rate * s.gamma**t,
    "polynomial_lr": lambda s, t: (
        s.learning_rate * (1 - min(t, s.total_iters) / s.total_iters) ** s.power
    ),
    "inverse_scaling": lambda s, t: s.learning_rate / (1 + s.decay_rate * t) ** s.power,
    "cosine_annealing_lr": lambda s, t: (
        s.eta_min
        + (s.learning_rate - s.eta_min)
        * (1 + math.cos(math.pi * (t % (2 * s.T_max)) / s.T_max))
        / 2
    ),
    "cosine_annealing_warm_restarts": _restarts,
    "one_cycle_lr": _one_cycle,
}


def published(schedule: Schedule, step: int, epoch: int) -> float:
    """The rate after so many updates and epochs."""
    t = {"step": step, "epoch": epoch}[schedule.every]
    if not isinstance(schedule, Warmup):
        return PUBLISHED[schedule.kind](schedule, t)
    left = max(t - schedule.steps, 0)
    if not isinstance(schedule.then, Schedule):
        first = then = schedule.then
    elif schedule.then.every == schedule.every:
        first = published(schedule.then, 0, 0)
        then = published(schedule.then, left, left)
    else:
        first = then = published(schedule.then, step, epoch)
    line = schedule.start_factor + (1 - schedule.start_factor) * t / schedule.steps
    return first * line if t < schedule.steps else then
