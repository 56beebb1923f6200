"""Averages of weights beside torch.optim.swa_utils."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .common import N_IN, THREE, batches, in_theirs, tensors, torch

DECAY, BEGIN = 0.9, 3


def layers() -> tuple[list[dr.Layer], Any]:
    ours = [dr.Dense(9, "tanh"), dr.BatchNorm(), dr.Dense(3)]
    nn = torch.nn
    return ours, nn.Sequential(nn.Linear(N_IN, 9), nn.Tanh(), nn.BatchNorm1d(9), nn.Linear(9, 3))


def equal(net: dr.Network, module: Any, *, average: bool) -> None:
    theirs = tensors(module)
    for (name, value), tensor in zip(
        net.parameters(average=average).items(), theirs, strict=True
    ):
        got = tensor.detach().numpy()
        np.testing.assert_allclose(in_theirs(name, value), got, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_averages(kind: str, every: int) -> None:
    """Each batch is an epoch of its own."""
    utils = torch.optim.swa_utils
    ours, module = layers()
    average = dr.EMA(DECAY, every) if kind == "ema" else dr.SWA(BEGIN, every)
    net = dr.Network(ours, "mse", dr.SGD(0.05, 0.9, average=average), dtype="float64")
    net.build(N_IN)
    module.double().train()
    with torch.no_grad():
        for (name, value), tensor in zip(net.parameters().items(), tensors(module), strict=True):
            tensor.copy_(torch.tensor(in_theirs(name, value)))
    function = {"multi_avg_fn": utils.get_ema_multi_avg_fn(DECAY)} if kind == "ema" else {}
    averaged = utils.AveragedModel(module, use_buffers=True, **function)
    updates = torch.optim.SGD(module.parameters(), 0.05, 0.9)
    for step, (x, t) in enumerate(batches(THREE), 1):
        updates.zero_grad()
        torch.nn.functional.mse_loss(module(torch.tensor(x)), torch.tensor(t)).backward()
        updates.step()
        epoch = step - 1
        due = step % every == 0 if kind == "ema" else epoch >= BEGIN and not (epoch - BEGIN) % every
        if due:
            averaged.update_parameters(module)
        net.fit(x, t, batch_size=len(x), shuffle=False, verbose=False)
        equal(net, module, average=False)
        if step > BEGIN:
            equal(net, averaged.module, average=True)
    averaged.eval()
    expected = averaged(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-9, atol=1e-12)
