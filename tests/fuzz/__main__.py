"""python -m tests.fuzz: breaks files for so long or so often, and tells what came out.

Exit code 1, and the input in a file, where one did what none may do. After a crash of the process
itself the input is what `loop.Last.read` finds in the file named at the start.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

from .loop import Finding, Fuzzer, Last
from .targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", choices=(*TARGETS, "all"), default="all")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of each target")
    parser.add_argument("--executions", type=int, default=1 << 62, help="of each target")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--memory", type=int, default=2048, help="MB that the process may get more")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two reports")
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="a folder")
    parser.add_argument("files", type=Path, nargs="*", help="only read these")
    given = parser.parse_args()
    given.findings.mkdir(parents=True, exist_ok=True)
    _bound(given.memory << 20)
    names = TARGETS if given.target == "all" else (given.target,)
    if given.files:
        for path in given.files:
            print(path, *(f"{name}: {TARGETS[name].run(path.read_bytes())}" for name in names))
        return 0
    found = 0
    for name in names:
        found += not _fuzz(name, given)
    return min(found, 1)


def _bound(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more,) * 2)


def _fuzz(name: str, given: argparse.Namespace) -> bool:
    last = Last(given.findings / f"{name}-{given.seed}.last")
    print(f"{name}: seed {given.seed}, the last input is in {last.path}", flush=True)
    fuzzer, start = Fuzzer(name, TARGETS[name], given.seed), time.monotonic()
    try:
        while (left := given.executions - fuzzer.executions) > 0:
            passed = time.monotonic() - start
            if passed > given.seconds:
                break
            fuzzer.run(left, min(given.every, given.seconds - passed), last)
            _report(name, fuzzer, time.monotonic() - start)
    except Finding as finding:
        path = given.findings / f"{name}-{given.seed}-{fuzzer.executions}"
        path.write_bytes(finding.data)
        print(f"{name}: finding, {path} ({len(finding.data)} bytes)\n{finding}", file=sys.stderr)
        return False
    last.path.unlink()
    return True


def _report(name: str, fuzzer: Fuzzer, seconds: float) -> None:
    done = fuzzer.executions
    print(
        f"{name}: {done:,} executions in {seconds:,.0f} s ({done / seconds:,.0f} a second), "
        f"{len(fuzzer.outcomes):,} outcomes, no finding",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
