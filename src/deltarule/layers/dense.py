"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .. import _check, _check_weights, activations, constraints, initializers
from .._lowering import Builder
from .._spec import by_name, from_config
from ..activations import Activation
from ..constraints import Constraint
from ..initializers import Initializer
from .base import Layer, Shape, check_factor, check_rank_1, inside, lower_chain
from .prelu import learnt_part


@dataclass(frozen=True, repr=False, init=False)
class Dense(Layer):
    """y = activation(x @ weight + bias), x (n, n_in), weight (n_in, units), bias (units,).

    units: number of outputs, >= 1.
    activation: a name, an object of deltarule.activations, or None for none (identity).
    bias: whether there is one.
    weight_init: a name, an object of deltarule.initializers, or None: the one that suits the
        activation, which is he_uniform for relu and its kin, lecun_normal for selu and
        glorot_uniform for the others.
    bias_init: a name or an object; zeros by default.
    trainable: False keeps weight and bias as they are, and the slope of the activation "prelu".
    l1, l2: >= 0; add l1 * sum |weight| + l2 * sum weight^2 to the loss that is trained on and
        reported, while the layer is trainable (Keras' definition, in which l2 has no half; for the
        gradient alone there is weight_decay of the optimizers).
    constraint: a name, an object of deltarule.constraints, or None: what the weights are held to
        after each update, while the layer is trainable. First weights stay until then.
    learning_rate_factor: > 0; multiplies the optimizer's learning rate, a number or a schedule, for
        weight and bias, and for the slope of the activation "prelu" (Caffe's lr_mult). What PyTorch
        has parameter groups for: groups with the rates 1e-3 and 1e-4 are Adam(1e-3) and a factor of
        0.1 for the layers of the second. Keras has no such argument.

    Raises TypeError or ValueError that names the argument.
    """

    kind: ClassVar[str] = "dense"
    units: int
    activation: Activation
    bias: bool
    weight_init: Initializer
    bias_init: Initializer
    trainable: bool
    l1: float
    l2: float
    constraint: Constraint | None
    learning_rate_factor: float

    def __init__(
        self,
        units: int,
        activation: str | Activation | None = None,
        *,
        bias: bool = True,
        weight_init: str | Initializer | None = None,
        bias_init: str | Initializer = "zeros",
        trainable: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        constraint: str | Constraint | None = None,
        learning_rate_factor: float = 1.0,
    ) -> None:
        units = _check.integer("units", units, 1, 1 << 31)
        activation = activations.get(activation)
        if activation.kind in ("softmax", "log_softmax") and units == 1:
            raise ValueError(
                f"{activation.kind} over one output is always {int(activation.kind == 'softmax')}: "
                "use activation='sigmoid', or units=2"
            )
        if weight_init is None:
            weight_init = initializers.default_for(activation)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "bias", _check.boolean("bias", bias))
        object.__setattr__(self, "weight_init", initializers.get(weight_init))
        object.__setattr__(self, "bias_init", initializers.get(bias_init))
        object.__setattr__(self, "trainable", _check.boolean("trainable", trainable))
        for name, rate in zip(("l1", "l2"), _check_weights.penalty(l1, l2), strict=True):
            object.__setattr__(self, name, rate)
        object.__setattr__(self, "constraint", constraints.get(constraint))
        object.__setattr__(self, "learning_rate_factor", learning_rate_factor)
        check_factor(self)

    def __repr__(self) -> str:
        shown = [repr(self.units)]
        if self.activation.kind != "identity":
            shown.append(f"activation={by_name(self.activation)}")
        if not self.bias:
            shown.append("bias=False")
        if self.weight_init != initializers.default_for(self.activation):
            shown.append(f"weight_init={by_name(self.weight_init)}")
        if self.bias_init != initializers.Zeros():
            shown.append(f"bias_init={by_name(self.bias_init)}")
        if not self.trainable:
            shown.append("trainable=False")
        shown += [f"{name}={rate}" for name in ("l1", "l2") if (rate := getattr(self, name))]
        if self.constraint is not None:
            shown.append(f"constraint={by_name(self.constraint)}")
        if self.learning_rate_factor != 1:
            shown.append(f"learning_rate_factor={self.learning_rate_factor}")
        return f"Dense({', '.join(shown)})"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        known = dict(config)
        tables: tuple[tuple[str, Mapping[str, type[Any]]], ...] = (
            ("activation", activations.TABLE),
            ("weight_init", initializers.TABLE),
            ("bias_init", initializers.TABLE),
            ("constraint", constraints.TABLE),
        )
        for name, table in tables:
            if name in known and (name, known[name]) != ("constraint", None):
                known[name] = from_config(known[name], table, name)
        return super().from_config(known)

    @property
    def output_activation(self) -> Activation:
        return self.activation

    @property
    def width(self) -> int:
        return self.units

    def output_shape(self, input_shape: Shape) -> Shape:
        check_rank_1("Dense", input_shape)
        return (self.units,)

    def lower(self, builder: Builder, name: str, shape: Shape, source: int) -> int:
        activation = activations.Identity() if self.children() else self.activation
        output = builder.add(
            "dense",
            name,
            (source,),
            self.units,
            activation=activation.kind,
            alpha=activation.alpha,
            bias=self.bias,
            trainable=self.trainable,
            learning_rate_factor=self.learning_rate_factor,
            l1=self.l1,
            l2=self.l2,
            constraint=None if self.constraint is None else self.constraint.kind,
            limit=0.0 if self.constraint is None else self.constraint.limit,
        )
        return lower_chain(inside(name, self), builder, (self.units,), output)[0]

    def children(self) -> Sequence[tuple[str, Layer]]:
        return learnt_part(self.activation, self.trainable, self.learning_rate_factor)

    def initializers(self) -> dict[str, Initializer]:
        drawn = {"weight": self.weight_init}
        if self.bias:
            drawn["bias"] = self.bias_init
        return drawn
