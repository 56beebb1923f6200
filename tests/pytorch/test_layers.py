"""Layers that both have, and networks with branches."""

import pytest

import deltarule as dr

from .common import N_IN, agree, torch

nn = torch.nn


class Sum(nn.Module):
    """What the branches put out, added."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return sum(branch(x) for branch in self.branches)


class Beside(Sum):
    """What the branches put out, side by side."""

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def linear(n_in, n_out, bias=True):
    return nn.Linear(n_in, n_out, bias=bias)


CASES = {
    "no bias": lambda: (
        [dr.Dense(9, "tanh", bias=False), dr.Dense(3)],
        nn.Sequential(linear(N_IN, 9, False), nn.Tanh(), linear(9, 3)),
    ),
    "residual": lambda: (
        [dr.Dense(9, "tanh"), dr.Residual([dr.Dense(9, "gelu"), dr.Dense(9)]), dr.Dense(3)],
        nn.Sequential(
            linear(N_IN, 9), nn.Tanh(),
            Sum(nn.Identity(), nn.Sequential(linear(9, 9), nn.GELU(), linear(9, 9))),
            linear(9, 3),
        ),
    ),
    "add": lambda: (
        [dr.Add([[dr.Dense(9, "tanh")], dr.Dense(9)]), dr.Dense(3)],
        nn.Sequential(
            Sum(nn.Sequential(linear(N_IN, 9), nn.Tanh()), linear(N_IN, 9)), linear(9, 3)
        ),
    ),
    "concat": lambda: (
        [dr.Concat([[dr.Dense(9, "tanh")], [], dr.Dense(34)]), dr.Dense(3)],
        nn.Sequential(
            Beside(nn.Sequential(linear(N_IN, 9), nn.Tanh()), nn.Identity(), linear(N_IN, 34)),
            linear(43 + N_IN, 3),
        ),
    ),
    "batch norm": lambda: (
        [dr.Dense(9), dr.BatchNorm(), dr.Activation("tanh"), dr.BatchNorm(momentum=0.3),
         dr.Dense(3)],
        nn.Sequential(
            linear(N_IN, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.BatchNorm1d(9, momentum=0.3),
            linear(9, 3),
        ),
    ),
    "batch norm without weight and bias": lambda: (
        [dr.BatchNorm(1e-3, affine=False), dr.Dense(9, "tanh"), dr.Dense(3)],
        nn.Sequential(
            nn.BatchNorm1d(N_IN, 1e-3, affine=False), linear(N_IN, 9), nn.Tanh(), linear(9, 3)
        ),
    ),
    "layer norm": lambda: (
        [dr.Dense(9), dr.LayerNorm(), dr.Activation("tanh"), dr.Dense(3)],
        nn.Sequential(linear(N_IN, 9), nn.LayerNorm(9), nn.Tanh(), linear(9, 3)),
    ),
    "rms norm": lambda: (
        [dr.Dense(9), dr.RMSNorm(), dr.Activation("tanh"), dr.Dense(3)],
        nn.Sequential(linear(N_IN, 9), nn.RMSNorm(9), nn.Tanh(), linear(9, 3)),
    ),
    "prelu": lambda: (
        [dr.Dense(9, "prelu"), dr.Dense(9), dr.PReLU(0.1, per_feature=True), dr.Dense(3)],
        nn.Sequential(
            linear(N_IN, 9), nn.PReLU(), linear(9, 9), nn.PReLU(9, 0.1), linear(9, 3)
        ),
    ),
    "batch norm at both ends": lambda: (
        [dr.BatchNorm(), dr.Dense(9, bias=False), dr.BatchNorm(1e-3, 0.3),
         dr.Activation("tanh"), dr.Dense(3, bias=False), dr.BatchNorm(affine=False)],
        nn.Sequential(
            nn.BatchNorm1d(N_IN), linear(N_IN, 9, False), nn.BatchNorm1d(9, 1e-3, 0.3), nn.Tanh(),
            linear(9, 3, False), nn.BatchNorm1d(3, affine=False),
        ),
    ),
    "layer norm without bias": lambda: (
        [dr.LayerNorm(), dr.Dense(9, "tanh"), dr.LayerNorm(1e-3, bias=False), dr.Dense(3),
         dr.LayerNorm(affine=False)],
        nn.Sequential(
            nn.LayerNorm(N_IN), linear(N_IN, 9), nn.Tanh(), nn.LayerNorm(9, 1e-3, bias=False),
            linear(9, 3), nn.LayerNorm(3, elementwise_affine=False),
        ),
    ),
    "rms norm without weight": lambda: (
        [dr.RMSNorm(), dr.Dense(9, "tanh"), dr.RMSNorm(1e-3, affine=False), dr.Dense(3)],
        nn.Sequential(
            nn.RMSNorm(N_IN), linear(N_IN, 9), nn.Tanh(),
            nn.RMSNorm(9, 1e-3, elementwise_affine=False), linear(9, 3),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_layers(case):
    agree(*CASES[case]())


def test_penalties():
    """Which it has no name for: they are added to the loss by hand."""
    module = nn.Sequential(linear(N_IN, 9), nn.Tanh(), linear(9, 3))

    def loss(y, t):
        first, last = module[0].weight, module[2].weight
        paid = 0.01 * first.abs().sum() + 0.02 * first.square().sum() + 0.05 * last.square().sum()
        return nn.functional.mse_loss(y, t) + paid

    agree([dr.Dense(9, "tanh", l1=0.01, l2=0.02), dr.Dense(3, l2=0.05)], module, their_loss=loss)
