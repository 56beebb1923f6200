"""Layers of noise: on both backends, any thread and instruction set, there and back, resumed."""

import itertools

import numpy as np
import pytest

import deltarule as dr
from deltarule import ops
from deltarule.layers import Activation, Residual

from .common import THREADS

KINDS = [dr.Dropout(0.4), dr.AlphaDropout(0.3), dr.GaussianNoise(0.5)]
noises = pytest.mark.parametrize("noise", KINDS, ids=lambda layer: layer.kind)


def data(n=70, n_in=19):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, n_in)), rng.normal(size=(n, 3))


def chain(noise):
    """With noise on the input, too, and behind a layer of more than a panel."""
    return [noise, dr.Dense(40, activation="tanh"), noise, dr.Dense(3)]


def branched(noise):
    """Where what the noise reads has other readers, before and after it."""
    inside = [Activation("tanh"), noise, dr.Dense(17, activation="selu"), noise]
    return [dr.Dense(17), Residual(inside), Residual([noise, dr.Dense(17)]), dr.Dense(3)]


def network(layers, **settings):
    settings = {"loss": "mse", "optimizer": dr.Adam(1e-2), "dtype": "float64", **settings}
    return dr.Network(layers, **settings)


def weights(net):
    return np.concatenate([a.ravel() for a in net.parameters().values()])


@noises
@pytest.mark.parametrize("layers", [chain, branched])
def test_backends_agree(noise, layers):
    both = []
    for backend in ("fast", "reference"):
        net = network(layers(noise), backend=backend)
        net.fit(*data(), epochs=3, batch_size=16, verbose=False)
        both.append(weights(net))
    np.testing.assert_allclose(*both, rtol=0, atol=1e-11)


@noises
def test_predict_and_evaluate_have_none(noise, backend):
    x, t = data()
    net, plain = (
        network(layers, backend=backend)
        for layers in (chain(noise), [layer for layer in chain(noise) if layer is not noise])
    )
    for one in (net, plain):
        one.build(x.shape[1])
    values = net.parameters().values()
    plain.set_parameters(dict(zip(plain.parameters(), values, strict=True)))
    assert net.predict(x).tobytes() == plain.predict(x).tobytes()
    assert net.evaluate(x, t) == plain.evaluate(x, t)


@noises
def test_layer_by_layer(noise, dtype):
    """The operations give the bits of the plan: gradients and step after step."""
    x, t = (a.astype(dtype) for a in data())
    net = network(chain(noise), dtype=dtype, optimizer=dr.SGD(0.1), seed=7)
    net.build(x.shape[1])
    for step in range(3):
        p, key = net.parameters(), {"seed": 7, "step": step}
        a = ops.noise_forward(noise.kind, x, noise.amount, **key, layer=0)
        y = ops.dense_forward(a, p["1.weight"], p["1.bias"], activation="tanh")
        b = ops.noise_forward(noise.kind, y, noise.amount, **key, layer=2)
        z = ops.dense_forward(b, p["3.weight"], p["3.bias"])
        dz = ops.loss_backward("mse", z, t)
        db, dw3, _ = ops.dense_backward(b, p["3.weight"], z, dz)
        dy = ops.noise_backward(noise.kind, db, noise.amount, **key, layer=2)
        _, dw1, _ = ops.dense_backward(a, p["1.weight"], y, dy, activation="tanh")
        loss, found = net.gradients(x, t)
        assert loss == ops.loss_forward("mse", z, t)
        assert found["3.weight"].tobytes() == dw3.tobytes()
        assert found["1.weight"].tobytes() == dw1.tobytes()
        assert net.train_on_batch(x, t) == loss


@noises
@pytest.mark.parametrize("layers", [chain, branched])
def test_gradients_are_those_of_the_loss_with_this_noise(noise, layers, backend):
    """gradients() tells the loss with the noise of the step, too: so it can be differentiated."""
    x, t = data(9, 5)
    net = network(layers(noise), backend=backend)
    net.build(5)
    _, found = net.gradients(x, t)
    for name, g in found.items():
        at, h = np.unravel_index(np.argmax(np.abs(g)), g.shape), 1e-5
        losses = []
        for shift in (h, -h):
            moved = net.parameters()[name]
            moved[at] += shift
            other = network(layers(noise), backend=backend)
            other.build(5)
            other.set_parameters({**net.parameters(), name: moved})
            losses.append(other.gradients(x, t)[0])
        assert g[at] == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-6), name


@noises
@pytest.mark.parametrize("layers", [chain, branched])
def test_same_bits_on_any_thread_and_instruction_set(noise, layers, dtype):
    found, before = set(), dr.get_isa()
    isas = [isa for isa, supported in dr.config()["isas"].items() if supported]
    try:
        for isa, threads in itertools.product(isas, THREADS):
            dr.set_isa(isa)
            dr.set_num_threads(threads, exact=True)
            if dr.config()["same_bits"]:
                net = network(layers(noise), dtype=dtype)
                net.fit(*data(), epochs=2, batch_size=23, verbose=False)
                found.add(weights(net).tobytes())
    finally:
        dr.set_isa(before)
        dr.set_num_threads(None)
    assert len(found) == 1


@noises
def test_resumed(noise, backend, tmp_path):
    x, t = data()
    whole, half = (network(chain(noise), backend=backend, seed=3) for _ in range(2))
    whole.fit(x, t, epochs=4, batch_size=16, verbose=False)
    half.fit(x, t, epochs=2, batch_size=16, verbose=False)
    half.save(tmp_path / "half.safetensors")
    again = dr.load(tmp_path / "half.safetensors", backend=backend)
    assert again.layers == whole.layers
    again.fit(x, t, epochs=2, batch_size=16, verbose=False)
    assert weights(again).tobytes() == weights(whole).tobytes()


@noises
def test_every_step_and_layer_and_seed_has_its_own(noise, backend):
    x, t = np.ones((8, 16)), np.zeros((8, 3))
    losses = []
    for seed in (1, 2):
        net = network(chain(noise), backend=backend, seed=seed, optimizer=dr.SGD(1e-300))
        net.build(16)
        net.set_parameters({k: np.full_like(a, 0.5) for k, a in net.parameters().items()})
        losses += [net.train_on_batch(x, t) for _ in range(3)]
        assert net.gradients(x, t)[0] == net.gradients(x, t)[0]
    assert len(set(losses)) == 6
