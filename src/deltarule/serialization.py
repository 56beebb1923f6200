"""Model files: safetensors with a versioned description in the metadata.

A file is read as if an enemy had written it: see `_header.py` and `_state.py`. It cannot execute
code, and what it can make the reader allocate is bounded by its own size: arrays are read when all
else has been found to be in order.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _header, _state
from ._custom import Custom, check_table
from ._engine import check_backend
from ._header import ModelFileError

if TYPE_CHECKING:
    from .network import Network

__all__ = ["ModelFileError", "load", "save"]

METADATA_KEY = "deltarule"
_DTYPES = {"float32": "F32", "float64": "F64"}
_REPLACE_TRIES = 5  # on Windows, a virus scanner may hold the old file for a moment


def save(net: Network, path: str | os.PathLike[str]) -> None:
    """Writes a built network to path, atomically.

    A crash at any moment leaves the old file or the new one, whole. Raises RuntimeError before
    the network is built, ValueError where its description is too large for `load`, OSError where
    the file cannot be written.
    """
    target = os.fspath(path)
    if not isinstance(target, str):
        raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")
    with net._gate.reading("save()"):
        net._built("save()")
        description = _state.describe_network(net, _library_version())
        arrays = _state.collect_arrays(net)
    _write_atomically(target, _to_bytes(description, arrays))


def _to_bytes(description: dict[str, Any], arrays: dict[str, _state.Array]) -> bytes:
    from safetensors.numpy import save as to_bytes

    text = json.dumps(description, allow_nan=False, separators=(",", ":"))
    data = to_bytes(arrays, metadata={METADATA_KEY: text})
    try:  # what could not be read again is not written
        _header.read(io.BytesIO(data))
        _header.parse_json(text)
    except ValueError as error:
        raise ValueError(f"this network cannot be saved: {error}") from error
    return data


def _library_version() -> str:
    import deltarule  # not at the top: it imports this module

    return str(getattr(deltarule, "__version__", "unknown"))


def _write_atomically(path: str, data: bytes) -> None:
    """Temporary file beside the target, fsync, rename over it, fsync of the directory.

    The order is what makes a crash harmless (Pillai et al., OSDI 2014).
    """
    path = os.path.realpath(path)  # a link keeps pointing to the file
    mode = None
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(f"cannot save to {path!r}: it is a directory")
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"cannot save to {path!r}: it is not a regular file")
        mode = stat.S_IMODE(found.st_mode)
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)[:40]}.{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        _replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _replace(source: str, target: str) -> None:
    for attempt in range(_REPLACE_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)


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
    where there is none.
    """
    backend = check_backend(backend)
    classes = check_table({} if custom is None else custom)
    name = os.fspath(path)
    if not stat.S_ISREG(os.stat(name).st_mode):  # to open a pipe would be to wait for its writer
        raise ModelFileError(f"{name!r} is not a sound model file: it is not a regular file")
    with open(name, "rb") as file:
        return _read(file, repr(name), backend, classes)


def _read(
    file: BinaryIO, name: str, backend: str, custom: Mapping[str, type[Custom]]
) -> Network:
    try:
        return _build(file, backend, custom)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        fault = f"{error!s:.1000}"
        raise ModelFileError(f"{name} is not a sound model file: {fault}") from error


def _build(file: BinaryIO, backend: str, custom: Mapping[str, type[Custom]]) -> Network:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    from .network import Network

    header = _header.read(file)
    text = header.metadata.get(METADATA_KEY)
    if text is None:
        raise ValueError("it is a safetensors file, but has no description of a deltarule network")
    for key in header.metadata:
        if key != METADATA_KEY:
            raise ValueError(f"its metadata has an unknown key {key!r:.60}")
    state = _state.parse_description(_header.parse_json(text), custom)
    if state.input_shape is None:
        raise ValueError("the description has no input_shape")
    net = Network(**state.arguments, backend=backend)
    for array, entry in header.tensors.items():
        if entry.dtype != _DTYPES[net.dtype]:
            raise ValueError(f"the array {array!r:.80} is {entry.dtype}, but dtype is {net.dtype}")
    shapes = {array: entry.shape for array, entry in header.tensors.items()}
    _state.check_arrays(net, net._lower(state.input_shape), state, shapes)
    try:
        arrays = from_bytes(_header.read_all(file, header))
    except SafetensorError as error:
        raise ValueError(f"safetensors refuses it: {error}") from error
    _state.restore(net, state, arrays)
    return net
