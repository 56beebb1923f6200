"""Files that are replaced as a whole or not at all, whatever fails and whoever is killed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

try:
    import fcntl
except ImportError:  # on Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

PREVIOUS = ".previous"

Piece = bytes | memoryview

_REPLACE_TRIES = 5  # on Windows, a virus scanner may hold the old file for a moment
_SETTLED = 60.0  # seconds: by then who has made a temporary file has locked it, renamed it or died


def write(path: str, data: Iterable[Piece], *, keep_previous: bool = False) -> None:
    """Puts data at path, piece by piece: to a temporary file beside it, flushed to the disk, then
    renamed, then the folder is flushed. The order is what makes a crash harmless (Pillai et al.,
    OSDI 2014).

    keep_previous: what was there gets the name path + ".previous".
    Raises OSError that names path and says whether it was written.
    """
    path, written = os.path.realpath(path), False  # a link keeps pointing to the file
    try:
        mode = _mode(path)
        with _folder(path) as flush, _spare(path) as new, _spare(path) as old:
            _sweep(path)
            _write_new(new, data, mode)
            if keep_previous and mode is not None:
                _link(path, old)
                _replace(old, path + PREVIOUS)
            _replace(new, path)
            written = True
            flush()
    except OSError as error:
        if error.errno is None:  # our own
            raise
        outcome = "it is not written, and what was there is as it was"
        if written:
            outcome = "it is written, but a power failure may still undo that"
        raise OSError(error.errno, f"{error.strerror}: {outcome}", path) from error


def _mode(path: str) -> int | None:
    """The permissions of the file that is there, None if none is."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"cannot write {path!r}: it is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"cannot write {path!r}: it is not a regular file")
    return stat.S_IMODE(found.st_mode)


def hint(path: str | bytes) -> str:
    """For an error of what is at path: where the file from before is, if it is there."""
    previous = os.fsdecode(path) + PREVIOUS
    return f"; the one from before is {previous!r}" if os.path.isfile(previous) else ""


def _write_new(name: str, data: Iterable[Piece], mode: int | None) -> None:
    """A new file with these permissions (None: the usual ones), flushed to the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(name, flags, 0o666 if mode is None else mode)
    with open(handle, "wb") as file:
        with contextlib.suppress(OSError):  # a file system that has no locks
            _lock(handle)
        for piece in data:
            file.write(piece)
        file.flush()
        if mode is not None:
            os.chmod(name, mode)  # the process may have masked some
        os.fsync(handle)


def _link(path: str, name: str) -> None:
    """A second name for a file, so that path never is without one."""
    try:
        os.link(path, name)
    except OSError:  # a file system that has no links, such as FAT: a copy
        with open(path, "rb") as file:
            _write_new(name, iter(partial(file.read, 1 << 20), b""), _mode(path))


def _replace(source: str, target: str) -> None:
    for attempt in range(_REPLACE_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_TRIES - 1:
                raise
            time.sleep(0.05 * 2**attempt)


@contextlib.contextmanager
def _folder(path: str) -> Iterator[Callable[[], None]]:
    """How to flush the folder of a file. It is opened first: if that fails, nothing is done."""
    if os.name != "posix":
        yield lambda: None
        return
    handle = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        yield lambda: _flush(handle)
    finally:
        os.close(handle)


def _flush(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that flushes no folders
            raise


# ------------------------------------------------------------------------------ temporary files
def _stem(path: str) -> str:
    return f".{os.path.basename(path)[:40]}."


@contextlib.contextmanager
def _spare(path: str) -> Iterator[str]:
    """A name beside path for a file that is renamed, or removed in the end."""
    folder, name = os.path.dirname(path), f"{_stem(path)}{os.urandom(8).hex()}.tmp"
    name = os.path.join(folder, name)
    try:
        yield name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def _lock(handle: int) -> None:
    """As long as it is open and this process lives. OSError where somebody else has the lock."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(path: str) -> None:
    """Removes temporary files for this path that killed processes have left: nobody locks them."""
    if fcntl is None:
        return
    pattern = re.compile(re.escape(_stem(path)) + r"[0-9a-f]{16}\.tmp")
    with contextlib.suppress(OSError), os.scandir(os.path.dirname(path)) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left(entry.path)


def _remove_if_left(name: str) -> None:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # whatever has that name
    try:
        if time.time() - os.fstat(handle).st_ctime > _SETTLED:
            _lock(handle)
            os.unlink(name)
    finally:
        os.close(handle)
