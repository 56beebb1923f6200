"""What Python code may do while a network is at work, from callbacks, from layers and metrics, from
the conversion of data, from other threads: an error or a correct answer, never a crash."""

from __future__ import annotations

import itertools
import mmap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import deltarule as dr
from deltarule._check_sparse import Sparse

from .conftest import Data, make_blobs
from .layouts import Csr

Make = Callable[..., dr.Network]
N = 96


class Does(dr.Callback):
    """Calls a function after every batch."""

    batches = True

    def __init__(self, what: Callable[[dr.Training], object]) -> None:
        self.what = what
        self.errors: list[str] = []

    def on_batch_end(self, training: dr.Training) -> None:
        try:
            self.what(training)
        except (ValueError, RuntimeError, BufferError, TypeError) as error:
            self.errors.append(str(error))


HOW: dict[str, Any] = {"batch_size": 8, "epochs": 2}


# ------------------------------------------------------------------------------- memory of the user
def owned() -> np.ndarray:
    return make_blobs(N)[0].copy()


TAKEN: dict[str, tuple[Callable[[], Any], Callable[[Any], object], str]] = {
    "resized": (owned, lambda x: x.resize((1, 5), refcheck=True), "resize"),
    "resized, whoever reads it": (owned, lambda x: x.resize((1, 5), refcheck=False), "resize"),
    "a view, its owner resized": (
        lambda: np.repeat(owned(), 2, 0)[::2],
        lambda x: x.base.resize((1, 5), refcheck=False),
        "resize",
    ),
    "bytes, resized": (
        lambda: np.frombuffer(bytearray(owned().tobytes()), "f4").reshape(N, 5),
        lambda x: x.base.base.obj.clear(),
        "exports",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_memory_is_not_given_away(name: str, make_net: Make) -> None:
    """Whoever tries to is refused, and training goes on with what was there."""
    made, take, message = TAKEN[name]
    x, y = made(), make_blobs(N)[1]
    takes, net, other = Does(lambda training: take(x)), make_net(), make_net()
    history = net.fit(x, y, callbacks=[takes], **HOW)
    assert len(takes.errors) == 24 and message in takes.errors[0]
    assert history == other.fit(*make_blobs(N), **HOW)
    if name.startswith("resized,"):
        take(x)  # nobody is in the way any more
        assert x.shape == (1, 5)


def test_sparse_memory_is_not_given_away(make_net: Make) -> None:
    dense, y = make_blobs(N)
    x = Csr(dense.ravel().copy(), np.tile(np.arange(5), N), np.arange(0, 5 * N + 1, 5), (N, 5))
    parts = [x.data, x.indices]
    del dense
    takes = [Does(lambda training, part=part: part.resize(1, refcheck=False)) for part in parts]
    spoils = Does(lambda training: [x.indptr.fill(99), *(part.fill(-1) for part in parts)])
    make_net().fit(x, y, callbacks=[*takes, spoils], **HOW)
    for one in takes:
        assert len(one.errors) == 24 and "resize" in one.errors[0]


def test_a_file_is_not_closed_under_a_fit(make_net: Make, tmp_path: Path) -> None:
    path, (dense, y) = tmp_path / "x", make_blobs(N)
    path.write_bytes(dense.tobytes())
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    x = np.frombuffer(mapped, "f4").reshape(N, 5)
    closes, net, other = Does(lambda training: mapped.close()), make_net(), make_net()
    assert net.fit(x, y, callbacks=[closes], **HOW) == other.fit(dense, y, **HOW)
    assert len(closes.errors) == 24 and "exported pointers exist" in closes.errors[0]


def test_what_a_fit_reads_may_be_forgotten(make_net: Make) -> None:
    data = dict(zip("xyw", (*make_blobs(N), np.ones(N)), strict=True))
    given = make_net(), make_net()
    x, y, w = data.values()
    forgets = Does(lambda training: data.clear())
    first = given[0].fit(x, y, sample_weight=w, callbacks=[forgets], **HOW)
    assert first == given[1].fit(x, y, sample_weight=w, **HOW)


# ------------------------------------------------------------------------------ numbers that change
@contextmanager
def writing(*writes: Callable[[], object]) -> Iterator[None]:
    """Another thread does this all the time."""
    stop = threading.Event()

    def run() -> None:
        for write in itertools.cycle(writes):
            write()
            if stop.is_set():
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


BAD = (-1, 5, 2**31 - 1, -(2**31))


@pytest.mark.filterwarnings("ignore::deltarule.DivergenceWarning")
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_columns_changed_by_another_thread(make_net: Make, index: str) -> None:
    """Whenever they change, nothing outside is read or written."""
    dense, y = make_blobs(500)
    columns = np.tile(np.arange(5, dtype=index), 500)
    x = Csr(dense.ravel(), columns, np.arange(0, 2501, 5), (500, 5))
    good = columns.copy()
    worse = [2**62, -(2**63)] if index == "int64" else []
    writes = [lambda v=v: columns.fill(v) for v in (*BAD, *worse)]  # type: ignore[misc]
    with writing(*writes, lambda: np.copyto(columns, good)):
        for _ in range(40):
            net = make_net()
            try:
                net.fit(x, y, batch_size=100)
                net.predict(x)
                net.evaluate(x, y)
            except ValueError as error:
                assert "has an entry in column" in str(error)


def test_columns_that_lead_outside_are_clipped() -> None:
    """Where Python reads them, too."""
    bad = np.array([0, 2**40, -7, 1])
    rows = Sparse(np.ones(4), bad, np.array([0, 2, 4]), 3)
    np.testing.assert_array_equal(rows.columns_of(rows.entries), [0, 2, 0, 1])
    np.testing.assert_array_equal(np.asarray(rows), [[1, 0, 1], [1, 1, 0]])


@pytest.mark.filterwarnings("ignore::deltarule.DivergenceWarning")
def test_numbers_changed_by_another_thread(make_net: Make) -> None:
    x, y = make_blobs(500)
    x, w, good = x.astype("float64"), np.ones(500), x.copy()
    outside = [lambda v=v: x.fill(v) for v in (np.nan, np.inf, 1e300)]  # type: ignore[misc]
    with writing(*outside, lambda: w.fill(-1), lambda: np.copyto(x, good), lambda: w.fill(1)):
        for _ in range(20):
            net = make_net()
            try:
                net.fit(x, y, sample_weight=w, batch_size=100)
                net.predict(x)
            except ValueError as error:
                assert str(error).startswith(("X has", "sample_weight must be"))


class Keeps(dr.CustomMetric):
    """A metric that gets at the arrays behind the views that it is given."""

    kind = "keeps"
    kept: ClassVar[list[np.ndarray]] = []

    def start(self, task: Any) -> Any:
        return 0

    def update(self, state: Any, t: Any, y: Any, weight: Any) -> Any:
        while isinstance(t.base, np.ndarray):
            t = t.base
        self.kept.append(t)
        return state

    def result(self, state: Any) -> float:
        return 0.0


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "categorical_hinge"])
@pytest.mark.parametrize("classes", [3, 70])
def test_labels_spoilt_by_a_metric(make_net: Make, loss: str, classes: int) -> None:
    """Each is looked at where it is used. The next epoch refuses them."""
    last = "identity" if loss == "categorical_hinge" else "softmax"
    net = make_net(
        layers=[dr.Dense(classes, last)], loss=loss, metrics=[Keeps(), "accuracy"], backend="fast"
    )
    x, y = make_blobs(N)
    Keeps.kept.clear()

    def spoil(training: dr.Training) -> None:
        for labels, bad in zip(Keeps.kept, itertools.cycle((2**62, -1, -(2**63), classes))):
            labels[...] = bad

    with pytest.raises(ValueError, match="labels must lie in 0"):
        net.fit(x, y, batch_size=8, epochs=3, callbacks=[Does(spoil)])
    assert Keeps.kept
    assert np.isfinite(net.predict(x)).all()


