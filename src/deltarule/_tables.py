"""Tables of numbers in files: npy, npz and text (comma, semicolon, tab or space between columns).

Nothing that is read can run code: arrays of Python objects are refused. Every ValueError names the
file and the fault; for text the line and the column too.
"""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from . import _files
from ._check import Array

__all__ = ["check_output", "read_table", "to_csv", "write_table"]

Header = Literal["auto", "yes", "no"]
Line = tuple[int, str]  # its number in the file, from 1, and what it says

STANDARD_INPUT = "-"
_TEXT = (".csv", ".tsv", ".txt", ".dat")
_OUTPUT = (".npy", ".csv")
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)
_ROWS_AT_ONCE = 4096  # of text being written


def read_table(path: str, *, key: str | None = None, header: Header = "auto") -> Array:
    """The numbers in a file, in the dtype that they have there; text as float64.

    path: .npy, .npz, or a text table .csv, .tsv, .txt, .dat; "-" is text from the standard input.
    key: the name of the array in an .npz file; not needed where there is just one.
    header: whether the first line of a text has the names of the columns; "auto" takes it for names
        where none of its cells is a number.
    Blank lines and lines that begin with # are passed over.

    Raises ValueError, or OSError where the file cannot be opened.
    """
    kind = os.path.splitext(path)[1].lower()
    if key is not None and kind != ".npz":
        raise ValueError(f"{path}: only .npz files have keys")
    if kind == ".npy":
        array = _read_npy(path)
    elif kind == ".npz":
        array = _read_npz(path, key)
    elif path == STANDARD_INPUT or kind in _TEXT:
        return _parse(_read_text(path), _name(path), header)
    else:
        raise ValueError(
            f"{path}: expected a file that ends with .npy, .npz or (text) {', '.join(_TEXT)}"
        )
    if array.dtype.kind not in "buif":
        raise ValueError(f"{path}: expected numbers, got an array of dtype {array.dtype}")
    return array


def _name(path: str) -> str:
    return "standard input" if path == STANDARD_INPUT else path


def _read_npy(path: str) -> Array:
    with open(path, "rb") as file, _damage_found(path, ".npy"):
        return np.lib.format.read_array(file, allow_pickle=False)


def _read_npz(path: str, key: str | None) -> Array:
    with (
        open(path, "rb") as file,
        _damage_found(path, ".npz"),
        np.lib.npyio.NpzFile(file, allow_pickle=False) as archive,
    ):
        return np.asarray(archive[_choose(path, key, archive.files)])


@contextmanager
def _damage_found(path: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (_KeyProblem, MemoryError):
        raise
    except Exception as error:  # of a dozen types: of numpy, zipfile, zlib, bz2, lzma and tokenize
        raise ValueError(f"{path}: not a sound {kind} file: {error}") from error


class _KeyProblem(ValueError):
    """A sound file, but not the array that was asked for."""


def _choose(path: str, key: str | None, names: list[str]) -> str:
    known = ", ".join(names) or "nothing"
    if key is None:
        if len(names) != 1:
            raise _KeyProblem(f"{path} has {len(names)} arrays, choose with --key: {known}")
        return names[0]
    if key not in names:
        raise _KeyProblem(f"{path} has no array {key!r}; it has: {known}")
    return key


# ------------------------------------------------------------------------------------------- text
def _read_text(path: str) -> str:
    try:
        if path == STANDARD_INPUT:
            if sys.stdin is None:
                raise ValueError("standard input: it is closed")
            return sys.stdin.read().removeprefix("\ufeff")
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{_name(path)}: not a text in UTF-8: {error.reason}") from None


def _parse(text: str, name: str, header: Header) -> Array:
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if lines:
        # the second line says it better: names may have spaces and commas in them
        delimiter = _delimiter(lines[min(1, len(lines) - 1)][1])
        first = _cells(lines[0][1], delimiter)
        if header == "yes" or (header == "auto" and not any(map(_NUMBER.fullmatch, first))):
            lines = lines[1:]
    if not lines:
        raise ValueError(f"{name}: no rows of numbers")
    try:
        return np.loadtxt(
            [line for _, line in lines],
            delimiter=delimiter,
            quotechar='"',
            comments=None,
            ndmin=2,
        )
    except ValueError as error:
        _check_cells(lines, delimiter, name)  # says where
        raise ValueError(f"{name}: {error}") from error


def _delimiter(line: str) -> str | None:
    """What stands between the columns; None means white space."""
    return next((d for d in "\t;," if d in line), None)


def _cells(line: str, delimiter: str | None) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.split(delimiter)]


def _check_cells(lines: list[Line], delimiter: str | None, name: str) -> None:
    """Raises ValueError for the first line that does not fit."""
    first, n_columns = lines[0][0], len(_cells(lines[0][1], delimiter))
    for number, line in lines:
        cells = _cells(line, delimiter)
        for column, cell in enumerate(cells, 1):
            if not _NUMBER.fullmatch(cell):
                raise ValueError(f"{name}, line {number}, column {column}: {_complaint(cell)}")
        if len(cells) != n_columns:
            raise ValueError(
                f"{name}, line {number}: expected {n_columns} column{'s' * (n_columns != 1)} as in "
                f"line {first}, got {len(cells)}"
            )


def _complaint(cell: str) -> str:
    if not cell:
        return "the cell is empty; write nan where a value is missing"
    shown = cell if len(cell) <= 40 else cell[:37] + "..."
    hint = " (decimal commas are not understood)" if re.fullmatch(r"[+-]?\d*,\d+", cell) else ""
    return f"expected a number, got {shown!r}{hint}"


# ---------------------------------------------------------------------------------------- writing
def check_output(path: str) -> None:
    """Raises ValueError or OSError where `write_table` could not write to this path."""
    if os.path.splitext(path)[1].lower() not in _OUTPUT:
        raise ValueError(f"{path}: expected a name that ends with {' or '.join(_OUTPUT)}")
    check_writable(path)


def check_writable(path: str) -> None:
    """Raises OSError where no file of this name can be made, before work is put into it."""
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: there is no folder {folder}")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path}: it is a folder")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path}: the folder {folder} cannot be written to")


def write_table(path: str, array: Array) -> None:
    """Writes .npy or .csv, whole or not at all. Raises as `check_output` does."""
    check_output(path)
    if os.path.splitext(path)[1].lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        _files.write(path, [buffer.getbuffer()])
    else:
        _files.write(path, map(str.encode, to_csv(array)))


def to_csv(array: Array) -> Iterator[str]:
    """The text of an array (n,) or (n, columns), in pieces: commas, a line a row, no names.

    Numbers have as many digits as it takes to read the same ones back in the same dtype.
    """
    for start in range(0, len(array), _ROWS_AT_ONCE):
        part = array[start : start + _ROWS_AT_ONCE]
        rows = part.reshape(len(part), -1).astype(str).tolist()
        yield "".join(",".join(row) + "\n" for row in rows)
