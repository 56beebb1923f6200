"""A learning rate for each layer, which is a parameter group there."""

from __future__ import annotations

from typing import Any

import pytest

import deltarule as dr
from deltarule.optimizers import Optimizer

from .common import N_IN, agree, torch

OPTIMIZERS: list[tuple[Optimizer, Any]] = [
    (dr.SGD(0.05, 0.9), lambda p: torch.optim.SGD(p, 0.05, 0.9)),
    (dr.AdamW(0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
    (dr.RAdam(0.01), lambda p: torch.optim.RAdam(p, 0.01)),
    (dr.Rprop(0.01), lambda p: torch.optim.Rprop(p, 0.01)),
]


@pytest.mark.parametrize(("optimizer", "theirs"), OPTIMIZERS, ids=lambda o: repr(o)[:5])
def test_groups(optimizer: Optimizer, theirs: Any) -> None:
    nn = torch.nn
    groups = lambda p: [  # noqa: E731
        {"params": p[:2], "lr": 0.1 * optimizer.learning_rate},
        {"params": p[2:4]},
        {"params": p[4:], "lr": 3 * optimizer.learning_rate},
    ]
    agree(
        [
            dr.Dense(9, "tanh", learning_rate_factor=0.1),
            dr.BatchNorm(),
            dr.Dense(3, learning_rate_factor=3),
        ],
        nn.Sequential(nn.Linear(N_IN, 9), nn.Tanh(), nn.BatchNorm1d(9), nn.Linear(9, 3)),
        optimizer=optimizer,
        their_optimizer=lambda p: theirs(groups(p)),
    )
