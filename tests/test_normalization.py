"""BatchNorm, LayerNorm and RMSNorm as layers, on both backends: what they begin with, what training
and predicting take, what stays. Their bits, engines and gradients: tests/network/test_kinds.py."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr

N, FEATURES = 23, 5


def rows(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 2, (n, FEATURES))


def targets(n: int = N) -> np.ndarray:
    return np.random.default_rng(9).normal(size=(n, FEATURES))


def made(layer: dr.Layer, backend: str, **options: Any) -> dr.Network:
    net = dr.Network([layer], "mse", dr.SGD(0.1), dtype="float64", backend=backend, **options)
    net.build(FEATURES)
    return net


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert list(one) == list(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


FIRST: list[tuple[dr.Layer, dict[str, float]]] = [
    (dr.BatchNorm(), {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}),
    (dr.BatchNorm(affine=False), {"running_mean": 0, "running_var": 1}),
    (dr.LayerNorm(), {"weight": 1, "bias": 0}),
    (dr.LayerNorm(bias=False), {"weight": 1}),
    (dr.LayerNorm(affine=False), {}),
    (dr.RMSNorm(), {"weight": 1}),
    (dr.RMSNorm(affine=False), {}),
]


@pytest.mark.parametrize(("layer", "first"), FIRST, ids=lambda value: repr(value)[:40])
def test_names_and_first_values(layer: dr.Layer, first: dict[str, float], backend: str) -> None:
    found = made(layer, backend).parameters()
    assert_same(found, {f"0.{name}": np.full(FEATURES, v) for name, v in first.items()})


def test_training_takes_the_batch_and_predicting_the_running_ones(backend: str) -> None:
    net, x, t = made(dr.BatchNorm(momentum=0.3), backend), rows(), targets()
    y, mean, var = dr.reference.batch_norm_forward(x)
    assert net.train_on_batch(x, t) == pytest.approx(np.mean((y - t) ** 2), rel=1e-12)
    found = net.parameters()
    np.testing.assert_allclose(found["0.running_mean"], 0.3 * mean, rtol=1e-13)
    unbiased = var * N / (N - 1)
    np.testing.assert_allclose(found["0.running_var"], 0.7 + 0.3 * unbiased, rtol=1e-13)
    expected = dr.reference.batch_norm_inference(
        x, *(found[f"0.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    )
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-13)
    loss = net.evaluate(x, t)["loss"]
    assert loss == pytest.approx(np.mean((expected - t) ** 2), rel=1e-12)


def test_gradients_move_nothing(backend: str) -> None:
    net = made(dr.BatchNorm(), backend)
    net.train_on_batch(rows(), targets())
    before = net.parameters()
    loss, gradients = net.gradients(rows(seed=1), targets())
    assert list(gradients) == ["0.weight", "0.bias"] and loss > 0
    assert_same(net.parameters(), before)


def test_a_batch_without_weight_moves_nothing(backend: str) -> None:
    net = made(dr.BatchNorm(), backend)
    before = net.parameters()
    assert net.train_on_batch(rows(), targets(), np.zeros(N)) == 0
    assert_same(net.parameters(), before)


def test_samples_without_weight_count_in_the_statistics(backend: str) -> None:
    net, x = made(dr.BatchNorm(momentum=1.0), backend), rows()
    net.train_on_batch(x, targets(), np.arange(N) % 2)
    np.testing.assert_allclose(net.parameters()["0.running_mean"], x.mean(axis=0), rtol=1e-13)


def test_a_last_batch_of_one_row(backend: str) -> None:
    """It learns its bias alone, and the running statistics stay."""
    net, x, t = made(dr.BatchNorm(), backend), rows(9), targets(9)
    net.fit(x, t, batch_size=4, shuffle=False, verbose=False)
    twin = made(dr.BatchNorm(), backend)
    for part in (slice(0, 4), slice(4, 8)):
        twin.train_on_batch(x[part], t[part])
    after, before = net.parameters(), twin.parameters()
    step = 0.1 * 2 * (before["0.bias"] - t[8]) / FEATURES
    np.testing.assert_allclose(after.pop("0.bias"), before.pop("0.bias") - step, rtol=1e-13)
    assert_same(after, before)


BATCH_OF_ONE = "layer 1, BatchNorm(), learns from batches of 2 rows or more, got batches of 1"


def test_batches_of_one_row_are_refused(backend: str) -> None:
    def fresh(trainable: bool = True) -> dr.Network:
        stack = [dr.Dense(3), dr.BatchNorm(trainable=trainable), dr.Dense(FEATURES)]
        return dr.Network(stack, "mse", backend=backend)

    x, t = rows(4), targets(4)
    for train in (
        lambda net: net.fit(x, t, batch_size=1),
        lambda net: net.fit(x[:1], t[:1]),
        lambda net: net.train_on_batch(x[:1], t[:1]),
    ):
        net = fresh()
        with pytest.raises(ValueError) as caught:
            train(net)
        assert BATCH_OF_ONE in str(caught.value)
        assert not net.built
        train(fresh(trainable=False))


def test_frozen_layers_stay_and_train_as_they_predict(backend: str) -> None:
    trained = made(dr.BatchNorm(), backend)
    trained.fit(rows(), targets(), epochs=3, verbose=False)
    stack = [dr.BatchNorm(trainable=False), dr.LayerNorm(trainable=False), dr.Dense(FEATURES)]
    net = dr.Network(stack, "mse", dr.SGD(0.1), dtype="float64", backend=backend)
    net.build(FEATURES)
    net.set_parameters(trained.parameters())
    before, x, t = net.parameters(), rows(seed=2), targets()
    loss, gradients = net.gradients(x, t)
    assert loss == pytest.approx(net.evaluate(x, t)["loss"], rel=1e-13)
    assert list(gradients) == ["2.weight", "2.bias"]
    net.fit(x, t, epochs=2, verbose=False)
    for name, value in net.parameters().items():
        assert (value.tobytes() == before[name].tobytes()) is not name.startswith("2."), name


@pytest.mark.parametrize("layer", [dr.BatchNorm(), dr.LayerNorm(), dr.RMSNorm()], ids=repr)
def test_scale_of_the_input_does_not_matter(layer: dr.Layer, backend: str) -> None:
    """Training has the same loss, but for eps, which is next to nothing here."""
    losses = [
        made(type(layer)(1e-20), backend).train_on_batch(rows() * scale, targets())
        for scale in (1e-3, 1.0, 1e6)
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-10)


def test_machine_epsilon_is_that_of_the_network(backend: str) -> None:
    x = np.full((2, FEATURES), 2.0**-12)
    for dtype in ("float32", "float64"):
        net = dr.Network([dr.RMSNorm()], "mse", dtype=dtype, backend=backend)
        net.build(FEATURES)
        expected = 2.0**-12 / np.sqrt(2.0**-24 + float(np.finfo(dtype).eps))
        np.testing.assert_allclose(net.predict(x), expected, rtol=1e-6)


def test_negative_variances_are_refused(backend: str) -> None:
    net = made(dr.BatchNorm(), backend)
    before = net.parameters()
    wrong = {"0.running_mean": np.ones(FEATURES), "0.running_var": -np.ones(FEATURES)}
    with pytest.raises(ValueError, match=r"parameter '0.running_var' must be >= 0, got -1.0"):
        net.set_parameters(wrong)
    assert_same(net.parameters(), before)


def test_samples_of_higher_rank_are_refused(backend: str) -> None:
    for layer in (dr.BatchNorm(), dr.LayerNorm(), dr.RMSNorm()):
        net = dr.Network([dr.Reshape((1, FEATURES)), layer], "mse", backend=backend)
        with pytest.raises(ValueError, match=r"needs samples of rank 1.*put a Flatten\(\)"):
            net.build(FEATURES)


def test_going_on_after_saving_and_copying(backend: str, tmp_path: Path) -> None:
    stack = [dr.Dense(9), dr.BatchNorm(), dr.RMSNorm(), dr.LayerNorm(), dr.Dense(FEATURES)]
    net = dr.Network(stack, "mse", backend=backend)
    net.fit(rows(), targets(), batch_size=4, verbose=False)
    net.save(tmp_path / "model.safetensors")
    others = [dr.load(tmp_path / "model.safetensors", backend=backend), copy.deepcopy(net)]
    net.fit(rows(), targets(), batch_size=4, verbose=False)
    for other in others:
        other.fit(rows(), targets(), batch_size=4, verbose=False)
        assert_same(other.parameters(), net.parameters())
        np.testing.assert_array_equal(other.predict(rows()), net.predict(rows()))
