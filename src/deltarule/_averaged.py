"""What a network predicts with: its weights, or their average where there is one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from . import _check, _inputs
from ._check import Array
from ._engine import Plan
from ._fast import Gate


def slot(plan: Plan) -> int:
    """Where the average is. ValueError where there is to be none, RuntimeError where there is none
    yet."""
    averaging = plan.graph.optimizer.averaging
    if averaging is None:
        raise ValueError("average: the optimizer of this network has none; see deltarule.averages")
    if not plan.averaged:
        raise RuntimeError(f"average: {averaging!r} has not taken any weights yet")
    return plan.n_slots - 1


def put(plan: Plan, parameters: Mapping[str, Array]) -> None:
    """Sets parameters from outside, all at once; in the average, too, which goes on from there."""
    slots = (0, slot(plan)) if plan.averaged else (0,)
    plan.set_all({(where, name): parameters[name] for where in slots for name in parameters})


def get_all(plan: Plan, *, average: bool) -> dict[str, Array]:
    """Copies of all parameters, or of their average."""
    where = slot(plan) if _check.boolean("average", average) else 0
    return {name: plan.get(where, name) for name in plan.graph.parameter_shapes()}


def put_all(plan: Plan, parameters: Mapping[str, npt.ArrayLike]) -> None:
    """Sets some or all; before any is set, all have been checked."""
    shapes, dtype = plan.graph.parameter_shapes(), plan.graph.dtype
    put(plan, _inputs.prepare_parameters(parameters, shapes, dtype))


def takes(plan: Plan, epoch: int) -> bool:
    """Whether there is an average that takes the weights at the end of this epoch."""
    averaging = plan.graph.optimizer.averaging
    return averaging is not None and averaging.takes(epoch)


class Serving:
    """The plan that predicts and evaluates. That of an average is a copy, made anew when the
    average has changed. What a thread copies while another one trains is for such threads alone: it
    may be part of one average and part of the next."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._made: dict[bool, tuple[tuple[int, int], Plan]] = {}

    def of(self, plan: Plan) -> Plan:
        """Of an average, if there is one."""
        if not plan.averaged:
            return plan
        now, side = (self._gate.trainings, plan.averaged), self._gate.is_training_elsewhere()
        made = self._made.get(side)
        if made is None or made[0] != now:
            made = self._made[side] = now, plan.of_average()
        return made[1]
