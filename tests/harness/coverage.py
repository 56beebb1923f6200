"""Which branches of the C core have been taken, by the counters of DELTARULE_COVERAGE=1.

    python -m tests.harness.coverage build/*.profraw [--missing]

A branch is one outcome, true or false, of a condition in the source text, or of a case of a switch.
clang counts before it inlines or optimises, so a build's -O matters nothing and what compilers make
up themselves (OpenMP's outlined functions, intrinsics) is not there. Kernels are compiled for each
instruction set and dtype, macros expanded in several places: a branch is taken if it is in one.
Left out are conditions that are constant wherever they are compiled, `while (0)`, and Cython's C.
docs/reliability/sanitizers.md says what is missing, and why.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# file -> (line, column) -> how often a condition was true, and false
Taken = dict[str, dict[tuple[int, int], tuple[int, int]]]


def llvm(tool: str, *arguments: str | Path) -> str:
    """What clang's own version of a tool says."""
    asked = subprocess.run(
        ["clang", f"-print-prog-name={tool}"], capture_output=True, text=True, check=True
    )
    done = subprocess.run(
        [asked.stdout.strip(), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def functions(counters: Sequence[Path]) -> list[dict[str, Any]]:
    """Those of the extension that Python finds, as llvm-cov describes them."""
    package = find_spec("deltarule")
    assert package and package.origin
    (extension,) = Path(package.origin).parent.glob("_fast*.so")
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder, "merged")
        llvm("llvm-profdata", "merge", "-o", merged, *(path.resolve() for path in counters))
        options = ["-skip-expansions", "-instr-profile", merged]
        (told,) = json.loads(llvm("llvm-cov", "export", *options, extension))["data"]
    return list(told["functions"])


def collect(counters: Sequence[Path]) -> Taken:
    """By file of csrc/."""
    taken: Taken = {}
    for function in functions(counters):
        for line, column, _, _, true, false, file, _, _ in function["branches"]:
            path = os.path.relpath(os.path.normpath(ROOT / function["filenames"][file]), ROOT)
            if path.startswith("csrc" + os.sep):
                conditions = taken.setdefault(path, {})
                before = conditions.get((line, column), (0, 0))
                conditions[line, column] = before[0] + true, before[1] + false
    return taken


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("counters", nargs="+", type=Path)
    parser.add_argument("--missing", action="store_true", help="what has not been seen")
    chosen = parser.parse_args()
    total, hit = 0, 0
    for path, conditions in sorted(collect(chosen.counters).items()):
        counts = [count for pair in conditions.values() for count in pair]
        total, hit = total + len(counts), hit + sum(map(bool, counts))
        print(f"{path:40}{sum(map(bool, counts)):6} of{len(counts):6}")
        source = (ROOT / path).read_text().splitlines()
        for (line, column), (true, false) in sorted(conditions.items()) if chosen.missing else ():
            if not (true and false):
                never = "never true" if false else "never false" if true else "never"
                print(f"    {line:4}:{column:<4}{never:12}{source[line - 1].strip()}")
    print(f"{'all':40}{hit:6} of{total:6}  {hit / total:.2%}")


if __name__ == "__main__":
    main()
