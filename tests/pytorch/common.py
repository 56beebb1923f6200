"""The same network in both libraries, trained on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import deltarule as dr

torch = pytest.importorskip("torch", reason="compares with PyTorch")

STEPS, ROWS, N_IN = 50, 16, 7
Array = np.ndarray


def batches(targets: Callable[[np.random.Generator], Array]) -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        x = rng.standard_normal((ROWS, N_IN))
        yield x, targets(rng)


def numbers(n_out: int) -> Callable[[np.random.Generator], Array]:
    return lambda rng: rng.standard_normal((ROWS, n_out))


THREE = numbers(3)


def in_theirs(name: str, value: Array) -> Array:
    """Weights are (n_out, n_in) there."""
    return value.T.copy() if value.ndim == 2 else value


def tensors(module: Any) -> list[Any]:
    """Parameters and running statistics, in the order of the modules."""
    found = []
    for part in module.modules():
        own = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
        found += [tensor for name, tensor in own if name != "num_batches_tracked"]
    return found


def agree(
    layers: Sequence[dr.Layer],
    module: Any,
    *,
    loss: Any = "mse",
    their_loss: Callable[[Any, Any], Any] | None = None,
    targets: Callable[[np.random.Generator], Array] = THREE,
    optimizer: Any = None,
    their_optimizer: Callable[[Any], Any] = lambda p: torch.optim.SGD(p, 0.05, 0.9),
) -> None:
    """From the same first values, the loss of every step and all parameters at the end."""
    net = dr.Network(
        layers, loss, optimizer or dr.SGD(0.05, momentum=0.9), dtype="float64", seed=3
    )
    net.build(N_IN)
    module.double().train()
    ours, theirs = net.parameters(), tensors(module)
    assert len(ours) == len(theirs), (list(ours), [t.shape for t in theirs])
    with torch.no_grad():
        for (name, value), tensor in zip(ours.items(), theirs, strict=True):
            tensor.copy_(torch.tensor(in_theirs(name, value)))
    measure = their_loss or torch.nn.functional.mse_loss
    updates = their_optimizer(list(module.parameters()))
    for x, t in batches(targets):
        value = measure(module(torch.tensor(x)), torch.tensor(t))
        updates.zero_grad()
        value.backward()
        updates.step()
        np.testing.assert_allclose(net.train_on_batch(x, t), value.item(), rtol=1e-9, atol=1e-12)
    for (name, value), tensor in zip(net.parameters().items(), theirs, strict=True):
        got = tensor.detach().numpy()
        scale = np.abs(got).max()
        np.testing.assert_allclose(
            in_theirs(name, value), got, rtol=1e-9, atol=1e-9 * scale + 1e-12, err_msg=name
        )
