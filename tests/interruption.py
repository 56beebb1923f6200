"""Comparing the whole state of networks, and interrupting a fit at a chosen batch."""

from __future__ import annotations

import pytest

import deltarule as dr
from deltarule._engine import Plan, Run

from .conftest import Data


def assert_same(first: dr.Network, second: dr.Network) -> None:
    """The same bits: parameters, optimizer state, position."""
    one, two = first.__getstate__(), second.__getstate__()
    assert one["description"] == two["description"]
    assert one["arrays"].keys() == two["arrays"].keys()
    for name, array in one["arrays"].items():
        assert array.tobytes() == two["arrays"][name].tobytes(), name


class Stops:
    """A run that raises KeyboardInterrupt once a number of batches is done."""

    def __init__(self, run: Run, after: int) -> None:
        self._run = run
        self._after = after

    def __getattr__(self, name: str) -> object:
        return getattr(self._run, name)

    def advance(self, budget: float) -> bool:
        over = self._run.advance(0.0)
        if self._run.batch >= self._after:
            raise KeyboardInterrupt
        return over


class StoppingPlan:
    """A plan whose n-th epoch is interrupted after some batches."""

    def __init__(self, plan: Plan, epoch: int, batches: int) -> None:
        self._plan = plan
        self._left = epoch
        self._batches = batches

    def __getattr__(self, name: str) -> object:
        return getattr(self._plan, name)

    def train(self, *data: object, **how: object) -> object:
        run = self._plan.train(*data, **how)  # type: ignore[arg-type]
        self._left -= 1
        return Stops(run, self._batches) if self._left == 0 else run


def interrupt(net: dr.Network, data: Data, epoch: int, batches: int, **how: object) -> None:
    """A fit that ends in KeyboardInterrupt in its epoch-th epoch."""
    net.build(data[0].shape[1])
    plan = net._plan
    assert plan is not None
    net._plan = StoppingPlan(plan, epoch, batches)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        net.fit(*data, **how)  # type: ignore[arg-type]
    net._plan = plan
