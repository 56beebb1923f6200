"""Callbacks for tests, and a clock that goes on by batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import deltarule as dr
from deltarule import performance
from deltarule.callbacks import training

EVENTS = (
    "on_fit_begin",
    "on_epoch_begin",
    "on_slice",
    "on_batch_end",
    "on_epoch_end",
    "on_fit_end",
)


def listening(heard: list[Any], *, batches: bool = True) -> dr.LambdaCallback:
    """Writes down what is called, with the numbers of epoch and batch."""

    def on(event: str) -> Any:
        return lambda fit, values=None: heard.append((event, fit.epoch, fit.batch))

    return dr.LambdaCallback(**{e: on(e) for e in EVENTS if batches or e != "on_batch_end"})


class Fault(Exception):
    """What Faulty raises."""


def faulty(event: str, epoch: int, batch: int = 0, error: type[BaseException] = Fault) -> Any:
    """Raises an error, once: in the event of that epoch, after so many batches."""
    left = [True]

    def act(fit: dr.Training, values: Any = None) -> None:
        if left and fit.epoch >= epoch and fit.batch >= batch:
            left.clear()
            raise error

    return dr.LambdaCallback(**{event: act})


class Counter(dr.Callback):
    """Remembers how many epochs it has seen, and their losses."""

    def __init__(self) -> None:
        self.losses: list[str] = []

    def state(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.losses = state.get("losses", [])

    def on_epoch_end(self, training: dr.Training, values: Mapping[str, float]) -> None:
        self.losses.append(values["loss"].hex())


class Clock:
    """Time that passes only in batches (`step` seconds each) and in validation."""

    def __init__(self, step: float, validation: float) -> None:
        self.now, self.step, self.validation = 100.0, step, validation

    def __call__(self) -> float:
        return self.now


class _Run:
    def __init__(self, run: Any, clock: Clock) -> None:
        self._run, self._clock = run, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def advance(self, budget: float) -> bool:
        end, over = self._clock.now + budget, False
        while not over:
            over = self._run.advance(0.0)
            self._clock.now += self._clock.step
            if self._clock.now >= end:
                break
        return over


class Timed:
    """A plan whose batches take time by a clock."""

    def __init__(self, plan: Any, clock: Clock) -> None:
        self._plan, self._clock = plan, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plan, name)

    def train(self, *data: Any, **how: Any) -> Any:
        return _Run(self._plan.train(*data, **how), self._clock)

    def evaluate(self, *data: Any, **how: Any) -> Any:
        self._clock.now += self._clock.validation
        return self._plan.evaluate(*data, **how)


def by_clock(
    net: dr.Network, patch: pytest.MonkeyPatch, step: float, validation: float = 0.0
) -> Clock:
    """Gives a built network such a plan; all clocks of `fit` are that one."""
    clock = Clock(step, validation)
    patch.setattr(training, "perf_counter", clock)
    patch.setattr(performance, "perf_counter", clock)
    net._plan = Timed(net._plan, clock)  # type: ignore[assignment]
    return clock
