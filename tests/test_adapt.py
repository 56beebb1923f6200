"""Normalization layers, and what they measure."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr

SCALES = np.array([1e-3, 1.0, 50.0, 1e6])
BACKENDS = ("fast", "reference")


def wild(n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 4)) * SCALES + 3 * SCALES
    return np.column_stack([x, np.full(n, 7.0)])  # one column is always the same


def net(**options) -> dr.Network:
    layers = [dr.Normalization(), dr.Dense(8, "tanh"), dr.Dense(1)]
    return dr.Network(layers, "mse", **options)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_first_fit_measures(backend, dtype):
    x = wild()
    one = net(backend=backend, dtype=dtype)
    one.fit(x, x[:, 1], epochs=1, verbose=False)
    found = one.parameters()
    np.testing.assert_allclose(found["0.running_mean"], x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["0.running_var"][:4], x.var(axis=0)[:4], rtol=1e-5)
    assert found["0.running_var"][4] == 1
    one.fit(x * 2, x[:, 1], epochs=1, verbose=False)
    np.testing.assert_array_equal(one.parameters()["0.running_mean"], found["0.running_mean"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_adapt_by_hand_before_training(backend):
    x = wild()
    by_hand, by_fit = net(backend=backend), net(backend=backend)
    by_hand.adapt(x)
    for one in (by_hand, by_fit):
        one.fit(x, x[:, 1], epochs=2, verbose=False)
    np.testing.assert_array_equal(by_hand.predict(x), by_fit.predict(x))
    assert np.isfinite(by_hand.predict(x)).all()


def test_both_backends_measure_the_same_bits():
    found = []
    for backend in BACKENDS:
        one = net(backend=backend)
        one.adapt(wild(10_000))
        found.append([one.parameters()[f"0.running_{what}"] for what in ("mean", "var")])
    np.testing.assert_array_equal(found[0], found[1])


def test_in_the_middle_it_measures_what_reaches_it():
    x = wild()
    inside = dr.Residual([dr.Normalization()])
    layers = [dr.Normalization(), dr.Dense(8, "relu"), inside, dr.Dense(1)]
    one = dr.Network(layers, "mse", dtype="float64")
    one.adapt(x)
    found = one.parameters()
    standard = (x - found["0.running_mean"]) / np.sqrt(found["0.running_var"])
    hidden = np.maximum(standard @ found["1.weight"] + found["1.bias"], 0)
    mean = found["2.0.running_mean"]
    np.testing.assert_allclose(mean, hidden.mean(axis=0), rtol=1e-12, atol=1e-15)


def test_it_is_no_parameter_that_is_learnt():
    one = net()
    one.build(5)
    _, gradients = one.gradients(wild(), wild()[:, 0])
    assert list(gradients) == ["1.weight", "1.bias", "2.weight", "2.bias"]
    assert dr.verify(one, wild(), wild()[:, 0] / 1e-3)


def test_saved_with_the_model(tmp_path):
    one = net()
    one.adapt(wild())
    one.save(tmp_path / "model.safetensors")
    two = dr.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(two.predict(wild()), one.predict(wild()))


@pytest.mark.parametrize(("x", "message"), [
    (np.full((3, 5), np.nan), "X has nan"), (np.zeros((0, 5)), "X is empty"), ("no", "X"),
])  # fmt: skip
def test_bad_data_changes_nothing(x, message):
    one = net()
    with pytest.raises((TypeError, ValueError), match=message):
        one.adapt(x)
    assert not one.built


def test_without_such_a_layer_there_is_nothing_to_adapt():
    with pytest.raises(ValueError, match="no Normalization"):
        dr.Network([dr.Dense(1)], "mse").adapt(wild())
