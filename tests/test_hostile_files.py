"""Hostile and broken model files are refused or harmless."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _header

from .fuzz.mutate import signed
from .interruption import assert_same

Make = Callable[..., dr.Network]


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header: object, payload: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


def edit(data: bytes, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """The file with its header and its description changed."""
    header, payload = split(data)
    description = json.loads(header["__metadata__"]["deltarule"])
    del description["sha256"]
    change(header, description)
    if "deltarule" in (header.get("__metadata__") or {}):
        header["__metadata__"]["deltarule"] = json.dumps(description)
    return signed(join(header, payload))


def put(*path: Any, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """A change of the description; "__header__" as the first key: of the header."""

    def change(header: dict[str, Any], description: dict[str, Any]) -> None:
        at: Any = description
        keys = path
        if path[0] == "__header__":
            at, keys = header, path[1:]
        for key in keys[:-1]:
            at = at[key]
        if value is KeyError:
            del at[keys[-1]]
        else:
            at[keys[-1]] = value

    return change


def swap(header: dict[str, Any], _: dict[str, Any]) -> None:
    """Two arrays of the same size at the same place."""
    header["optimizer.1.0.bias"]["data_offsets"] = header["optimizer.2.0.bias"]["data_offsets"]


def unfinished(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    good = {
        "epoch": 2,
        "batch": 3,
        "sums": ["0x1p+0", "0x1p+0", "nan"],
        "rows": 96,
        "batch_size": 10,
        "shuffle": True,
    }
    return put("position", value={**good, **changes})


def best(**changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    good = {"monitor": "loss", "mode": "min", "value": "0x1p+0", "epoch": 2}
    return put("best", value={**good, **changes})


HEADER = "__header__"
DENSE = {"kind": "dense", "units": 3}
EDITS: list[tuple[Callable[[dict[str, Any], dict[str, Any]], None], str]] = [
    (put("format", value=2), "format version 2, written by deltarule"),
    (put("format", value=KeyError), "format must be"),
    (put("format", value=0), "format must be >= 1"),
    (put("format", value="1"), "format must be"),
    (put("format", value=True), "format must be"),
    (put("seed", value=KeyError), "has no 'seed'"),
    (put("seed", value=-1), "seed must be"),
    (put("seed", value=1.5), "seed must be"),
    (put("extra", value=1), "unknown key 'extra'"),
    (put("version", value=3), "version must be a text"),
    (put("dtype", value="float16"), "unknown dtype 'float16'"),
    (put("dtype", value=["float32"]), "unknown dtype"),
    (put("dtype", value="float64"), "is F32, but dtype is float64"),
    (put("step", value=-1), "step must be"),
    (put("step", value=1 << 80), "step must be"),
    (put("step", value=None), "step must be"),
    (put("averaged", value=1), "averaged: the optimizer has no average"),
    (put("averaged", value=-1), "averaged must be"),
    (put("optimizer", "average", value="ema"), "a description of a average must be an object"),
    (put("optimizer", "average", value={"kind": "emma"}), "unknown average"),
    (put("optimizer", "average", value={"kind": "ema"}), "'optimizer.3.0.weight' is missing"),
    (put("input_shape", value=None), "has no input_shape"),
    (put("input_shape", value=[]), "of 1 to 32 sizes"),
    (put("input_shape", value=[1] * 33), "of 1 to 32 sizes"),
    (put("input_shape", value=[5, 5]), "samples of rank 1"),
    (put("input_shape", value=[-5]), "input_shape must be"),
    (put("input_shape", value=[6]), "must have shape (6, 7), got (5, 7)"),
    (put("input_shape", value=[1 << 40]), "input_shape must be"),
    (put("input_shape", value=5), "input_shape must be a list"),
    (put("layers", value=[]), "1 to 1000 layers"),
    (put("layers", value={}), "layers must be a list"),
    (put("layers", value=[3]), "a description of a layer must be an object"),
    (put("layers", 0, "kind", value="os.system"), "unknown layer 'os.system'"),
    (put("layers", 0, "kind", value=["dense"]), "unknown layer"),
    (put("layers", 0, "units", value=2**31 - 1), "must have shape (5, 2147483647)"),
    (put("layers", 0, "units", value="7"), "units must be"),
    (put("layers", 0, "more", value=1), "no argument 'more'"),
    (put("layers", 0, "activation", value="relu"), "activation must be an object"),
    (put("layers", 0, "activation", value={"kind": "eval"}), "unknown activation 'eval'"),
    (put("layers", 0, "activation", value={"kind": "relu", "a": 1}), "no argument 'a'"),
    (put("layers", 1, "activation", value={"kind": "tanh"}), "needs a last layer with"),
    (put("layers", 0, "bias", value=False), "unknown array '0.bias'"),
    (put("layers", 0, value=KeyError), "must have shape"),
    (put("layers", value=[DENSE] * 1001), "1 to 1000 layers"),
    (put("layers", 0, value={"kind": "reshape", "shape": [1] * 33}), "of 1 to 32 sizes"),
    (put("layers", 0, value={"kind": "add", "branches": [[]] * 1001}), "must be 2 to 1000"),
    (put("loss", value={"kind": "l3"}), "unknown loss 'l3'"),
    (put("loss", value="mse"), "a description of a loss must be an object"),
    (put("optimizer", value={"kind": "sgd"}), "unknown array 'optimizer.1.0."),
    (put("optimizer", "learning_rate", value=-1), "learning_rate must be > 0"),
    (put("optimizer", "learning_rate", value={}), "unknown schedule None"),
    (put("optimizer", "learning_rate", value={"kind": "sgd"}), "unknown schedule 'sgd'"),
    (put("optimizer", "learning_rate", value={"kind": "step_lr", "a": 1}), "no argument 'a'"),
    (put("optimizer", "learning_rate", value={"kind": "step_lr"}), "missing"),
    (put("optimizer", "betas", value=[0.9]), "betas must be a pair"),
    (put("metrics", value=[{"kind": "auc"}]), "unknown metric 'auc'"),
    (put("metrics", value=[{"kind": "accuracy"}] * 2), "same metric twice"),
    (put("metrics", value=[{"kind": "f1", "average": "all"}]), "average must be"),
    (put("position", value=None), "position must be an object"),
    (put("position", value={"epoch": 1}), "position.batch must be"),
    (put("position", value={"epoch": 1, "batch": 0, "rows": 3}), "must have the keys"),
    (put("position", value={"epoch": 1, "batch": 2}), "must have the keys"),
    (unfinished(epoch=-1), "position.epoch must be"),
    (unfinished(batch=11), "behind the last batch"),
    (unfinished(batch_size=0), "position.batch_size must be"),
    (unfinished(batch_size=97), "position.batch_size must be"),
    (unfinished(shuffle=1), "position.shuffle must be"),
    (unfinished(damping=1.0), "position.damping must be a hexadecimal number"),
    (unfinished(damping="1" * 41), "position.damping must be a hexadecimal number"),
    (unfinished(damping="-0x1p+0"), "position.damping must be finite and >= 0"),
    (unfinished(damping="inf"), "position.damping must be finite and >= 0"),
    (unfinished(damping="nan"), "position.damping must be finite and >= 0"),
    (unfinished(damping="much"), "invalid hexadecimal"),
    (unfinished(sums=["0x1p+0"]), "three numbers"),
    (unfinished(sums=[1.0, 2.0, 3.0]), "hexadecimal"),
    (unfinished(sums=["1", "2", "three"]), "hexadecimal"),
    (unfinished(sums=["0x1p+99999", "1", "1"]), "too large"),
    (put("callbacks", value={}), "callbacks must be a list"),
    (put("callbacks", value=[3]), "objects with class and state"),
    (put("callbacks", value=[{"class": "EarlyStopping"}]), "objects with class and state"),
    (put("callbacks", value=[{"class": 3, "state": {}}]), "class of a callback must be a text"),
    (put("callbacks", value=[{"class": "A", "state": []}]), "its state an object"),
    (best(), "array 'best.0.weight' is missing"),
    (put("best", value=None), "best must be an object"),
    (put("best", value={"value": "0x1p+0"}), "best must have the keys"),
    (best(monitor=3), "monitor must be a name"),
    (best(mode="auto"), "best.mode must be one of"),
    (best(value=1.0), "best.value must be a hexadecimal number"),
    (best(value="x"), "invalid hexadecimal"),
    (best(epoch=-1), "best.epoch must be"),
    (put(HEADER, "__metadata__", value={}), "no description of a deltarule network"),
    (put(HEADER, "__metadata__", value=KeyError), "no description of a deltarule network"),
    (put(HEADER, "__metadata__", value=[]), "__metadata__ is not an object"),
    (put(HEADER, "__metadata__", "more", value="x"), "metadata has an unknown key 'more'"),
    (put(HEADER, "__metadata__", "more", value=1), "value that is not a text"),
    (put(HEADER, "0.weight", value=KeyError), "begins at"),
    (put(HEADER, "0.weight", value=7), "must have dtype, shape and data_offsets"),
    (put(HEADER, "0.weight", "more", value=7), "must have dtype, shape and data_offsets"),
    (put(HEADER, "0.weight", "dtype", value="F16"), "has dtype 'F16', not F32 or F64"),
    (put(HEADER, "0.weight", "dtype", value=["F32"]), "not F32 or F64"),
    (put(HEADER, "0.weight", "dtype", value="F64"), "as many bytes as its shape needs"),
    (put(HEADER, "0.weight", "shape", value=[7, 5]), "must have shape (5, 7), got (7, 5)"),
    (put(HEADER, "0.weight", "shape", value=[35]), "must have shape (5, 7), got (35,)"),
    (put(HEADER, "0.weight", "shape", value=[5, 7, 1]), "must have shape (5, 7), got (5, 7, 1)"),
    (put(HEADER, "0.weight", "shape", value=[5, 8]), "as many bytes as its shape needs"),
    (put(HEADER, "0.weight", "shape", value=[-5, -7]), "has -5, not a size"),
    (put(HEADER, "0.weight", "shape", value=[5, 7.0]), "has 7.0, not a size"),
    (put(HEADER, "0.weight", "shape", value=[True] * 8), "has True, not a size"),
    (put(HEADER, "0.weight", "shape", value=[1 << 61, 1 << 61, 0]), "as many bytes"),
    (put(HEADER, "0.weight", "shape", value=[1 << 62]), "not a size"),
    (put(HEADER, "0.weight", "shape", value=[1] * 9), "has 9 dimensions"),
    (put(HEADER, "0.weight", "shape", value="57"), "is not a list"),
    (put(HEADER, "0.weight", "data_offsets", value=[0]), "data_offsets outside the file"),
    (put(HEADER, "0.weight", "data_offsets", value=[140, 0]), "data_offsets outside the file"),
    (put(HEADER, "0.weight", "data_offsets", value=[-1, 139]), "has -1, not a size"),
    (put(HEADER, "0.weight", "data_offsets", value=[0, 1 << 50]), "outside the file"),
    (put(HEADER, "0.weight", "data_offsets", value=None), "is not a list"),
    (
        put(HEADER, "x", value={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
        "unknown array 'x'",
    ),
    (swap, "begins at"),
]


@pytest.mark.parametrize(
    ("change", "text"), EDITS, ids=[f"{i} {text}" for i, (_, text) in enumerate(EDITS)]
)
def test_edited_files(
    saved: tuple[dr.Network, Path], change: Callable[..., None], text: str
) -> None:
    net, path = saved
    path.write_bytes(edit(path.read_bytes(), change))
    with pytest.raises(dr.ModelFileError) as caught:
        dr.load(path, backend=net.backend)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)


def test_harmless_edits(saved: tuple[dr.Network, Path]) -> None:
    """The editing itself keeps a file readable, and arguments with a default may be missing."""
    net, path = saved
    data = path.read_bytes()
    for change in (
        lambda header, description: None,
        put("layers", 0, "bias_init", value=KeyError),
        put("optimizer", "eps", value=KeyError),
        unfinished(),
        unfinished(batch=10),
        put("callbacks", value=[{"class": "os.system", "state": {"command": "true"}}]),
    ):
        path.write_bytes(edit(data, change))
        np.testing.assert_array_equal(
            dr.load(path, backend=net.backend).parameters()["0.weight"],
            net.parameters()["0.weight"],
        )


def raw(data: bytes) -> list[tuple[bytes, str]]:
    header, payload = split(data)
    text = json.dumps(header).encode()
    meta = json.dumps(header["__metadata__"]).encode()
    described = header["__metadata__"]["deltarule"]

    def with_description(new: str) -> bytes:
        return join({**header, "__metadata__": {"deltarule": new}}, payload)

    return [
        (b"", "too few for a header"),
        (b"\0" * 7, "too few for a header"),
        (b"\0" * 8, "does not begin with '{'"),
        (struct.pack("<Q", 2**64 - 1) + data[8:], "its header is said to have"),
        (struct.pack("<Q", (1 << 22) + 1) + b" " * (5 << 20), "at most 4194304 may"),
        (struct.pack("<Q", len(data)) + data[8:], "but its header is said to have"),
        (join(b" " + text, payload), "does not begin with '{'"),
        (join(b"\xef\xbb\xbf" + text, payload), "does not begin with '{'"),
        (join(text.replace(b"0.bias", b"0.\xffias"), payload), "not UTF-8"),
        (join(text.decode().encode("utf-16"), payload), "not UTF-8"),
        (join(text + b"x", payload), "its JSON is broken"),
        (join(text[:-1], payload), "its JSON is broken"),
        (join(b"[]", payload), "does not begin with '{'"),
        (join(b"{" + text[1:-1] + b', "__metadata__": ' + meta + b"}", payload), "twice"),
        (join(text.replace(b'"dtype"', b'"shape": [1], "dtype"', 1), payload), "'shape' twice"),
        (join(text.replace(b"[5, 7]", b"[5, NaN]"), payload), "its JSON has NaN"),
        (join(text.replace(b"[5, 7]", b"[5, -Infinity]"), payload), "its JSON has -Infinity"),
        (join(text.replace(b"[5, 7]", b"[5, 1e999]"), payload), "too large"),
        (join(text.replace(b"[5, 7]", b"[5, " + b"9" * 101 + b"]"), payload), "of 101 digits"),
        (join(text.replace(b"[5, 7]", b"[5, 7." + b"0" * 99 + b"]"), payload), "of 101 digits"),
        (join(text.replace(b"[0, ", b"[-0, ", 1), payload), "its JSON has -0"),
        (join(b'{"a": [' + b"0," * (1 << 19), payload), "524291 texts, brackets"),
        (join(b'{"a":' * 100000 + b"1" + b"}" * 100000, payload), "nested more than 16 deep"),
        (join(b'{"a":' + b"[" * 400000, payload), "nested more than 16 deep"),
        (join(b'{"a":' + b"[" * 900000, payload), "900002 texts, brackets and commas"),
        (join(b"{}", payload), "arrays end at byte 0"),
        (join(b"{}", b""), "no description"),
        (data + b"\0", "arrays end at byte"),
        (data[:-1], "outside the file"),
        (with_description(described[:-1] + ',"seed":1}'), "the key 'seed' twice"),
        (with_description(described.replace('"seed":0', '"seed":NaN')), "its JSON has NaN"),
        (with_description("[" * 100), "nested more than 16 deep"),
        (with_description("[]"), "its JSON is not an object"),
        (with_description(""), "its JSON is broken"),
        (with_description("\ud800"), "half of a surrogate pair"),
        (with_description(described.replace("adam", "\\ud800")), "half of a surrogate pair"),
    ]


def test_broken_files(saved: tuple[dr.Network, Path]) -> None:
    net, path = saved
    for number, (data, text) in enumerate(raw(path.read_bytes())):
        path.write_bytes(data)
        with pytest.raises(dr.ModelFileError) as caught:
            dr.load(path, backend=net.backend)
        assert text in str(caught.value), number


def test_arrays_may_not_overlap(saved: tuple[dr.Network, Path]) -> None:
    """Two arrays at one place, everything behind them moved up: no hole, no byte too many."""
    net, path = saved
    header, payload = split(path.read_bytes())
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    entries.sort(key=lambda entry: entry["data_offsets"])
    sizes = [entry["data_offsets"][1] - entry["data_offsets"][0] for entry in entries]
    number = next(i for i in range(1, len(sizes)) if sizes[i] <= sizes[i - 1])
    size = sizes[number]
    for entry in entries[number:]:
        entry["data_offsets"] = [offset - size for offset in entry["data_offsets"]]
    path.write_bytes(join(header, payload[:-size]))
    with pytest.raises(dr.ModelFileError, match="begins at"):
        dr.load(path, backend=net.backend)


def test_quotes_do_not_hide_nesting() -> None:
    for text in ('{"a\\"": [[]]}', '{"a": "[[[["}', '{"\\\\": {}}'):
        assert _header.parse_json(text) == json.loads(text)
    deep = "[" * 20
    for text in ('{"a\\"": ' + deep, '{"\\\\": ' + deep, '{"a\\"": ' + deep + '"b"'):
        with pytest.raises(ValueError, match="nested"):
            _header.parse_json(text)


STATES = {
    "EarlyStopping": (
        dr.EarlyStopping("loss", patience=9),
        {"best": "0x1p+0", "seen": 2, "wait": 1},
        [("best", 1.0), ("best", "x"), ("seen", -1), ("seen", 1.5), ("wait", "2"), ("wait", True)],
    ),
    "ReduceLROnPlateau": (
        dr.ReduceLROnPlateau("loss"),
        {"best": None, "factor": "0x1p-1", "wait": 0, "cooling": 0},
        [("factor", 0.5), ("factor", "nan"), ("factor", "0x1p+1"), ("factor", "-0x1p+0"),
         ("cooling", -1), ("best", [])],
    ),
    "ModelCheckpoint": (dr.ModelCheckpoint("/no/where"), {"best": None}, [("best", 3)]),
    "CSVLogger": (dr.CSVLogger("/no/where"), {"rows": 0}, [("rows", -1), ("rows", None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_states_of_callbacks(saved: tuple[dr.Network, Path], blobs: Any, name: str) -> None:
    """What a callback cannot have said is an error of the fit that wants it; nothing changes."""
    net, path = saved
    callback, good, bad = STATES[name]
    data = path.read_bytes()
    for key, value in bad:
        state = [{"class": name, "state": {**good, key: value}}]
        path.write_bytes(edit(data, put("callbacks", value=state)))
        again = dr.load(path, backend=net.backend)
        before = copy.deepcopy(again)
        with pytest.raises((TypeError, ValueError), match=f"{key} of {name}|hexadecimal"):
            again.fit(*blobs, callbacks=[callback])
        assert_same(again, before)
