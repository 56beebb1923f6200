"""Sows bugs into a copy of the sources, one at a time, and says which test catches each:

    python -m tests.mutations            # all of mutants.py and seeded_kernels.py
    python -m tests.mutations sparse     # those with a word in their name or their file

It fails where one survives. Bugs in kernels and in what puts them together are for `dr.verify`
(seeded_kernels.py), all others for the test named in mutants.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deltarule import _fast

from . import seeded_kernels
from .mutants import MUTANTS, Mutant, change
from .seeded_kernels import KERNELS, ROOT, Kernel, Tree

COMPILED = (".c", ".h", ".inc", ".pxi", ".pyx")
LIMIT = 600  # seconds for a test, 40 of which a scene may hang


def with_tests(root: Path) -> Tree:
    """A copy of the sources with their tests, and with the extension that runs here: bugs in Python
    need no build."""
    tree = Tree(root)
    shutil.copy(_fast.__file__, root / "src" / "deltarule")
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def run(tree: Tree, test: str) -> tuple[int, str]:
    """Exit status of pytest, and the first test that fails."""
    path = str(tree.root / "src")
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-x", "-q", "-rfE", "-o", "addopts=", "-m", "not long", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/{test}"]
    try:
        done = subprocess.run(command, cwd=tree.root, env=environment, capture_output=True,
                              text=True, timeout=LIMIT, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"{test} (hangs)"
    if done.returncode < 0:
        return 1, f"{test} (signal {-done.returncode})"
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.M)
    return done.returncode, failed[1] if failed else done.stdout[-300:]


def catch(tree: Tree, mutant: Mutant) -> str | None:
    """The test that fails with it; None: it survives."""
    before = change(tree.root, mutant)
    try:
        if mutant.file.endswith(COMPILED):
            tree.build()
        status, failed = run(tree, mutant.test)
    finally:
        (tree.root / mutant.file).write_text(before, encoding="utf-8")
        if mutant.file.endswith(COMPILED):
            tree.build()
    assert status in (0, 1), failed  # pytest itself has failed
    return failed if status else None


def find(tree: Tree, kernel: Kernel) -> str | None:
    """Where `dr.verify` finds it; None: it survives."""
    path = seeded_kernels.change(tree.root, kernel)
    try:
        tree.build()
        ((ok, _, place, compared),) = tree.examine(kernel.scene)
    finally:
        shutil.copy(ROOT / "csrc" / kernel.file, path)  # the next one builds it
    return None if ok else f"dr.verify: {place} ({compared})"


def main(words: list[str]) -> int:
    """Returns how many survive."""

    def chosen(bugs: dict[str, Any]) -> dict[str, Any]:
        """Those that are meant."""
        return {
            name: bug
            for name, bug in bugs.items()
            if not words or any(word in f"{name} {bug.file}" for word in words)
        }

    def told(name: str, bug: Mutant | Kernel, caught: str | None) -> bool:
        verdict = "SURVIVES" if caught is None else "caught"
        print(f"{verdict:<8}  {name} [{bug.file}]: {caught}", flush=True)
        return caught is None

    kernels, mutants = chosen(KERNELS), chosen(MUTANTS)
    survivors, skipped, began = 0, 0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tree = with_tests(Path(folder, "tree"))
        sound = {test: run(tree, test)[0] for test in sorted({m.test for m in mutants.values()})}
        for name, mutant in mutants.items():
            if sound[mutant.test] == 5:  # nothing has run: something optional is missing
                skipped += 1
                print(f"skipped   {name} ({mutant.test})")
                continue
            assert sound[mutant.test] == 0, f"{mutant.test} fails without a bug"
            survivors += told(name, mutant, catch(tree, mutant))
        survivors += sum(told(name, kernel, find(tree, kernel)) for name, kernel in kernels.items())
    number = len(kernels) + len(mutants)
    print(
        f"{number} bugs: {number - survivors - skipped} caught, {survivors} survive, {skipped} "
        f"skipped; {time.perf_counter() - began:.0f} s"
    )
    return survivors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
