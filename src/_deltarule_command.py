"""The console script ``deltarule``: the command line, or one line about why it cannot start.

A module of its own beside the package: importing anything from ``deltarule`` imports all of it, and
that fails where an environment variable asks for what this machine has not.
"""

import sys


def main() -> int:
    """Runs the command line; returns its exit code, or 1 where the package cannot be imported."""
    try:
        from deltarule.cli import main as run
    except ImportError as error:
        print(f"deltarule: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return run()
