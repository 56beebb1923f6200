"""One operation that ``deltarule compare`` runs, and what the cases are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from . import ops
from ._check import Array

Arrays = tuple[Array, ...]


@dataclass(frozen=True)
class Case:
    """One operation on one set of arguments.

    operation, variant: "activation_forward", "relu"; variant is "" where there are none.
    size: for people, as "256x256".
    dtype: of the arguments; "float64" for random numbers, which have no other.
    run: the operation as `deltarule.ops` or `deltarule.reference` has it: its results.
    truth: the results in the wider type, from the same arguments.
    scale: what an ulp is taken of, one array a result, from the results of `truth`.
    """

    operation: str
    variant: str
    size: str
    dtype: str
    run: Callable[[ModuleType], Arrays]
    truth: Callable[[], Arrays]
    scale: Callable[[Arrays], Arrays]


def wide_type(dtype: str) -> np.dtype[Any]:
    """The type in which true results are computed: float64 for float32, longdouble for float64
    where it has at least 10 bits more (x86, 64-bit ARM on Linux), else float64 again."""
    if dtype == "float32" or np.finfo(np.longdouble).nmant < np.finfo(np.float64).nmant + 10:
        return np.dtype(np.float64)
    return np.dtype(np.longdouble)


def normal(dtype: str, *shape: int, stream: int, deviation: float = 1.0) -> Array:
    """Normal numbers that are the same on every machine."""
    flat = ops.random_normal(int(np.prod(shape)), seed=1, purpose="weight", layer=stream)
    return (flat * deviation).astype(dtype).reshape(shape)


def wide(a: Array) -> Array:
    return a.astype(wide_type(a.dtype.name))


def magnitude(truth: Arrays) -> Arrays:
    """Of results that are each one number's business: an ulp of the number itself."""
    return tuple(map(np.abs, truth))
