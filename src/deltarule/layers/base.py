"""The base of all layers."""

from __future__ import annotations

from dataclasses import dataclass

from .._graph import Node
from .._spec import Spec
from ..activations import Activation
from ..initializers import Initializer


@dataclass(frozen=True, repr=False)
class Layer(Spec):
    """A layer is a specification: it owns no parameters, the Network does.

    The same object may therefore stand at several places and in several networks.
    """

    @property
    def output_activation(self) -> Activation:
        """The activation of what the layer puts out."""
        raise NotImplementedError

    @property
    def n_out(self) -> int:
        """How many features the layer puts out."""
        raise NotImplementedError

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a sample behind the layer.

        Raises ValueError when a sample of input_shape does not fit.
        """
        raise NotImplementedError

    def lower(self, name: str, source: int, target: int) -> Node:
        """The node that the engine runs, named by the position of the layer."""
        raise NotImplementedError

    def initializers(self) -> dict[str, Initializer]:
        """How each of the parameters begins, in their order."""
        raise NotImplementedError
