"""Where Levenberg-Marquardt and L-BFGS go, against their formulas and against scipy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr

from .full_batch import LBFGS, LM, methods, needs_scipy, network, table


@pytest.mark.parametrize(("decay", "l2"), [(0.0, 0.0), (0.02, 0.0), (0.01, 0.03)])
@methods
def test_a_linear_network_is_least_squares(
    method: Callable[..., Any], backend: str, decay: float, l2: float
) -> None:
    """Weight decay is of all parameters, with a half in the loss; l2 of weights, without."""
    x, y = table(40, 3, 2)
    w = np.random.default_rng(0).integers(0, 4, 40).astype(float)
    how = method(weight_decay=decay, tolerance_change=0)
    net = network(how, dr.Dense(2, l2=l2), backend=backend)
    history = net.fit(x, y, epochs=100, sample_weight=w)
    assert history.epochs < 100 and history.stopped
    ones = np.c_[x, np.ones(40)]
    penalty = decay * np.eye(4) + 2 * l2 * np.diag([1, 1, 1, 0])
    normal = ones.T @ (w[:, None] * ones) / w.sum() + penalty  # loss: a mean of 2 outputs
    best = np.linalg.solve(normal, ones.T @ (w[:, None] * y) / w.sum())
    found = np.vstack([net.parameters()["0.weight"], net.parameters()["0.bias"]])
    np.testing.assert_allclose(found, best, atol=1e-6)
    assert history["loss"][-1] == pytest.approx(net.evaluate(x, y, w)["loss"], rel=1e-12)


@needs_scipy
@pytest.mark.parametrize("seed", [4, 5, 7])  # others lead MINPACK to worse minima
def test_the_same_minimum_as_minpack(seed: int) -> None:
    """scipy's least_squares(method="lm"), which is MINPACK's lmder, from the same start."""
    from scipy.optimize import least_squares

    x = np.linspace(-3, 3, 60)[:, None]
    y = 2 * np.tanh(1.5 * x - 1.5) - 1.2 * np.tanh(0.8 * x + 1) + 0.3
    y += np.random.default_rng(1).normal(0, 0.02, x.shape)
    method = LM(tolerance_grad=1e-13, tolerance_change=1e-13)
    net = network(method, dr.Dense(2, "tanh"), dr.Dense(1), seed=seed)
    net.build(1)
    plan = net._plan
    assert plan is not None
    start = plan.get_vector()

    def residuals(p: np.ndarray) -> np.ndarray:
        hidden = np.tanh(x * p[0:2] + p[2:4])
        return (hidden @ p[4:6] + p[6] - y[:, 0]).ravel()

    other = least_squares(residuals, start, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-12)
    history = net.fit(x, y, epochs=100)
    assert history.epochs < 100
    assert history["loss"][-1] == pytest.approx(2 * other.cost / len(x), rel=1e-10)
    np.testing.assert_allclose(np.sort(abs(plan.get_vector())), np.sort(abs(other.x)), rtol=1e-6)


@pytest.mark.parametrize(
    ("damping", "decay", "refuses"), [(1e-3, 0.0, False), (1e-9, 0.0, True), (1e-9, 0.05, False)]
)
def test_the_formulas_as_published(
    backend: str, damping: float, decay: float, refuses: bool
) -> None:
    """Nielsen's algorithm in a dozen lines. Where damping begins with next to nothing, steps are
    refused at first."""
    x, y = table(30, 1)
    method = LM(damping, weight_decay=decay)
    net = network(method, dr.Dense(2, "tanh"), dr.Dense(1), backend=backend)
    net.build(1)
    assert net._plan is not None
    p = net._plan.get_vector()

    def linear(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.tanh(x * p[0:2] + p[2:4])
        back = p[4:6] * (1 - hidden**2)
        columns = [x * back, back, hidden, np.ones_like(x)]
        penalty = np.sqrt(decay / 2 * len(x)) * np.eye(7)
        r = np.append(hidden @ p[4:6] + p[6] - y[:, 0], penalty @ p)
        return np.vstack([np.hstack(columns), penalty]), r

    scale, refused, losses = 2 / len(x), 0, []
    jacobian, r = linear(p)
    a, g, mu, nu = jacobian.T @ jacobian * scale, jacobian.T @ r * scale, 0.0, 2.0
    mu = damping * a.diagonal().max()
    while len(losses) < 6:
        step = np.linalg.solve(a + mu * np.eye(7), -g)
        other = linear(p + step)
        gain = (r @ r - other[1] @ other[1]) * scale / 2 / (step @ (mu * step - g) / 2)
        if gain > 0:
            p, (jacobian, r) = p + step, other
            a, g = jacobian.T @ jacobian * scale, jacobian.T @ r * scale
            mu, nu = mu * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2.0
            losses.append(r[: len(x)] @ r[: len(x)] / len(x))
        else:
            mu, nu, refused = mu * nu, nu * 2, refused + 1
    assert (refused > 1) == refuses
    history = net.fit(x, y, epochs=6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-8)
    np.testing.assert_allclose(net._plan.get_vector(), p, rtol=1e-6)
    assert net._position.damping == pytest.approx(mu, rel=1e-5)


@needs_scipy
@pytest.mark.parametrize("backend", ["fast", "reference"])
def test_the_same_iterations_as_scipy(backend: str) -> None:
    from scipy.optimize import minimize

    x, y = table(50, 1)
    net = network(LBFGS(history_size=5), dr.Dense(2, "tanh"), dr.Dense(1), backend=backend)
    net.build(1)
    assert net._plan is not None

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        hidden = np.tanh(x * p[0:2] + p[2:4])
        error = 2 / len(x) * (hidden @ p[4:6] + p[6] - y[:, 0])
        back = error[:, None] * p[4:6] * (1 - hidden**2)
        slope = [(x * back).sum(0), back.sum(0), hidden.T @ error, [error.sum()]]
        return float(np.sum(error**2) * len(x) / 4), np.concatenate(slope)

    losses: list[float] = []
    found = minimize(
        loss, net._plan.get_vector(), jac=True, method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
        options={"maxiter": 12, "maxcor": 5, "gtol": 1e-7, "ftol": 1e-9},
    )  # fmt: skip
    history = net.fit(x, y, epochs=12)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    np.testing.assert_allclose(net._plan.get_vector(), found.x, rtol=1e-6)


@pytest.mark.parametrize(
    "layers",
    [
        (dr.Dense(6, "relu"), dr.Dense(1)),
        (dr.Dense(4, "gelu"), dr.Residual([dr.Dense(4, "tanh")]), dr.Dense(1, "softplus")),
        (dr.Dense(3, "tanh", trainable=False), dr.Dense(3, "sigmoid", bias=False), dr.Dense(1)),
        (dr.Normalization(), dr.Dense(4, "tanh"), dr.LayerNorm(affine=False), dr.Dense(1)),
    ],
)
def test_backends_agree(layers: tuple[dr.Layer, ...]) -> None:
    x, y = table()
    nets = [network(LM(), *layers, backend=backend) for backend in ("fast", "reference")]
    first, second = (net.fit(x, y, epochs=8)["loss"] for net in nets)
    np.testing.assert_allclose(first, second, rtol=1e-7)
    one, two = (net.parameters() for net in nets)
    for name, array in one.items():
        np.testing.assert_allclose(array, two[name], rtol=1e-5, atol=1e-6, err_msg=name)


@methods
def test_weights_count_rows(method: Callable[..., Any]) -> None:
    """A row with weight 2 is two rows, one with weight 0 is none."""
    x, y = table()
    w = np.random.default_rng(1).integers(0, 3, len(x))
    weighted, repeated = network(method()), network(method())
    a = weighted.fit(x, y, epochs=6, sample_weight=w)
    b = repeated.fit(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0), epochs=6)
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-8)
