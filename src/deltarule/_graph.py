"""What a network is lowered to: pure data, read by both engines.

A graph is a list of nodes in topological order and the widths of the buffers they read and write.
Buffer 0 holds the input rows, the last buffer the output. Nothing here computes or allocates.
"""

from __future__ import annotations

from dataclasses import dataclass

from .optimizers import Optimizer

LOGIT_LOSSES = ("cross_entropy", "binary_cross_entropy")


@dataclass(frozen=True)
class Node:
    """One operation: reads the buffer `source`, writes the buffer `target`.

    `alpha` is the parameter of the activation (the negative slope of leaky_relu) and 0.0 for an
    activation that has none.
    """

    kind: str
    name: str
    source: int
    target: int
    activation: str
    alpha: float
    bias: bool


@dataclass(frozen=True)
class Graph:
    """A whole network with its loss and its optimizer.

    dtype: "float32" or "float64".
    widths: features of each buffer; the first is the input, the last the output.
    nodes: in topological order. A buffer may have several readers.
    loss: "mse", "cross_entropy" or "binary_cross_entropy".
    accuracy: how a sample counts as a hit: "none", "argmax" or "threshold".
    """

    dtype: str
    widths: tuple[int, ...]
    nodes: tuple[Node, ...]
    loss: str
    optimizer: Optimizer
    accuracy: str

    @property
    def logits(self) -> bool:
        """Whether the loss is computed before the activation of the last node."""
        return self.loss in LOGIT_LOSSES

    @property
    def n_in(self) -> int:
        return self.widths[0]

    @property
    def n_out(self) -> int:
        return self.widths[-1]

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """By name, in the order of the nodes: "0.weight" (n_in, n_out), "0.bias" (n_out,)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            n_in, n_out = self.widths[node.source], self.widths[node.target]
            shapes[f"{node.name}.weight"] = (n_in, n_out)
            if node.bias:
                shapes[f"{node.name}.bias"] = (n_out,)
        return shapes
