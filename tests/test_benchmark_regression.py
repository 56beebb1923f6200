"""The comparison of methods on tables: that it compares what it says."""

import math

import numpy as np
import pytest

from benchmarks import regression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 2))
WAVE = regression.Table("wave", np.column_stack([X, np.sin(X.sum(1)) + RNG.normal(0, 0.1, 200)]))


def test_splits():
    """All rows once, scaled by the training rows."""
    train, held, test = WAVE.split(3)
    assert [len(y) for _, y in (train, held, test)] == [140, 30, 30]
    np.testing.assert_allclose([train[0].mean(), train[1].std()], [0, 1], atol=1e-12)
    again = WAVE.split(3)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(again, (train, held, test), strict=True))
    assert not np.array_equal(WAVE.split(4)[0][0], train[0])
    rows = {row.tobytes() for x, _ in (train, held, test) for row in x}
    assert len(rows) == 200


def test_a_measurement():
    found = regression.measure(WAVE, "LM", 0.02, 0)
    assert found.keys() == {"seconds", "epochs", "train", "test", "best epoch"}
    assert found["train"] < 0.1 and found["test"] < 1 and found["best epoch"] >= 1
    assert found["best epoch"] <= found["epochs"] and found["seconds"] > 0


def test_the_table_that_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(regression, "tables", lambda: iter([WAVE]))
    found = regression.main(quick=True)
    text = capsys.readouterr().out
    assert "wave 200 x 2" in text and "LM" in text and "Adam 0.01" in text
    assert {row["method"] for row in found} >= {"LM", "Adam 0.01", "Adam 0.001"}
    assert all(math.isfinite(row["train"]) and row["table"] == "wave" for row in found)


def test_tables():
    pytest.importorskip("sklearn")
    first = next(regression.tables())
    assert first.name == "diabetes" and first.numbers.shape == (442, 11)
