"""Which branches of the C core have been taken, by the counters of DELTARULE_COVERAGE=1.

    python -m tests.harness.coverage build/objects-* [--missing]

Builds of several instruction sets and switches are one: a branch of a kernel is taken if it is in
one of them. Build with DELTARULE_DEBUG=1, too: where the compiler optimises, branches are not those
of the source.
docs/reliability/sanitizers.md says what is missing, and why.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# (line, branches of it) -> how often each was taken; where code is inlined several times, in any
Taken = dict[tuple[int, int], list[int]]


def report(counters: Path) -> list[dict[str, Any]]:
    """The files that an object was made of, as gcov describes them."""
    done = subprocess.run(
        ["gcov", "--json-format", "--stdout", "--branch-probabilities", counters.name],
        cwd=counters.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [file for line in done.stdout.splitlines() for file in json.loads(line)["files"]]


def collect(folders: Iterable[Path]) -> dict[str, Taken]:
    """By file of csrc/."""
    taken: dict[str, Taken] = defaultdict(dict)
    counters = [path for folder in folders for path in sorted(folder.rglob("*.gcda"))]
    if not counters:
        raise SystemExit("no counters (.gcda): build with DELTARULE_COVERAGE=1 and run the tests")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file in (file for files in pool.map(report, counters) for file in files):
            path = os.path.relpath(os.path.normpath(ROOT / file["file"]), ROOT)
            if not path.startswith("csrc" + os.sep):
                continue
            for line in file["lines"]:
                counts = [branch["count"] for branch in line["branches"]]
                key = line["line_number"], len(counts)
                old = taken[path].get(key, [0] * len(counts))
                taken[path][key] = [a + b for a, b in zip(old, counts, strict=True)]
    return taken


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--missing", action="store_true", help="lines with a branch not taken")
    chosen = parser.parse_args()
    total, hit = 0, 0
    for path, lines in sorted(collect(chosen.folders).items()):
        counts = [count for taken in lines.values() for count in taken]
        total, hit = total + len(counts), hit + sum(map(bool, counts))
        if counts:
            print(f"{path:40}{sum(map(bool, counts)):6} of{len(counts):6}")
        source = (ROOT / path).read_text().splitlines()
        for (number, _), taken in sorted(lines.items()) if chosen.missing else ():
            if not all(taken):
                pattern = "".join("+" if count else "-" for count in taken)
                print(f"    {number:4} {pattern}  {source[number - 1].strip()}")
    print(f"{'all':40}{hit:6} of{total:6}  {hit / total:.2%}")


if __name__ == "__main__":
    main()
