"""What runs in a process of its own: signals, forks, threads. common.scene() starts one of these
functions by name; it returns something for JSON, or fails. Warnings are errors."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from timeit import timeit
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import _fast
from deltarule._spec import from_config

from . import process_scenes, row_scenes
from .common import ADAM, copy, data, graph, normed, ready, state, use


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
    use(isa, threads)
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
    use(isa, threads)
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
    count = ctypes.CDLL(shim).shim_end
    count.restype = ctypes.c_ulonglong
    use(threads=threads)
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
    use(isa, 1)
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
        use(isa, threads)
        delay = lasts / 2 * (i + 1) / times
        latencies.append(_interrupted(lambda run=run: run.advance(1e9), delay, kind))
        use(isa, 1)
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
    use(isa, threads)
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
    use(isa, threads)
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


class _Until(dr.Callback):
    """Pauses a fit when the network has made so many updates."""

    batches = True

    def __init__(self, step: int) -> None:
        self._step = step

    def on_batch_end(self, training: dr.callbacks.Training) -> None:
        plan = training.network._plan
        if plan is not None and plan.step >= self._step:
            training.pause("there")


def interrupt_fit(
    threads: int | None, times: int, width: int, batch_size: int
) -> list[float]:
    """Ctrl-C in the fit of a large network, again and again. After each the network is as a twin,
    which a callback has stopped at that batch; so all together are as one fit."""
    use(threads=threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4 * batch_size, width), np.float32)
    y = rng.integers(0, 10, len(x))
    layers = [dr.Dense(width, "relu"), dr.BatchNorm(), dr.Dense(width, "tanh"), dr.Dense(10)]
    net, twin = (dr.Network(layers, "cross_entropy", GENTLE) for _ in range(2))
    how: dict[str, Any] = {"batch_size": batch_size, "verbose": False}
    lasts = timeit(lambda: [one.fit(x, y, **how) for one in (net, twin)], number=1) / 2
    latencies = []
    for delay in rng.uniform(0, 1.5 * lasts, times):
        latencies.append(_interrupted(lambda: net.fit(x, y, epochs=1000, **how), delay))
        step = net.__getstate__()["description"]["step"]
        if twin.__getstate__()["description"]["step"] < step:
            twin.fit(x, y, epochs=1000, callbacks=[_Until(step)], **how)
        arrays = [one.__getstate__()["arrays"].values() for one in (net, twin)]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(*arrays, strict=True))
    return [lasts, *latencies]


if __name__ == "__main__":
    faulthandler.enable()
    known = {**vars(process_scenes), **vars(row_scenes), **globals()}
    print(json.dumps(known[sys.argv[1]](**json.loads(sys.argv[2]))))
