"""Programs that know nothing of deltarule."""

import subprocess
import sys

import pytest
import sklearn.neural_network as room

import deltarule.sklearn as ours

SCRIPT = """
import sys
from sklearn.neural_network import MLPRegressor
print(MLPRegressor.__module__, sys.argv[1:])
"""


def test_patch_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    stock = room.MLPClassifier
    assert not ours.is_patched()
    try:
        ours.patch()
        ours.patch()
        assert ours.is_patched()
        assert room.MLPClassifier is ours.MLPClassifier
        assert room._multilayer_perceptron.MLPRegressor is ours.MLPRegressor
    finally:
        ours.unpatch()
    assert not ours.is_patched() and room.MLPClassifier is stock
    said = capsys.readouterr()
    assert said.err.count("deltarule") == 2 and said.err.count("\n") == 1 and not said.out


@pytest.mark.parametrize("way", ["script", "module"])
def test_whole_programs(way: str, tmp_path) -> None:
    (tmp_path / "program.py").write_text(SCRIPT)
    chosen = ["program.py"] if way == "script" else ["-m", "program"]
    command = [sys.executable, "-m", "deltarule.sklearn", *chosen, "--flag", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["deltarule.sklearn._mlp", "['--flag',", "'1']"], done.stderr
    assert done.stderr.count("\n") == 1
