"""Which value of an epoch is watched, and what is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import _check
from .._position import from_hex
from .._spec import suggest
from .base import Callback

if TYPE_CHECKING:
    from ..network import Network

# what is better when it is smaller; of everything else more is better
_SMALLER = ("loss", "error", "mse", "mae", "rmse")


@dataclass(frozen=True)
class Monitor:
    """name: of a value of history. mode: "min", "max", or "auto", by the name."""

    name: str
    mode: str = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"monitor must be a name, got {type(self.name).__name__}")
        if _check.choice("mode", self.mode, ("auto", "min", "max")) == "auto":
            object.__setattr__(self, "mode", "min" if self.name.endswith(_SMALLER) else "max")

    def check(self, who: str, names: tuple[str, ...]) -> None:
        """ValueError unless there will be such a value."""
        if self.name in names:
            return
        hint = suggest(self.name, names)
        if self.name.startswith("val_") and self.name.removeprefix("val_") in names:
            hint = ": there is no validation data"
        known = ", ".join(map(repr, names))
        raise ValueError(f"{who}: monitor must be one of {known}; got {self.name!r}{hint}")

    def better(self, value: float, than: float | None, by: float = 0.0) -> bool:
        """By more than `by`. nan and infinity never are; anything else is better than None."""
        if than is None or not math.isfinite(value):
            return math.isfinite(value)
        return value < than - by if self.mode == "min" else value > than + by


class Monitoring(Callback):
    """Base of the callbacks that watch a value and remember the best one."""

    def __init__(self, monitor: str, mode: str) -> None:
        self._monitor = Monitor(monitor, mode)
        self._best: float | None = None

    def check(self, network: Network, names: tuple[str, ...]) -> None:
        """Raises ValueError unless there will be such a value."""
        self._monitor.check(type(self).__name__, names)

    def state(self) -> dict[str, Any]:
        """The best value until now."""
        return {"best": None if self._best is None else float(self._best).hex()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for what `state` cannot have returned."""
        best = state.get("best")
        self._best = None if best is None else from_hex(f"best of {type(self).__name__}", best)


def count(callback: Callback, state: Mapping[str, Any], name: str) -> int:
    """A number of that name in a state, 0 if there is none."""
    return _check.integer(f"{name} of {type(callback).__name__}", state.get(name, 0), 0, 1 << 62)
