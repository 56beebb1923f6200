"""The ``deltarule`` command.

Exit codes: 0 success, 1 failure (one line on the standard error), 2 wrong usage, 130 Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

import deltarule as dr

__all__ = ["main"]

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

_DEMO = """\
Train a 64-100-10 network on 1,437 handwritten digits, with the fast backend and again with the
numpy reference. Prints the learning curves, how well the 360 held-out digits are read, which of
them are misread, and how the two backends compare. Takes a second or two."""
_DEMO_EXAMPLES = """\
examples:
  deltarule demo
  deltarule demo --report demo.html              the same as a page with pictures, for a browser
  deltarule demo --save digits.safetensors       and use it with: deltarule predict"""
_PREDICT = """\
Run a network that Network.save or `deltarule demo --save` wrote over the rows of a table, and print
the outputs, a line a row, or write them to a file."""
_PREDICT_EXAMPLES = """\
DATA is an .npy or .npz file, or a text (.csv, .tsv, .txt, .dat; - for the standard input) with
commas, semicolons, tabs or spaces between columns. Missing values are written nan.

examples:
  deltarule predict model.safetensors data.csv
  deltarule predict model.safetensors data.npy -o out.npy
  deltarule predict model.safetensors data.npz --key X_test --labels -o labels.csv
  cut -d, -f2- table.csv | deltarule predict model.safetensors -"""
_COMPARE = """\
Measure every operation of deltarule.ops in float32 and float64: the largest error, and the median
time of the numpy reference and of the fast backend; then train a network with both. Takes some ten
seconds, best on a machine that does nothing else."""
_COMPARE_EXAMPLES = """\
examples:
  deltarule compare
  deltarule compare --threads 1
  deltarule compare --json > compare.json        one JSON document: pydoc deltarule.compare"""
_INFO = """\
Print what deltarule found on this machine and what it uses: the first thing to put into a bug
report. Look it over for paths that you would rather not show."""
_EPILOG = """\
examples:
  deltarule demo                                 see it work
  deltarule predict model.safetensors data.csv   use a saved network
  deltarule compare                              fast against reference: errors and times
  deltarule info                                 for a bug report

`deltarule COMMAND --help` says more. Exit codes: 0 success, 1 failure, 2 wrong usage,
130 interrupted by Ctrl-C."""


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
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"deltarule {dr.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(
        name: str,
        action: Callable[[argparse.Namespace], None],
        summary: str,
        description: str,
        examples: str = "",
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(action=action)
        return added

    demo = command("demo", _demo, "train on real handwritten digits", _DEMO, _DEMO_EXAMPLES)
    demo.add_argument(
        "--epochs", type=_positive, default=30, metavar="N", help="passes over the data (30)"
    )
    demo.add_argument("--save", metavar="FILE", help="save the trained network (.safetensors)")
    demo.add_argument("--report", metavar="FILE", help="write a page with pictures (.html)")
    demo.add_argument("--no-progress", action="store_true", help="show no progress bars")
    _threads(demo)

    predict = command(
        "predict", _predict, "run a saved network over a table", _PREDICT, _PREDICT_EXAMPLES
    )
    predict.add_argument("model", metavar="MODEL", help="a .safetensors file")
    predict.add_argument("data", metavar="DATA", help="the rows, see below")
    predict.add_argument(
        "-o", "--output", metavar="FILE", help="write .npy or .csv, replacing the file, not text"
    )
    predict.add_argument(
        "--labels",
        action="store_true",
        help="write classes: the largest output, or 0 and 1 where each output decides by itself",
    )
    predict.add_argument("--key", metavar="NAME", help="which array of an .npz file")
    predict.add_argument(
        "--header",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether a text begins with names of columns (auto: where no cell is a number)",
    )
    predict.add_argument(
        "--backend", choices=("fast", "reference"), default="fast", help="what computes (fast)"
    )
    _threads(predict)

    compare = command(
        "compare", _compare, "measure fast against reference", _COMPARE, _COMPARE_EXAMPLES
    )
    compare.add_argument("--json", action="store_true", help="print one JSON document")
    compare.add_argument(
        "--quick", action="store_true", help="small arrays, short times: to see that it works"
    )
    _threads(compare)

    info = command("info", _info, "print what a bug report needs", _INFO)
    info.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=_positive, metavar="N", help="threads the fast backend may use"
    )


# The modules of the commands are imported where they are used: each command needs one of them.
def _demo(arguments: argparse.Namespace) -> None:
    from deltarule import demo

    demo.run(
        epochs=arguments.epochs,
        progress=not arguments.no_progress,
        save=arguments.save,
        report=arguments.report,
    )


def _predict(arguments: argparse.Namespace) -> None:
    from deltarule import _predict as predict

    predict.run(
        arguments.model,
        arguments.data,
        output=arguments.output,
        labels=arguments.labels,
        key=arguments.key,
        header=arguments.header,
        backend=arguments.backend,
    )


def _compare(arguments: argparse.Namespace) -> None:
    from deltarule import compare

    compare.run(quick=arguments.quick, as_json=arguments.json)


def _info(arguments: argparse.Namespace) -> None:
    import json

    from deltarule import _info as info

    values = info.collect()
    print(json.dumps(values, indent=1) if arguments.json else info.aligned(values))


def _message(error: Exception) -> str:
    """One line without a class name or an error number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"not enough memory: {error}" if str(error) else "not enough memory"
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (without the program's name; by default ``sys.argv[1:]``).

    Returns the exit code. Wrong usage, ``--help`` and ``--version`` raise ``SystemExit`` as
    :mod:`argparse` does.
    """
    parsed = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], None] = parsed.action
    try:
        if getattr(parsed, "threads", None) is not None:
            dr.set_num_threads(parsed.threads)
        action(parsed)
        if sys.stdout is not None:  # as it is where the shell has closed it
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
        print(f"deltarule {parsed.command}: {_message(error)}", file=sys.stderr)
        return 1
    return 0
