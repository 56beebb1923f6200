"""The table that `Network.summary()` returns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ._graph import Graph
from .layers import Layer, named
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


def _samples(shape: tuple[int, ...]) -> str:
    return f"(n, {', '.join(map(str, shape))})"


def summarize(
    layers: Sequence[Layer],
    shape: tuple[int, ...],
    graph: Graph,
    optimizer: Optimizer,
    title: str,
) -> Summary:
    """Layers with the shapes behind them and their parameters, those of layers inside included,
    and the memory of it all. `shape`: of a sample of the input."""
    counts: Counter[str] = Counter()
    for name, sizes in graph.parameter_shapes().items():
        counts[name.split(".")[0]] += math.prod(sizes)
    rows = [("", "layer", "output", "parameters"), ("", "input", _samples(shape), "0")]
    for name, layer in named(layers):
        shape = layer.output_shape(shape)
        rows.append((name, repr(layer), _samples(shape), f"{counts[name]:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"{name:>{widths[0]}}  {layer:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, layer, shape, count in rows
    ]
    total = sum(counts.values())
    itemsize = 4 if graph.dtype == "float32" else 8
    memory = (
        f"{total:,} parameters in {graph.dtype}: {n_bytes(total * itemsize)}, with "
        f"{optimizer.n_slots - 1} array{'s' if optimizer.n_slots > 2 else ''} each of "
        f"{optimizer.kind} {n_bytes(total * itemsize * optimizer.n_slots)}"
    )
    return Summary("\n".join([title, *lines, memory]))
