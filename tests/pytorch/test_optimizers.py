"""Every optimizer that both have, and its defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.optimizers import Optimizer

from .common import STEPS, torch


def _adam(o: Any) -> dict[str, Any]:
    return {"betas": o.betas, "eps": o.eps}


# The optimizer of PyTorch and its arguments, beside learning rate and weight decay.
PEERS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "sgd": ("SGD", lambda o: {"momentum": o.momentum, "nesterov": o.nesterov}),
    "adam": ("Adam", lambda o: {**_adam(o), "amsgrad": o.amsgrad}),
    "adamw": ("AdamW", lambda o: {**_adam(o), "amsgrad": o.amsgrad}),
    "nadam": ("NAdam", lambda o: {**_adam(o), "momentum_decay": o.momentum_decay,
                                  "decoupled_weight_decay": o.decoupled_weight_decay}),
    "radam": ("RAdam", lambda o: {**_adam(o),
                                  "decoupled_weight_decay": o.decoupled_weight_decay}),
    "adamax": ("Adamax", _adam),
    "rmsprop": ("RMSprop", lambda o: {"alpha": o.alpha, "eps": o.eps, "momentum": o.momentum,
                                      "centered": o.centered}),
    "adagrad": ("Adagrad", lambda o: {
        "eps": o.eps, "initial_accumulator_value": o.initial_accumulator_value}),
    "adadelta": ("Adadelta", lambda o: {"rho": o.rho, "eps": o.eps}),
    "rprop": ("Rprop", lambda o: {"etas": o.etas, "step_sizes": o.step_sizes}),
}  # fmt: skip
OPTIMIZERS = [
    *[cls() for kind, cls in dr.optimizers.TABLE.items() if kind in PEERS],
    dr.SGD(0.1, 0.9, weight_decay=0.1),
    dr.SGD(0.1, 0.9, True, weight_decay=0.1),
    dr.Adam(0.1, (0.8, 0.9), 1e-3, amsgrad=True, weight_decay=0.1),
    dr.AdamW(0.1, amsgrad=True, weight_decay=0.3),
    dr.NAdam(0.1, momentum_decay=0.1, weight_decay=0.1),
    dr.NAdam(0.1, weight_decay=0.1, decoupled_weight_decay=True),
    dr.RAdam(0.1, (0.9, 0.99), weight_decay=0.1),
    dr.RAdam(0.1, weight_decay=0.1, decoupled_weight_decay=True),
    dr.Adamax(0.1, weight_decay=0.1),
    dr.RMSprop(0.1, 0.9, momentum=0.5, weight_decay=0.1),
    dr.RMSprop(0.1, 0.9, centered=True),
    dr.RMSprop(0.1, 0.9, momentum=0.9, centered=True),
    dr.Adagrad(0.1, 0.5, weight_decay=0.1),
    dr.Adadelta(0.5, weight_decay=0.1),
    dr.Rprop(0.1, (0.3, 1.5), (1e-3, 0.2)),
]


def parameters() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(7, 5)), rng.normal(size=5)]


def gradients() -> list[list[np.ndarray]]:
    rng = np.random.default_rng(1)
    return [[rng.normal(size=(7, 5)), rng.normal(size=5) * 1e-3] for _ in range(STEPS)]


def peer(optimizer: Optimizer, tensors: list[Any]) -> Any:
    name, arguments = PEERS[optimizer.kind]
    given = arguments(optimizer)
    if optimizer.kind != "rprop":
        given["weight_decay"] = optimizer.weight_decay
    return getattr(torch.optim, name)(tensors, lr=optimizer.learning_rate, **given)


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    """Or NAdam's product of momenta is float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_optimizers(optimizer: Optimizer) -> None:
    values = parameters()
    states = [
        [np.full_like(w, first) for first in optimizer.initial_state] for w in values
    ]
    tensors = [torch.tensor(w, requires_grad=True) for w in values]
    other = peer(optimizer, tensors)
    for step, drawn in enumerate(gradients(), 1):
        for i, g in enumerate(drawn):
            new = dr.ops.optimizer_step(optimizer, values[i], g, *states[i], step=step)
            values[i], states[i] = new[0], list(new[1:])
            tensors[i].grad = torch.tensor(g)
        other.step()
        for w, tensor in zip(values, tensors, strict=True):
            np.testing.assert_allclose(w, tensor.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_all_optimizers_that_both_have() -> None:
    ours = {name.lower() for name in dr.optimizers.__all__}
    theirs = {name.lower() for name in vars(torch.optim) if name[0].isupper()}
    # lbfgs: scipy's has another line search
    assert ours & theirs - {"optimizer", "lbfgs"} == set(PEERS)


@pytest.mark.parametrize("kind", PEERS)
def test_defaults(kind: str) -> None:
    optimizer = dr.optimizers.TABLE[kind]()
    name, arguments = PEERS[kind]
    default = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    assert default["lr"] == optimizer.learning_rate
    assert default.get("weight_decay", 0) == optimizer.weight_decay
    for argument, value in arguments(optimizer).items():
        assert default[argument] == value, argument
