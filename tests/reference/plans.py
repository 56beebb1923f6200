"""Small plans and data for the tests of the plan."""

import numpy as np

import deltarule as dr
from deltarule import _check
from deltarule._graph import Graph, Node
from deltarule.reference.plan import Plan

from ..losses import from_uniform

SGD, ADAM = dr.SGD(0.1, 0.9, True, weight_decay=0.01), dr.Adam(0.01, (0.9, 0.99))
N, WIDTHS = 7, (4, 5, 3)


def chain(
    *activations,
    widths=WIDTHS,
    loss="mse",
    optimizer=SGD,
    bias=True,
    dtype="float64",
    accuracy="none",
):
    nodes = tuple(
        Node("dense", str(i), (i,), i + 1, name, 0.3 if name in _check._ALPHAS else 0.0, bias)
        for i, name in enumerate(activations)
    )
    return Graph(dtype, widths, nodes, loss, optimizer, accuracy)


def ready(graph, seed=0):
    """A plan with random parameters."""
    rng = np.random.default_rng(seed)
    plan = Plan(graph)
    for name, shape in graph.parameter_shapes().items():
        plan.set(0, name, rng.standard_normal(shape))
    return plan


def data(graph, n=N, labels=False, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, graph.widths[0])).astype(graph.dtype)
    if labels:
        return x, rng.integers(0, graph.widths[-1], n)
    u = rng.uniform(size=(n, graph.widths[-1]))
    return x, from_uniform(graph.loss, u).astype(graph.dtype)


def weights(n=N, dtype="float64"):
    w = np.random.default_rng(2).uniform(0.5, 2, n).astype(dtype)
    w[n // 2] = 0
    return w


def everything(plan):
    """All state as bytes, to compare bits."""
    names = plan.graph.parameter_shapes()
    arrays = [plan.get(slot, name) for slot in range(plan.n_slots) for name in names]
    return [plan.step, *(a.tobytes() for a in arrays)]


def epoch_graph(optimizer=ADAM):
    return chain("relu", "softmax", loss="cross_entropy", optimizer=optimizer, accuracy="argmax")
