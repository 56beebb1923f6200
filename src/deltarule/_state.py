"""The whole state of a network as a description (JSON) and named arrays, and back.

Model files, pickles and copies all go through here. The description may come from a hostile file:
it is checked against closed tables, and nothing is allocated before the shapes of the arrays that
are there have been found to be those that the layers need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _check, layers, losses, metrics, optimizers
from ._best import Best
from ._custom import Custom, knowing
from ._graph import Graph
from ._measure import in_history, need_outputs
from ._position import Position
from ._spec import from_config
from .callbacks.together import State as CallbackStates

if TYPE_CHECKING:
    from .network import Network

Array = npt.NDArray[Any]

FORMAT = 1
OUTPUTS = "position.outputs"  # of a position within an epoch, see Position
KEYS = (
    "format",
    "version",
    "layers",
    "loss",
    "optimizer",
    "metrics",
    "dtype",
    "seed",
    "input_shape",
    "step",
    "position",
)
OPTIONAL = ("averaged", "callbacks", "best")  # there where there is something to say
_BEST = -1  # the "slot" of the best weights


@dataclass(frozen=True)
class State:
    """What a description says, as objects. `arguments` are those of Network."""

    arguments: dict[str, Any]
    input_shape: tuple[int, ...] | None
    step: int
    position: Position
    callbacks: CallbackStates
    best: Best | None
    averaged: int


def describe_network(net: Network, version: str) -> dict[str, Any]:
    """The description: constructor arguments, shape, updates made, position in training, and what
    callbacks remember."""
    plan = net._plan
    description = {
        "format": FORMAT,
        "version": version,
        "layers": [layer.to_config() for layer in net.layers],
        "loss": net.loss.to_config(),
        "optimizer": net.optimizer.to_config(),
        "metrics": [metric.to_config() for metric in net.metrics],
        "dtype": net.dtype,
        "seed": net.seed,
        "input_shape": None if net.input_shape is None else list(net.input_shape),
        "step": 0 if plan is None else plan.step,
        "position": net._position.to_config(),
    }
    if plan is not None and plan.averaged:
        description["averaged"] = plan.averaged
    if net._callback_states:
        known = [{"class": name, "state": state} for name, state in net._callback_states]
        description["callbacks"] = known
    if net._best is not None:
        description["best"] = net._best.to_config()
    return description


def parse_description(
    description: object, custom: Mapping[str, type[Custom]]
) -> State:
    """Raises TypeError or ValueError for whatever `describe_network` cannot have written. custom:
    classes that users have written, by kind."""
    if not isinstance(description, Mapping):
        raise TypeError("the description must be an object")
    version = _check.integer("format", description.get("format"), 1)
    if version > FORMAT:
        raise ValueError(
            f"it has format version {version}, written by deltarule "
            f"{description.get('version')!r:.40}; this version reads up to {FORMAT}: upgrade "
            "deltarule"
        )
    for key in KEYS:
        if key not in description:
            raise ValueError(f"the description has no {key!r}")
    for key in description:
        if key not in KEYS and key not in OPTIONAL:
            raise ValueError(f"the description has an unknown key {key!r:.60}")
    if not isinstance(description["version"], str):
        raise TypeError("version must be a text")
    if description["dtype"] not in ("float32", "float64"):
        raise ValueError(f"unknown dtype {description['dtype']!r:.60}")
    with knowing(custom):
        chain = layers.chain_from_config(description["layers"])
        loss = losses.of_config(description["loss"])
        found = [metrics.of_config(config) for config in _list(description, "metrics")]
    arguments = {
        "layers": chain,
        "loss": loss,
        "optimizer": from_config(description["optimizer"], optimizers.TABLE, "optimizer"),
        "metrics": found,
        "dtype": description["dtype"],
        "seed": description["seed"],
    }
    shape = description["input_shape"]
    if shape is not None:
        sizes = _list(description, "input_shape")
        shape = layers.check_sample_shape(sizes)
    step = _check.integer("step", description["step"], 0, 1 << 62)
    averaged = _check.integer("averaged", description.get("averaged", 0), 0, 1 << 62)
    if averaged and getattr(arguments["optimizer"], "average", None) is None:
        raise ValueError("averaged: the optimizer has no average")
    position = Position.from_config(description["position"])
    known = _list({"callbacks": [], **description}, "callbacks")
    states = tuple(_callback_state(one) for one in known)
    best = Best.from_config(description["best"]) if "best" in description else None
    return State(arguments, shape, step, position, states, best, averaged)


def _callback_state(config: object) -> tuple[str, dict[str, Any]]:
    """The state itself is for the callback to check, in the next fit with one of that class."""
    if not isinstance(config, Mapping) or set(config) != {"class", "state"}:
        raise ValueError("callbacks must be a list of objects with class and state")
    if not isinstance(config["class"], str) or not isinstance(config["state"], dict):
        raise TypeError("the class of a callback must be a text, its state an object")
    return config["class"], config["state"]


def _list(description: Mapping[str, Any], key: str) -> list[Any]:
    value = description[key]
    if not isinstance(value, list):
        raise TypeError(f"{key} must be a list")
    return value


def array_names(graph: Graph, n_slots: int, best: bool) -> dict[str, tuple[int, str]]:
    """Names in the file -> (slot, parameter): "0.weight", "optimizer.1.0.weight", "best.0.weight",
    ..."""
    names: dict[str, tuple[int, str]] = {}
    for slot in range(n_slots):
        for parameter in graph.parameter_shapes():
            name = parameter if slot == 0 else f"optimizer.{slot}.{parameter}"
            names[name] = (slot, parameter)
    if best:
        names |= {f"best.{name}": (_BEST, name) for name in graph.parameter_shapes()}
    return names


def each_array(net: Network) -> Iterator[tuple[str, Array]]:
    """All arrays of a network, each made when it is asked for, in the order of their names; none
    before it is built."""
    plan = net._plan
    if plan is None:
        return
    best, outputs = net._best, net._position.outputs if net._position.batch else None
    names = array_names(plan.graph, net.optimizer.n_slots, best is not None)
    if outputs is not None:
        names[OUTPUTS] = (0, OUTPUTS)
    for name, (slot, parameter) in sorted(names.items()):
        if outputs is not None and name == OUTPUTS:
            yield name, outputs.copy()
        elif best and slot == _BEST:
            yield name, best.arrays[parameter]
        else:
            yield name, plan.get(slot, parameter)


def array_shapes(net: Network, graph: Graph, state: State) -> dict[str, tuple[int, ...]]:
    """The arrays that the graph and the state need, by their names in the file."""
    of_parameter, position = graph.parameter_shapes(), state.position
    names = array_names(graph, net.optimizer.n_slots, state.best is not None)
    shapes = {name: of_parameter[parameter] for name, (_, parameter) in names.items()}
    if position.batch and need_outputs(in_history(net.metrics)):
        shapes[OUTPUTS] = (position.rows, graph.n_out)
    return shapes


def check_arrays(
    net: Network, graph: Graph, state: State, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """ValueError unless the arrays are exactly those that the graph and the state need."""
    wanted = array_shapes(net, graph, state)
    for name, shape in wanted.items():
        if name not in shapes:
            raise ValueError(f"the array {name!r} is missing")
        if tuple(shapes[name]) != shape:
            raise ValueError(
                f"the array {name!r} must have shape {shape}, got {tuple(shapes[name])!r:.80}"
            )
    for name in shapes:
        if name not in wanted:
            raise ValueError(f"there is an unknown array {name!r:.80}")


def restore(net: Network, state: State, arrays: Mapping[str, Array]) -> None:
    """Fills a new network. Raises ValueError, before anything is allocated, if arrays misfit."""
    if state.input_shape is None:
        if arrays:
            raise ValueError("there are arrays, but no input_shape")
        return
    graph = net._lower(state.input_shape)
    for name, array in arrays.items():
        if array.dtype != np.dtype(graph.dtype):
            raise ValueError(f"the array {name!r:.80} has dtype {array.dtype}, not {graph.dtype}")
    n_slots, best, position = net.optimizer.n_slots, state.best, state.position
    check_arrays(net, graph, state, {name: array.shape for name, array in arrays.items()})
    plan = net._new_plan(graph)
    for name, (slot, parameter) in array_names(graph, n_slots, best is not None).items():
        if best and slot == _BEST:
            best.arrays[parameter] = np.array(arrays[name])
        else:
            plan.set(slot, parameter, arrays[name])
    plan.step, plan.averaged = state.step, state.averaged
    if OUTPUTS in arrays:
        position = replace(position, outputs=np.array(arrays[OUTPUTS]))
    net._adopt(plan, state.input_shape, position)
    net._callback_states, net._best = state.callbacks, best
