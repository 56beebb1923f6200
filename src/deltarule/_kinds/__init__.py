"""Each kind of node as a chain of single operations: all that `deltarule.verify` knows of it."""

from __future__ import annotations

from collections.abc import Callable

from .._graph import Graph
from ..reference.nodes import Mode
from . import activation, batch_norm, custom, dense, layer_norm, merge, noise, prelu
from .base import Array, Call, Operation

__all__ = ["TABLE", "Array", "Call", "Mode", "Operation", "operations"]

TABLE: dict[str, Callable[[Call], tuple[Operation, ...]]] = {
    "dense": dense.operations,
    "activation": activation.operations,
    "add": merge.add_operations,
    "concat": merge.concat_operations,
    "noise": noise.operations,
    "custom": custom.operations,
    "prelu": prelu.operations,
    "batch_norm": batch_norm.operations,
    "layer_norm": layer_norm.operations,
    "rms_norm": layer_norm.operations,
}


def operations(graph: Graph, number: int, mode: Mode, step: int) -> tuple[Operation, ...]:
    """Those of node `number`, one or more; `step`: the updates made before."""
    node = graph.nodes[number]
    logits = mode is not Mode.PREDICT and node.target == len(graph.widths) - 1 and graph.loss.logits
    activation = "identity" if logits else node.activation
    stream = graph.seed, number, step
    return TABLE[node.kind](Call(node, activation, mode is Mode.TRAIN, stream))
