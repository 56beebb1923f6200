"""Files that would make a trusting reader use much more memory or time than they have bytes:
`python -m tests.hostile FOLDER` loads each in a process of its own that gets little of both."""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

import deltarule as dr
from deltarule import _header

from .fuzz.mutate import signed

FACTOR, SPARE = 48, 16 << 20  # bytes that may be needed for each byte of a file, and besides
SECONDS = 60  # of the processor; hours, where time grows with the square of the length
REFUSED, LOADED = 10, 11


def file(header: str | dict[str, Any], payload: bytes = b"") -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + payload


def described(**changes: Any) -> bytes:
    """The file of a network 2-1 with another description and no arrays."""
    layer = dr.Dense(1).to_config()
    description = {
        "format": 1, "version": "", "layers": [layer], "loss": {"kind": "mse"},
        "optimizer": {"kind": "sgd"}, "metrics": [], "dtype": "float32", "seed": 0,
        "input_shape": [2], "step": 0, "position": {"epoch": 0, "batch": 0}, **changes,
    }  # fmt: skip
    text = json.dumps(description, separators=(",", ":"))
    return signed(file({"__metadata__": {"deltarule": text}}))


def chain(*layers: dict[str, Any], **changes: Any) -> bytes:
    return described(layers=list(layers), **changes)


def many(n: int, kind: str, **arguments: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, **arguments}] * n


def trained(net: dr.Network, shape: int) -> bytes:
    net.build(shape)
    arrays = {name: np.ones_like(array) for name, array in net.parameters().items()}
    config = [layer.to_config() for layer in net.layers]
    header = json.loads(described(layers=config, input_shape=[shape])[8:])
    return signed(save(arrays, metadata=header["__metadata__"]))


def files() -> Iterator[tuple[str, int, bytes]]:
    """(what it has much of, how it has to end, the bytes)."""
    most = _header.MAX_HEADER - 100
    for name, piece in {
        "lists": "[],", "objects": '{"":0},', "texts": '"",', "numbers": "1,", "commas": ",",
        "brackets": "]", "escapes": "\\ud83d\\ude00", "quotes": '\\"', "spaces": " ",
        "wide characters": "\U0001f600", "digits": "9",
    }.items():  # fmt: skip
        n, allowed = most // len(piece.encode()), _header.MAX_TOKENS // 4 - 9
        quoted = name in ("escapes", "quotes", "wide characters")
        start, end = ('{"a":"', '"}') if quoted else ('{"a":[', "0]}")
        yield name, REFUSED, file(start + piece * n + end)
        if quoted:
            yield f"{name}, cut short", REFUSED, file(start + piece * n)
            yield f"{name} inside", REFUSED, described(version=piece * (n // 40), seed=-1)
        elif allowed < n:
            yield f"{name}, fewer", REFUSED, file(start + piece * allowed + end)
    few = _header.MAX_TOKENS // 10  # each has some tokens, and fewer bytes than there may be
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    names = {str(i): entry for i in range(_header.MAX_TOKENS // 20)}
    yield "arrays", REFUSED, file(names)
    yield "layers", REFUSED, described(layers=many(few, "dense", units=1))
    inside = many(few // 1000, "dense", units=1)
    yield "layers in layers", REFUSED, described(
        layers=many(999, "residual", layers=inside)
    )
    scores = [{"kind": "top_k_accuracy", "k": k} for k in range(1, few)]
    yield "metrics", REFUSED, described(metrics=scores)
    yield "sizes", REFUSED, described(input_shape=[2**31 - 1] * few)
    yield "sizes of a layer", REFUSED, chain({"kind": "reshape", "shape": [2**31 - 1] * few})
    yield "branches", REFUSED, chain({"kind": "concat", "branches": [[]] * few})
    flatten = [{"kind": "flatten"}]
    add = {"kind": "add", "branches": [flatten, *[[]] * 999]}
    yield "branches of layers", LOADED, chain(*[add] * 50)
    rate = {"kind": "multi_step_lr", "learning_rate": 1.0, "milestones": [*range(1, few)]}
    yield "milestones", REFUSED, described(optimizer={"kind": "sgd", "learning_rate": rate})
    levels = [k / few for k in range(1, few)]
    yield "levels", REFUSED, described(loss={"kind": "quantile", "levels": levels})
    best = {"monitor": "loss", "mode": "x" * 900_000, "value": "0x1p+0", "epoch": 0}
    yield "a mode", REFUSED, described(best=best)
    yield "a kind", REFUSED, described(loss={"kind": "x" * 900_000})
    doubling = many(29, "concat", branches=[[], flatten])
    yield "outputs", LOADED, chain(*doubling)
    # in memory, rows of weights are a multiple of 32 numbers long
    yield "a column", LOADED, trained(dr.Network([dr.Dense(1)], "mse"), 1 << 20)
    columns = dr.Network([dr.Dense(1)] * 1000, "mse")
    yield "single numbers", LOADED, trained(columns, 1)
    row = dr.Network([dr.Dense(1 << 20)], "mse")
    yield "a row", LOADED, trained(row, 1)


def load(path: Path) -> int:
    """How it ends, in a child of this process."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = Path("/proc/self/status").read_text(encoding="ascii")
    data = int(status.split("VmData:")[1].split()[0]) * 1024
    limit = data + FACTOR * min(path.stat().st_size, 1 << 28) + SPARE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    before = resource.getrusage(resource.RUSAGE_SELF)
    end, fault = 1, ""
    try:
        dr.load(path)
        end = LOADED
    except dr.ModelFileError as error:
        fault = str(error).split("file: ", 1)[1]
        assert len(fault) <= 1000
        end = REFUSED
    finally:
        after = resource.getrusage(resource.RUSAGE_SELF)
        took = (after.ru_maxrss - before.ru_maxrss) / 1024
        size = path.stat().st_size / 2**20
        print(f"{path.name:26} {size:6.2f} MB, {took:6.1f} MB of memory, "
              f"{after.ru_utime - before.ru_utime:5.2f} s  {fault:.70}", flush=True)  # fmt: skip
        os._exit(end)


def main(folder: Path) -> int:
    dr.load(_first(folder))  # imports
    wrong = 0
    for name, expected, data in files():
        path = folder / name
        path.write_bytes(data)
        del data
        if (end := load(path)) != expected:
            wrong += 1
            print(f"{name}: ended with {end}, not {expected}", flush=True)
        path.unlink()
    # a TB of zeros, which take no room on the disk, are not read before they are asked for
    entry = {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]}
    header = {**json.loads(described()[8:]), "0.weight": entry}
    with open(folder / "zeros", "wb") as out:
        out.truncate(out.write(file(header)) + (1 << 40))
    return wrong + (load(folder / "zeros") != REFUSED)


def _first(folder: Path) -> Path:
    net = dr.Network([dr.Dense(1)], "mse")
    net.build(2)
    net.save(folder / "first")
    return folder / "first"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
