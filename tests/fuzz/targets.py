"""What is read, and what must hold whatever the bytes are.

Each target returns its outcome: a short text which is the same for the same fault, or for networks
of the same make. An exception is a finding.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tempfile
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import load as read_arrays

import deltarule as dr
from deltarule import ModelFileError, _tables, serialization
from deltarule.data import idx
from deltarule.layers import named, walk

from . import mutate, seeds

_VARIES = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|-?\d[\w.+-]*")
_SMALL = 1 << 12


def _fault(error: BaseException) -> str:
    return _VARIES.sub("", str(error.__cause__ or error))[:60]


def _load(data: bytes) -> dr.Network:
    return serialization._read(io.BytesIO(mutate.signed(data)), "it", "fast", {})


def model(data: bytes) -> str:
    """`dr.load`. What loads can be saved, predicts and goes on training, or says why not."""
    try:
        net = _load(data)
    except ModelFileError as error:
        # our own check of the header must be the stricter one
        assert "safetensors refuses" not in str(error), error
        return _fault(error)
    depth = zlib.crc32(data)  # the same for the same file
    if depth % 4 == 0:
        _saves_as_it_was(net, data)
    graph = net._plan.graph  # type: ignore[union-attr]
    if sum(graph.widths) <= _SMALL:
        _works(net, trains=depth % 8 == 1)
    kinds = sorted({layer.kind for _, layer in walk(named(net.layers))})
    return f"loaded {net.dtype} {net.loss.kind} {net.optimizer.kind} {' '.join(kinds)}"


def _saves_as_it_was(net: dr.Network, data: bytes) -> None:
    saved = seeds.model(net)
    arrays = read_arrays(saved)
    for name, array in read_arrays(data).items():
        assert array.tobytes() == arrays[name].tobytes(), name
    assert seeds.model(_load(saved)) == saved


def _works(net: dr.Network, trains: bool) -> None:
    assert net.input_shape is not None
    x = np.zeros((2, *net.input_shape), net.dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        y = net.predict(x)
        assert y.shape[0] == 2 and y.dtype == net.dtype
        if not trains:
            return
        for target in (np.ones_like(y), np.zeros(2, int)):
            try:
                net.fit(x, target, batch_size=2, verbose=False)
            except (TypeError, ValueError, ImportError):
                continue
            net.evaluate(x, target)


def idx_file(data: bytes) -> str:
    """`dr.data.load_idx`, plain and unpacked."""
    try:
        file: Any = io.BytesIO(data)
        array = idx._parse(gzip.GzipFile(fileobj=file) if data[:2] == idx._GZIP else file, "it")
    except ValueError as error:
        assert "it" in str(error)
        return _fault(error)
    assert array.dtype.isnative and array.flags.writeable
    return f"{array.dtype} {array.ndim}"


def table(data: bytes) -> str:
    """What `deltarule predict` reads, which is mostly numpy's doing."""
    kind = {b"\x93N": ".npy", b"PK": ".npz"}.get(data[:2], ".csv")
    path = os.path.join(_FOLDER.name, "it" + kind)
    with open(path, "wb") as file:
        file.write(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = _tables.read_table(path)
    except ValueError as error:
        return _fault(error)
    except MemoryError:  # numpy allocates what a header says, before it reads
        assert kind != ".csv"
        return "memory"
    assert array.dtype.kind in "buif"
    return f"{kind} {array.dtype} {array.ndim}"


_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")


@dataclass(frozen=True)
class Target:
    """run: reads bytes. seeds: makes sound files. mutator: of such files."""

    run: Callable[[bytes], str]
    seeds: Callable[[], Sequence[bytes]]
    mutator: type[mutate.Bytes]


TARGETS = {
    "header": Target(model, seeds.small_models, mutate.Texts),
    "model": Target(model, seeds.models, mutate.Models),
    "idx": Target(idx_file, seeds.idx_files, mutate.Headed),
    "table": Target(table, seeds.tables, mutate.Headed),
}
