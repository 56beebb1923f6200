"""The header of a safetensors file, 8 bytes of length and JSON, before the arrays: made, and read
strictly.

Whatever is not exactly as the format wants it is an error, and nothing is allocated by what the
file says before that has been compared with what the file has.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import numpy as np

from ._check import Array

MAX_HEADER = 1 << 22
MAX_DEPTH = 16
MAX_TOKENS = 1 << 19  # texts, brackets and commas: what the objects in memory are made from
MAX_DIGITS = 100  # of a number; callbacks may remember large ones
MAX_RANK = 8
TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}

# A text, whole or cut short. It cannot be matched in two ways, so one pass goes over anything: with
# r'"(?:[^"\\]|\\.)*"' half a text made of \" is tried from each of its quotes on.
_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class ModelFileError(ValueError):
    """A file that is not a sound model file; the message names the file and the fault."""


@dataclass(frozen=True)
class Entry:
    """What the header says about one array; begin and end count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """size: bytes of the file. start: what comes before the arrays."""

    size: int
    start: bytes
    metadata: dict[str, str]
    tensors: dict[str, Entry]


def read(file: BinaryIO) -> Header:
    """The checked header of an open file; no array is read. ValueError or TypeError with the
    fault."""
    size = file.seek(0, os.SEEK_END)
    if size < 8:
        raise ValueError(f"it has {size} bytes, too few for a header")
    file.seek(0)
    prefix = file.read(8)
    length = _check_length(int.from_bytes(prefix, "little"))
    if 8 + length > size:
        raise ValueError(f"it has {size} bytes, but its header is said to have {length}")
    text = file.read(length)
    metadata, tensors = parse(text, size - 8 - length)
    return Header(size, prefix + text, metadata, tensors)


def _check_length(length: int) -> int:
    if length > MAX_HEADER:
        raise ValueError(f"its header is said to have {length} bytes, at most {MAX_HEADER} may")
    return length


def make(metadata: Mapping[str, str], arrays: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """What `read` reads before arrays of such types and shapes that follow in this order, byte for
    byte as safetensors writes it, which ends the process where memory is short. ValueError for
    what `read` would refuse."""
    content: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape) in arrays.items():
        begin, end = end, end + math.prod(shape) * TYPES[dtype].itemsize
        content[name] = {"dtype": dtype, "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    parse(text, end)
    return _check_length(len(text)).to_bytes(8, "little") + text


def read_all(file: BinaryIO, header: Header) -> bytes:
    """The file, which must still be the one that has been checked."""
    file.seek(0)
    data = file.read(header.size)
    if len(data) != header.size or not data.startswith(header.start):
        raise ValueError("it changed while it was read")
    return data


def parse(raw: bytes, payload: int) -> tuple[dict[str, str], dict[str, Entry]]:
    """The checked metadata and entries of a header with `payload` bytes of arrays behind it."""
    try:
        text = raw.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"its header is not UTF-8: {error.reason}") from None
    if not text.startswith("{"):
        raise ValueError("its header does not begin with '{'")
    content = parse_json(text)
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise TypeError("__metadata__ is not an object")
    for value in metadata.values():
        if not isinstance(value, str):
            raise TypeError("__metadata__ has a value that is not a text")
    tensors = {name: _entry(name, value, payload) for name, value in content.items()}
    position = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            raise ValueError(f"the array {name!r:.80} begins at {entry.begin}, not at {position}")
        position = entry.end
    if position != payload:
        raise ValueError(f"its arrays end at byte {position}, but {payload} bytes are there")
    return metadata, tensors


def parse_json(text: str) -> dict[str, Any]:
    """A JSON object: no duplicate keys, no NaN or Infinity, no half characters; depth, number of
    values and length of numbers bounded before it is made."""
    _check_nesting(text)
    try:
        content = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"its JSON is broken: {error}") from None
    if not isinstance(content, dict):
        raise TypeError("its JSON is not an object")
    if "\\u" in text:  # nothing else can be half a character
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("its JSON has half of a surrogate pair") from None
    return content


def _check_nesting(text: str) -> None:
    bare, tokens = _TEXT.subn("", text)
    tokens += sum(map(bare.count, "[]{},"))
    if tokens > MAX_TOKENS:
        raise ValueError(f"its JSON has {tokens} texts, brackets and commas, too many")
    depth = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"its JSON is nested more than {MAX_DEPTH} deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"its JSON has the key {key!r:.60} twice")
        content[key] = value
    return content


def _constant(name: str) -> NoReturn:
    raise ValueError(f"its JSON has {name}")


def _bounded(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"its JSON has a number of {len(text)} digits, {text:.20}...")
    return text


def _finite(text: str) -> float:
    number = float(_bounded(text))
    if not math.isfinite(number):
        raise ValueError(f"its JSON has a number that is too large: {text:.40}")
    return number


def _integer(text: str) -> int:
    if text == "-0":  # readers disagree about whether it is a whole number
        raise ValueError("its JSON has -0")
    return int(_bounded(text))


def _entry(name: str, value: object, payload: int) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of {name!r:.80} must have dtype, shape and data_offsets")
    dtype = value["dtype"]
    if not isinstance(dtype, str) or dtype not in TYPES:
        raise ValueError(f"the array {name!r:.80} has dtype {dtype!r:.40}, not F32 or F64")
    shape = _sizes(name, "shape", value["shape"])
    offsets = _sizes(name, "data_offsets", value["data_offsets"])
    if len(shape) > MAX_RANK:
        raise ValueError(f"the array {name!r:.80} has {len(shape)} dimensions")
    if len(offsets) != 2 or not offsets[0] <= offsets[1] <= payload:
        raise ValueError(f"the array {name!r:.80} has data_offsets outside the file")
    if math.prod(shape) * TYPES[dtype].itemsize != offsets[1] - offsets[0]:
        raise ValueError(f"the array {name!r:.80} does not have as many bytes as its shape needs")
    return Entry(dtype, shape, offsets[0], offsets[1])


def _sizes(name: str, key: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{key} of {name!r:.80} is not a list")
    for size in value:
        if type(size) is not int or not 0 <= size < 1 << 62:
            raise ValueError(f"{key} of {name!r:.80} has {size!r:.40}, not a size")
    return tuple(value)


def arrays(data: bytes, header: Header) -> dict[str, Array]:
    """Copies of the arrays that are in the bytes of a file. By numpy: where memory is short,
    safetensors ends the process."""
    values = memoryview(data)[len(header.start) :]
    found: dict[str, Array] = {}
    for name, entry in header.tensors.items():
        piece = np.frombuffer(values[entry.begin : entry.end], TYPES[entry.dtype])
        found[name] = piece.astype(piece.dtype.newbyteorder("=")).reshape(entry.shape)
    return found
