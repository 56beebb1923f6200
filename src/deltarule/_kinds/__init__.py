"""Each kind of node as a chain of single operations: all that `deltarule.verify` knows of it."""

from __future__ import annotations

from collections.abc import Callable

from .._graph import Graph, Node
from ..reference.nodes import Mode
from . import activation, dense, merge
from .base import Array, Call, Operation

__all__ = ["TABLE", "Array", "Call", "Mode", "Operation", "operations"]

TABLE: dict[str, Callable[[Call], tuple[Operation, ...]]] = {
    "dense": dense.operations,
    "activation": activation.operations,
    "add": merge.add_operations,
    "concat": merge.concat_operations,
}


def operations(graph: Graph, node: Node, mode: Mode, step: int) -> tuple[Operation, ...]:
    """One or more; `step`: the updates made before."""
    logits = mode is not Mode.PREDICT and node.target == len(graph.widths) - 1 and graph.loss.logits
    activation = "identity" if logits else node.activation
    return TABLE[node.kind](Call(node, activation, mode is Mode.TRAIN, step))
