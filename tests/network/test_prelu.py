"""PReLU inside a network: by itself, behind a layer, first, last and where branches meet."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast
from deltarule._graph import Graph, Node
from deltarule.optimizers import Optimizer
from deltarule.reference.plan import Plan as Reference

from .common import ADAM, CALM, GROUPS, check_one_hash, data, graph, node, ready, state
from .test_parity import agree, central, optimizers

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_place = pytest.mark.parametrize("place", ["inside", "first", "last", "branches"])
shared_or_not = pytest.mark.parametrize("shared", [True, False], ids=["one", "each"])


def prelu(name: str, source: int, target: int, shared: bool) -> Node:
    return Node("prelu", name, (source,), target, shared=shared)


def built(place: str, shared: bool, width: int = 35, n_in: int = 6, **keywords: Any) -> Graph:
    """A node of prelu with others around it."""
    widths: tuple[int, ...]
    if place == "inside":
        widths = (n_in, width, width, 4)
        nodes = [node(0, 0, 1, "identity"), prelu("1", 1, 2, shared), node(2, 2, 3, "tanh")]
    elif place == "first":  # nobody wants the error before it
        widths = (n_in, n_in, width, 4)
        nodes = [prelu("0", 0, 1, shared), node(1, 1, 2, "tanh"), node(2, 2, 3, "identity")]
    elif place == "last":
        widths = (n_in, width, 4, 4)
        nodes = [node(0, 0, 1, "tanh"), node(1, 1, 2, "identity"), prelu("2", 2, 3, shared)]
    else:  # what it reads is read by others, before and behind it in the order of the nodes
        widths = (n_in, width, width, width, width, 4)
        nodes = [
            node(0, 0, 1, "identity"),
            node(1, 1, 2, "tanh"),
            prelu("2", 1, 3, shared),
            Node("add", "3", (1, 2, 3), 4),
            node(4, 4, 5, "identity"),
        ]
    return graph(widths, nodes=nodes, **keywords)


@both_dtypes
@optimizers
@shared_or_not
@each_place
def test_training(place: str, shared: bool, optimizer: Optimizer, dtype: str) -> None:
    g = built(place, shared, dtype=dtype, optimizer=CALM[optimizer.kind])
    agree(g, data(g, 29, weighted=True))


@pytest.mark.parametrize("kind", [_fast.Plan, Reference], ids=["fast", "reference"])
@shared_or_not
@each_place
def test_gradients(place: str, shared: bool, kind: Any) -> None:
    g = built(place, shared, width=18, n_in=3)
    rows, plan = data(g, 9, weighted=True), ready(g, kind=kind)
    _, gradients = plan.gradients(*rows)
    slope = next(name for name in gradients if name.endswith("slope"))
    assert gradients[slope].shape == ((1,) if shared else (g.widths[int(slope[0]) + 1],))
    for name, expected in central(plan, rows).items():
        size = np.linalg.norm(gradients[name]) + np.linalg.norm(expected)
        assert np.linalg.norm(gradients[name] - expected) <= 1e-7 * size + 1e-10, name
        assert gradients[name].any(), name


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
@both_dtypes
@shared_or_not
@each_place
def test_one_hash(place: str, shared: bool, dtype: str, group: list[str]) -> None:
    """Any threads, any instruction set, fused or not."""
    g = built(place, shared, 130, 33, dtype=dtype, optimizer=ADAM)
    check_one_hash(g, data(g, 45, weighted=True), group)


@both_dtypes
@shared_or_not
def test_a_batch_is_made_of_operations(shared: bool, dtype: str) -> None:
    g = built("last", shared, 130, 33, dtype=dtype)
    x, t, _ = data(g, 20)
    plan = ready(g)
    value = {name: plan.get(0, name) for name in g.parameter_shapes()}
    hidden = dr.ops.dense_forward(x, value["0.weight"], value["0.bias"], activation="tanh")
    z = dr.ops.dense_forward(hidden, value["1.weight"], value["1.bias"])
    y = dr.ops.prelu_forward(z, value["2.slope"])
    assert plan.predict(x).tobytes() == y.tobytes()
    dz, slope = dr.ops.prelu_backward(z, value["2.slope"], dr.ops.loss_backward("mse", y, t))
    _, weight, bias = dr.ops.dense_backward(hidden, value["1.weight"], z, dz)
    _, gradients = plan.gradients(x, t, None)
    for name, expected in (("2.slope", slope), ("1.weight", weight), ("1.bias", bias)):
        assert gradients[name].tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", [_fast.Plan, Reference], ids=["fast", "reference"])
def test_frozen(kind: Any) -> None:
    """The slope stays and is not among the gradients; errors pass."""
    g = built("inside", True)
    nodes = (g.nodes[0], replace(g.nodes[1], trainable=False), g.nodes[2])
    rows, plan = data(g, 12), ready(replace(g, nodes=nodes), kind=kind)
    free = ready(g, kind=kind)
    slope = plan.get(0, "1.slope")
    found, wanted = plan.gradients(*rows)[1], free.gradients(*rows)[1]
    assert list(found) == [name for name in wanted if name != "1.slope"]
    assert all(found[name].tobytes() == wanted[name].tobytes() for name in found)
    plan.train_batch(*rows)
    free.train_batch(*rows)
    assert plan.get(0, "1.slope").tobytes() == slope.tobytes() != free.get(0, "1.slope").tobytes()


# ---------------------------------------------------------------------------------- layers
X = np.random.default_rng(0).standard_normal((60, 7))
Y = np.abs(X[:, :3]) - 0.7 * X[:, 2:5]
EACH = dr.PReLU(0.1, per_feature=True)


def network(layers: list[Any], backend: str, optimizer: Any = "adam") -> dr.Network:
    return dr.Network(layers, "mse", optimizer, dtype="float64", backend=backend)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_ways_to_say_it(backend: str) -> None:
    """One network, said in three ways; the names of the slopes tell them apart."""
    ways = {
        "0.activation.slope": [dr.Dense(9, EACH), dr.Dense(3)],
        "1.slope": [dr.Dense(9, weight_init="he_uniform"), EACH, dr.Dense(3)],
        "1.activation.slope": [
            dr.Dense(9, weight_init="he_uniform"), dr.Activation(EACH), dr.Dense(3),
        ],
    }  # fmt: skip
    outputs, weights = set(), None
    for name, layers in ways.items():
        net = network(layers, backend)
        net.build(7)
        assert net.parameters()[name].tolist() == [0.1] * 9
        assert len(net.parameters()) == 5 and net.n_parameters == 7 * 9 + 9 + 9 + 9 * 3 + 3
        if weights is None:
            weights = list(net.parameters().values())
        net.set_parameters(dict(zip(net.parameters(), weights, strict=True)))
        net.fit(X, Y, epochs=3, batch_size=16, verbose=False)
        assert len(set(net.parameters()[name])) > 1
        outputs.add(net.predict(X).tobytes())
        assert repr(net.layers[int(name[0])]) in str(net.summary())
    assert len(outputs) == 1


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_by_name_as_in_pytorch(backend: str) -> None:
    """One slope, 0.25; decayed as every parameter is."""
    layers = [dr.Dense(9, "prelu"), dr.Residual([dr.PReLU()]), dr.Dense(3)]
    net = dr.Network(layers, "mse", dr.SGD(1e-9, weight_decay=1e8), backend=backend)
    net.build(7)
    names = ("0.activation.slope", "1.0.slope")
    assert [net.parameters()[name].tolist() for name in names] == [[0.25], [0.25]]
    assert re_lines(net, "^0 .* 73$") and re_lines(net, "^1 .* 1$")
    net.train_on_batch(X, Y)
    for name in names:
        np.testing.assert_allclose(net.parameters()[name], [0.225], rtol=1e-5)


def re_lines(net: dr.Network, pattern: str) -> bool:
    return re.search(pattern, str(net.summary()), re.MULTILINE) is not None


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_frozen_layers_keep_their_slopes(backend: str) -> None:
    net = network([dr.Dense(9, "prelu", trainable=False), dr.Dense(3)], backend)
    net.fit(X, Y, epochs=2, verbose=False)
    assert net.parameters()["0.activation.slope"].tolist() == [0.25]
    assert list(net.gradients(X, Y)[1]) == ["1.weight", "1.bias"]


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_saved(backend: str, tmp_path: Any) -> None:
    layers = [dr.Dense(9, "prelu"), EACH, dr.Dense(3, dr.PReLU(-0.5))]
    whole, begun = network(layers, backend), network(layers, backend)
    whole.fit(X, Y, epochs=4, batch_size=16, verbose=False)
    begun.fit(X, Y, epochs=2, batch_size=16, verbose=False)
    begun.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=backend)
    assert again.layers == begun.layers == tuple(layers)
    again.fit(X, Y, epochs=2, batch_size=16, verbose=False)
    assert state(again._plan) == state(whole._plan)


def test_refused() -> None:
    with pytest.raises(ValueError, match="got 'prelu'"):
        dr.Network([dr.Dense(3, "prelu")], "cross_entropy").build(4)
    with pytest.raises(ValueError, match="got 'prelu'"):
        dr.Network([dr.Dense(3), dr.PReLU()], "binary_cross_entropy").build(4)


@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_methods_on_all_rows(backend: str) -> None:
    """L-BFGS learns slopes, Levenberg-Marquardt takes those that stay."""
    layers = [dr.Dense(5, EACH), dr.Dense(3)]
    net = dr.Network(layers, "mse", dr.LevenbergMarquardt(), backend=backend)
    with pytest.raises(ValueError, match=r"derivatives by '0.activation.slope'"):
        net.fit(X, Y)
    layers = [dr.Dense(5), replace(EACH, trainable=False), dr.Dense(3)]
    net = dr.Network(layers, "mse", dr.LevenbergMarquardt(), dtype="float64", backend=backend)
    losses = net.fit(X, Y, epochs=20, verbose=False)["loss"]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2
    pytest.importorskip("scipy")
    net = network([dr.Dense(5, EACH), dr.Dense(3)], backend, optimizer=dr.LBFGS())
    losses = net.fit(X, Y, epochs=40, verbose=False)["loss"]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2
    assert len(set(net.parameters()["0.activation.slope"])) == 5
