"""The best weights of a training so far, kept apart from those that it goes on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from . import _averaged, _check
from ._engine import Plan
from ._position import from_hex
from .callbacks.monitor import Monitor

_LARGE = 2**62


@dataclass(frozen=True)
class Best:
    """monitor: what they are best by. value: what that was. epoch: epochs begun until then, over
    the life of the network. arrays: the parameters that predicted
    then, by name: the average of weights where there was one."""

    monitor: Monitor
    value: float
    epoch: int
    arrays: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, plan: Plan, monitor: Monitor, value: float, epoch: int) -> Best:
        """The parameters that predict now."""
        slot = _averaged.slot(plan) if plan.averaged else 0
        arrays = {name: plan.get(slot, name) for name in plan.graph.parameter_shapes()}
        return cls(monitor, value, epoch, arrays)

    def put(self, plan: Plan) -> None:
        """Gives a plan these parameters; its average, too."""
        _averaged.put(plan, self.arrays)

    def to_config(self) -> dict[str, Any]:
        """The JSON form of all but the arrays."""
        return {
            "monitor": self.monitor.name,
            "mode": self.monitor.mode,
            "value": self.value.hex(),
            "epoch": self.epoch,
        }

    @classmethod
    def from_config(cls, config: object) -> Best:
        """Without arrays. Raises TypeError or ValueError for what `to_config` cannot have written.
        """
        if not isinstance(config, Mapping):
            raise TypeError("best must be an object")
        if set(config) != {"monitor", "mode", "value", "epoch"}:
            raise ValueError("best must have the keys ['epoch', 'mode', 'monitor', 'value']")
        monitor = Monitor(config["monitor"], _check.choice("best.mode", config["mode"], _MODES))
        epoch = _check.integer("best.epoch", config["epoch"], 0, _LARGE)
        return cls(monitor, from_hex("best.value", config["value"]), epoch, {})


_MODES = ("min", "max")
