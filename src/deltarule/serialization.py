"""Model files: safetensors with a versioned description in the metadata.

A file is read as if an enemy had written it: see `_header.py` and `_state.py`. It cannot execute
code, and what it can make the reader allocate is bounded by its own size: arrays are read when all
else has been found to be in order. A checksum of all that it says tells what is damaged.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _check, _files, _header, _state
from ._custom import Custom, check_table
from ._engine import check_backend
from ._header import ModelFileError

if TYPE_CHECKING:
    from .network import Network

__all__ = ["ModelFileError", "load", "save"]

METADATA_KEY = "deltarule"
CHECKSUM_KEY = "sha256"  # the last one of the description
_DTYPES = {"float32": "F32", "float64": "F64"}


def save(net: Network, path: str | os.PathLike[str], *, keep_previous: bool = False) -> None:
    """Writes a built network to path, atomically.

    A crash at any moment leaves the old file or the new one, whole. keep_previous: the old one then
    stays as path + ".previous". Raises RuntimeError before the network is built, ValueError where
    its description is too large for `load`, OSError that names the path where the file cannot be
    written.
    """
    target = os.fspath(path)
    if not isinstance(target, str):
        raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")
    keep_previous = _check.boolean("keep_previous", keep_previous)
    with net._gate.reading("save()"):
        net._built("save()")
        description = _state.describe_network(net, _library_version())
        data = pieces(description, partial(_state.each_array, net))
        _files.write(target, data, keep_previous=keep_previous)


def pieces(
    description: dict[str, Any], arrays: Callable[[], Iterable[tuple[str, _state.Array]]]
) -> Iterator[bytes | memoryview]:
    """A model file, one array at a time. `arrays`, in the order of their names, are gone through
    twice: before them stands their checksum. So no copy of a large network is made."""
    entries: dict[str, tuple[str, tuple[int, ...]]] = {}

    def values() -> Iterator[memoryview]:
        for name, array in arrays():
            dtype = _DTYPES[array.dtype.name]
            entries[name] = dtype, array.shape
            yield array.astype(_header.TYPES[dtype], copy=False).data

    text = json.dumps(description, allow_nan=False, separators=(",", ":"))
    text = signed(text, values())
    try:  # what could not be read again is not written
        _header.parse_json(text)
        start = _header.make({METADATA_KEY: text}, entries)
    except ValueError as error:
        raise ValueError(f"this network cannot be saved: {error}") from error
    return itertools.chain([start], values())


def signed(text: str, arrays: Iterable[memoryview]) -> str:
    """A description with a checksum of it and of the arrays in the order of their names, however a
    file is laid out. What names and shapes they have to have follows from the description."""
    raw = text.encode()
    try:
        digest = hashlib.sha256(raw)
        for array in arrays:
            digest.update(array)
        checksum = digest.hexdigest()
    except ValueError as error:  # OpenSSL's
        raise MemoryError(f"no memory for a checksum: {error}") from error
    return f'{text[:-1]},"{CHECKSUM_KEY}":"{checksum}"}}'


def _library_version() -> str:
    import deltarule  # not at the top: it imports this module

    return str(getattr(deltarule, "__version__", "unknown"))


def load(
    path: str | os.PathLike[str],
    *,
    backend: str = "fast",
    custom: Mapping[str, type[Custom]] | None = None,
) -> Network:
    """The network that `Network.save` wrote, ready to predict or to go on training.

    backend: "fast" or "reference"; a file does not say which it is for.
    custom: {kind: class} of the layers, the loss and the metrics that you have written; no file can
        name others.
    Raises ModelFileError (a ValueError) that names the file and the fault, FileNotFoundError
    where there is none. No other file is read in its place; if the one from before was kept, the
    error says where it is.
    """
    backend = check_backend(backend)
    classes = check_table({} if custom is None else custom)
    name = os.fspath(path)
    if not stat.S_ISREG(os.stat(name).st_mode):  # to open a pipe would be to wait for its writer
        raise ModelFileError(f"{name!r} is not a sound model file: it is not a regular file")
    with open(name, "rb") as file:
        return _read(file, name, backend, classes)


def _read(
    file: BinaryIO, name: str, backend: str, custom: Mapping[str, type[Custom]]
) -> Network:
    try:
        return _build(file, backend, custom)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        fault = f"{error!s:.1000}{_files.hint(name)}"
        raise ModelFileError(f"{name!r} is not a sound model file: {fault}") from error


def _build(file: BinaryIO, backend: str, custom: Mapping[str, type[Custom]]) -> Network:
    from .network import Network

    header = _header.read(file)
    text = header.metadata.get(METADATA_KEY)
    if text is None:
        raise ValueError("it is a safetensors file, but has no description of a deltarule network")
    for key in header.metadata:
        if key != METADATA_KEY:
            raise ValueError(f"its metadata has an unknown key {key!r:.60}")
    description = _header.parse_json(text)
    checksum = description.pop(CHECKSUM_KEY, None)
    state = _state.parse_description(description, custom)
    if state.input_shape is None:
        raise ValueError("the description has no input_shape")
    net = Network(**state.arguments, backend=backend)
    for array, entry in header.tensors.items():
        if entry.dtype != _DTYPES[net.dtype]:
            raise ValueError(f"the array {array!r:.80} is {entry.dtype}, but dtype is {net.dtype}")
    shapes = {array: entry.shape for array, entry in header.tensors.items()}
    _state.check_arrays(net, net._lower(state.input_shape), state, shapes)
    data = _header.read_all(file, header)
    _check_sum(text, checksum, header, data)
    _state.restore(net, state, _header.arrays(data, header))
    return net


def _check_sum(text: str, checksum: object, header: _header.Header, data: bytes) -> None:
    """ValueError unless the description is what `signed` has made of these arrays."""
    values = memoryview(data)[len(header.start) :]
    arrays = (values[entry.begin : entry.end] for _, entry in sorted(header.tensors.items()))
    plain = text.removesuffix(f',"{CHECKSUM_KEY}":"{checksum}"}}') + "}"
    if signed(plain, arrays) != text:
        raise ValueError("its checksum is not that of what it says: it is damaged")
