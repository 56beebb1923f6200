"""What runs in a process of its own: signals, forks, threads. common.scene() starts one of these
functions by name; it returns something for JSON, or fails. Warnings are errors."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from timeit import timeit
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import _fast
from deltarule._spec import from_config

from . import row_scenes
from .common import ADAM, copy, data, digest, epochs, graph, normed, ready, state


def _set(isa: str | None = None, threads: int | None = None) -> None:
    if isa:
        dr.set_isa(isa)
    if threads:
        dr.set_num_threads(threads, exact=True)


# ----------------------------------------------------------------------------- going on elsewhere
def resume(
    folder: str,
    widths: list[int],
    activations: list[str],
    keywords: dict[str, str],
    optimizer: dict[str, Any],
    position: dict[str, Any],
    options: dict[str, Any],
    isa: str,
    threads: int,
) -> int:
    """From the second batch of epoch 1 to the end of epoch 2."""
    _set(isa, threads)
    spec = from_config(optimizer, dr.optimizers.TABLE, "optimizer")
    g = graph(widths, activations, optimizer=spec, **keywords)
    plan = _fast.Plan(g)
    names = g.parameter_shapes()
    with np.load(Path(folder, "state.npz")) as saved:
        for slot in range(plan.n_slots):
            for name in names:
                plan.set(slot, name, saved[f"{slot}/{name}"])
        rows = tuple(saved.get(key) for key in "xtw")
    plan.step = position["step"]
    sums = tuple(float.fromhex(v) for v in position["sums"])
    run = plan.train(*rows, seed=11, epoch=1, batch=position["batch"], sums=sums, **options)
    assert run.advance(1e9)
    assert plan.train(*rows, seed=11, epoch=2, **options).advance(1e9)
    assert _fast.last_team() == threads
    arrays = {f"{s}/{k}": plan.get(s, k) for s in range(plan.n_slots) for k in names}
    np.savez(Path(folder, "end.npz"), **arrays)
    return int(plan.step)


def load_and_fit(folder: str, names: list[str], isa: str, threads: int, **options: Any) -> Any:
    """Goes on with each network saved, and saves it again; the losses."""
    _set(isa, threads)
    losses = {}
    with np.load(Path(folder, "data.npz")) as saved:
        data = saved["x"], saved["y"]
    for name in names:
        net = dr.load(path := Path(folder, f"{name}.safetensors"))
        losses[name] = list(net.fit(*data, verbose=False, **options)["loss"])
        assert _fast.last_team() == threads
        net.save(path)
    return losses


# ------------------------------------------------------------------------------------ allocations
def count_allocations(shim: str, threads: int, batches: int) -> int:
    """Calls of malloc and its kind in one advance over `batches` batches."""
    count = ctypes.CDLL(shim).shim_count
    count.restype = ctypes.c_ulonglong
    _set(threads=threads)
    g = graph((12, 40, 4), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    x, t, w = data(g, batches * 8, weighted=True)
    plan = ready(g)
    plan.train(x[:40], t[:40], None, batch_size=8, shuffle=True, seed=0, epoch=0).advance(1e9)
    run = plan.train(x, t, w, batch_size=8, shuffle=True, seed=0, epoch=0)
    before = count()
    assert before > 0  # the shim is there and counts
    run.advance(1e9)
    after = count()
    assert run.batch == batches
    assert _fast.last_team() == threads
    return int(after - before)


# ---------------------------------------------------------------------------------------- signals
class _Stop(Exception):
    pass


# hundreds of thousands of steps must not end in nan
GENTLE = dr.SGD(1e-4, 0.9, True, weight_decay=0.01, average=dr.EMA(0.99))


def _raise_stop(number: int, frame: object) -> None:
    raise _Stop


def _interrupted(call: Callable[[], object], delay: float, kind: str = "SIGINT") -> float:
    """Seconds from a real signal, sent after `delay`, until its exception is out of `call`; -1 if
    the call was over before it."""
    expected: type[BaseException] = KeyboardInterrupt
    if kind != "SIGINT":
        expected = _Stop
        signal.signal(getattr(signal, kind), _raise_stop)
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), getattr(signal, kind))

    timer = threading.Timer(delay, send)
    finished = False
    try:
        timer.start()
        call()
        finished = True
        timer.join()
        time.sleep(10)  # the handler runs at the latest here
        raise AssertionError("no signal came")
    except expected:
        taken = time.perf_counter() - sent[0]
    timer.join()
    return -1.0 if finished else taken


def interrupt_batches(
    isa: str, threads: int, times: int, kind: str = "SIGINT", rows: int = 800_000,
    batch_size: int = 4,
) -> list[float]:  # fmt: skip
    """Ctrl-C among many small batches. One thread does what it is compared with: it is quicker."""
    _set(isa, 1)
    g = graph((16, 32, 2), ("tanh", "identity"), dtype="float32", optimizer=GENTLE)
    x, t, w = data(g, rows, weighted=True)
    options: dict[str, Any] = {"batch_size": batch_size, "shuffle": True, "seed": 5, "epoch": 0}
    whole = ready(g)
    end = whole.train(x, t, w, **options)
    lasts = timeit(lambda: end.advance(1e9), number=1)
    latencies = []
    for i in range(times):
        plan = ready(g)
        run = plan.train(x, t, w, **options)
        _set(isa, threads)
        delay = lasts / 2 * (i + 1) / times
        latencies.append(_interrupted(lambda run=run: run.advance(1e9), delay, kind))
        _set(isa, 1)
        stopped = ready(g)
        same = stopped.train(x, t, w, **options)
        while same.batch < run.batch:
            same.advance(0.0)
        assert (state(plan), run.sums) == (state(stopped), same.sums)
        if i == 0:
            run.advance(1e9)
            assert (state(plan), run.sums, run.batch) == (state(whole), end.sums, end.batch)
    return [lasts, *latencies]


def interrupt_step(
    isa: str, threads: int, delays: list[float], width: int, kind: str = "SIGINT"
) -> list[Any]:
    """Ctrl-C in the middle of one long step; delays as fractions of it. Returns how long the step
    takes, and for each delay the latency and the batches done."""
    _set(isa, threads)
    g = normed(width, optimizer=ADAM)
    x, t, w = data(g, 3 * width)
    small = data(g, 8)
    options: dict[str, Any] = {"batch_size": 2 * width, "shuffle": True, "seed": 5, "epoch": 0}
    plan = ready(g)
    plan.train_batch(*small)  # so that there is state to lose
    first, whole = copy(plan), copy(plan)
    began = time.perf_counter()
    done = first.train(x, t, w, **options)
    done.advance(0.0)
    lasts = time.perf_counter() - began
    end = whole.train(x, t, w, **options)
    assert end.advance(1e9)
    states = {0: state(plan), 1: state(first)}
    results: list[Any] = [lasts]
    for delay in delays:
        plan = copy(plan)
        run = plan.train(x, t, w, **options)
        latency = _interrupted(lambda run=run: run.advance(0.0), lasts * delay, kind)
        assert state(plan) == states[run.batch]
        assert run.sums == (done.sums if run.batch else (0.0, 0.0, 0.0))
        results.append((latency, run.batch))
        if run.batch == 0:
            if len(results) > 2:  # once is enough
                continue
            stopped, plan = plan, copy(plan)
            run.advance(1e9)
            assert (state(stopped), run.sums) == (state(whole), end.sums)
        else:
            break
    return results


def interrupt_reading(
    what: str, isa: str, threads: int, times: int, widths: list[int], rows: int
) -> list[float]:
    """Ctrl-C in what changes nothing, of many rows or many parameters."""
    _set(isa, threads)
    g = graph(widths, ["tanh"] * (len(widths) - 1))
    x, t, w = data(g, 50_000)
    x, t = (np.concatenate([a] * (rows // 50_000)) for a in (x, t))
    plan = ready(g)
    before = state(plan)
    call = {
        "predict": lambda: plan.predict(x),
        "evaluate": lambda: plan.evaluate(x, t, w),
        "linearize": lambda: plan.linearize(x, t, w).compute(),
        "solve": lambda: plan.linearize(x, t, w).solve(*[abs(plan.get_vector()) + 1] * 2),
    }[what]
    lasts = timeit(call, number=1)
    latencies = [_interrupted(call, lasts * (i + 1) / (times + 6)) for i in range(times)]
    assert state(plan) == before
    return [lasts, *latencies]


# -------------------------------------------------------------------------------------- processes
def _train(threads: int, seed: int = 0) -> str:
    """A small training from its beginning, and the hash of what comes out."""
    _set(threads=threads)
    g = graph((9, 33, 3), ("tanh", "softmax"), loss="cross_entropy", optimizer=ADAM)
    plan, rows = ready(g), data(g, 90, seed=seed)
    sums = epochs(plan, rows, 3, batch_size=16, shuffle=True)
    assert _fast.last_team() == threads
    return digest(sums, *state(plan), plan.predict(rows[0]).tobytes())


def _forked(work: Callable[[], str], limit: float = 20) -> str:
    """What `work` gives in a forked child; "hangs" when it does."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn where other threads are alive. That is their matter in general;
        # that this library's threads do not hang the child is what is tested here.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        pid = os.fork()
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
    _set(threads=threads)
    sys.setswitchinterval(1e-5)
    net = dr.Network([dr.Dense(40, "tanh"), dr.Dense(5, "softmax")], "cross_entropy")
    net.build(8)
    inputs = row_scenes.of_all_types((8, rows, 8))
    serial = [net.predict(x).tobytes() for x in inputs]

    def work(i: int) -> str:
        good = all(net.predict(inputs[i]).tobytes() == serial[i] for _ in range(rounds))
        return str(good and _fast.last_team() == threads)

    return _in_threads(8, work) == ["True"] * 8


def train_in_threads(threads: int, count: int) -> bool:
    """Plans of their own trained at the same time."""
    serial = [_train(threads, seed) for seed in range(count)]
    return _in_threads(count, lambda i: _train(threads, i)) == serial


def large_team(threads: int, rows: int, rounds: int) -> list[str]:
    """Training, predicting and evaluating with more threads than there are cores."""
    hashes = set()
    g = graph((8, 16, 2), ("tanh", "identity"), dtype="float32")
    x, t, w = data(g, rows)
    for number in (threads, 1):
        _set(threads=number)
        for _ in range(rounds if number > 1 else 1):
            plan = ready(g)
            sums = epochs(plan, (x, t, w), 1, batch_size=64, shuffle=True)
            y = [plan.predict(x).tobytes() for _ in range(5)]
            hashes.add(digest(sums, *state(plan), *y, plan.evaluate(x, t, w)))
            assert _fast.last_team() == number
    return sorted(hashes)


if __name__ == "__main__":
    faulthandler.enable()
    print(json.dumps({**vars(row_scenes), **globals()}[sys.argv[1]](**json.loads(sys.argv[2]))))
