"""Every loss that both have, with weights of classes where PyTorch has them."""

import numpy as np
import pytest

import deltarule as dr
from deltarule import losses

from .common import N_IN, ROWS, agree, numbers, torch

nn, functional = torch.nn, torch.nn.functional
OUT = 4


def labels(rng):
    return rng.integers(0, OUT, ROWS)


def chances(rng):
    t = rng.uniform(0.05, 1, (ROWS, OUT))
    return t / t.sum(axis=1, keepdims=True)


def counts(rng):
    return rng.integers(0, 5, (ROWS, OUT)).astype(float)


def bits(rng):
    return rng.integers(0, 2, (ROWS, OUT)).astype(float)


def some_ignored(rng):
    t = labels(rng)
    t[rng.uniform(size=ROWS) < 0.3] = -100
    return t


def cross_entropy(**given):
    return lambda y, t: functional.cross_entropy(y, t, **given)


def gaussian_nll(y, t):
    """Outputs are mean and variance of one target after the other."""
    return functional.gaussian_nll_loss(y[:, 0::2], t, y[:, 1::2].clamp(min=0))


# ours, the last activation, theirs on the activated output or on logits, targets
CASES = {
    "mse": ("mse", None, functional.mse_loss, numbers(OUT)),
    "mae": ("mae", None, functional.l1_loss, numbers(OUT)),
    "huber": ("huber", None, functional.huber_loss, numbers(OUT)),
    "huber 0.4": (losses.Huber(0.4), None, lambda y, t: functional.huber_loss(y, t, delta=0.4),
                  numbers(OUT)),
    "poisson": ("poisson", None, functional.poisson_nll_loss, counts),
    "poisson of rates": (losses.Poisson(log_input=False), "softplus",
                         lambda y, t: functional.poisson_nll_loss(
                             functional.softplus(y), t, log_input=False), counts),
    "binary_cross_entropy": ("binary_cross_entropy", "sigmoid",
                             functional.binary_cross_entropy_with_logits, bits),
    "cross_entropy": ("cross_entropy", "softmax", functional.cross_entropy, labels),
    "cross_entropy of chances": ("cross_entropy", None, functional.cross_entropy, chances),
    "label smoothing": (losses.CrossEntropy(label_smoothing=0.1), "softmax",
                        cross_entropy(label_smoothing=0.1), labels),
    "ignored labels": ("cross_entropy", "softmax", functional.cross_entropy, some_ignored),
    "kl_divergence": ("kl_divergence", "softmax",
                      lambda y, t: functional.kl_div(
                          functional.log_softmax(y, 1), t, reduction="batchmean"), chances),
    "cosine": ("cosine", None,
               lambda y, t: functional.cosine_embedding_loss(y, t, torch.ones(len(y))),
               numbers(OUT)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_loss(case):
    loss, activation, theirs, targets = CASES[case]
    agree(
        [dr.Dense(9, "tanh"), dr.Dense(OUT, activation)],
        nn.Sequential(nn.Linear(N_IN, 9), nn.Tanh(), nn.Linear(9, OUT)),
        loss=loss,
        their_loss=theirs,
        targets=targets,
    )


def test_class_weights():
    weights = np.array([0.5, 1.0, 2.0, 3.0])
    rng = np.random.default_rng(5)
    x, t = rng.standard_normal((ROWS, N_IN)), labels(rng)
    net = dr.Network([dr.Dense(OUT, "softmax")], "cross_entropy", dtype="float64")
    net.build(N_IN)
    loss, gradients = net.gradients(x, t, class_weight=weights)
    w = torch.tensor(net.parameters()["0.weight"], requires_grad=True)
    theirs = functional.cross_entropy(torch.tensor(x) @ w, torch.tensor(t), torch.tensor(weights))
    theirs.backward()
    np.testing.assert_allclose(loss, theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(gradients["0.weight"], w.grad.numpy(), rtol=1e-9, atol=1e-12)
