"""python -m deltarule.sklearn script.py args...: runs the script with deltarule's estimators in the
place of scikit-learn's; or `-m module args...`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from . import patch

USAGE = "usage: python -m deltarule.sklearn (script.py | -m module) [args ...]"


def main(arguments: list[str]) -> int:
    module = arguments[:1] == ["-m"]
    rest = arguments[1:] if module else arguments
    if not rest or rest[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    patch()
    sys.argv = rest
    if module:
        sys.path[0] = ""
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(rest[0]).resolve().parent)
        runpy.run_path(rest[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
