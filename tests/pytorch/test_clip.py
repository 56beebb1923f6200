"""Clipping, by value, by the norm of each array and by that of all, before weight decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import deltarule as dr

from .common import N_IN, agree, torch

LIMIT = 0.05
WAYS: dict[str, Callable[[list[Any]], Any]] = {
    "clipvalue": lambda p: torch.nn.utils.clip_grad_value_(p, LIMIT),
    "clipnorm": lambda p: [torch.nn.utils.clip_grad_norm_([one], LIMIT) for one in p],
    "global_clipnorm": lambda p: torch.nn.utils.clip_grad_norm_(p, LIMIT),
}


class Clipping:
    """An optimizer of theirs, with gradients clipped."""

    def __init__(self, way: str, parameters: list[Any]) -> None:
        self.clip, self.parameters = WAYS[way], parameters
        self.optimizer = torch.optim.SGD(parameters, 0.05, 0.9, weight_decay=0.01)
        self.zero_grad = self.optimizer.zero_grad

    def step(self) -> None:
        self.clip(self.parameters)
        self.optimizer.step()


@pytest.mark.parametrize("way", WAYS)
def test_clipping(way: str) -> None:
    nn = torch.nn
    agree(
        [dr.Dense(9, "tanh"), dr.BatchNorm(), dr.Dense(3)],
        nn.Sequential(
            nn.Linear(N_IN, 9), nn.Tanh(), nn.BatchNorm1d(9), nn.Linear(9, 3)
        ),
        optimizer=dr.SGD(0.05, 0.9, weight_decay=0.01, **{way: LIMIT}),
        their_optimizer=lambda p: Clipping(way, p),
    )
