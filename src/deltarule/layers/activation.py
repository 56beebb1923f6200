"""An activation by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .. import activations
from .._lowering import Builder
from .._spec import by_name, from_config
from .base import Layer, Shape, inside, lower_chain
from .prelu import learnt_part


@dataclass(frozen=True, repr=False)
class Activation(Layer):
    """y = activation(x), x (n, ...): for where it does not follow right on a Dense layer.

    activation: a name, or an object of deltarule.activations. softmax and log_softmax take all
        features of a sample together, so a sample has to be of rank 1 for them.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "activation"
    activation: activations.Activation

    def __init__(self, activation: str | activations.Activation) -> None:
        object.__setattr__(self, "activation", activations.get(activation))

    def __repr__(self) -> str:
        return f"Activation({by_name(self.activation)})"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        known = dict(config)
        if "activation" in known:
            known["activation"] = from_config(known["activation"], activations.TABLE, "activation")
        return super().from_config(known)

    @property
    def output_activation(self) -> activations.Activation:
        return self.activation

    def output_shape(self, input_shape: Shape) -> Shape:
        if self.activation.rowwise and len(input_shape) != 1:
            raise ValueError(
                f"{self.activation.kind} needs samples of rank 1, (features,), got {input_shape}: "
                "put a Flatten() layer before it"
            )
        return input_shape

    def children(self) -> Sequence[tuple[str, Layer]]:
        return learnt_part(self.activation)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        if self.children():
            return lower_chain(inside(name, self), builder, shape, source)[0]
        return builder.add(
            "activation",
            name,
            (source,),
            builder.widths[source],
            activation=self.activation.kind,
            alpha=self.activation.alpha,
        )
