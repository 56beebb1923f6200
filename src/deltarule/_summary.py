"""The table that `Network.summary()` returns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import _custom
from . import layers as _layers
from . import metrics as _metrics
from ._graph import Graph
from ._spec import by_name

if TYPE_CHECKING:
    from .network import Network


class Summary(str):
    """Text that shows itself as it is, also without print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def in_one_line(net: Network) -> str:
    """The call that makes such a network."""
    layers = ", ".join(map(repr, net.layers))
    loss = repr(net.loss) if isinstance(net.loss, _custom.Custom) else by_name(net.loss)
    parts = [f"[{layers}]", f"loss={loss}", f"optimizer={net.optimizer!r}"]
    if net.metrics:
        parts.append(f"metrics=[{', '.join(map(_metrics.shown, net.metrics))}]")
    parts += [f"dtype={net.dtype!r}", f"backend={net.backend!r}", f"seed={net.seed}"]
    return f"Network({', '.join(parts)})"


def n_bytes(count: float) -> str:
    """1536 -> "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def summarize(net: Network, graph: Graph, n_slots: int) -> Summary:
    """Layers with the shapes behind them and their parameters, and the memory of it all."""
    counts = {name: 0 for name, _ in _layers.walk(_layers.named(net.layers))}
    for name, shape in graph.parameter_shapes().items():
        counts[name.rsplit(".", 1)[0]] += math.prod(shape)
    shape = net.input_shape or ()
    rows = [("", "layer", "output", "parameters"), ("", "input", _shape_text(shape), "0")]
    for name, layer in _layers.named(net.layers):
        shape = layer.output_shape(shape)
        inside = sum(n for owner, n in counts.items() if f"{owner}.".startswith(f"{name}."))
        rows.append((name, repr(layer), _shape_text(shape), f"{inside:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"{name:>{widths[0]}}  {layer:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, layer, shape, count in rows
    ]
    total = sum(counts.values())
    itemsize = 4 if graph.dtype == "float32" else 8
    memory = (
        f"{total:,} parameters in {graph.dtype}: {n_bytes(total * itemsize)}, with "
        f"{n_slots - 1} array{'' if n_slots == 2 else 's'} each of "
        f"{net.optimizer.kind} {n_bytes(total * itemsize * n_slots)}"
    )
    title = f"Network, loss {net.loss.kind}, {net.optimizer!r}, backend {net.backend}"
    lines = [title, *lines, memory]
    if slow := _custom.classes(net.layers, net.loss):
        lines.append(f"computed in Python: {', '.join(cls.__name__ for cls in slow.values())}")
    return Summary("\n".join(lines))


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('n', *shape)))})"
