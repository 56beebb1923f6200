"""Clipping: hand values and bad calls."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.reference import clip_gradients

G = {"w": np.array([[3.0, -4.0]]), "b": np.array([12.0])}


def test_hand_values():
    def clipped(**given):
        return {name: g.tolist() for name, g in clip_gradients(G, **given).items()}

    assert clipped() == {"w": [[3, -4]], "b": [12]}
    assert clipped(clipvalue=3.5) == {"w": [[3, -3.5]], "b": [3.5]}
    assert clipped(clipnorm=12.5) == clipped(global_clipnorm=14) == clipped()
    half = clipped(clipnorm=2.5)  # |w| = 5, |b| = 12
    assert half == {"w": [pytest.approx([1.5, -2], rel=3e-7)], "b": pytest.approx([2.5], rel=1e-7)}
    third = clipped(global_clipnorm=13 / 3)  # the norm of all is 13
    assert third == {"w": [pytest.approx([1, -4 / 3], rel=1e-7)], "b": pytest.approx([4], rel=1e-7)}
    exact = 13 / 3 / (13 + 1e-6)
    assert third["b"] == [12 * exact] and third["b"][0] < 4


def test_order_and_copies():
    for given in ({}, {"clipnorm": 100.0}):
        found = clip_gradients(G, **given)
        assert list(found) == list(G)
        for name, g in found.items():
            assert g.tobytes() == G[name].tobytes() and not np.shares_memory(g, G[name])
    assert clip_gradients({}, global_clipnorm=1.0) == {}


@pytest.mark.parametrize("run", [clip_gradients, dr.ops.clip_gradients])
def test_bad_calls(run):
    for gradients, given, error, text in [
        (G, {"clipnorm": 0}, ValueError, "clipnorm must be > 0, got 0"),
        (G, {"clipvalue": float("nan")}, ValueError, "clipvalue must be finite"),
        (G, {"global_clipnorm": "1"}, TypeError, "global_clipnorm must be a real number, got str"),
        (G, {"clipvalue": 1, "clipnorm": 2}, ValueError,
         "at most one may be given, got clipvalue=1.0 and clipnorm=2.0"),
        (list(G.values()), {}, TypeError, "gradients must be a dict of arrays, got list"),
        ({"w": np.ones((1, 2, 3))}, {}, ValueError,
         r"gradients\['w'\] must be \(n,\) or \(n_in, n_out\), got shape \(1, 2, 3\)"),
        ({"w": np.ones(3, int)}, {}, TypeError, "must be float32 or float64"),
        ({**G, "c": np.ones(3, "f4")}, {}, TypeError,
         r"gradients\['c'\] must have the dtype of gradients\['w'\], float64; got dtype float32"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            run(gradients, **given)
