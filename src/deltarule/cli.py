"""The ``deltarule`` command.

Exit codes: 0 success, 1 failure (one line on the standard error), 2 wrong usage, 130 Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import deltarule as dr

__all__ = ["main"]

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deltarule",
        description="Train and run neural networks by backpropagation on the CPU.",
        epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted by Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=f"deltarule {dr.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="train on real handwritten digits, fast backend against numpy reference",
        description="Train a 64-100-10 network on 1,437 handwritten digits with the fast backend "
        "and again with the numpy reference, and print the accuracy on the 360 held-out digits, "
        "both times and the largest difference between the trained weights.",
    )
    demo.add_argument(
        "--epochs", type=_positive, default=30, metavar="N", help="passes over the data (30)"
    )
    demo.add_argument(
        "--threads", type=_positive, metavar="N", help="threads the fast backend may use"
    )
    demo.add_argument("--no-progress", action="store_true", help="show no progress bars")
    demo.set_defaults(action=_demo)

    info = commands.add_parser(
        "info",
        help="print the version, the instruction set, the threads and the platform",
        description="Print what deltarule found on this machine and what it uses: the first thing "
        "to put into a bug report.",
    )
    info.set_defaults(action=_info)
    return parser


def _demo(arguments: argparse.Namespace) -> None:
    from deltarule import demo  # not needed by the other commands

    if arguments.threads is not None:
        dr.set_num_threads(arguments.threads)
    demo.run(epochs=arguments.epochs, progress=not arguments.no_progress)


def _info(arguments: argparse.Namespace) -> None:
    print(_aligned(dr.config()))


def _aligned(values: Mapping[str, object]) -> str:
    """One line a value, the values below one another."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name:<{width}}  {_text(value)}" for name, value in values.items())


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (without the program's name; by default ``sys.argv[1:]``).

    Returns the exit code. Wrong usage, ``--help`` and ``--version`` raise ``SystemExit`` as
    :mod:`argparse` does.
    """
    parsed = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], None] = parsed.action
    try:
        action(parsed)
        sys.stdout.flush()  # here, where a closed pipe can still be caught
    except KeyboardInterrupt:
        print("deltarule: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, a pager) has left. Python flushes once more at exit, so give it
        # something that can be written to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, MemoryError, OSError, ValueError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"deltarule {parsed.command}: {message}", file=sys.stderr)
        return 1
    return 0
