"""The ``deltarule`` command: output, help and exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import _info, cli

COMMANDS = ("demo", "predict", "compare", "info")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "deltarule", *arguments, **environment)


def raising(error: BaseException) -> Callable[[], dict[str, object]]:
    def config() -> dict[str, object]:
        raise error

    return config


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"deltarule {dr.__version__}\n")


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_help(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        cli.main([*arguments, "--help"])
    out, err = capsys.readouterr()
    assert left.value.code == 0 and not err
    assert out.startswith("usage: deltarule")
    assert all(len(line) <= 100 for line in out.splitlines())
    assert arguments == ("info",) or "examples:" in out


def test_help_names_every_command() -> None:
    text = command("--help").stdout
    assert all(re.search(rf"^    {name} ", text, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("info", "extra"),
        ("demo", "--epochs", "0"),
        ("demo", "--epochs", "few"),
        ("demo", "--threads", "-1"),
        ("predict",),
        ("predict", "model.safetensors"),
        ("predict", "model.safetensors", "data.csv", "--backend", "slow"),
        ("predict", "model.safetensors", "data.csv", "--header", "perhaps"),
        ("compare", "--threads", "0"),
        ("compare", "extra"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out
    assert "usage: deltarule" in err


def test_wrong_number_names_option_and_value() -> None:
    done = command("demo", "--epochs", "few")
    assert done.returncode == 2 and not done.stdout and "Traceback" not in done.stderr
    assert "--epochs: expected a whole number of at least 1, got 'few'" in done.stderr


def test_info_prints_the_configuration_aligned() -> None:
    done = command("info", OMP_DYNAMIC="false")
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.splitlines()
    names = list(_info.collect())
    assert names[: len(dr.config())] == list(dr.config())
    assert [line.split()[0] for line in lines] == names
    column = max(map(len, names)) + 2
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines)
    for value in (dr.__version__, np.__version__):
        assert re.search(rf"\s{re.escape(value)}$", done.stdout, re.MULTILINE)
    assert "OMP_DYNAMIC false" in lines[-1]


def test_info_says_what_a_bug_report_needs() -> None:
    values = _info.collect()
    assert values["cores"] >= 1 and values["processor"] and values["numpy_blas"]
    assert re.match(r"\d+\.", values["tqdm"])


def test_info_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(_info.collect()))


def test_values_print_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, object] = {"version": "9", "openmp": True, "fork": False, "n": None, "e": []}
    values |= {"isas": {"a": True, "b": False}, "list": ("a", "b")}
    monkeypatch.setattr(_info, "collect", lambda: values)
    assert cli.main(["info"]) == 0
    assert capsys.readouterr().out == (
        "version  9\nopenmp   yes\nfork     no\nn        none\ne        none\n"
        "isas     a yes, b no\nlist     a, b\n"
    )


@pytest.mark.parametrize("error", [ValueError("threads:\n too many"), OSError("threads: too many")])
def test_failure_is_one_line_and_exit_code_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dr, "config", raising(error))
    assert cli.main(["info"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "deltarule info: threads: too many\n")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file", "there.csv"), "there.csv: No such file"),
        (MemoryError(), "not enough memory"),
        (MemoryError("9 TiB"), "not enough memory: 9 TiB"),
        (ValueError(), "ValueError"),
    ],
)
def test_failures_read_well(
    error: Exception,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dr, "config", raising(error))
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == f"deltarule info: {line}\n"


# ---------------------------------------------------- an environment that cannot be honoured
SCRIPT = "import sys; from _deltarule_command import main; sys.exit(main())"
BAD = [
    ({"DELTARULE_ISA": "mmx"}, "DELTARULE_ISA"),
    ({"DELTARULE_NUM_THREADS": "many"}, "DELTARULE_NUM_THREADS"),
    ({"DELTARULE_EXACT_THREADS": "yes"}, "DELTARULE_EXACT_THREADS"),
]


@pytest.mark.parametrize(("environment", "variable"), BAD)
@pytest.mark.parametrize("start", [("-m", "deltarule"), ("-c", SCRIPT)], ids=["-m", "script"])
def test_bad_environment_is_one_line(
    start: tuple[str, ...], environment: dict[str, str], variable: str
) -> None:
    """The package cannot be imported then, so this comes before any command."""
    done = python(*start, "info", **environment)
    assert done.returncode == 1 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and variable in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `deltarule info >&-`."""
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["info"]) == 0
    assert cli.main(["demo", "--epochs", "1", "--no-progress"]) == 0


def test_script_is_the_command() -> None:
    done = python("-c", SCRIPT, "--version")
    assert (done.returncode, done.stdout) == (0, f"deltarule {dr.__version__}\n")


def test_script_reports_any_failing_import() -> None:
    code = "import sys; sys.modules['numpy'] = None; " + SCRIPT
    done = python("-c", code)
    assert done.returncode == 1
    assert re.fullmatch(r"deltarule: .*numpy.*\n", done.stderr)


def test_errors_of_deltarule_itself_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dr, "config", raising(AttributeError("a bug")))
    with pytest.raises(AttributeError, match="a bug"):
        cli.main(["info"])


def test_interrupt_is_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dr, "config", raising(KeyboardInterrupt()))
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "deltarule: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process on Windows")
def test_ctrl_c_ends_a_running_demo() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "deltarule", "demo", "--epochs", "10000000", "--no-progress"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()  # printed immediately before the training
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert err == "deltarule: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error on Windows")
def test_a_reader_that_leaves_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "deltarule", "info"],
            check=False,
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


# ------------------------------------------------------------------------------------- the demo
def test_demo_command(tmp_path: Path) -> None:
    model, page = tmp_path / "digits.safetensors", tmp_path / "demo.html"
    done = command(
        *("demo", "--epochs", "2", "--threads", "1", "--no-progress"),
        *("--save", str(model), "--report", str(page)),
    )
    assert done.returncode == 0 and not done.stderr
    assert "2 epochs" in done.stdout and "held-out accuracy" in done.stdout
    assert str(model) in done.stdout and str(page) in done.stdout
    assert dr.load(model).input_shape == (64,)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sorted(tmp_path.iterdir()) == sorted([model, page])  # and no temporary files


@pytest.mark.parametrize("option", ["--save", "--report"])
def test_demo_refuses_what_cannot_be_written_before_it_trains(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "no" / "such", tmp_path):
        assert cli.main(["demo", "--no-progress", option, str(path)]) == 1
        out, err = capsys.readouterr()
        assert not out and err.startswith(f"deltarule demo: {path}: ") and err.count("\n") == 1


def test_demo_shows_progress_on_the_standard_error() -> None:
    done = command("demo", "--epochs", "2")
    assert done.returncode == 0
    assert done.stderr and "\r" not in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_demo_prints_in_every_encoding(encoding: str) -> None:
    done = command("demo", "--epochs", "1", "--no-progress", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.isascii() == (encoding != "utf-8")
