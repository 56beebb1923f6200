"""Scenes about forks, start methods and threads; scenes.py runs them."""

from __future__ import annotations

import copy
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import _fast

from . import row_scenes
from .common import ADAM, data, digest, epochs, graph, ready, state, use


def _train(threads: int, seed: int = 0) -> str:
    """A small training from its beginning, and the hash of what comes out."""
    use(threads=threads)
    g = graph((9, 33, 3), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    plan, rows = ready(g), data(g, 90, seed=seed)
    sums = epochs(plan, rows, 3, batch_size=16, shuffle=True)
    assert _fast.last_team() == threads
    return digest(sums, *state(plan), plan.predict(rows[0]).tobytes())


ROWS = data(graph((9, 3), ("softmax",), dtype="float32"), 90)[0], np.arange(90) % 3
HOW: dict[str, Any] = {"epochs": 1, "batch_size": 16, "verbose": False}


def _network(seed: int = 0) -> dr.Network:
    """One with state of many kinds, built."""
    adam = dr.Adam(0.01, average=dr.EMA(0.9))
    layers = [dr.Dense(33, "tanh"), dr.Dropout(0.1), dr.Dense(3, "softmax")]
    net = dr.Network(layers, "cross_entropy", adam, seed=seed)
    net.build(9)
    return net


def _hash(net: dr.Network) -> str:
    kept = net.__getstate__()
    return digest(kept["description"], *(a.tobytes() for a in kept["arrays"].values()))


def _values(net: dr.Network) -> str:
    return digest(*(a.tobytes() for a in net.parameters().values()))


def _forked(
    work: Callable[[], str], limit: float = 20, fork: Callable[[], int] = os.fork
) -> str:
    """What `work` gives in a forked child; "hangs" when it does."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn where other threads are alive. That is their matter in general;
        # that this library's threads do not hang the child is what is tested here.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        pid = fork()
    if pid == 0:
        code = 1
        try:
            os.write(writer, work().encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    end, status = time.monotonic() + limit, None
    while time.monotonic() < end:
        got, code = os.waitpid(pid, os.WNOHANG)
        if got:
            status = code
            break
        time.sleep(0.002)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    return "hangs" if status is None else text if status == 0 else f"status {status}"


def fork(rounds: int, threads: int) -> list[str]:
    """Training, forking, training in child and parent, round after round."""
    results = []
    for _ in range(rounds):
        results.append(_train(threads))
        results.append(_forked(lambda: _train(threads)))
        results.append(_forked(lambda: _train(threads) and _forked(lambda: _train(threads))))
    return results


def fork_from_a_thread(threads: int) -> list[str]:
    """The thread that forks has a team; so has, or is even training with, another thread."""
    results: list[str] = [_train(threads)]

    def child_of_thread() -> None:
        results.append(_train(threads))
        results.append(_forked(lambda: _train(threads)))

    other = threading.Thread(target=child_of_thread)
    other.start()
    other.join()
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            _train(threads)

    busy = threading.Thread(target=go_on)
    busy.start()
    try:
        for _ in range(3):
            results.append(_forked(lambda: _train(threads)))
    finally:
        stop.set()
        busy.join()
    return results


def fork_in_c(threads: int) -> list[str]:
    """As a server does that is written in C: Python is not told before."""
    fork = ctypes.PyDLL(None).fork
    return [_train(threads), _forked(lambda: _train(threads), fork=fork), _train(threads)]


def fork_beside_others(threads: int) -> list[str]:
    """Other threads are reading one network and training another one, when there is a fork: the
    child can train the first, and learns why it cannot train the second."""
    use(threads=threads)
    held, going_on = threading.Semaphore(0), threading.Event()

    def waits() -> Iterator[Any]:
        for rows in [ROWS] * 2:
            yield rows
            held.release()
            assert going_on.wait(30)

    read, trained = _network(), _network()
    others = [
        threading.Thread(target=read.evaluate, args=(waits,)),
        threading.Thread(target=trained.fit, args=(waits,), kwargs={"verbose": False}),
    ]
    for other in others:
        other.start()
        assert held.acquire(timeout=30)

    def child() -> str:
        read.fit(*ROWS, **HOW)
        trained.predict(ROWS[0])
        for call in (lambda: trained.fit(*ROWS, **HOW), trained.parameters):
            try:
                call()
            except RuntimeError as error:
                assert "was forked while another thread was in the middle of fit" in str(error)
            else:
                return "no error"
        return _hash(read)

    results = [_forked(child)]
    going_on.set()
    for other in others:
        other.join()
    read.fit(*ROWS, **HOW)
    return [*results, _hash(read)]


def _send(connection: Connection, threads: int) -> None:
    connection.send(_train(threads))


def start_method(method: str, threads: int) -> list[str]:
    """A child of multiprocessing, after a training in the parent."""
    results = [_train(threads)]
    context = multiprocessing.get_context(method)
    for _ in range(2):
        reader, writer = context.Pipe(duplex=False)
        child = context.Process(target=_send, args=(writer, threads))
        with warnings.catch_warnings():  # as in _forked
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            child.start()
        results.append(reader.recv() if reader.poll(30) else "hangs")
        if results[-1] == "hangs":
            child.kill()
        child.join()
    return results


# ---------------------------------------------------------------------------------------- threads
def _in_threads(count: int, work: Callable[[int], str]) -> list[str]:
    results = [""] * count
    barrier = threading.Barrier(count)

    def run(i: int) -> None:
        barrier.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def predict_in_threads(threads: int, rows: int, rounds: int) -> bool:
    """Eight threads predicting with one network, each rows of its own; is all as one by one?"""
    use(threads=threads)
    sys.setswitchinterval(1e-5)
    net = dr.Network([dr.Dense(40, "tanh"), dr.Dense(5, "softmax")], "cross_entropy")
    net.build(8)
    inputs = row_scenes.of_all_types((8, rows, 8))
    serial = [net.predict(x).tobytes() for x in inputs]

    def work(i: int) -> str:
        good = all(net.predict(inputs[i]).tobytes() == serial[i] for _ in range(rounds))
        return str(good and _fast.last_team() == threads)

    return _in_threads(8, work) == ["True"] * 8


def train_in_threads(threads: int, count: int, rounds: int = 1) -> bool:
    """Plans and networks of their own trained at the same time."""
    use(threads=threads)
    sys.setswitchinterval(1e-5)

    def both(seed: int) -> list[str]:
        net = _network(seed)
        net.fit(*ROWS, **HOW)
        return [_train(threads, seed), _hash(net)]

    serial = [both(seed) for seed in range(count)]
    done = _in_threads(count, lambda i: str(all(both(i) == serial[i] for _ in range(rounds))))
    return done == ["True"] * count


def one_network(threads: int, rounds: int, folder: str) -> dict[str, int]:
    """Eight threads train, save, copy, read and predict with one network: what is not refused is as
    if one thread had done it after the other. Returns how often each got through."""
    use(threads=threads)
    sys.setswitchinterval(1e-5)
    net, counts = _network(), [Counter[str]() for _ in range(8)]
    whole, values = [set[str]() for _ in range(8)], [set[str]() for _ in range(8)]

    def fit(i: int) -> None:
        net.fit(*ROWS, **HOW)

    def predict(i: int) -> None:
        assert np.isfinite(net.predict(ROWS[0])).all()

    def save(i: int) -> None:
        net.save(path := Path(folder, f"{i}.safetensors"))
        whole[i].add(_hash(dr.load(path)))

    def copying(i: int) -> None:
        whole[i].add(_hash(copy.deepcopy(net)))

    def parameters(i: int) -> None:
        values[i].add(_values(net))

    calls = [fit, fit, fit, predict, predict, save, copying, parameters]
    pauses = [np.random.default_rng(i) for i in range(8)]

    def work(i: int) -> str:
        for _ in range(rounds):
            try:
                calls[i](i)
            except RuntimeError as error:
                assert "is in the middle of" in str(error)
                counts[i]["refused"] += 1
            else:
                counts[i][calls[i].__name__] += 1
            time.sleep(pauses[i].uniform(0, 0.01))  # so that each gets through now and then
        return "done"

    assert _in_threads(8, work) == ["done"] * 8
    total = sum(counts, Counter[str]())
    again = _network()
    hashes, of_values = {_hash(again)}, {_values(again)}
    for _ in range(total["fit"]):
        again.fit(*ROWS, **HOW)
        hashes.add(_hash(again))
        of_values.add(_values(again))
    assert _hash(net) == _hash(again)
    assert set().union(*whole) <= hashes
    assert set().union(*values) <= of_values
    return dict(total)


def exchange_parameters(threads: int, rounds: int) -> bool:
    """Two threads set all parameters to one number each; others never see two numbers at once."""
    use(threads=threads)
    sys.setswitchinterval(1e-5)
    net = _network()
    shapes = {name: array.shape for name, array in net.parameters().items()}

    def write(i: int) -> None:
        net.set_parameters({name: np.full(shape, i) for name, shape in shapes.items()})

    def read(i: int) -> None:
        arrays = net.parameters().values()
        assert len({number for array in arrays for number in (array.min(), array.max())}) == 1

    def work(i: int) -> str:
        for _ in range(rounds):
            try:
                (write if i < 2 else read)(i)
            except RuntimeError as error:
                assert "is in the middle of" in str(error)
        return "done"

    write(0)
    return _in_threads(6, work) == ["done"] * 6


def in_joblib(kind: str, threads: int) -> list[str]:
    """Fits in joblib's processes or threads, after one here."""
    import joblib

    jobs = (joblib.delayed(_train)(threads) for _ in range(4))
    return [_train(threads), *joblib.Parallel(n_jobs=2, backend=kind)(jobs)]


def large_team(threads: int, rows: int, rounds: int) -> list[str]:
    """Training, predicting and evaluating with more threads than there are cores."""
    hashes = set()
    g = graph((8, 16, 2), ("tanh", "identity"), dtype="float32")
    x, t, w = data(g, rows)
    for number in (threads, 1):
        use(threads=number)
        for _ in range(rounds if number > 1 else 1):
            plan = ready(g)
            sums = epochs(plan, (x, t, w), 1, batch_size=64, shuffle=True)
            y = [plan.predict(x).tobytes() for _ in range(5)]
            hashes.add(digest(sums, *state(plan), *y, plan.evaluate(x, t, w)))
            assert _fast.last_team() == number
    return sorted(hashes)
