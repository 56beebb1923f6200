"""What a network is lowered to: pure data, read by both engines.

A graph is a list of nodes in topological order and the widths of the buffers they read and write.
Buffer 0 holds the input rows, the last buffer the output. Nothing here computes or allocates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from . import losses
from .losses import Loss
from .optimizers import Optimizer


class Parts(NamedTuple):
    """The parameters of a kind of node, in the order of the engine: those that gradients change,
    then those that are measured or given."""

    learnt: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


# The kinds of nodes, in the order of dr_node_kind in csrc/deltarule.h.
KINDS: dict[str, Parts] = {
    "dense": Parts(learnt=("weight", "bias")),
    "activation": Parts(),
    "add": Parts(),
    "concat": Parts(),
    "noise": Parts(),
    "custom": Parts(),  # Node.custom knows what it has
    "batch_norm": Parts(learnt=("weight", "bias"), fixed=("running_mean", "running_var")),
    "layer_norm": Parts(learnt=("weight", "bias")),
    "rms_norm": Parts(learnt=("weight",)),
    "prelu": Parts(learnt=("slope",)),
}


class Custom(Protocol):
    """What a node of kind "custom" computes, in Python: rows as in a buffer, arrays of the caller's
    that it may change."""

    @property
    def parameters(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes; vectors and matrices, which are learnt."""

    def forward(self, x: Any, values: dict[str, Any], training: bool) -> tuple[Any, Any]:
        """The output (n, n_out), and what `backward` will be given."""

    def backward(
        self, dy: Any, kept: Any, values: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The error at the input, from that at the output; and the gradients."""


@dataclass(frozen=True)
class Node:
    """One operation: reads the buffers `sources`, writes the buffer `target`.

    `name` is the position of its layer: "2", or "2.0" inside of another layer. `alpha` is the
    parameter of the activation (the negative slope of leaky_relu) and 0.0 for an activation that
    has none; a node of kind "noise" has `noise` (a name) and `amount`, a normalisation `eps` and
    `momentum`. `weight` and `bias`: whether it has them, where its kind does. A `shared` slope is
    one for all columns. What is not `trainable` keeps its parameters; the weights of what is have
    penalties with the rates `l1` and `l2` and, after each update, are held to their `constraint`.
    The optimizer's learning rate is multiplied by `learning_rate_factor` for all its parameters.
    """

    kind: str
    name: str
    sources: tuple[int, ...]
    target: int
    activation: str = "identity"
    alpha: float = 0.0
    bias: bool = False
    trainable: bool = True
    noise: str = "dropout"
    amount: float = 0.0
    custom: Custom | None = None
    weight: bool = True
    eps: float = 0.0
    momentum: float = 0.0
    shared: bool = False
    l1: float = 0.0
    l2: float = 0.0
    constraint: str | None = None
    limit: float = 0.0
    learning_rate_factor: float = 1.0

    @property
    def source(self) -> int:
        """The buffer that is read by a node with only one source."""
        return self.sources[0]


@dataclass(frozen=True)
class Graph:
    """A whole network with its loss and its optimizer.

    dtype: "float32" or "float64".
    widths: features of each buffer; the first is the input, the last the output.
    nodes: in topological order. A buffer may have several readers.
    loss: an object of deltarule.losses, or the name of one.
    accuracy: how a sample counts as a hit: "none", "argmax" or "threshold".
    seed: of what is random in the nodes; each of them has a stream of its own, by its number.
    by_batch: as in scikit-learn. Penalties are of a batch and not of a sample: they are divided by
        the sum of the batch's weights; and over an epoch batches count by their rows, whatever
        these weigh.
    """

    dtype: str
    widths: tuple[int, ...]
    nodes: tuple[Node, ...]
    loss: Loss
    optimizer: Optimizer
    accuracy: str
    seed: int = 0
    by_batch: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", losses.get(self.loss))

    @property
    def n_in(self) -> int:
        return self.widths[0]

    @property
    def n_out(self) -> int:
        return self.widths[-1]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """By name, in the order of the nodes: "0.weight" (n_in, n_out), "0.bias" (n_out,)."""
        return {name: shape for name, _, _, shape in self.parameters()}

    @property
    def n_parameters(self) -> int:
        """How many numbers they are."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def learnt(self) -> list[str]:
        """The names of the parameters that training changes."""
        found = []
        for name, number, index, _ in self.parameters():
            node = self.nodes[number]
            if node.trainable and (node.custom or index < len(KINDS[node.kind].learnt)):
                found.append(name)
        return found

    def penalties(self) -> list[tuple[str, float, float]]:
        """(name of the weights, l1, l2) where they cost something, in the order of the nodes."""
        return [
            (f"{node.name}.weight", node.l1, node.l2)
            for node in self.nodes
            if node.trainable and (node.l1 or node.l2)
        ]

    def constraints(self) -> list[tuple[str, str, float]]:
        """(name of the weights, constraint, limit) where there is one, in order of the nodes."""
        return [
            (f"{node.name}.weight", node.constraint, node.limit)
            for node in self.nodes
            if node.trainable and node.constraint is not None
        ]

    def factor(self, parameter: str) -> float:
        """What the learning rate of a parameter is multiplied by."""
        owner = parameter.rsplit(".", 1)[0]
        return next(node.learning_rate_factor for node in self.nodes if node.name == owner)

    def optimizer_of(self, parameter: str) -> Optimizer:
        """That of a parameter by itself: clipping, which is of all together, comes before."""
        return self.optimizer.alone(self.factor(parameter))

    def parts(self) -> dict[str, list[str]]:
        """Of each node, by its name, what its parameters are called there."""
        found: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for name in self.parameter_shapes():
            owner, part = name.rsplit(".", 1)
            found[owner].append(part)
        return found

    def parameters(self) -> list[tuple[str, int, int, tuple[int, ...]]]:
        """(name, node, index of the parameter in its node, shape), in the order of the nodes."""
        found: list[tuple[str, int, int, tuple[int, ...]]] = []
        for number, node in enumerate(self.nodes):
            n_in, n_out = self.widths[node.source], self.widths[node.target]
            if node.custom is not None:
                for index, (part, shape) in enumerate(node.custom.parameters):
                    found.append((f"{node.name}.{part}", number, index, shape))
            for index, part in enumerate(sum(KINDS[node.kind], ())):
                if not {"weight": node.weight, "bias": node.bias}.get(part, True):
                    continue
                columns = 1 if node.shared else n_out
                matrix = (node.kind, part) == ("dense", "weight")
                shape = (n_in, n_out) if matrix else (columns,)
                found.append((f"{node.name}.{part}", number, index, shape))
        return found
