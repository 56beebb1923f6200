"""Plans, data and fingerprints for the tests of the compiled network, and processes of their own
for what might hang or is sent signals."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr
from deltarule import _fast
from deltarule._graph import Graph, Node
from deltarule.losses import Loss
from deltarule.optimizers import Optimizer, examples

from ..losses import LABELS, ROWS, from_uniform

Array = np.ndarray
Data = tuple[Array, Array, Array | None]

DENSE = ROWS
SGD, PLAIN = dr.SGD(0.05, 0.9, True, weight_decay=0.01), dr.SGD(0.05)
SLOW = dr.SGD(0.001, 0.9, True, weight_decay=0.01)
ADAM = dr.Adam(0.01, (0.9, 0.99))
# For what is steep; eps is large: where gradients are rounding errors, Adam makes them whole steps.
CALM = {"sgd": SLOW, "adam": dr.Adam(0.001, (0.9, 0.99), 1e-3)}
# Each rule; every other one with decoupled weight decay.
RULES = {
    rule: replace(optimizer, weight_decay=0.01, decoupled_weight_decay=number % 2 > 0)
    for number, (rule, optimizer) in enumerate(examples().items())
}


def isas(same_bits: bool) -> list[str]:
    """Instruction sets of this processor inside, or outside, the promise of the same bits."""
    return [
        name
        for i, name in enumerate(_fast.isa_names())
        if _fast.isa_supported(i) and _fast.isa_keeps_bits(i) == same_bits
    ]


# Within a group all hashes are equal: all instruction sets with FMA, each of the others by itself.
GROUPS = [group for group in (isas(True), *([name] for name in isas(False))) if group]
THREADS = (1, 2, 3, 8) if _fast.has_openmp() else (1,)


def ways(
    group: list[str], threads: Sequence[int] = THREADS
) -> Iterator[tuple[str, int, bool]]:
    """Sets each instruction set, each number of threads, and steps fused or not, once beside some
    of the others, and gives it: all are to have one hash, and kernels know of no threads."""
    count = max(len(group), len(threads))
    chosen = [(group[i % len(group)], threads[i % len(threads)], True) for i in range(count)]
    for isa, number, fused in (*chosen, (group[-1], threads[:2][-1], False)):
        dr.set_isa(isa)
        dr.set_num_threads(number, exact=True)
        yield isa, number, fused


@contextmanager
def settings() -> Iterator[None]:
    """Puts instruction set and threads back at the end."""
    isa, exact = dr.get_isa(), _fast.threads_exact()
    number = dr.get_num_threads() if exact else os.environ.get("DELTARULE_NUM_THREADS")
    try:
        yield
    finally:
        dr.set_isa(isa)
        dr.set_num_threads(int(number) if number else None, exact=exact)


def use(isa: str | None = None, threads: int | None = None) -> None:
    """From here on, in this process."""
    if isa:
        dr.set_isa(isa)
    if threads:
        dr.set_num_threads(threads, exact=True)


def calm(activation: str) -> str:
    """What may follow an activation inside: exp and log_softmax twice in a row diverge."""
    return "tanh" if activation in ("exp", "log_softmax") else activation


# ---------------------------------------------------------------------------------- plans and data
def node(number: int, source: int, target: int, activation: str, bias: bool = True) -> Node:
    alpha = {"leaky_relu": 0.3, "elu": 0.7, "celu": 1.3}.get(activation, 0.0)
    return Node("dense", str(number), (source,), target, activation, alpha, bias)


def graph(
    widths: Sequence[int],
    activations: Sequence[str] = (),
    *,
    nodes: Sequence[Node] = (),
    dtype: str = "float64",
    loss: str | Loss = "mse",
    optimizer: Optimizer = SGD,
    accuracy: str = "none",
    bias: bool = True,
) -> Graph:
    """A chain of dense layers with these activations, or the nodes given."""
    chain = [node(i, i, i + 1, kind, bias) for i, kind in enumerate(activations)]
    return Graph(dtype, tuple(widths), tuple(nodes or chain), loss, optimizer, accuracy)


def normed(width: int, **keywords: Any) -> Graph:
    """Two layers with batch_norm in between, whose running statistics change without gradients."""
    norm = Node("batch_norm", "1", (1,), 2, bias=True, eps=1e-5, momentum=0.1)
    nodes = (node(0, 0, 1, "tanh"), norm, node(2, 2, 3, "identity"))
    return graph((width,) * 4, nodes=nodes, **keywords)


def ready(g: Graph, *, kind: Any = None) -> Any:
    """A plan of the engine `kind` with random parameters, the same for all engines."""
    rng = np.random.default_rng(7)
    plan = (kind or _fast.Plan)(g)
    for name, shape in g.parameter_shapes().items():
        values = rng.standard_normal(shape)
        # positive biases: no relu is dead from the beginning
        values = values / np.sqrt(shape[0]) if len(shape) == 2 else np.abs(values) * 0.3 + 0.1
        plan.set(0, name, values.astype(g.dtype))
        for slot, first in enumerate(g.optimizer.initial_state, start=1):
            plan.set(slot, name, np.full_like(values, first, dtype=g.dtype))
    return plan


def data(g: Graph, n: int, *, targets: str = DENSE, weighted: bool = False, seed: int = 3) -> Data:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, g.n_in)).astype(g.dtype)
    t = from_uniform(g.loss, rng.uniform(size=(n, g.n_out))).astype(g.dtype)
    if targets == LABELS:
        t = rng.integers(0, g.n_out, n)
    w = None
    if weighted:
        w = rng.uniform(0.25, 2, n).astype(g.dtype)
        w[rng.uniform(size=n) < 0.2] = 0
    return x, t, w


def state(plan: Any) -> list[Any]:
    """Everything that training changes, to compare bits."""
    names = plan.graph.parameter_shapes()
    arrays = [plan.get(slot, name) for slot in range(plan.n_slots) for name in names]
    return [plan.step, plan.averaged, *(a.tobytes() for a in arrays)]


def next_by_operations(plan: Any, rows: Data) -> dict[str, list[Array]]:
    """All that is learnt and its state after the next step, by the operations of dr.ops."""
    g = plan.graph
    gradients = dr.ops.clip_gradients(plan.gradients(*rows)[1], **g.optimizer.clip)
    found = {}
    for name, gradient in gradients.items():
        arrays = [plan.get(slot, name) for slot in range(plan.n_slots)]
        found[name] = list(
            dr.ops.optimizer_step(
                g.optimizer_of(name), arrays[0], gradient, *arrays[1:], step=plan.step + 1
            )
        )
    for name, kind, limit in g.constraints():
        found[name][0] = dr.ops.constrain(kind, found[name][0], max_value=limit or None)
    return found


def check_step(plan: Any, rows: Data) -> None:
    """A step of a plan has the bits of the operations."""
    expected = next_by_operations(plan, rows)
    plan.train_batch(*rows)
    for name, arrays in expected.items():
        for slot, array in enumerate(arrays):
            assert plan.get(slot, name).tobytes() == array.tobytes(), (name, slot)


def copy(plan: Any) -> Any:
    """Another plan in the same state, by way of get and set."""
    other = type(plan)(plan.graph)
    other.step, other.averaged = plan.step, plan.averaged
    for slot in range(plan.n_slots):
        for name in plan.graph.parameter_shapes():
            other.set(slot, name, plan.get(slot, name))
    return other


def digest(*parts: Any) -> str:
    h = hashlib.sha256()
    for part in parts:
        h.update(part if isinstance(part, bytes) else repr(part).encode())
    return h.hexdigest()


def epochs(plan: Any, rows: Data, count: int = 2, **options: Any) -> list[Any]:
    """Trains whole epochs; the sums of each."""
    sums = []
    for epoch in range(count):
        run = plan.train(*rows, seed=11, epoch=epoch, **options)
        assert run.advance(1e9)
        assert np.isfinite(run.sums).all()  # nan would make all trainings alike
        sums.append(run.sums)
    return sums


def fingerprint(
    plan: Any, rows: Data, *, threads: int = 0, count: int = 2, **options: Any
) -> str:
    """Trains, and hashes all that came of it; `threads`: the team that every call must have had."""

    def team() -> None:
        assert not threads or _fast.last_team() == threads

    outputs = np.zeros((len(rows[0]), plan.graph.n_out), plan.graph.dtype)
    sums = epochs(plan, rows, count, y=outputs, **options)
    team()
    parts: list[Any] = [sums, *state(plan), outputs.tobytes()]
    parts.append(plan.predict(rows[0]).tobytes())
    team()
    parts.append(plan.evaluate(*rows))
    team()
    loss, gradients = plan.gradients(*rows)
    team()
    parts += [loss, *(g.tobytes() for g in gradients.values())]
    return digest(*parts)


def check_one_hash(g: Graph, rows: Data, group: list[str]) -> str:
    """All instruction sets of a group, all numbers of threads, fused or not; returns it."""
    hashes = set()
    for isa in group:
        for number in THREADS:
            dr.set_isa(isa)
            dr.set_num_threads(number, exact=True)
            for fused in (True, False):
                plan = ready(g)
                plan.set_fused(fused)
                hashes.add(fingerprint(plan, rows, threads=number, batch_size=16, shuffle=True))
    assert len(hashes) == 1
    return hashes.pop()


# ------------------------------------------------------------------------- processes of their own
def scene(
    name: str, *, limit: float = 40, env: dict[str, str] | None = None, **arguments: Any
) -> Any:
    """What the function `name` of scenes.py returns in a new process, as JSON.

    Fails when the process does, or is not done in `limit` seconds; it and its children are killed.
    """
    root = Path(__file__).parents[2]
    package = str(Path(dr.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", f"{__package__}.scenes", name, json.dumps(arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": package, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)  # faulthandler prints where it hangs
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"{name}({arguments}) hangs\n{out}{err}") from None
    assert process.returncode == 0, f"{name}({arguments}) failed\n{out}{err}"
    return json.loads(out.splitlines()[-1])
