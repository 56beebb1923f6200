"""Every schedule that both have: the rates of many steps, and fifty steps of training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import schedules
from deltarule.schedules import OneCycleLR, Schedule, Warmup

from ..schedules import PLAIN
from .common import STEPS, agree, torch

# by our kind: its name there, and what it has besides the learning rate
PEERS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "constant_lr": ("ConstantLR", lambda s: {"factor": s.factor, "total_iters": s.total_iters}),
    "step_lr": ("StepLR", lambda s: {"step_size": s.step_size, "gamma": s.gamma}),
    "multi_step_lr": ("MultiStepLR", lambda s: {"milestones": s.milestones, "gamma": s.gamma}),
    "exponential_lr": ("ExponentialLR", lambda s: {"gamma": s.gamma}),
    "polynomial_lr": ("PolynomialLR", lambda s: {"total_iters": s.total_iters, "power": s.power}),
    "cosine_annealing_lr": ("CosineAnnealingLR", lambda s: {"T_max": s.T_max,
                                                            "eta_min": s.eta_min}),
    "cosine_annealing_warm_restarts": (
        "CosineAnnealingWarmRestarts",
        lambda s: {"T_0": s.T_0, "T_mult": s.T_mult, "eta_min": s.eta_min}),
    "one_cycle_lr": ("OneCycleLR", lambda s: {
        "max_lr": s.max_lr, "total_steps": s.total_steps, "pct_start": s.pct_start,
        "anneal_strategy": s.anneal_strategy, "div_factor": s.div_factor,
        "final_div_factor": s.final_div_factor, "three_phase": s.three_phase,
        "cycle_momentum": False}),
}  # fmt: skip
lr_scheduler = torch.optim.lr_scheduler
# where PyTorch divides by zero
WITHOUT = [OneCycleLR(0.1, 10, 0.1), OneCycleLR(0.1, 10, 1.0), OneCycleLR(0.1, 1)]
TRIED = [s for s in PLAIN if s.kind in PEERS and s not in WITHOUT]


def peer(schedule: Schedule, optimizer: Any) -> Any:
    if isinstance(schedule, Warmup):
        line = lr_scheduler.LinearLR(optimizer, schedule.start_factor, 1.0, schedule.steps)
        then = peer(schedule.then, optimizer)  # type: ignore[arg-type]
        return lr_scheduler.SequentialLR(optimizer, [line, then], [schedule.steps])
    name, arguments = PEERS[schedule.kind]
    return getattr(lr_scheduler, name)(optimizer, **arguments(schedule))


def their_rates(schedule: Schedule, n: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=schedule.peak)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR uses what it deprecates
        scheduler = peer(schedule, optimizer)
        rates = []
        for _ in range(n):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(rates) < n:
                scheduler.step()
    return rates


def of_steps(schedule: Schedule) -> Schedule:
    return type(schedule)(**{**vars(schedule), "every": "step"})


@pytest.mark.parametrize("schedule", TRIED, ids=repr)
def test_rates(schedule: Schedule) -> None:
    n = getattr(schedule, "total_steps", 120)
    rates = of_steps(schedule).rates(n)
    np.testing.assert_allclose(rates, their_rates(schedule, n), rtol=1e-9, atol=1e-14)


# the others begin below their learning rate, up to which PyTorch warms up
FROM_THE_TOP = [s for s in TRIED if s.rates(1) == s.peak]


@pytest.mark.parametrize("schedule", FROM_THE_TOP, ids=repr)
@pytest.mark.parametrize("start_factor", [1 / 3, 0.01])
def test_rates_behind_a_warm_up(schedule: Schedule, start_factor: float) -> None:
    warm = Warmup(7, of_steps(schedule), start_factor)
    np.testing.assert_allclose(warm.rates(90), their_rates(warm, 90), rtol=1e-9, atol=1e-14)


def test_training() -> None:
    schedule = schedules.CosineAnnealingWarmRestarts(0.05, 9, 2, 1e-3, every="step")

    class Scheduled:
        """Their optimizer and their scheduler."""

        def __init__(self, parameters: Any) -> None:
            self.optimizer = torch.optim.AdamW(parameters, lr=0.05)
            self.scheduler = peer(schedule, self.optimizer)
            self.zero_grad = self.optimizer.zero_grad

        def step(self) -> None:
            self.optimizer.step()
            self.scheduler.step()

    module = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    agree(
        [dr.Dense(5, "tanh"), dr.Dense(3)], module,
        optimizer=dr.AdamW(schedule), their_optimizer=Scheduled,
    )  # fmt: skip
    assert len(set(schedule.rates(STEPS).tolist())) > STEPS / 2


def test_all_schedules_that_both_have() -> None:
    theirs = {name.lower() for name in vars(lr_scheduler)}
    ours = {cls.__name__.lower() for cls in schedules.TABLE.values()}
    assert ours & theirs == {name.lower() for name, _ in PEERS.values()}


@pytest.mark.parametrize("kind", PEERS)
def test_defaults(kind: str) -> None:
    import inspect

    name, _ = PEERS[kind]
    theirs = inspect.signature(getattr(lr_scheduler, name)).parameters
    for argument, parameter in inspect.signature(schedules.TABLE[kind]).parameters.items():
        if argument not in ("learning_rate", "every", "total_steps"):
            assert theirs[argument].default == parameter.default, argument
