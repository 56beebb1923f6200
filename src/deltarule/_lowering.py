"""Building a graph: layers ask for buffers and add their nodes."""

from __future__ import annotations

import math
from typing import Any

from ._graph import Node


class Builder:
    """The nodes and buffers of a network of a dtype that is being lowered; buffer 0 is the
    input."""

    def __init__(self, input_shape: tuple[int, ...], dtype: str) -> None:
        self.dtype = dtype
        self.widths = [math.prod(input_shape)]
        self.nodes: list[Node] = []

    def add(
        self, kind: str, name: str, sources: tuple[int, ...], width: int, **settings: Any
    ) -> int:
        """A node that reads `sources` and writes a new buffer of so many columns: its number."""
        target = len(self.widths)
        self.widths.append(width)
        self.nodes.append(Node(kind, name, sources, target, **settings))
        return target
