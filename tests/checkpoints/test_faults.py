"""A checkpoint is the old one or the new one, whichever system call fails and whenever the power
does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deltarule import _files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What faults.py has to say. Its assertions are the test of each call."""
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    compiler = os.environ.get("CC") or shutil.which("cc") or sysconfig.get_config_var("CC")
    source = Path(__file__).with_name("faults.c")
    how = ["-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run([*str(compiler).split(), *how], check=True)
    memory = Path("/dev/shm")  # thousands of flushes
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        preload = f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.checkpoints.faults", library, folder],
            cwd=ROOT,
            env=os.environ | {"LD_PRELOAD": preload, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_each_call_fails(found: Any) -> None:
    """That it was those that matter, under the names that faults.c knows, with each error."""
    failed = {name.removesuffix("64") for name in found["failures"]}
    assert failed >= {"open", "flock", "write", "chmod", "fsync", "link", "rename", "unlink",
                      "close", "stat", "opendir"}  # fmt: skip
    assert found["calls"] > 15
    assert min(found["failures"].values()) >= 15


Names = dict[str, str]


def after_power_failures(log: list[list[str]], names: Names) -> Iterator[tuple[Names, set[str]]]:
    """After each call: what may be in the folder, names and the files that they have, and which
    files are whole for sure. Names change in order, until the last flush of the folder for sure;
    the bytes of a file are there once it has been flushed. What nobody has written to is whole."""
    changes: list[tuple[str, str, str]] = []
    handles: dict[str, str] = {}
    whole, flushed = set(names.values()), 0

    def at(count: int) -> Names:
        now = dict(names)
        for call, one, two in changes[:count]:
            if call == "create":
                now[one] = two
            elif call == "link":
                now[two] = now[one]
            elif call == "rename":
                now[two] = now.pop(one)
            else:
                del now[one]
        return now

    for number, (call, handle, _, one, two) in enumerate(log):
        one, two = os.path.basename(one), os.path.basename(two)
        if call == "create":
            handles[handle] = two = f"made by call {number}"
        elif call == "open":
            handles[handle] = "folder"
        elif call == "write":
            whole -= {handles[handle]}
        elif call == "fsync" and handles[handle] == "folder":
            flushed = len(changes)
        elif call == "fsync":
            whole |= {handles[handle]}
        if call in ("create", "link", "rename", "unlink"):
            changes.append((call, one, two))
        for count in range(len(changes), flushed - 1, -1):
            yield at(count), set(whole)


def check_power_failures(log: list[list[str]]) -> None:
    first, second = "net", "net" + _files.PREVIOUS
    before = {first: "old", second: "oldest"}
    for names, whole in after_power_failures(log, before):
        assert {names[first], names[second]} <= whole
    assert names[first] not in before.values()
    assert names[second] == "old"


def test_power_failures(found: Any) -> None:
    """At any moment there is a whole checkpoint, and once it is saved it is the new one."""
    log = found["log"]
    assert [call for call, *_ in log].count("fsync") == 2
    check_power_failures(log)
    for number, (call, *_) in enumerate(log):
        if call == "fsync":  # each is needed, or this test sees nothing
            with pytest.raises(AssertionError):
                check_power_failures(log[:number] + log[number + 1 :])