# ---------------------------------------------------------------------------------------- recursion
INSIDE: dict[str, Callable[[dr.Network, Data, Path], object]] = {
    "fit": lambda net, data, path: net.fit(*data),
    "fit_many": lambda net, data, path: dr.fit_many([net], *data),
    "train_on_batch": lambda net, data, path: net.train_on_batch(*data),
    "gradients": lambda net, data, path: net.gradients(*data),
    "set_parameters": lambda net, data, path: net.set_parameters({}),
    "restore_best_weights": lambda net, data, path: net.restore_best_weights(),
    "build": lambda net, data, path: net.build(5),
    "adapt": lambda net, data, path: net.adapt(data[0]),
}
HARMLESS: dict[str, Callable[[dr.Network, Data, Path], object]] = {
    "predict": lambda net, data, path: net.predict(data[0]),
    "evaluate": lambda net, data, path: net.evaluate(*data),
    "save and load": lambda net, data, path: (net.save(path), dr.load(path).fit(*data)),
    "copy": lambda net, data, path: net.__getstate__(),
    "parameters": lambda net, data, path: net.parameters(),
    "others": lambda net, data, path: dr.fit_many(
        [dr.Network([dr.Dense(3, "softmax")], "cross_entropy") for _ in range(2)], *data
    ),
}


@pytest.mark.parametrize("name", INSIDE | HARMLESS)
def test_calls_from_a_callback(make_net: Make, blobs: Data, name: str, tmp_path: Path) -> None:
    net, other = make_net(), make_net()
    call = (INSIDE | HARMLESS)[name]
    does = Does(lambda training: call(net, blobs, tmp_path / "x.safetensors"))
    assert net.fit(*blobs, callbacks=[does], **HOW) == other.fit(*blobs, **HOW)
    if name in INSIDE:
        assert len(does.errors) == 24
        assert ("another" if name == "fit_many" else "this") + " thread" in does.errors[0]
    else:
        assert not does.errors


@dataclass(frozen=True)
class Calls(dr.CustomLayer):
    """A layer that calls something on its way forward or back."""

    kind = "calls"
    what: ClassVar[Callable[[], object]] = staticmethod(lambda: None)
    when: str = "forward"

    def forward(self, x: Any, parameters: Any, training: bool) -> tuple[Any, Any]:
        if self.when == "forward":
            type(self).what()
        return x, None

    def backward(self, dy: Any, kept: Any, parameters: Any) -> tuple[Any, Any]:
        if self.when == "backward":
            type(self).what()
        return dy, {}


