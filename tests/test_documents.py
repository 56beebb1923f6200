"""What the documents show is run: the README's Python, and the worked example of contributing.md.

(The shell commands of README.md and docs/contributing.md are run by .ci/run, in a fresh clone.)
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(), re.M | re.S)


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_readme_python(code: str, tmp_path: Path) -> None:
    out = run([sys.executable, "-W", "error", "-c", code], tmp_path)
    accuracy = float(out.split()[0])
    assert accuracy > 0.9


def test_callbacks_python(tmp_path: Path) -> None:
    """The blocks of docs/callbacks.md, one after the other."""
    code = "\n".join(blocks("docs/callbacks.md", "python"))
    first, second = run([sys.executable, "-W", "error", "-c", code], tmp_path).splitlines()
    assert re.fullmatch(r"val_loss has not been better than 0\.\d+ for 10 epochs", first)
    assert second == "the loss is below 0.05 True"


def test_checkpoints_python(tmp_path: Path) -> None:
    """The block of docs/reliability/checkpoints.md, twice: the second time it has nothing to do."""
    (code,) = blocks("docs/reliability/checkpoints.md", "python")
    code = f"{code}\nprint(net.epochs_done)\n" * 2
    assert run([sys.executable, "-W", "error", "-c", code], tmp_path) == "20\n20\n"


def test_custom_python(tmp_path: Path) -> None:
    """The blocks of docs/custom.md, one after the other; each class says once that it is slow."""
    code = "\n".join(blocks("docs/custom.md", "python"))
    quiet = "import warnings\nwarnings.simplefilter('error')\n"
    quiet += "import deltarule\nwarnings.simplefilter('ignore', deltarule.SlowWarning)\n"
    out = run([sys.executable, "-c", quiet + code], tmp_path)
    improvement, shape, performance = out.splitlines()[:3]
    assert float(improvement) > 10
    assert shape == "(2, 3)"
    assert "Python" in performance


def test_data_python(tmp_path: Path) -> None:
    """The blocks of docs/data.md, one after the other."""
    for library in ("pandas", "pyarrow"):
        pytest.importorskip(library)
    code = "\n".join([*blocks("docs/data.md", "python"), "print(net.evaluate(people)['loss'])"])
    assert float(run([sys.executable, "-W", "error", "-c", code], tmp_path)) < 0.3


def apply(diff: str, root: Path) -> None:
    """Applies a diff whose hunks carry no line numbers: their old lines must occur just once."""
    for change in re.split(r"^--- a/", diff, flags=re.M)[1:]:
        header, *hunks = re.split(r"^@@\n", change, flags=re.M)
        path = root / header.split()[0]
        text = path.read_text()
        for hunk in hunks:
            lines = hunk.splitlines()
            old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-"))
            new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+"))
            assert text.count(old) == 1, f"{path}: not there just once:\n{old}"
            text = text.replace(old, new)
        path.write_text(text)


def test_worked_example_applies(tmp_path: Path) -> None:
    (example,) = blocks("docs/contributing.md", "diff")
    for name in ("csrc", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.so"))
    apply(example, tmp_path)
    assert "hard_tanh" in (tmp_path / "src/deltarule/_check.py").read_text()


@pytest.mark.slow
def test_worked_example_passes_the_tests(tmp_path: Path) -> None:
    (example,) = blocks("docs/contributing.md", "diff")
    for name in ("csrc", "src", "tests"):
        ignored = shutil.ignore_patterns("*.so", "_fast.c", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    apply(example, tmp_path)
    run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], tmp_path)
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = ["tests/ops", "tests/network", "tests/test_verify.py", "-k", "hard_tanh"]
    out = run([*pytest_command, *tests], tmp_path, PYTHONPATH=str(tmp_path / "src"))
    assert int(re.findall(r"(\d+) passed", out)[-1]) > 20, out
