"""The table that `Network.summary()` returns."""

from __future__ import annotations

from collections.abc import Sequence

from ._graph import Graph
from .layers import Layer
from .optimizers import Optimizer


class Summary(str):
    """Text that shows itself as it is, also without print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def n_bytes(count: float) -> str:
    """1536 -> "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def summarize(layers: Sequence[Layer], graph: Graph, optimizer: Optimizer, title: str) -> Summary:
    """Layers with the shapes behind them and their parameters, and the memory of it all."""
    counts: dict[str, int] = {}
    for name, shape in graph.parameter_shapes().items():
        size = 1
        for length in shape:
            size *= length
        owner = name.rsplit(".", 1)[0]
        counts[owner] = counts.get(owner, 0) + size
    rows = [("", "layer", "output", "parameters"), ("", "input", f"(n, {graph.n_in})", "0")]
    for node, layer in zip(graph.nodes, layers, strict=True):
        shape_text = f"(n, {graph.widths[node.target]})"
        rows.append((node.name, repr(layer), shape_text, f"{counts[node.name]:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"{name:>{widths[0]}}  {layer:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, layer, shape, count in rows
    ]
    total = sum(counts.values())
    itemsize = 4 if graph.dtype == "float32" else 8
    memory = (
        f"{total:,} parameters in {graph.dtype}: {n_bytes(total * itemsize)}, with "
        f"{optimizer.n_slots - 1} array{'' if optimizer.n_slots == 2 else 's'} each of "
        f"{optimizer.kind} {n_bytes(total * itemsize * optimizer.n_slots)}"
    )
    return Summary("\n".join([title, *lines, memory]))
