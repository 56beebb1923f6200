"""Network: learning, reporting, the shapes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import numpy as np
import pytest

import deltarule as dr

from .conftest import Data, make_blobs
from .interruption import assert_same

Make = Callable[..., dr.Network]

XOR_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR_Y = np.array([0, 1, 1, 0])


# -------------------------------------------------------------------------------------- learning
@pytest.mark.parametrize("optimizer", [dr.SGD(0.5, momentum=0.9), dr.Adam(0.05)])
@pytest.mark.parametrize(
    ("loss", "last"),
    [
        ("cross_entropy", dr.Dense(2, "softmax")),
        ("cross_entropy", dr.Dense(2)),
        ("binary_cross_entropy", dr.Dense(1, "sigmoid")),
        ("binary_cross_entropy", dr.Dense(1)),
        ("mse", dr.Dense(1, "sigmoid")),
    ],
)
def test_learns_xor(
    backend: str, dtype: str, loss: str, last: dr.Dense, optimizer: dr.optimizers.Optimizer
) -> None:
    net = dr.Network(
        [dr.Dense(8, "tanh"), last],
        loss,
        optimizer,
        metrics=["accuracy"],
        dtype=dtype,
        backend=backend,
        seed=1,
    )
    history = net.fit(XOR_X, XOR_Y, epochs=400, batch_size=4)
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.05
    assert net.evaluate(XOR_X, XOR_Y)["accuracy"] == 1.0
    output = net.predict(XOR_X)
    assert output.dtype == np.dtype(dtype)
    logits = loss != "mse" and last.activation.kind == "identity"
    right = output.argmax(1) if last.units == 2 else output[:, 0] > (0 if logits else 0.5)
    np.testing.assert_array_equal(right, XOR_Y)


def test_learns_blobs_and_reports(make_net: Make, blobs: Data) -> None:
    net = make_net()
    other = make_blobs(60)
    history = net.fit(*blobs, epochs=30, batch_size=16, validation_data=other)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epochs == 30
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < history["loss"][0]
    assert {f"val_{k}": v for k, v in net.evaluate(*other).items()} == {
        k: history[k][-1] for k in ("val_loss", "val_accuracy")
    }


def test_learns_a_regression_with_two_outputs(backend: str, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x @ np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.0]]) + 0.25
    net = dr.Network([dr.Dense(2)], "mse", dr.Adam(0.05), dtype=dtype, backend=backend)
    assert net.fit(x, y, epochs=60, batch_size=20)["loss"][-1] < 1e-4
    np.testing.assert_allclose(net.parameters()["0.bias"], 0.25, atol=0.02)


def test_same_seed_same_bits_other_seed_other_bits(make_net: Make, blobs: Data) -> None:
    nets = [make_net(seed=seed) for seed in (5, 5, 6)]
    for net in nets:
        net.fit(*blobs, epochs=2)
    assert_same(nets[0], nets[1])
    assert not np.array_equal(nets[0].predict(blobs[0]), nets[2].predict(blobs[0]))


def test_first_weights_are_those_of_initialize(make_net: Make) -> None:
    net = make_net(
        layers=[dr.Dense(7, "relu", bias_init="lecun_normal"), dr.Dense(3)], seed=2**63 + 1
    )
    net.build(5)
    parameters = net.parameters()
    for name, kind, n_in, n_out in [
        ("0.weight", "he_uniform", 5, 7),
        ("0.bias", "lecun_normal", 5, 7),
        ("1.weight", "glorot_uniform", 7, 3),
        ("1.bias", "zeros", 7, 3),
    ]:
        layer, purpose = name.split(".")
        expected = dr.reference.initialize(
            kind, n_in, n_out, seed=2**63 + 1, layer=int(layer), purpose=purpose
        )
        np.testing.assert_array_equal(parameters[name], expected)


def test_both_backends_begin_with_the_same_bits() -> None:
    nets = [
        dr.Network([dr.Dense(4, bias_init="he_uniform"), dr.Dense(3)], "mse", backend=backend)
        for backend in ("reference", "fast")
    ]
    for net in nets:
        net.build(5)
    assert_same(*nets)


def test_layers_are_shared_without_sharing_weights(backend: str) -> None:
    layer = dr.Dense(4, "tanh")
    net = dr.Network([layer, layer, layer], "mse", backend=backend)
    net.build(4)
    parameters = net.parameters()
    assert list(parameters) == [f"{i}.{p}" for i in range(3) for p in ("weight", "bias")]
    assert not np.array_equal(parameters["0.weight"], parameters["1.weight"])


def test_layouts_give_the_same_bits(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    nets = [make_net() for _ in range(3)]
    nets[0].fit(x, y, epochs=2)
    nets[1].fit(np.asfortranarray(x.astype("float64")), y.astype("uint8"), epochs=2)
    nets[2].fit(np.repeat(x, 2, axis=1)[:, ::2], np.eye(3)[y], epochs=2)
    assert_same(nets[0], nets[1])
    np.testing.assert_allclose(nets[0].predict(x), nets[2].predict(x), atol=1e-5)


def test_uint8_images(make_net: Make) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    net = make_net()
    net.fit(images.reshape(20, -1), np.arange(20) % 3)
    assert net.input_shape == (64,)


# ------------------------------------------------------------------------------------ reporting
def test_epoch_loss_weighs_batches_by_their_weight(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    w = np.linspace(0, 3, len(y)).astype("float32")
    net = make_net(optimizer=dr.SGD(1e-30), metrics=["accuracy"])
    net.build(5)
    before = net.evaluate(x, y, w)
    history = net.fit(x, y, sample_weight=w, batch_size=7, validation_data=(x, y, w))
    assert history["loss"][0] == pytest.approx(before["loss"], rel=1e-5)
    assert history["accuracy"][0] == pytest.approx(before["accuracy"], rel=1e-6)
    assert history["val_loss"][0] == pytest.approx(before["loss"], rel=1e-5)


def test_weights_are_repetitions(make_net: Make, blobs: Data) -> None:
    x, y = blobs[0][:9], blobs[1][:9]
    w = np.arange(9) % 3
    net = make_net(dtype="float64")
    net.build(5)
    loss, gradients = net.gradients(x, y, w)
    again, repeated = net.gradients(np.repeat(x, w, axis=0), np.repeat(y, w))
    assert loss == pytest.approx(again, rel=1e-12)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], repeated[name], atol=1e-12)


def test_weights_that_sum_to_zero_change_nothing(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    twin = copy.deepcopy(net)
    zeros = np.zeros(len(blobs[1]))
    assert net.train_on_batch(*blobs, zeros) == 0.0
    assert net.gradients(*blobs, zeros)[0] == 0.0
    assert_same(net, twin)


def test_gradients_against_central_differences(backend: str, blobs: Data) -> None:
    net = dr.Network(
        [dr.Dense(4, "tanh"), dr.Dense(3)], "cross_entropy", dtype="float64", backend=backend
    )
    net.build(5)
    loss, gradients = net.gradients(*blobs)
    assert loss == pytest.approx(net.evaluate(*blobs)["loss"], rel=1e-12)
    start = net.parameters()
    assert gradients.keys() == start.keys()
    for name, value in start.items():
        index = tuple(size // 2 for size in value.shape)
        losses = []
        for step in (1e-6, -1e-6):
            moved = value.copy()
            moved[index] += step
            net.set_parameters({name: moved})
            losses.append(net.evaluate(*blobs)["loss"])
        net.set_parameters({name: value})
        numeric = (losses[0] - losses[1]) / 2e-6
        assert gradients[name][index] == pytest.approx(numeric, rel=1e-6, abs=1e-9)


def test_train_on_batch_is_one_step(make_net: Make, blobs: Data) -> None:
    net = make_net(optimizer=dr.SGD(0.1), dtype="float64")
    net.build(5)
    before = net.parameters()
    loss, gradients = net.gradients(*blobs)
    assert net.train_on_batch(*blobs) == pytest.approx(loss, rel=1e-12)
    for name, value in net.parameters().items():
        np.testing.assert_allclose(value, before[name] - 0.1 * gradients[name], rtol=1e-12)


def test_train_on_batch_builds(make_net: Make, blobs: Data) -> None:
    net = make_net()
    assert net.train_on_batch(*blobs) > 0
    assert net.input_shape == (5,)


def test_predict_passes_nan_and_inf_through(make_net: Make, blobs: Data) -> None:
    net = make_net(layers=[dr.Dense(3)])
    net.fit(*blobs)
    x = blobs[0].copy()
    clean = net.predict(x)
    x[2, 1] = np.nan
    x[4, 0] = np.inf
    output = net.predict(x)
    assert np.isnan(output[2]).all()
    assert not np.isfinite(output[4]).any()
    rest = [i for i in range(len(x)) if i not in (2, 4)]
    np.testing.assert_array_equal(output[rest], clean[rest])


def test_predict_shapes(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    assert net.predict(blobs[0][:0]).shape == (0, 3)
    one = net.predict(blobs[0][:1])
    assert one.shape == (1, 3)
    np.testing.assert_array_equal(one, net.predict(blobs[0])[:1])
    read_only = blobs[0].copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(net.predict(read_only), net.predict(blobs[0]))


def test_accuracy_rules(backend: str) -> None:
    x = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    identity = {"0.weight": np.eye(2), "0.bias": np.zeros(2)}
    for loss, last, y, expected in [
        ("binary_cross_entropy", "sigmoid", [[1, 0], [1, 0], [1, 0]], (1 + 0.5 + 0.5) / 3),
        ("binary_cross_entropy", None, [[1, 0], [1, 0], [1, 0]], (1 + 0.5 + 0.5) / 3),
        ("mse", None, [[1, 0], [0, 1], [0.9, 0.1]], 2 / 3),
        ("cross_entropy", None, [0, 1, 0], 2 / 3),
    ]:
        net = dr.Network([dr.Dense(2, last)], loss, metrics=["accuracy"], backend=backend)
        net.build(2)
        net.set_parameters(identity)
        assert net.evaluate(x, y)["accuracy"] == pytest.approx(expected), (loss, last)


# --------------------------------------------------------------------------------- parameters
def test_parameters_are_copies(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    expected = net.predict(blobs[0])
    for value in net.parameters().values():
        value[...] = 0
    weights = {"1.bias": np.array([1.0, 2.0, 3.0], "float32")}
    np.testing.assert_array_equal(net.predict(blobs[0]), expected)
    net.set_parameters(weights)
    weights["1.bias"][:] = 0
    np.testing.assert_array_equal(net.parameters()["1.bias"], [1, 2, 3])
    net.set_parameters({"1.bias": [4, 5, 6], "0.bias": np.arange(14)[::2]})
    np.testing.assert_array_equal(net.parameters()["1.bias"], [4, 5, 6])
    np.testing.assert_array_equal(net.parameters()["0.bias"], np.arange(14)[::2])


def test_n_parameters_summary_repr(make_net: Make) -> None:
    net = make_net()
    net.build(5)
    assert net.n_parameters == 5 * 7 + 7 + 7 * 3 + 3
    text = str(net.summary())
    assert repr(net.summary()) == text
    assert "Dense(7, activation='relu')" in text
    assert "(n, 7)" in text
    assert "66 parameters in float32: 264 B" in text
    assert "792 B" in text
    assert re.search(r"^0 .* 42$", text, re.MULTILINE)
    assert "loss='cross_entropy'" in repr(net)
    net.build((5,))
    assert net.built


def test_dtype_may_be_a_numpy_type(make_net: Make) -> None:
    assert make_net(dtype=np.float64).dtype == "float64"
    assert make_net(dtype=np.dtype("float32")).dtype == "float32"


def test_initializers_with_their_arguments(make_net):
    """What a layer is told reaches its weights."""
    layers = [
        dr.Dense(7, weight_init=dr.initializers.Constant(0.25), bias_init="ones"),
        dr.Dense(3, weight_init=dr.initializers.Uniform(2, 3)),
        dr.Dense(3, "softmax", weight_init=dr.initializers.Orthogonal(2)),
    ]
    net = make_net(layers=layers)
    net.build(5)
    p = net.parameters()
    assert (p["0.weight"] == 0.25).all() and (p["0.bias"] == 1).all()
    assert p["1.weight"].min() >= 2 and p["1.weight"].max() <= 3
    np.testing.assert_allclose(p["2.weight"].T @ p["2.weight"], 4 * np.eye(3), atol=1e-5)