@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("name", INSIDE | HARMLESS)
def test_calls_from_a_layer(
    make_net: Make, blobs: Data, name: str, when: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In the middle of a batch nothing but predict is consistent, and other networks are."""
    layers = [dr.Dense(7, "relu"), Calls(when), dr.Dense(3, "softmax")]
    net, other = make_net(layers=layers), make_net(layers=layers)
    busy: list[str] = []

    def what() -> None:
        if not busy:
            busy.append(name)
            (INSIDE | HARMLESS)[name](net, blobs, tmp_path / "x.safetensors")

    net.fit(*blobs)
    other.fit(*blobs)
    monkeypatch.setattr(Calls, "what", staticmethod(what))
    if name not in ("predict", "others"):
        with pytest.raises(RuntimeError, match="in the middle of fit"):
            net.fit(*blobs, **HOW)
    assert net.fit(*blobs, **HOW) == other.fit(*blobs, **HOW)


@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
def test_a_layer_that_never_ends(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python ends it, also where every level has the core in between."""
    net = make_net(layers=[Calls(), dr.Dense(3, "softmax")])
    net.fit(*blobs)
    expected = net.predict(blobs[0])
    with monkeypatch.context() as patched, pytest.raises(RecursionError):
        patched.setattr(Calls, "what", staticmethod(lambda: net.predict(blobs[0])))
        net.fit(*blobs)
    np.testing.assert_array_equal(net.predict(blobs[0]), expected)


# -------------------------------------------------------------------------- arrays that misbehave
class Odd:
    """What calls itself an array and is none."""

    def __init__(self, give: Callable[[], Any]) -> None:
        self._give = give

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._give()


class Unlike(np.ndarray):
    """An array that says something else about itself than numpy does."""

    shape = property(lambda self: (10**9, 10**9))  # type: ignore[assignment]
    dtype = property(lambda self: np.dtype("O"))  # type: ignore[assignment]
    strides = property(lambda self: (8, 8))  # type: ignore[assignment]
    flags = property(lambda self: None)  # type: ignore[assignment]

    def __len__(self) -> int:
        return 10**9

    def __array__(self, *arguments: Any, **keywords: Any) -> Any:
        raise KeyError("of __array__")


def fails(error: BaseException) -> Any:
    raise error


X, Y = make_blobs(N)
SIZES = itertools.cycle((N, 3, 0, N + 1))
ODD: dict[str, tuple[Any, type[BaseException] | tuple[type[BaseException], ...] | None]] = {
    "raises": (Odd(lambda: fails(KeyError("of __array__"))), KeyError),
    "is interrupted": (Odd(lambda: fails(KeyboardInterrupt())), KeyboardInterrupt),
    "gives a list": (Odd(lambda: [[1.0]]), TypeError),
    "gives None": (Odd(lambda: None), TypeError),
    "gives itself": (Odd(lambda: ODD["gives itself"][0]), TypeError),
    "gives objects": (Odd(lambda: X.astype(object)), TypeError),
    "another each time": (Odd(lambda: X[np.arange(next(SIZES)) % N]), ValueError),
    "a good one": (Odd(lambda: X), None),
    "a list of them": ([Odd(lambda i=i: X[i]) for i in range(N)], None),
    "a list of odd ones": ([Odd(lambda: X[:2])] * N, (TypeError, ValueError)),
    "contains itself": ([[]], (TypeError, ValueError)),
    "unlike": (X.view(Unlike), None),
    "weird strings": (np.array([["1"] * 5] * N), TypeError),
    "no memory": (np.lib.stride_tricks.as_strided(X, (N, 5), (0, 0)), None),
}
ODD["contains itself"][0][0].append(ODD["contains itself"][0])


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("method", ["fit", "predict", "evaluate", "gradients", "train_on_batch"])
def test_arrays_that_misbehave(make_net: Make, name: str, method: str) -> None:
    odd, error = ODD[name]
    net, other = make_net(), make_net()
    for one in (net, other):
        one.fit(X, Y)
    call = getattr(net, method)
    arguments = (odd,) if method == "predict" else (odd, Y)
    if error is not None and not (name == "another each time" and method == "predict"):
        with pytest.raises(error):
            for _ in range(4):
                call(*arguments)
    elif method == "predict":
        call(*arguments)
    else:
        call(*arguments)
        return
    if name != "another each time":
        assert net.fit(X, Y) == other.fit(X, Y)


@pytest.mark.parametrize("split", [0.0, 0.3])
def test_targets_that_change_with_each_look(make_net: Make, split: float) -> None:
    """They are looked at once."""
    looks = itertools.count()
    y = Odd(lambda: Y if next(looks) == 0 else fails(AssertionError("twice")))
    w = Odd(lambda: np.ones(N) if next(looks) == 1 else fails(AssertionError("twice")))
    make_net().fit(X, y, sample_weight=w, validation_split=split)
