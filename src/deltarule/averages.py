"""Averages of weights: a name such as "ema", or an object such as EMA(0.99), for the argument
`average` of any optimizer that makes steps: Adam(1e-3, average=EMA(0.99)).

Training goes on with the raw weights; `predict`, `evaluate` and the validation of `fit` use the
average as soon as there is one. `net.parameters()` are the raw weights,
`net.parameters(average=True)` the averaged ones. Running statistics of BatchNorm are averaged as
well (PyTorch: use_buffers=True). What `set_parameters` or `adapt` set is set in the average, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from . import _check
from ._spec import Spec, from_config, resolve


@dataclass(frozen=True, repr=False)
class Average(Spec):
    """Base of the averages."""

    @property
    def updates(self) -> int:
        """It takes the weights after so many updates each; 0: at ends of epochs."""
        return 0

    @property
    def moving(self) -> float:
        """The share of the weights that it takes; 0.0: all that it has taken have the same."""
        return 0.0

    def takes(self, epoch: int) -> bool:
        """Whether it takes the weights at the end of epoch number `epoch`, from 0."""
        return False

    def share(self, taken: int, step: int, *, updated: bool, ends: bool) -> float:
        """Of the weights after a batch, where `taken` are part of the average already; 0.0: it
        stays as it is. step: updates made; updated: the last one by this batch; ends: an epoch
        whose end counts does with it."""
        due = updated and step % self.updates == 0 if self.updates else ends
        if not due:
            return 0.0
        return 1.0 if taken == 0 else self.moving or 1 / (taken + 1)


@dataclass(frozen=True, repr=False)
class EMA(Average):
    """Exponential moving average: average <- decay * average + (1 - decay) * w after each update,
    when constraints have been met; the first one is a copy (Polyak and Juditsky, 1992; as in
    PyTorch's torch.optim.swa_utils.get_ema_multi_avg_fn).

    0 <= decay < 1; the default is PyTorch's, Keras has 0.99. every >= 1: after updates whose number
    is a multiple of it, so the first average is that after update number `every`.
    """

    kind: ClassVar[str] = "ema"
    decay: float = 0.999
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", _check.fraction("decay", self.decay))
        object.__setattr__(self, "every", _check.integer("every", self.every, 1, 1 << 62))

    @property
    def updates(self) -> int:
        return self.every

    @property
    def moving(self) -> float:
        return 1 - self.decay


@dataclass(frozen=True, repr=False)
class SWA(Average):
    """Stochastic weight averaging (Izmailov et al., 2018): the mean of the weights at the ends of
    epochs, all alike (PyTorch's torch.optim.swa_utils.AveragedModel).

    start_epoch >= 0: so many epochs go by before the first that counts; every_epochs >= 1: each
    such one from there on. Epochs count over the life of the network, train_on_batch() makes none.
    A learning rate that is constant or cyclic by then suits it.
    """

    kind: ClassVar[str] = "swa"
    start_epoch: int
    every_epochs: int = 1

    def __post_init__(self) -> None:
        start = _check.integer("start_epoch", self.start_epoch, 0, 1 << 62)
        object.__setattr__(self, "start_epoch", start)
        every = _check.integer("every_epochs", self.every_epochs, 1, 1 << 62)
        object.__setattr__(self, "every_epochs", every)

    def takes(self, epoch: int) -> bool:
        return epoch >= self.start_epoch and (epoch - self.start_epoch) % self.every_epochs == 0


TABLE: dict[str, type[Average]] = {cls.kind: cls for cls in (EMA, SWA)}


def get(average: str | Average | None) -> Average | None:
    """The average for a name or an object, or None for none.

    Raises ValueError for an unknown name, TypeError for anything else.
    """
    return None if average is None else resolve(average, TABLE, "average")


def with_average(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A description of an optimizer in which `average` is an object, if there is one."""
    if config.get("average") is None:
        return config
    return {**config, "average": from_config(config["average"], TABLE, "average")}
