"""What ``deltarule demo`` promises: a good network, quickly, and the reference's network."""

import re

import numpy as np
import pytest

from deltarule import demo


def test_the_split_never_moves() -> None:
    digits = demo.split_digits()
    assert digits.x_train.shape == (1437, 64) and digits.x_test.shape == (360, 64)
    assert digits.x_train.dtype == np.float32 and digits.y_train.dtype == np.int64
    assert digits.x_train.min() == 0.0 and digits.x_train.max() == 1.0
    assert digits.y_train[:10].tolist() == [5, 5, 5, 1, 2, 1, 4, 4, 6, 6]
    assert digits.y_test[:10].tolist() == [0, 5, 2, 7, 1, 6, 7, 3, 1, 6]
    counts = np.bincount(digits.y_train) + np.bincount(digits.y_test)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_default_run(capsys: pytest.CaptureFixture[str]) -> None:
    result = demo.run(progress=False)
    assert result.accuracy >= 0.975
    assert result.reference_accuracy >= 0.975
    # float32 rounding differs between the backends, and training amplifies it.
    assert result.max_difference < 1e-3
    out = capsys.readouterr().out
    assert f"{result.accuracy:.2%}" in out and f"{result.max_difference:.1e}" in out
    ratio = result.reference_seconds / result.seconds
    assert f"{ratio:.1f} times" in out
    assert len(re.findall(r"\d\.\d{3} s$", out, re.MULTILINE)) == 2
    assert all(len(line) <= 100 for line in out.splitlines())


def test_backends_train_the_same_network() -> None:
    """In float64, where rounding is too small to hide a wrong formula."""
    result = demo.run(epochs=3, dtype="float64", progress=False)
    assert result.max_difference < 1e-9
    assert result.accuracy == result.reference_accuracy


def test_run_is_repeatable() -> None:
    first, second = (demo.run(epochs=2, progress=False) for _ in range(2))
    assert (first.accuracy, first.max_difference) == (second.accuracy, second.max_difference)


def test_bad_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs"):
        demo.run(epochs=-1, progress=False)
