"""The ``deltarule`` command: output, help and exit codes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

import deltarule as dr
from deltarule import cli


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deltarule", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def raising(error: BaseException) -> Callable[[], dict[str, object]]:
    def config() -> dict[str, object]:
        raise error

    return config


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"deltarule {dr.__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("demo",), ("info",)])
def test_help(arguments: tuple[str, ...]) -> None:
    done = command(*arguments, "--help")
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith("usage: deltarule")


def test_help_names_every_command() -> None:
    text = command("--help").stdout
    assert "demo" in text and "info" in text


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("info", "extra"),
        ("demo", "--epochs", "0"),
        ("demo", "--epochs", "few"),
        ("demo", "--threads", "-1"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 2 and not done.stdout
    assert "usage: deltarule" in done.stderr and "Traceback" not in done.stderr


def test_wrong_number_names_option_and_value() -> None:
    assert (
        "--epochs: expected a whole number of at least 1, got 'few'"
        in command("demo", "--epochs", "few").stderr
    )


def test_info_prints_the_configuration_aligned() -> None:
    done = command("info")
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.splitlines()
    names = list(dr.config())
    assert [line.split()[0] for line in lines] == names
    column = max(map(len, names)) + 2
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines)
    for value in (dr.__version__, np.__version__):
        assert re.search(rf"\s{re.escape(value)}$", done.stdout, re.MULTILINE)


def test_values_print_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, object] = {"version": "9", "openmp": True, "fork": False, "n": None, "e": []}
    values |= {"isas": {"a": True, "b": False}, "list": ("a", "b")}
    monkeypatch.setattr(dr, "config", lambda: values)
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


def test_demo_command() -> None:
    done = command("demo", "--epochs", "2", "--threads", "1", "--no-progress")
    assert done.returncode == 0 and not done.stderr
    assert "2 epochs" in done.stdout and "held-out accuracy" in done.stdout


def test_demo_shows_progress_on_the_standard_error() -> None:
    done = command("demo", "--epochs", "2")
    assert done.returncode == 0
    assert done.stderr and "\r" not in done.stdout
