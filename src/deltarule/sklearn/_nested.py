"""Parameters of parameters, by the names that scikit-learn gives them: `optimizer__learning_rate`,
`loss__delta`, `network__0__units`, or what a function is called with, `network__width`.

Specifications never change, so a part that is set makes a new one of the whole.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Self

from sklearn.base import BaseEstimator

from .. import initializers, losses, optimizers
from .._spec import Spec
from ..layers import Dense

_SHAPES = 2  # the arguments of a function that the estimator gives it
_TABLES: Mapping[str, Mapping[str, Any]] = {"optimizer": optimizers.TABLE, "loss": losses.TABLE}


def _parts(value: Any) -> dict[str, Any]:
    """What has a name in a specification, in a list of them, or of the arguments of a function."""
    if isinstance(value, Spec):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return {str(i): part for i, part in enumerate(value) if isinstance(part, Spec)}
    if callable(value):
        try:
            arguments = list(inspect.signature(value).parameters.values())[_SHAPES:]
        except (TypeError, ValueError):  # it does not say
            return {}
        return {a.name: a.default for a in arguments if a.default is not a.empty}
    return {}


def _deep(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All parts of what a parameter holds, and theirs, under their whole names."""
    for part, inner in _parts(value).items():
        yield f"{name}__{part}", inner
        if not callable(inner):
            yield from _deep(inner, f"{name}__{part}")


def _replaced(value: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """`value` with other parts: {"learning_rate": 0.1} or, of a part, {"learning_rate__T_max": 9}.

    Raises ValueError for a part that is not there, and what the specification says to bad values.
    """
    known, grouped, own = _parts(value), _grouped(changes), dict[str, Any]()
    for part, inner in grouped.items():
        if part not in known:
            valid = ", ".join(known) or "no parts"
            raise ValueError(f"Invalid parameter {part!r} of {name}, which has {valid}.")
        own[part] = inner.pop("", known[part])
        if inner:
            own[part] = _replaced(own[part], f"{name}__{part}", inner)
    if isinstance(value, Dense) and value.weight_init == initializers.default_for(value.activation):
        own.setdefault("weight_init", None)  # what is the default stays it
    if isinstance(value, Spec):
        return dataclasses.replace(value, **own)
    if isinstance(value, list | tuple):
        return type(value)(own.get(str(i), part) for i, part in enumerate(value))
    return functools.partial(value, **own)


def _grouped(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{"a__b__c": 1} as {"a": {"b__c": 1}}, {"a": 1} as {"a": {"": 1}}."""
    grouped: dict[str, dict[str, Any]] = {}
    for path, new in changes.items():
        part, _, rest = path.partition("__")
        grouped.setdefault(part, {})[rest] = new
    return grouped


class WithParts(BaseEstimator):
    """Base of estimators whose parameters have parts."""

    network: Any

    def _object(self, name: str) -> Any:
        """What a parameter stands for: for names and None the object, as far as it is known."""
        value, table = getattr(self, name), _TABLES.get(name, {})
        if value is None and name in _TABLES:
            value = getattr(self.network, name, "adam" if name == "optimizer" else None)
        return table[value]() if isinstance(value, str) and value in table else value

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters for this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether parts of parameters are wanted, too, such as `optimizer__learning_rate`.

        Returns
        -------
        params : dict
            Parameter names mapped to their values.
        """
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            for name in list(params):
                params.update(_deep(self._object(name), name))
        return params

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameters, and parts of them: `optimizer__learning_rate=0.01`, `loss__delta=0.5`,
            `network__0__units=32` of the first layer in a list, `network__width=32` of a function
            that has an argument `width` with a default.

        Returns
        -------
        self : estimator instance
            The estimator itself.
        """
        known = set(self._get_param_names())
        parts = {path: new for path, new in params.items() if path.split("__")[0] in known - {path}}
        super().set_params(**{path: new for path, new in params.items() if path not in parts})
        for name, changes in _grouped(parts).items():
            setattr(self, name, _replaced(self._object(name), name, changes))
        return self
