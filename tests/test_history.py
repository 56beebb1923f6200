"""History: a mapping from names to one value an epoch."""

from __future__ import annotations

import copy
import pickle

import pytest

import deltarule as dr


def history(epochs: int) -> dr.History:
    made = dr.History()
    for epoch in range(epochs):
        made.append({"loss": 1 / (epoch + 1), "accuracy": epoch / 10})
    return made


def test_mapping() -> None:
    made = history(3)
    assert made["loss"] == [1.0, 0.5, 1 / 3]
    assert list(made) == ["loss", "accuracy"]
    assert list(made.keys()) == ["loss", "accuracy"]
    assert len(made) == 2
    assert made.epochs == 3
    assert "loss" in made
    assert "val_loss" not in made
    assert dict(made) == made.as_dict()
    assert made.get("val_loss") is None


def test_unknown_name() -> None:
    with pytest.raises(KeyError, match="did you mean 'loss'"):
        history(2)["los"]


def test_as_dict_is_a_copy() -> None:
    made = history(2)
    made.as_dict()["loss"].append(7.0)
    assert made.epochs == 2


def test_append_refuses_other_names() -> None:
    with pytest.raises(ValueError, match="expected values for"):
        history(1).append({"loss": 1.0})
    with pytest.raises(ValueError, match="same length"):
        dr.History({"loss": [1.0], "accuracy": []})


def test_equality_and_copies() -> None:
    made = history(2)
    assert made == history(2)
    assert made != history(3)
    assert made != {"loss": [1.0, 0.5]}
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made


def test_repr_is_a_small_table() -> None:
    assert repr(dr.History()) == "History of 0 epochs"
    assert repr(history(2)).splitlines() == [
        "History of 2 epochs",
        "epoch  loss  accuracy",
        "    1     1         0",
        "    2   0.5       0.1",
    ]
    lines = repr(history(100)).splitlines()
    assert lines[0] == "History of 100 epochs"
    assert lines[-1].split() == ["100", "0.01", "9.9"]
    assert len(lines) == 9
    assert "History of 1 epoch\n" in repr(history(1))
    assert "nan" in repr(dr.History({"loss": [float("nan")]}))


def test_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(history(4).as_dict()).shape == (4, 2)
