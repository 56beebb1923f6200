"""History: a mapping from names to one value an epoch."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

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


def test_plot() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"backend": "agg"}):
        pyplot = pytest.importorskip("matplotlib.pyplot")
        made = dr.History({"loss": [3.0, 2.0], "accuracy": [0.1, 0.2], "val_loss": [4.0, 5.0]})

        def lines(ax: Any) -> dict[str, list[list[float]]]:
            return {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}

        ax = made.plot()
        assert lines(ax) == {"loss": [[1, 3], [2, 2]], "val_loss": [[1, 4], [2, 5]]}
        assert made.plot(names="accuracy") is not ax  # in a figure of its own
        assert made.plot(ax, names=["accuracy"]) is ax
        assert list(lines(ax)) == ["loss", "val_loss", "accuracy"]
        with pytest.raises(KeyError, match="did you mean 'loss'"):
            made.plot(ax, names=["los"])
        assert lines(dr.History().plot()) == {}
        pyplot.close("all")


def test_plot_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'deltarule\[plot\]'"):
        history(2).plot()
