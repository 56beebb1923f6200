"""Sound files to begin with, small ones, in which everything occurs that files can name."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import deltarule as dr
from deltarule import _state, averages, metrics, optimizers, serialization
from deltarule._best import Best
from deltarule._position import Position
from deltarule.callbacks.monitor import Monitor
from deltarule.optimizers import LBFGS, LevenbergMarquardt

from ..losses import LOSSES, lasts
from ..network.examples import EXAMPLES, N_IN, N_OUT, example
from ..schedules import PLAIN, WARM
from ..test_idx import CODES, idx

CORPUS = Path(__file__).parent / "corpus"


def _networks() -> Iterator[dr.Network]:
    """The shortest way to every layer, loss, optimizer, schedule, average and metric."""
    for name in EXAMPLES:
        if name != "in Python":
            yield dr.Network(example(name, 2), "mse", "sgd", dtype="float64")
    for loss in LOSSES:
        yield dr.Network([dr.Dense(2 * loss.per_target, lasts(loss)[0])], loss)
    for optimizer in (*optimizers.examples().values(), LBFGS(), LevenbergMarquardt()):
        yield dr.Network([dr.Dense(1)], "mse", optimizer)
    for rate in (*PLAIN[::3], *WARM[::7]):
        yield dr.Network([dr.Dense(1)], "mse", dr.SGD(rate))
    for average in (averages.EMA(0.5), averages.SWA(1)):
        yield dr.Network([dr.Dense(1)], "mse", dr.SGD(clipnorm=1.0, average=average))
    scores = [m for m in metrics.NAMES.values() if m.kind != "top_k_accuracy"]
    tables = [metrics.ConfusionMatrix("true"), metrics.TopKAccuracy(2), "accuracy", "log_loss"]
    last = dr.Dense(N_OUT, "softmax")
    yield dr.Network([last], "cross_entropy", metrics=[*scores, *tables])
    yield dr.Network([dr.Dense(1)], "mse", metrics=["mse", "rmse", "mae", "r2"])


def model(net: dr.Network) -> bytes:
    """The file of a network that is built."""
    description = _state.describe_network(net, "")
    return b"".join(serialization.pieces(description, partial(_state.each_array, net)))


def models() -> list[bytes]:
    """Networks as they were built, and one in the middle of its training."""
    found = []
    for net in _networks():
        net.build(N_IN)
        found.append(model(net))
    net = dr.Network([dr.Dense(2)], "mse", "adam", metrics=["mae"])
    net.build(2)
    assert net._plan is not None
    outputs = np.zeros((4, 2), np.float32)
    sums = (1.0, 2.0, float("nan"))
    net._standing = Position(3, 1, sums, 4, 2, damping=0.5, window=4, outputs=outputs)
    net._best = Best.of(net._plan, Monitor("loss"), 0.5, 2)
    net._callback_states = (("EarlyStopping", {"best": None, "wait": 1}), ("Mine", {"a": [{}]}))
    return [*found, model(net)]


def small_models() -> list[bytes]:
    """For what is quick."""
    return sorted(models(), key=len)[:5]


def idx_files() -> list[bytes]:
    """Every type of number, plain and compressed."""
    plain = [idx(np.arange(6).reshape(2, 3).astype(name)) for name in CODES]
    return [*plain, idx(np.zeros((0, 2, 2), "uint8")), *map(gzip.compress, plain)]


def tables() -> list[bytes]:
    """What numpy writes, and text."""
    array, found = np.arange(6.0).reshape(2, 3), []
    for save in (np.save, np.savez, np.savez_compressed):
        for values in (array, np.asfortranarray(array), array.astype(">i2")):
            file = io.BytesIO()
            save(file, values)
            found.append(file.getvalue())
    texts = "a,b\n1,2\n# no\n-3e4,nan\n", "1\t2\r\n3\t4\r\n", '"1";" .5 "\n2;inf\n', "1 2 3\n"
    return [*found, *(text.encode() for text in texts), "\ufeff1,2\n".encode()]


def corpus(target: str) -> list[bytes]:
    """Files that have been of use: one for each fault that was found, and what guided runs kept."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
