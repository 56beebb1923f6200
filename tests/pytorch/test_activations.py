"""Every activation, between two Dense layers."""

import pytest

import deltarule as dr

from .common import N_IN, agree, torch

nn = torch.nn


class Written(nn.Module):
    """Of PyTorch's operations, where its own module computes with constants in float32."""

    def __init__(self, formula):
        super().__init__()
        self.forward = formula


def celu(alpha):
    return Written(lambda x: torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0) / alpha)))


PEERS = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "celu": nn.CELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": lambda: Written(lambda x: (x / 6 + 0.5).clamp(0, 1)),
    "hard_swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(1),
    "log_softmax": lambda: nn.LogSoftmax(1),
    "prelu": nn.PReLU,
}
NOT_THERE = {"exp"}  # torch.exp is no module


def test_all_of_them():
    assert set(dr.activations.TABLE) - NOT_THERE == set(PEERS)


@pytest.mark.parametrize("name", PEERS)
def test_activation(name):
    agree(
        [dr.Dense(9, name), dr.Dense(3)],
        nn.Sequential(nn.Linear(N_IN, 9), PEERS[name](), nn.Linear(9, 3)),
    )


@pytest.mark.parametrize(
    ("activation", "peer"),
    [
        (dr.activations.LeakyReLU(0.3), nn.LeakyReLU(0.3)),
        (dr.activations.ELU(0.7), nn.ELU(0.7)),
        (dr.activations.CELU(1.3), celu(1.3)),
    ],
    ids=repr,
)
def test_with_arguments(activation, peer):
    agree(
        [dr.Dense(9), dr.Activation(activation), dr.Dense(3)],
        nn.Sequential(nn.Linear(N_IN, 9), peer, nn.Linear(9, 3)),
    )
