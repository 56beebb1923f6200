"""Saving while system calls fail: each in turn, with each error. Run by test_faults.py as a process
of its own, into which faults.c is preloaded: python -m tests.checkpoints.faults LIBRARY FOLDER"""

from __future__ import annotations

import ctypes
import errno
import itertools
import json
import os
import resource
import sys
from collections import Counter
from pathlib import Path

import deltarule as dr
from deltarule import _files

from ..conftest import make_blobs

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EMFILE)
SHORT = 0  # no error, but half of a write
Files = dict[str, bytes]


class Faults:
    """What faults.c offers."""

    def __init__(self, library: str) -> None:
        self._c = ctypes.CDLL(library)
        self._c.faults_failed.restype = self._c.faults_log.restype = ctypes.c_char_p
        self._c.faults_arm.argtypes = ctypes.c_long, ctypes.c_int, ctypes.c_int
        self._c.faults_disarm.restype = ctypes.c_long

    def during(
        self, net: dr.Network, path: Path, number: int, code: int, always: bool
    ) -> tuple[OSError | None, str, int]:
        """Saves. The error that it raised, which call failed first, and how many calls it made."""
        outcome = None
        self._c.faults_arm(number, code, always)
        try:
            net.save(path, keep_previous=True)
        except OSError as error:
            outcome = error
        finally:
            calls = self._c.faults_disarm()
        return outcome, self._c.faults_failed().decode(), calls

    def log(self) -> list[list[str]]:
        """Of the last call of `during`: what it has changed, see `noted` in faults.c."""
        return [line.split("\t") for line in self._c.faults_log().decode().splitlines()]


class Scene:
    """A folder with a checkpoint and the one before, and a network that has learnt more."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "net"
        self.net = dr.Network([dr.Dense(7, "relu"), dr.Dense(3, "softmax")], "cross_entropy")
        versions = []
        for _ in range(3):
            self.net.fit(*make_blobs())
            self.net.save(self.path)
            versions.append(self.path.read_bytes())
        self.oldest, self.old, self.new = versions
        self.names = {"net", "net" + _files.PREVIOUS}
        self._handles = len(os.listdir("/proc/self/fd"))

    def files(self) -> Files:
        return {path.name: path.read_bytes() for path in self.path.parent.iterdir()}

    def reset(self) -> None:
        for path in self.path.parent.iterdir():
            path.unlink()
        self.path.write_bytes(self.old)
        self.path.with_name("net" + _files.PREVIOUS).write_bytes(self.oldest)

    def check(self, outcome: OSError | None, code: int, *, clean: bool) -> None:
        """The old checkpoint or the new one, as the error says. clean: no file is left over."""
        found = self.files()
        now, before = found["net"], found["net" + _files.PREVIOUS]
        if outcome is None:
            assert (now, before) == (self.new, self.old)
        else:
            assert (outcome.errno, outcome.filename) == (code, str(self.path)), outcome
            assert os.strerror(code) in str(outcome)
            written = "it is written" in str(outcome)
            assert written != ("what was there is as it was" in str(outcome))
            assert now == (self.new if written else self.old)
            assert before in (self.oldest, self.old)
        assert not clean or found.keys() == self.names, (outcome, found.keys())
        assert len(os.listdir("/proc/self/fd")) == self._handles
        # and it goes on: the network is as it was, and the next one is written
        self.net.save(self.path, keep_previous=True)
        assert self.files() == {"net": self.new, "net" + _files.PREVIOUS: now}


def each_call_fails(faults: Faults, scene: Scene) -> dict[str, int]:
    """How often each call has failed."""
    failures: Counter[str] = Counter()
    ways = [(code, always) for code in (*ERRORS, SHORT) for always in (False, True)]
    # Python tries again after EINTR, so that for ever would be for ever
    for code, always in [*ways, (errno.EINTR, False)]:
        for number in itertools.count(1):
            scene.reset()
            outcome, failed, _ = faults.during(scene.net, scene.path, number, code, always)
            scene.check(outcome, code, clean=not always and failed != "unlink")
            if not failed:
                break
            failures[failed] += 1
    return failures


def a_disk_that_is_full(scene: Scene) -> None:
    """After so many bytes, by the kernel itself."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in (0, 1, len(scene.new) // 2, len(scene.new) - 1, len(scene.new)):
        scene.reset()
        outcome = None
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            scene.net.save(scene.path, keep_previous=True)
        except OSError as error:
            outcome = error
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert (outcome is None) == (limit == len(scene.new))
        scene.check(outcome, errno.EFBIG, clean=True)


def main(library: str, folder: str) -> None:
    _files._SETTLED = -1.0  # nobody else writes here: sweep at once
    scene, faults = Scene(Path(folder)), Faults(library)
    failures = each_call_fails(faults, scene)
    a_disk_that_is_full(scene)
    scene.reset()
    outcome, failed, calls = faults.during(scene.net, scene.path, 0, 0, False)
    assert (outcome, failed) == (None, "")
    print(json.dumps({"failures": failures, "calls": calls, "log": faults.log()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
