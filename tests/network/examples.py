"""Networks with every kind of node and of layer. A new kind is tested by being in one of them, and
`test_every_kind_has_an_example` fails until it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import deltarule as dr
from deltarule import layers
from deltarule._graph import Graph
from deltarule.layers import (
    Activation,
    Add,
    AlphaDropout,
    BatchNorm,
    Concat,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    Normalization,
    PReLU,
    Reshape,
    Residual,
    RMSNorm,
)

from ..custom_layers import Scale, Swish2
from .common import graph

N_IN, N_OUT = 6, 3
# Around the ends of panels (32 float32, 16 float64) and of what a vector holds.
WIDTHS = (1, 15, 16, 17, 31, 32, 33, 64, 65, 100)
# One, and one more than a panel: for what is no matter of width alone.
TELLING = {"float32": (1, 33), "float64": (1, 17)}


def frozen(units: int, activation: str | None = None) -> Dense:
    return Dense(units, activation, trainable=False)


# Of a width k; the input has N_IN columns, and they end with N_OUT.
EXAMPLES: dict[str, Callable[[int], list[Layer]]] = {
    "chain": lambda k: [Dense(k, "tanh"), Dense(k, "leaky_relu", bias=False), Dense(N_OUT)],
    "activations": lambda k: [
        Activation("tanh"), Dense(k), Activation("gelu"), Activation("leaky_relu"), Dense(N_OUT),
        Activation("softsign"),
    ],
    "shapes": lambda k: [
        Reshape((2, 3)), Activation("sigmoid"), Flatten(), Dense(k, "tanh"), Dense(N_OUT),
    ],
    "residual": lambda k: [
        Dense(k, "tanh"), Residual([Dense(7, "silu"), Dense(k)]), Residual([Dense(k, "relu")]),
        Activation("tanh"), Dense(N_OUT),
    ],
    "residual at both ends": lambda k: [
        Residual([Dense(k, "tanh"), Dense(N_IN)]), Dense(N_OUT),
        Residual([Dense(k, "tanh"), Dense(N_OUT)]),
    ],
    "residual in residual": lambda k: [
        Dense(k, "tanh"), Residual([Residual([Activation("mish")]), Dense(k, "sigmoid")]),
        Dense(N_OUT),
    ],
    "add": lambda k: [
        Add([[Dense(k, "tanh")], [Dense(5, "relu"), Dense(k)], [Dense(k), Activation("softmax")]]),
        Add([[], [], [Activation("tanh")]]), Dense(N_OUT),
    ],
    "concat": lambda k: [
        Concat([[Dense(k, "tanh")], [], [Dense(33, "relu"), Dense(k)]]),
        Concat([[Dense(9)], [Activation("silu")]]), Dense(N_OUT),
    ],
    "concat at the end": lambda k: [Dense(k, "tanh"), Concat([[Dense(1, "sigmoid")], [Dense(2)]])],
    "same buffer twice": lambda k: [
        Dense(k, "tanh"), Concat([[], [Flatten()]]), Add([[Flatten()], []]), Dense(N_OUT),
    ],
    "noise": lambda k: [
        GaussianNoise(0.1), Dense(k, "tanh"), Dropout(0.4), Dense(k, "selu"), AlphaDropout(0.2),
        Dense(N_OUT),
    ],
    "prelu": lambda k: [
        PReLU(), Dense(k, "prelu"), Residual([PReLU(-0.3, per_feature=True), Dense(k)]),
        Activation(PReLU(0.1, per_feature=True)), PReLU(trainable=False), Dense(N_OUT), PReLU(),
    ],
    "penalties": lambda k: [
        Dense(k, "tanh", l1=0.01, l2=0.02), Dense(k, "relu", l2=0.1), Dense(N_OUT, l1=0.05),
    ],
    "constraints": lambda k: [
        Dense(k, "tanh", constraint=dr.MaxNorm(0.5)), Dense(k, "relu", constraint="non_negative"),
        Dense(N_OUT, l1=0.01, constraint=dr.MaxNorm(1)),
    ],
    "noise in branches": lambda k: [
        Dense(k, "tanh"), Residual([Dropout(0.5), Dense(k), GaussianNoise(0.2)]),
        Concat([[AlphaDropout(0.3)], [Dense(5), Dropout(0.1)]]), Dense(N_OUT),
    ],
    "frozen in front": lambda k: [frozen(k, "tanh"), Dense(k, "gelu"), Dense(N_OUT)],
    "frozen behind": lambda k: [Dense(k, "tanh"), frozen(k, "gelu"), frozen(N_OUT)],
    "frozen branch": lambda k: [
        frozen(k, "tanh"), Add([[], [frozen(k)], [Dense(k, "silu")]]),
        Concat([[frozen(4)], [Dense(4)], [frozen(k, "relu"), Dense(2)]]), Dense(N_OUT),
    ],
    "batch norm": lambda k: [
        BatchNorm(), Dense(k, bias=False), BatchNorm(momentum=0.3), Activation("tanh"),
        Residual([BatchNorm(affine=False, eps=1e-3), Dense(k, "relu")]), Dense(N_OUT),
    ],
    "norms in branches": lambda k: [
        Dense(k, "tanh"), Add([[BatchNorm()], [LayerNorm(0.1)], [RMSNorm(0.1)], []]),
        Concat([[BatchNorm()], [LayerNorm(0.1, bias=False)], [RMSNorm(0.1)]]), Dense(N_OUT),
    ],
    "frozen batch norm": lambda k: [
        Normalization(), Dense(k), BatchNorm(trainable=False), Activation("silu"),
        Residual([BatchNorm(trainable=False), Dense(k)]), Normalization(), Dense(N_OUT),
    ],
    "row norms": lambda k: [
        LayerNorm(), Dense(k, "gelu"), Residual([LayerNorm(bias=False), Dense(k)]), RMSNorm(),
        Residual([RMSNorm(eps=1e-3), LayerNorm(affine=False), Dense(k)]),
        LayerNorm(trainable=False), RMSNorm(affine=False), Dense(N_OUT),
    ],
    "in Python": lambda k: [
        Scale(0.9), Dense(k), Swish2(), Residual([Swish2(), Scale(), Dense(k)]), Dense(N_OUT),
    ],
}  # fmt: skip


def example(name: str, k: int = 33) -> list[Layer]:
    return EXAMPLES[name](k)


def lowered(stack: Sequence[Layer], **keywords: Any) -> Graph:
    """The graph of layers behind an input of N_IN columns."""
    builder = layers.lower(stack, (N_IN,), keywords.get("dtype", "float64"))
    return graph(builder.widths, nodes=builder.nodes, **keywords)


def network(stack: Sequence[Layer], *args: Any, **keywords: Any) -> dr.Network:
    """A built network of layers behind an input of N_IN columns."""
    net = dr.Network(list(stack), *args, **keywords)
    net.build(N_IN)
    return net
