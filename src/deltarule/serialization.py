"""Model files: safetensors with a versioned description in the metadata.

A file is read as if an enemy had written it: see `_header.py` and `_state.py`. It cannot execute
code, and what it can make the reader allocate is bounded by its own size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _files, _header, _state
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
    stays as path + ".previous". Raises RuntimeError before the network is built, OSError that names
    the path where the file cannot be written.
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
    dtype = _DTYPES[net.dtype]
    text = signed(text, ((name, dtype, a.shape, a.data) for name, a in arrays.items()))
    data = to_bytes(arrays, metadata={METADATA_KEY: text})
    _files.write(target, data, keep_previous=keep_previous)


def _library_version() -> str:
    import deltarule  # not at the top: it imports this module

    return str(getattr(deltarule, "__version__", "unknown"))


def signed(
    text: str, arrays: Iterable[tuple[str, str, tuple[int, ...], memoryview]]
) -> str:
    """A description with a checksum of it and of the arrays (name, dtype, shape, values): of all
    that a file says, however it is laid out."""
    digest = hashlib.sha256(text.encode())
    for *about, values in sorted(arrays, key=lambda array: array[0]):
        digest.update(json.dumps(about).encode())
        digest.update(values)
    return f'{text[:-1]},"{CHECKSUM_KEY}":"{digest.hexdigest()}"}}'


def _check_sum(text: str, given: object, header: _header.Header, data: bytes) -> None:
    """ValueError unless the description is what `signed` has made of these arrays."""
    tensors = header.tensors.items()
    begin = len(data) - max((entry.end for _, entry in tensors), default=0)
    values = memoryview(data)[begin:]
    arrays = ((name, e.dtype, e.shape, values[e.begin : e.end]) for name, e in tensors)
    plain = text.removesuffix(f',"{CHECKSUM_KEY}":"{given}"}}') + "}"
    if signed(plain, arrays) != text:
        raise ValueError("its checksum is not that of what it says: it is damaged")


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
    where there is none. No other file is read in its place; where a checkpoint from before is
    there, the error names that.
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
        hint = _files.hint(name)
        raise ModelFileError(f"{name!r} is not a sound model file: {error}{hint}") from error


def _build(
    data: bytes,
    header: _header.Header,
    backend: str,
    custom: Mapping[str, type[Custom]],
) -> Network:
    from safetensors.numpy import load as from_bytes

    from .network import Network

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
    _check_sum(text, checksum, header, data)
    _state.restore(net, state, from_bytes(data))
    return net
