"""Learning rates of single layers: the optimizer's, times learning_rate_factor."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import layers
from deltarule._graph import Graph
from deltarule.optimizers import Optimizer
from deltarule.reference.plan import Plan as Reference

from ..custom_layers import MyDense
from .common import (
    GROUPS,
    RULES,
    SGD,
    check_one_hash,
    check_step,
    data,
    epochs,
    graph,
    node,
    ready,
    state,
)
from .examples import EXAMPLES, example, lowered
from .test_parity import agree, every_rule

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_rule = pytest.mark.parametrize("optimizer", RULES.values(), ids=RULES)
FACTORS = (0.3, 1.0, 2.5, 0.3, 0.1)


def factored(g: Graph) -> Graph:
    nodes = (replace(one, learning_rate_factor=FACTORS[i % 5]) for i, one in enumerate(g.nodes))
    return replace(g, nodes=tuple(nodes))


def chain(dtype: str, optimizer: Optimizer, *widths: int) -> Graph:
    kinds = ("tanh", "tanh", "tanh", "identity")
    return factored(graph(widths, kinds[-len(widths) + 1 :], dtype=dtype, optimizer=optimizer))


def check_steps(g: Graph, count: int) -> None:
    plan = ready(g)
    for _ in range(count):
        check_step(plan, data(g, 20))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_node(name: str) -> None:
    check_steps(factored(lowered(example(name), dtype="float32", optimizer=SGD)), 1)


@both_dtypes
@each_rule
def test_every_rule(optimizer: Optimizer, dtype: str) -> None:
    g = chain(dtype, optimizer, 9, 35, 18, 3)
    assert g.optimizer_of("0.bias").learning_rate == optimizer.learning_rate * 0.3
    check_steps(g, 3)


@both_dtypes
@every_rule
def test_training(optimizer: Optimizer, dtype: str) -> None:
    g = chain(dtype, optimizer, 6, 17, 4)
    agree(g, data(g, 29))


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@both_dtypes
def test_one_hash(dtype: str, group: list[str]) -> None:
    g = chain(dtype, replace(RULES["nadam"], clipnorm=0.5), 33, 130, 65, 17)
    check_one_hash(g, data(g, 45), group)


@pytest.mark.parametrize("kind", [None, Reference], ids=["fast", "reference"])
@each_rule
def test_with_a_schedule(optimizer: Optimizer, kind: Any) -> None:
    """Rates that are given are multiplied."""
    states, rates = [], np.array([0.01, 0.002, 0.0, 0.005])
    for factor, given in ((1.0, 0.3 * rates), (0.3, rates)):
        one = replace(node(0, 0, 1, "identity"), learning_rate_factor=factor)
        plan = ready(graph((6, 3), nodes=[one], optimizer=optimizer), kind=kind)
        rows = data(plan.graph, 16)
        epochs(plan, rows, 1, batch_size=4, shuffle=False, rates=given)
        states.append(state(plan))
    assert states[0] == states[1]


# -------------------------------------------------------------------------------------- networks
@dataclass(frozen=True)
class Slow(MyDense):
    kind = "slow"
    learning_rate_factor: float = 0.5


LEARNING = {
    "0": dr.Dense(4, dr.PReLU(learning_rate_factor=3), learning_rate_factor=2),
    "1": dr.PReLU(learning_rate_factor=0.25),
    "2": dr.BatchNorm(learning_rate_factor=5),
    "3": dr.LayerNorm(learning_rate_factor=6),
    "4": dr.RMSNorm(learning_rate_factor=7),
    "5": layers.Activation(dr.PReLU(learning_rate_factor=8)),
    "6": Slow(3),
    "7": dr.Dense(2),
}


def test_every_layer_that_learns_has_one() -> None:
    net = dr.Network(list(LEARNING.values()), "mse", backend="reference")
    net.build(5)
    found = {name: net._plan.graph.factor(name) for name in net._plan.graph.learnt()}
    own = {name.rsplit(".", 1)[0]: factor for name, factor in found.items()}
    assert own == {
        "0": 2, "0.activation": 6, "1": 0.25, "2": 5, "3": 6, "4": 7, "5.activation": 8, "6": 0.5,
        "7": 1,
    }  # fmt: skip
    learns = {cls for cls in layers.TABLE.values() if "trainable" in {f.name for f in fields(cls)}}
    assert {type(layer) for layer in LEARNING.values()} >= learns


def test_networks(backend: str, tmp_path: Any) -> None:
    """Twice as far; first steps of Rprop, too; saved with the layer."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 8)), rng.standard_normal((60, 2))
    steps = {}
    for optimizer in (dr.SGD(0.1), dr.Rprop(0.01)):
        for factor in (1, 2):
            net = dr.Network(
                [dr.Dense(6, "tanh", learning_rate_factor=factor), dr.Dense(2)], "mse", optimizer,
                dtype="float64", backend=backend,
            )  # fmt: skip
            net.build(8)
            before = net.parameters()
            net.train_on_batch(x, y)
            steps[factor] = {name: w - before[name] for name, w in net.parameters().items()}
        for name, step in steps[2].items():
            expected = steps[1][name] * (2 if name[0] == "0" else 1)
            np.testing.assert_allclose(step, expected, rtol=1e-9, atol=1e-12, err_msg=name)
    net.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=backend)
    assert again.layers == net.layers and repr(again.layers[0]).endswith("factor=2.0)")
    assert dr.verify(again, x, y)


def test_methods_without_a_learning_rate() -> None:
    for method in (dr.LevenbergMarquardt(), dr.LBFGS()):
        net = dr.Network([dr.Dense(1, learning_rate_factor=0.5)], "mse", method)
        with pytest.raises(ValueError, match="learning_rate_factor of layer 0 must be 1"):
            net.build(3)
