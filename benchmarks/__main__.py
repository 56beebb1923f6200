"""python -m benchmarks [stem ...]: all of them, or those named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

STEMS = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))


def main(stems: list[str]) -> int:
    for stem in stems:
        if stem not in STEMS:
            print(f"unknown benchmark {stem!r}; there are: {', '.join(STEMS)}", file=sys.stderr)
            return 2
    for stem in stems or STEMS:
        importlib.import_module(f"{__package__}.bench_{stem}").main()
    return 0


sys.exit(main(sys.argv[1:]))
