"""What is done while memory is short, and what must hold afterwards.

    python -m tests.memory_scenes LIBRARY SCENE [EVERY [BYTES]]

does it to the allocations of a whole process, Python's and numpy's too: LIBRARY is
harness/shim.c, preloaded (test_out_of_memory.py starts it).
Prints how many there were and what came of them.
"""

from __future__ import annotations

import atexit
import copy
import ctypes
import faulthandler
import gc
import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import deltarule as dr
from deltarule import _fast, layers

from .conftest import make_blobs
from .custom_layers import MyDense

X, Y = make_blobs(50)
EPOCHS = 2


def state(net: dr.Network) -> bytes:
    """All that a network is, as bytes."""
    kept = net.__getstate__()
    return pickle.dumps((kept["description"], {n: a.tobytes() for n, a in kept["arrays"].items()}))


# ------------------------------------------------------------------------------------------- scenes
def network(*chain: dr.Layer, built: bool = True, **arguments: Any) -> dr.Network:
    hidden = chain or (dr.Dense(7, "tanh"),)
    net = dr.Network([*hidden, dr.Dense(3, "softmax")], "cross_entropy", **arguments)
    if built:
        net.build(5)
    return net


def unbuilt() -> dr.Network:
    return network(dr.Normalization(), dr.Dense(7, weight_init="orthogonal"), built=False)


def of_all_kinds() -> dr.Network:
    """Every kind of node in C, and all that asks for memory of its own."""
    chain = (
        dr.Dropout(0.2), dr.Dense(7, l2=0.01, constraint=dr.MaxNorm(2.0)), dr.BatchNorm(),
        dr.Residual([dr.LayerNorm(), dr.PReLU()]), layers.RMSNorm(),
        dr.Concat([[], [dr.Activation("tanh")]]),
    )  # fmt: skip
    optimizer = dr.LAMB(0.01, average=dr.EMA(0.9), global_clipnorm=1.0)
    return network(*chain, optimizer=optimizer, metrics=["accuracy", "roc_auc"])


def trained() -> dr.Network:
    net = network(optimizer=dr.Adam(average=dr.EMA(0.9)))
    net.fit(X, Y, batch_size=10)
    return net


def for_squares(optimizer: Any) -> Callable[[], dr.Network]:
    def make() -> dr.Network:
        net = dr.Network([dr.Dense(3, "tanh"), dr.Dense(3)], "mse", optimizer, dtype="float64")
        net.build(5)
        return net

    return make


def sparse() -> Any:
    from scipy.sparse import csr_array

    return csr_array(np.where(X > 0, X, 0))


def pieces() -> list[Any]:
    return [(X[:25], Y[:25]), (X[25:], Y[25:])]


def fit(x: Any = X, y: Any = Y, **options: Any) -> Callable[[dr.Network], bytes]:
    """To the end of so many epochs, from where the network is. x: rows, or what makes some."""

    def act(net: dr.Network) -> bytes:
        left = EPOCHS - net._position.epoch
        if left:
            rows = x() if x is sparse else x
            net.fit(rows, y, epochs=left, **({"batch_size": 20} | options))
        return state(net)

    return act


def fit_squares(net: dr.Network) -> bytes:
    """Its epochs are no positions: each fit begins where the network is."""
    net.fit(X.astype("f8"), np.eye(3)[Y], epochs=2)
    return b""


def load(path: Path) -> bytes:
    return state(dr.load(path))


def save(net: dr.Network) -> bytes:
    """Over a file that is there: it stays, or the new one is whole."""
    path = file("written")
    path.write_bytes(b"old")
    try:
        net.save(path)
    except BaseException:
        assert path.read_bytes() in (b"old", saved().read_bytes())
        raise
    return path.read_bytes()


@cache
def saved() -> Path:
    of_all_kinds().save(file("saved"))
    return file("saved")


