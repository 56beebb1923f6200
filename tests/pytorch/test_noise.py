"""What noise makes of numbers; which of them, and how much it is, no two libraries agree about."""

import numpy as np
import pytest

import deltarule as dr

from .common import torch

nn = torch.nn
X = np.linspace(-2, 2, 5)[:, None] * np.ones(2000)
PAIRS = [
    (dr.Dropout(p), nn.Dropout(p)) for p in (0.0, 0.1, 0.5, 0.9)
] + [(dr.AlphaDropout(p), nn.AlphaDropout(p)) for p in (0.0, 0.1, 0.5, 0.9)]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda layer: repr(layer))
def test_the_numbers_that_there_are(ours, theirs):
    """Of each x the values that it may take, and by how much each slope."""
    x = torch.tensor(X, requires_grad=True)
    y = theirs(x)
    y.sum().backward()
    call = {"seed": 0}
    found = dr.ops.noise_forward(ours.kind, X, ours.amount, **call)
    slopes = dr.ops.noise_backward(ours.kind, np.ones_like(X), ours.amount, **call)
    for a, b in [*zip(found, y.detach().numpy(), strict=True), (slopes, x.grad.numpy())]:
        a, b = (np.unique(values.round(12) + 0.0) for values in (a, b))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)
