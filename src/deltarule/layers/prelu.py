"""PReLU, the activation that learns: a layer by itself, or behind what another layer computes."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar

from .. import _check, activations
from .._lowering import Builder
from ..activations import Activation
from ..initializers import Constant, Initializer
from .base import Layer, Shape, check_factor


@dataclass(frozen=True, repr=False)
class PReLU(Layer, Activation):
    """y = x where x > 0, else slope * x, the slope being learnt (He et al., 2015); x (n, ...).

    slope: where it begins, finite.
    per_feature: a slope (n_features,) for each feature of a sample, or one (1,) for all; as in
        PyTorch, which decays slopes with its weight_decay like all other parameters, too.
    trainable: False keeps the slope as it is.
    learning_rate_factor: as in Dense.

    It may stand among the layers, where its parameter is "2.slope" for position 2, or be the
    `activation` of another layer: "2.activation.slope".
    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "prelu"
    default_init: ClassVar[str] = "he_uniform"
    slope: float = 0.25
    per_feature: bool = False
    trainable: bool = True
    _: KW_ONLY
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", _check.finite_real("slope", self.slope))
        object.__setattr__(self, "per_feature", _check.boolean("per_feature", self.per_feature))
        object.__setattr__(self, "trainable", _check.boolean("trainable", self.trainable))
        check_factor(self)

    @property
    def alpha(self) -> float:
        return self.slope

    @property
    def output_activation(self) -> Activation:
        return self

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        width = builder.widths[source]
        return builder.add(
            "prelu",
            name,
            (source,),
            width,
            shared=not self.per_feature,
            trainable=self.trainable,
            learning_rate_factor=self.learning_rate_factor,
        )

    def initializers(self) -> dict[str, Initializer]:
        return {"slope": Constant(self.slope)}


activations.TABLE[PReLU.kind] = PReLU


def learnt_part(
    activation: Activation, trainable: bool = True, factor: float = 1.0
) -> tuple[tuple[str, Layer], ...]:
    """The children that a layer has by its activation: one where that has a parameter."""
    if not isinstance(activation, PReLU):
        return ()
    part = replace(
        activation,
        trainable=activation.trainable and trainable,
        learning_rate_factor=activation.learning_rate_factor * factor,
    )
    return (("activation", part),)
