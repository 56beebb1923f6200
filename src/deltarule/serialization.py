"""Model files: safetensors with a versioned description in the metadata.

A file is read as if an enemy had written it: see `_header.py` and `_state.py`. It cannot execute
code, and what it can make the reader allocate is bounded by its own size.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    the network is built, OSError where the file cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    target = os.fspath(path)
    if not isinstance(target, str):
        raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")
    with net._gate.reading("save()"):
        net._built("save()")
        description = _state.describe_network(net, _library_version())
        arrays = _state.collect_arrays(net)
    text = json.dumps(description, allow_nan=False, separators=(",", ":"))
    _write_atomically(target, to_bytes(arrays, metadata={METADATA_KEY: text}))


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
    try:
        data, header = _header.read(name)
        return _build(data, header, backend, classes)
    except ModelFileError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{name!r} is not a sound model file: {error}") from error


def _build(
    data: bytes,
    header: _header.Header,
    backend: str,
    custom: Mapping[str, type[Custom]],
) -> Network:
    from .network import Network

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
    _state.restore(net, state, _header.arrays(data, header))
    return net
