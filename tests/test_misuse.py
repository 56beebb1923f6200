"""Whatever is given for any argument of anything public: it is taken, or a TypeError or ValueError
that names the argument; nothing else, and never a crash."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import (
    activations,
    averages,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    reference,
    schedules,
)

from .conftest import make_blobs

ITSELF: list[Any] = []
ITSELF.append(ITSELF)


OTHER = dr.Network([dr.Dense(2)], "mse")
OTHER.build(2)


class Hostile:
    """Everything that one asks it is an error of its own."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)

    def __len__(self) -> int:
        raise LookupError("len")

    def __eq__(self, other: object) -> bool:
        raise LookupError("eq")

    __hash__ = None  # type: ignore[assignment]


JUNK: dict[str, Any] = {
    "None": None, "True": True, "0": 0, "-1": -1, "2**31": 2**31, "2**70": 2**70,
    "-2**70": -(2**70), "10**400": 10**400, "1.5": 1.5, "nan": math.nan, "inf": math.inf,
    "-0.0": -0.0, "1e-320": 1e-320, "1j": 1j, "''": "", "'junk'": "junk", "nul": "a\0b",
    "surrogate": "\ud800", "b'x'": b"x", "[]": [], "[None]": [None], "[1, 'a']": [1, "a"],
    "()": (), "(1, 2, 3)": (1, 2, 3), "{}": {}, "{1: 2}": {1: 2}, "{1}": {1}, "object": object(),
    "len": len, "int": int, "itself": ITSELF, "slice": slice(None), "Ellipsis": ...,
    "error": ValueError("x"), "Decimal": Decimal("1.5"), "Fraction": Fraction(1, 3),
    "float32 nan": np.float32("nan"), "int64": np.int64(-5), "array": np.zeros((2, 2)),
    "array of one": np.array(3.0), "array of texts": np.array(["x"]),
    "array of None": np.array([None]),
    "dates": np.array(["2020-01-01"], "M8[D]"), "structured": np.zeros(2, "f4,i4"),
    "nothing": np.zeros((0, 0)), "big": np.full((3, 3), 1e300), "range": range(3),
    "memoryview": memoryview(b"abc"), "dtype": np.dtype("c8"),
    "network": OTHER,
    "layer": dr.Dense(2), "optimizer": dr.Adam(), "class": dr.Dense, "hostile": Hostile(),
}  # fmt: skip

X, Y = make_blobs(12)
ROWS, ONE = np.ones((4, 3)), np.ones(3)
CONTINUED: dict[str, tuple[Any, ...]] = {  # arguments without defaults
    "Dense": (3,), "Activation": ("relu",), "Residual": ([dr.Dense(2)],),
    "Add": ([[dr.Dense(2)]] * 2,),
    "Concat": ([[dr.Dense(2)]] * 2,), "Reshape": ((3,),), "Dropout": (0.5,), "AlphaDropout": (0.5,),
    "GaussianNoise": (0.5,), "Network": ([dr.Dense(3)], "mse"), "MaxNorm": (), "EMA": (0.9,),
    "SWA": (1,),
    "TimeBudget": (1.0,), "LearningRateScheduler": (lambda epoch: 0.1,), "CSVLogger": ("x.csv",),
    "ModelCheckpoint": ("x",), "TensorBoard": ("x",), "TopKAccuracy": (2,), "Constant": (1.0,),
    "activation_forward": ("relu", ROWS), "activation_backward": ("relu", ROWS, ROWS, ROWS),
    "average_step": (ROWS, ROWS), "batch_norm_forward": (ROWS,),
    "dense_forward": (ROWS, np.ones((3, 2))),
    "dense_backward": (ROWS, np.ones((3, 2)), np.ones((4, 2)), np.ones((4, 2))),
    "batch_norm_inference": (ROWS, ONE, ONE), "batch_norm_backward": (ROWS, ONE, ROWS),
    "batch_norm_running": (ONE, ONE, ONE, ONE), "layer_norm_forward": (ROWS,),
    "layer_norm_backward": (ROWS, ONE, ROWS), "rms_norm_forward": (ROWS,),
    "rms_norm_backward": (ROWS, ONE, ROWS), "prelu_forward": (ROWS, ONE),
    "prelu_backward": (ROWS, ONE, ROWS),
    "cholesky": (np.eye(3),), "cholesky_solve": (np.eye(3), ONE),
    "loss_forward": ("mse", ROWS, ROWS),
    "loss_backward": ("mse", ROWS, ROWS), "noise_forward": ("dropout", ROWS, 0.5),
    "noise_backward": ("dropout", ROWS, 0.5), "optimizer_step": ("sgd", ROWS, ROWS),
    "clip_gradients": ({"g": ROWS},), "constrain": ("max_norm", ROWS), "penalty_forward": (ROWS,),
    "penalty_backward": (ROWS, ROWS), "random_bits": (3,), "random_normal": (3,),
    "random_permutation": (3,),
    "OneCycleLR": (0.1, 9), "Warmup": (3, 0.1), "CosineAnnealingLR": (0.1, 9),
    "CosineAnnealingWarmRestarts": (0.1, 9), "StepLR": (0.1, 3), "MultiStepLR": (0.1, (3, 5)),
    "ExponentialLR": (0.1, 0.9), "ConstantLR": (0.1,), "PolynomialLR": (0.1,),
    "InverseScaling": (0.1,),
    "random_uniform": (3,), "initialize": ("he_normal", 3, 2),
}  # fmt: skip
KEYWORDS: dict[str, dict[str, Any]] = {
    "average_step": {"share": 0.5}, "batch_norm_running": {"n": 4}, "set_num_threads": {"n": 1},
    **{
        name: {"seed": 0, "purpose": "weight"}
        for name in reference.__all__ if name.startswith("random_")
    },
    **{name: {"seed": 0} for name in ("noise_forward", "noise_backward", "initialize")},
}


