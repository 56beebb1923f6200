"""How a network shows itself: in one line, as a table, and as HTML."""

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


def summarize(net: Network, graph: Graph) -> Summary:
    """Layers with the shapes behind them and their parameters, and the memory of it all."""
    rows = _layers_built(net, graph)
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"{name:>{widths[0]}}  {layer:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, layer, shape, count in rows
    ]
    return Summary("\n".join([_title(net), *lines, _memory(net, graph), *_slow(net)]))


def in_html(net: Network) -> str:
    """The same for notebooks; of a network that is not built the layers alone."""
    from . import _html

    if net._plan is None:
        rows = [("", "layer"), *((name, repr(layer)) for name, layer in _layers.named(net.layers))]
        table = _html.table(rows)
        text = "not built: shapes and parameters are known after build() or the first fit()"
    else:
        table = _html.table(_layers_built(net, net._plan.graph), numbers=[3])
        text = _memory(net, net._plan.graph)
    return _html.card(_title(net), table, *map(_html.note, [text, *_slow(net)]))


def _title(net: Network) -> str:
    return f"Network, loss {net.loss.kind}, {net.optimizer!r}, backend {net.backend}"


def _layers_built(net: Network, graph: Graph) -> list[tuple[str, str, str, str]]:
    """Position, layer, shape behind it, and parameters, under a line of headings."""
    counts = {name: 0 for name, _ in _layers.walk(_layers.named(net.layers))}
    for name, shape in graph.parameter_shapes().items():
        counts[name.rsplit(".", 1)[0]] += math.prod(shape)
    shape = net.input_shape or ()
    rows = [("", "layer", "output", "parameters"), ("", "input", _shape_text(shape), "0")]
    for name, layer in _layers.named(net.layers):
        shape = layer.output_shape(shape)
        inside = sum(n for owner, n in counts.items() if f"{owner}.".startswith(f"{name}."))
        rows.append((name, repr(layer), _shape_text(shape), f"{inside:,}"))
    return rows


def _memory(net: Network, graph: Graph) -> str:
    slots = net.optimizer.n_slots
    total = sum(math.prod(shape) for shape in graph.parameter_shapes().values())
    size = total * (4 if graph.dtype == "float32" else 8)
    return (
        f"{total:,} parameters in {graph.dtype}: {n_bytes(size)}, with "
        f"{slots - 1} array{'' if slots == 2 else 's'} each of "
        f"{net.optimizer.kind} {n_bytes(size * slots)}"
    )


def _slow(net: Network) -> list[str]:
    slow = _custom.classes(net.layers, net.loss).values()
    return [f"computed in Python: {', '.join(cls.__name__ for cls in slow)}"] if slow else []


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('n', *shape)))})"
