"""Files of the IDX format, in which MNIST and its kind come."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# the third byte of a file; numbers are big-endian
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def load_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file (Y. LeCun and others, 1998), as it is or compressed by gzip.

    Images come as (n, height, width), mostly uint8, labels as (n,). A network of Dense layers takes
    `images.reshape(len(images), -1)`.

    Raises ValueError that names the file and the fault, OSError where it cannot be read.
    """
    name = os.fspath(path)
    with open(name, "rb") as plain:
        packed = plain.read(2) == _GZIP
    with gzip.open(name) if packed else open(name, "rb") as file:
        return _parse(file, name)


def _parse(file: Any, name: str) -> NDArray[Any]:
    try:
        zeros, code, rank = struct.unpack(">HBB", _read(file, 4, name))
        if zeros or code not in _TYPES:
            raise ValueError(f"{name!r} is no IDX file: it begins with another number")
        shape = struct.unpack(f">{rank}I", _read(file, 4 * rank, name))
        dtype = np.dtype(_TYPES[code])
        size = math.prod(shape) * dtype.itemsize
        data = _read(file, size, name)
        if file.read(1):
            raise ValueError(f"{name!r} has more than its {size:,} bytes of data")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{name!r} is damaged: {error}") from None
    try:  # a size of 0 lets the others be anything
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError:
        raise ValueError(f"{name!r} has the shape {shape!s:.80}, which no array can have") from None
    return array.astype(dtype.newbyteorder("="))


def _read(file: Any, size: int, name: str) -> bytes:
    """A piece at a time: what a header says is not believed before it is there."""
    pieces, left = [], size
    while left:
        piece = file.read(min(left, 1 << 20))
        if not piece:
            raise ValueError(f"{name!r} is cut short: {left:,} of {size:,} bytes are missing")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
