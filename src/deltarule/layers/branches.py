"""Layers made of layers: branches that all read the same input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .._lowering import Builder
from .._spec import describe
from .base import Layer, Shape, behind, inside, lower_chain, width_of

Branch = tuple[Layer, ...]

MOST_BRANCHES = 1000  # as many as a network may have layers


def _chain(name: str, layers: object, empty: bool) -> Branch:
    """The layers of a branch, from one layer or a list of them."""
    from . import check_chain

    return check_chain(name, [layers] if isinstance(layers, Layer) else layers, empty=empty)


@dataclass(frozen=True, repr=False)
class _Branches(Layer):
    """Branches with a node at their end, which has the name of the layer's kind."""

    branches: tuple[Branch, ...]

    def __post_init__(self) -> None:
        given = self.branches
        if isinstance(given, str | Layer) or not isinstance(given, Sequence):
            raise TypeError(f"branches must be a list of lists of layers, got {describe(given)}")
        if not 2 <= len(given) <= MOST_BRANCHES:
            raise ValueError(f"branches must be 2 to {MOST_BRANCHES}, got {len(given)}")
        chains = [_chain(f"branches[{i}]", branch, True) for i, branch in enumerate(given)]
        if not any(chains):
            raise ValueError("branches must have a layer in one of them at least, got none")
        object.__setattr__(self, "branches", tuple(chains))

    def __repr__(self) -> str:
        inner = (f"[{', '.join(map(repr, branch))}]" for branch in self.branches)
        return f"{type(self).__name__}([{', '.join(inner)}])"

    def to_config(self) -> dict[str, Any]:
        inner = [[layer.to_config() for layer in branch] for branch in self.branches]
        return {"kind": self.kind, "branches": inner}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        from . import chain_from_config

        known = dict(config)
        if "branches" in known:
            if not isinstance(known["branches"], list):
                raise TypeError("branches must be a list")
            known["branches"] = [chain_from_config(inner) for inner in known["branches"]]
        return super().from_config(known)

    def children(self) -> list[tuple[str, Layer]]:
        return [
            (f"{number}.{index}", layer)
            for number, branch in enumerate(self.branches)
            for index, layer in enumerate(branch)
        ]

    def _ends(self, shape: Shape) -> list[Shape]:
        """The shape of a sample behind each branch."""
        ends = []
        for branch in self.branches:
            end = shape
            for layer in branch:
                end = behind(layer, end)
            ends.append(end)
        return ends

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        ends = []
        for number, branch in enumerate(self.branches):
            named = [(f"{name}.{number}.{index}", layer) for index, layer in enumerate(branch)]
            ends.append(lower_chain(named, builder, shape, source)[0])
        return builder.add(self.kind, name, tuple(ends), math.prod(self.output_shape(shape)))


@dataclass(frozen=True, repr=False)
class Add(_Branches):
    """y = the sum of what the branches put out; all of one shape.

    branches: a list of 2 to 1000, each a layer, a list of layers, or [] for x itself.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "add"

    @property
    def width(self) -> int | None:
        return next((w for w in map(width_of, self.branches) if w is not None), None)

    @property
    def keeps_width(self) -> bool:
        return all(one.keeps_width for _, one in self.children())

    def output_shape(self, input_shape: Shape) -> Shape:
        ends = self._ends(input_shape)
        if len(set(ends)) > 1:
            raise ValueError(
                f"the branches of Add must put out one shape, got {', '.join(map(str, ends))}"
            )
        return ends[0]


@dataclass(frozen=True, repr=False)
class Concat(_Branches):
    """y = what the branches put out, side by side: (n, sum of their features).

    branches: a list of 2 to 1000, each a layer, a list of layers, or [] for x itself; they put
        out samples of rank 1.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "concat"

    @property
    def width(self) -> int | None:
        total = 0
        for width in map(width_of, self.branches):
            if width is None:
                return None
            total += width
        return total

    @property
    def keeps_width(self) -> bool:
        return False

    def output_shape(self, input_shape: Shape) -> Shape:
        ends = self._ends(input_shape)
        for number, end in enumerate(ends):
            if len(end) != 1:
                raise ValueError(
                    f"the branches of Concat must put out samples of rank 1, (features,), got "
                    f"{end} from branch {number}: end it with Flatten()"
                )
        return (sum(end[0] for end in ends),)


@dataclass(frozen=True, repr=False)
class Residual(Layer):
    """y = x + layers(x): the error reaches what is before it undiminished (He et al., 2016).

    layers: a list of layers, which put out the shape that they take.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "residual"
    layers: Branch

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _chain("layers", self.layers, False))

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

    def to_config(self) -> dict[str, Any]:
        return {"kind": self.kind, "layers": [layer.to_config() for layer in self.layers]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        from . import chain_from_config

        known = dict(config)
        if "layers" in known:
            known["layers"] = chain_from_config(known["layers"])
        return super().from_config(known)

    @property
    def width(self) -> int | None:
        return width_of(self.layers)

    def children(self) -> list[tuple[str, Layer]]:
        return [(str(index), layer) for index, layer in enumerate(self.layers)]

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for layer in self.layers:
            shape = behind(layer, shape)
        if shape != input_shape:
            raise ValueError(
                f"the layers of Residual must put out the shape that they take, {input_shape}, "
                f"got {shape}: let the last one have {input_shape[-1]} units, or use "
                "Add([[...], [Dense(...)]])"
            )
        return shape

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        inner, _ = lower_chain(inside(name, self), builder, shape, source)
        return builder.add("add", name, (source, inner), builder.widths[source])
