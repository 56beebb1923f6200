"""The examples do what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="examples are not installed")
def test_vanishing_gradients(capsys):
    runpy.run_path(str(EXAMPLES / "vanishing_gradients.py"))["main"](["--epochs", "6"])
    _, plain, *cures = capsys.readouterr().out.splitlines()
    assert len(cures) == 7
    *_, accuracy, first, last = plain.split()
    assert float(accuracy.rstrip("%")) < 20
    assert float(first) < 1e-15 < float(last)
    for cure in cures:
        *_, accuracy, first, last = cure.split()
        assert float(accuracy.rstrip("%")) > 45, cure
        assert float(first) > 0.01 * float(last), cure