SIZES = ("n", "n_in", "n_out")


GIVEN = ("Monitor", "Task", "Training")  # to users, who do not make them


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Classes and functions that users call without a network."""
    rooms: tuple[Any, ...] = (
        layers, losses, metrics, optimizers, schedules, activations, averages, constraints,
        initializers, dr.callbacks,
    )  # fmt: skip
    for room in rooms:
        for name, made in vars(room).items():
            if not isinstance(made, type) or not made.__module__.startswith(room.__name__):
                continue
            if name not in GIVEN and "Custom" not in name and not inspect.isabstract(made):
                yield f"{room.__name__.rpartition('.')[2]}.{name}", made
    for module in (ops, reference):
        for name in module.__all__:
            yield f"{module.__name__.rpartition('.')[2]}.{name}", getattr(module, name)
    yield "Network", dr.Network
    yield "set_num_threads", dr.set_num_threads
    yield "set_isa", dr.set_isa


CALLS = dict(public())


def would_take_hours(parameter: str, junk: object) -> bool:
    """Large numbers that are right for this argument."""
    large = type(junk) is int and junk > 1000
    return large and (parameter == "epochs" or (parameter in SIZES and junk == 2**31))


# what messages say instead
WORDS = {"set_isa": "isa", "Dense": "initializer", "Network": "metric"}


def misuse(
    name: str, call: Callable[..., Any], parameter: str, keywords: dict[str, Any]
) -> list[str]:
    """Complaints about what calls with junk for one parameter raise. They may name another, which
    does not fit what has been given."""
    found, short = [], name.rpartition(".")[2]
    words = [*inspect.signature(call).parameters, WORDS.get(short, short)]
    named = re.compile(rf"\b({'|'.join(words)})\b")
    for title, junk in JUNK.items():
        called = parameter in ("X", "validation_data", "callbacks") and callable(junk)
        if called or would_take_hours(parameter, junk):  # its errors are its own
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call(**{**keywords, parameter: junk})
            except (TypeError, ValueError, MemoryError) as error:
                text = str(error)
                if not named.search(text):
                    found.append(f"{name}({parameter}={title}): does not name it: {text}")
            except Exception as error:
                own = isinstance(junk, Hostile) and isinstance(error, LookupError)
                if own or isinstance(error, ImportError):  # of an extra
                    continue
                found.append(f"{name}({parameter}={title}): {type(error).__name__}: {error}")
    return found


@pytest.mark.parametrize("name", CALLS)
def test_junk_for_any_argument(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    call, short = CALLS[name], name.rpartition(".")[2]
    monkeypatch.chdir(tmp_path)
    try:
        signature = inspect.signature(call)
    except ValueError:
        return
    parameters = [p for p in signature.parameters.values() if p.kind not in (p.VAR_KEYWORD,)]
    given = CONTINUED.get(short, ())
    names = [p.name for p in parameters]
    keywords = dict(zip(names, given)) | KEYWORDS.get(short, {})  # noqa: B905
    complaints: list[str] = []
    with contextlib.ExitStack() as end:
        end.callback(dr.set_num_threads, None)
        end.callback(dr.set_isa, dr.get_isa())
        for one in parameters:
            if one.kind is not one.VAR_POSITIONAL:
                complaints += misuse(name, call, one.name, keywords)
    assert not complaints, "\n".join(complaints)


METHODS: dict[str, dict[str, Any]] = {
    "fit": {"X": X, "y": Y}, "train_on_batch": {"X": X, "y": Y}, "evaluate": {"X": X, "y": Y},
    "gradients": {"X": X, "y": Y}, "predict": {"X": X}, "adapt": {"X": X}, "parameters": {},
    "set_parameters": {"parameters": {}}, "build": {"input_shape": 5},
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_junk_for_a_network(method: str, backend: str) -> None:
    kind = [dr.Normalization()] if method == "adapt" else []
    last = [dr.Dense(3, "softmax")]
    net = dr.Network([*kind, *last], "cross_entropy", backend=backend)
    net.fit(X, Y)
    call, complaints = getattr(net, method), list[str]()
    for name in inspect.signature(call).parameters:
        complaints += misuse(method, call, name, METHODS[method])
    assert not complaints, "\n".join(complaints)
    assert np.isfinite(net.predict(X)).all()


def test_junk_for_functions() -> None:
    net = dr.Network([dr.Dense(3, "softmax")], "cross_entropy")
    net.fit(X, Y)
    complaints = []
    for call, keywords in (
        (dr.fit_many, {"networks": [net], "X": X, "y": Y}),
        (dr.verify, {"network": net, "X": X, "y": Y}),
    ):
        names = inspect.signature(call).parameters
        given = dict(zip(names, keywords.values()))  # noqa: B905
        for name in names:
            complaints += misuse(call.__name__, call, name, given)
    assert not complaints, "\n".join(complaints)
