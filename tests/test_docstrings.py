"""Everything public says what it is: shapes, errors, and where the formula is from."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import deltarule as dr
from deltarule import _check, optimizers

YEAR = re.compile(r"\b(17|18|19|20)\d\d\b")
SHAPE = re.compile(r"\(n,|\(n_in|\(n_out|any shape|one shape|\bn words\b|row-major|\(n\)")


def public(module: Any) -> Iterator[tuple[str, Any]]:
    for name in getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]:
        thing = getattr(module, name)
        if inspect.ismodule(thing) or getattr(thing, "__module__", "").startswith("deltarule"):
            yield name, thing


def everything() -> dict[str, Any]:
    """All public names, methods of classes and functions of modules included."""
    found: dict[str, Any] = {}
    for name, thing in public(dr):
        found[name] = thing
        if inspect.ismodule(thing):
            found |= {f"{name}.{inner}": other for inner, other in public(thing)}
    for name, thing in list(found.items()):
        if inspect.isclass(thing):
            for inner, method in vars(thing).items():
                if not inner.startswith("_") and (callable(method) or isinstance(method, property)):
                    found[f"{name}.{inner}"] = method
    return found


EVERYTHING = everything()


def text(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def test_the_list_is_whole() -> None:
    for name in ("Network.fit", "ops.dense_forward", "reference.optimizer_step", "Adam", "verify"):
        assert name in EVERYTHING


@pytest.mark.parametrize("name", EVERYTHING)
def test_has_a_docstring(name: str) -> None:
    assert len(text(EVERYTHING[name])) > 5, f"{name} needs a docstring"


@pytest.mark.parametrize("name", dr.reference.__all__)
def test_reference_functions_say_shapes_and_errors(name: str) -> None:
    said = text(getattr(dr.reference, name))
    assert SHAPE.search(said), f"reference.{name}: which shapes?"
    assert re.search(r"Raises|errors as", said), f"reference.{name}: what does it raise?"


@pytest.mark.parametrize("name", dr.ops.__all__)
def test_fast_functions_point_to_the_reference(name: str) -> None:
    assert f"deltarule.reference.{name}" in text(getattr(dr.ops, name))


@pytest.mark.parametrize(
    "name", ["fit", "predict", "evaluate", "train_on_batch", "gradients", "set_parameters", "build"]
)
def test_network_methods_say_what_they_take_and_raise(name: str) -> None:
    said = text(getattr(dr.Network, name))
    assert re.search(r"[Rr]aises|errors as for fit|pass through", said), f"{name}: errors?"


# functions that are older than any paper to name
OLD = ("identity", "sigmoid", "tanh", "exp", "log_softmax")
FAMILIES = ("glorot", "he", "lecun", "orthogonal")
SOURCED = {
    "activations": [n for n in _check.ACTIVATIONS if n not in OLD],
    "losses": list(dr.losses.TABLE),
    "optimizers": list(optimizers.TABLE),
    "initializers": [n for n in _check.INITIALIZERS if n.split("_")[0] in FAMILIES],
}


@pytest.mark.parametrize(
    "family, kind", [(family, kind) for family, kinds in SOURCED.items() for kind in kinds]
)
def test_formulas_name_their_source(family: str, kind: str) -> None:
    said = text(getattr(dr, family).TABLE[kind])
    assert YEAR.search(said), f"{family}.{kind}: paper and year?"