@cache
def file(name: str) -> Path:
    """Of that name, which goes with this process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return Path(folder, name)


class Scene(NamedTuple):
    """make: a network, say. act: what needs memory, and what comes of it. least: allocations of the
    core that it has, or it would test nothing."""

    make: Callable[[], Any]
    act: Callable[[Any], Any]
    least: int


SCENES = {
    "a fit": Scene(network, fit(), 2),
    "the first fit": Scene(unbuilt, fit(), 8),
    "a fit of all kinds, with validation": Scene(of_all_kinds, fit(validation_data=(X, Y)), 5),
    "a fit that accumulates": Scene(
        lambda: network(optimizer=dr.Adam(gradient_accumulation_steps=3)), fit(), 2),
    "a fit with a custom layer": Scene(
        lambda: network(MyDense(4), optimizer="sgd"), fit(shuffle=False), 2),
    "a fit of sparse rows": Scene(network, fit(sparse), 3),
    "a fit of a stream": Scene(network, fit(pieces, None, batch_size=None), 2),
    "Levenberg-Marquardt": Scene(for_squares(dr.LevenbergMarquardt()), fit_squares, 5),
    "L-BFGS": Scene(for_squares(dr.LBFGS()), fit_squares, 5),
    "a batch": Scene(network, lambda net: (net.train_on_batch(X, Y), state(net)), 2),
    "predict": Scene(network, lambda net: net.predict(X).tobytes(), 2),
    "predict from sparse rows": Scene(network, lambda net: net.predict(sparse()).tobytes(), 3),
    "predict with the average": Scene(trained, lambda net: net.predict(X).tobytes(), 8),
    "evaluate": Scene(of_all_kinds, lambda net: net.evaluate(X, Y), 2),
    "gradients": Scene(network, lambda net: str(net.gradients(X, Y)), 2),
    "a copy": Scene(trained, lambda net: state(copy.deepcopy(net)), 8),
    "load": Scene(saved, load, 8),
    "save": Scene(lambda: dr.load(saved()), save, 0),  # the core needs none
}  # fmt: skip
NEED_SCIPY = ("a fit of sparse rows", "L-BFGS", "predict from sparse rows")


# ------------------------------------------------------------------------------- what is to fail
class OfTheCore:
    """All that memory.c is asked for. fails: how many in a row."""

    def __init__(self, fails: int = 1) -> None:
        self._fails, self._first = fails, 0

    def begin(self, n: int) -> None:
        """The n-th allocation from now on is the first to fail."""
        self._first = _fast.allocations()
        _fast.allocations_fail(n, self._fails)

    def end(self) -> int:
        """None fails any more. How many there were."""
        _fast.allocations_fail(0, 0)
        return _fast.allocations() - self._first


class OfTheProcess:
    """All that the C library is asked for, of at least so many bytes. A few of them are asked for
    on the way to the scene and back."""

    def __init__(self, library: str, least: int) -> None:
        shim = ctypes.CDLL(library)
        self._fail, self._end, self._least = shim.shim_fail, shim.shim_end, least
        self._fail.argtypes, self._fail.restype = [ctypes.c_ulonglong, ctypes.c_size_t], None
        self._end.restype = ctypes.c_ulonglong

    def begin(self, n: int) -> None:
        try:
            self._fail(n + 1, self._least)
        except MemoryError as error:
            forget(error)

    def end(self) -> int:
        try:
            return int(self._end())
        except MemoryError as error:  # that was the one
            forget(error)
            return int(self._end())


def forget(error: Exception) -> None:
    """Where it was raised: Python has one MemoryError that it keeps for ever, and the frames of its
    traceback with it."""
    while error is not None:
        error.__traceback__ = None
        error.__context__, error = None, error.__context__


def run_out(scene: Scene, memory: OfTheCore | OfTheProcess, every: int = 1) -> Counter[str]:
    """Acts while the n-th allocation fails, for each n. What became of the failures, how many
    "allocations" there are, and after how many failures of the process something was "left behind":
    CPython loses references where it has no memory for a frame, or for functools.partial."""
    expected = scene.act(scene.make())
    gc.collect()  # a fit of a stream and its run know of each other
    alive, came_of_it = _fast.allocations_alive(), Counter[str]()
    for n in itertools.count(0, every):
        subject = scene.make()
        before = state(subject) if isinstance(subject, dr.Network) and subject.built else b""
        memory.begin(n)
        try:
            found, outcome = scene.act(subject), "as if nothing had been"
        except Exception as error:
            forget(error)
            kind = type(error).__name__
            found, outcome = expected, kind if kind == "MemoryError" else f"{kind}: {error}"
        finally:
            count = memory.end()
        assert found == expected, f"allocation {n} changes the result"
        if count <= n:
            came_of_it["allocations"] = count
            return came_of_it
        came_of_it[outcome] += 1
        if before and subject._plan.step == pickle.loads(before)[0]["step"]:
            assert state(subject) == before, f"allocation {n} changes the network"
        if outcome != "as if nothing had been":
            assert scene.act(subject) == expected, f"after allocation {n} the next call goes wrong"
        del subject
        if _fast.allocations_alive() != alive:
            gc.collect()
        left = _fast.allocations_alive() - alive
        if left and isinstance(memory, OfTheProcess):
            came_of_it["left behind"] += 1
            alive += left
            continue
        assert not left, f"allocation {n} leaks {left}"
    raise AssertionError


# ------------------------------------------------------------------------------ the whole process
def build_shim(folder: Path) -> str:
    """The library to preload. Without a C compiler this fails: the project cannot be built without
    one."""
    library = folder / "shim.so"
    compiler = os.environ.get("CC") or shutil.which("cc") or sysconfig.get_config_var("CC")
    source = Path(__file__).with_name("harness") / "shim.c"
    options = ["-O1", "-shared", "-fPIC", "-fno-builtin", str(source), "-o", str(library)]
    subprocess.run([*str(compiler).split(), *options], check=True)
    return str(library)


def main(library: str, name: str, every: str = "1", least: str = "0") -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore", dr.SlowWarning)
    dr.set_num_threads(1)
    print(json.dumps(run_out(SCENES[name], OfTheProcess(library, int(least)), int(every))))


if __name__ == "__main__":
    main(*sys.argv[1:])
