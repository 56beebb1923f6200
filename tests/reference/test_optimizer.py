"""Optimizer steps: values by hand, and sequences against the formulas as published, one by one."""

import math

import numpy as np
import pytest

import deltarule as dr
from deltarule.optimizers import RULES, examples
from deltarule.reference import optimizer_step
from deltarule.reference.optimizer import TABLE


def array(*values, dtype="float64"):
    return np.array([values], dtype)


def test_sgd_by_hand():
    (w,) = optimizer_step(dr.SGD(0.25), array(1, 2), array(4, -8))
    assert w.tolist() == [[0, 4]]


def test_momentum_by_hand():
    w, velocity = optimizer_step(dr.SGD(0.25, 0.5), array(1, 2), array(4, -8), array(2, 0))
    assert velocity.tolist() == [[5, -8]]  # 0.5 * 2 + 4
    assert w.tolist() == [[-0.25, 4]]


def test_nesterov_by_hand():
    w, velocity = optimizer_step(dr.SGD(0.25, 0.5, True), array(1, 2), array(4, -8), array(2, 0))
    assert velocity.tolist() == [[5, -8]]
    assert w.tolist() == [[-0.625, 5]]  # 1 - 0.25 (4 + 0.5 * 5); 2 - 0.25 (-8 - 4)


def test_weight_decay_by_hand():
    # g = 2 + 0.5 * 4 = 4; velocity = 0.5 * 0.5 + 4
    assert optimizer_step(dr.SGD(1.0, weight_decay=0.5), array(4), array(2))[0].item() == 0
    w, velocity = optimizer_step(
        dr.SGD(1.0, 0.5, weight_decay=0.5), array(4), array(2), array(0.5)
    )
    assert (w.item(), velocity.item()) == (-0.25, 4.25)


def test_decoupled_weight_decay_by_hand():
    # velocity = 0.5 * 0.5 + 2; w = (1 - 0.5 * 0.5) * 4 - 0.5 * 2.25
    decoupled = dr.SGD(0.5, 0.5, weight_decay=0.5, decoupled_weight_decay=True)
    w, velocity = optimizer_step(decoupled, array(4), array(2), array(0.5))
    assert (w.item(), velocity.item()) == (1.875, 2.25)


def test_adam_by_hand():
    # m = 0.5 * 2 + 0.5 * 6 = 4; v = 0.75 * 0 + 0.25 * 36 = 9
    # step 2: 1 - 0.5^2 = 3/4, 1 - 0.75^2 = 7/16; m / (3/4) = 16/3, sqrt(9 / (7/16)) = 12 / sqrt 7
    adam = dr.Adam(0.5, (0.5, 0.75), 0.25)
    w, m, v = optimizer_step(adam, array(1), array(6), array(2), array(0), step=2)
    assert (m.item(), v.item()) == (4, 9)
    np.testing.assert_allclose(w.item(), 1 - 0.5 * (16 / 3) / (12 / np.sqrt(7) + 0.25))


def test_the_first_step_of_adam_is_the_learning_rate():
    # corrected means are g and g^2, so the step is learning_rate g / (|g| + eps)
    g = array(1e-3, -5, 1e4)
    w, _, _ = optimizer_step(dr.Adam(0.1, eps=1e-12), 0 * g, g, 0 * g, 0 * g)
    np.testing.assert_allclose(w, [[-0.1, 0.1, -0.1]])


def test_adam_corrects_the_bias_of_its_means():
    """With one constant gradient the corrected means are it and its square at every step."""
    w, m, v, g = np.zeros((3, 5)), np.zeros((3, 5)), np.zeros((3, 5)), np.full((3, 5), 2.0)
    for step in range(1, 51):
        new, m, v = optimizer_step(dr.Adam(0.01, eps=1e-15), w, g, m, v, step=step)
        np.testing.assert_allclose(w - new, 0.01, rtol=1e-12)
        w = new


def test_nesterov_is_the_gradient_at_the_point_looked_ahead_to():
    """Sutskever et al.: v = mu v - rate f'(p + mu v), p = p + v; here w = p + mu v."""
    rate, mu, p, v = 0.1, 0.9, 3.0, 0.0
    w, velocity = array(3), array(0)
    for _ in range(20):
        v = mu * v - rate * 2 * (p + mu * v)  # f = p^2
        p = p + v
        w, velocity = optimizer_step(dr.SGD(rate, mu, True), w, 2 * w, velocity)
        np.testing.assert_allclose(w.item(), p + mu * v, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------- as published
def momentum(o, w, gradients):
    v = 0.0
    for g in gradients:
        v = o.momentum * v + g
        w -= o.learning_rate * v
        yield w


def nesterov(o, w, gradients):
    v = 0.0
    for g in gradients:
        v = o.momentum * v + g
        w -= o.learning_rate * (g + o.momentum * v)
        yield w


def adam(o, w, gradients):
    m, v = 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m = o.betas[0] * m + (1 - o.betas[0]) * g
        v = o.betas[1] * v + (1 - o.betas[1]) * g * g
        m_hat, v_hat = m / (1 - o.betas[0] ** t), v / (1 - o.betas[1] ** t)
        w -= o.learning_rate * m_hat / (math.sqrt(v_hat) + o.eps)
        yield w


def amsgrad(o, w, gradients):
    m, v, top = 0.0, 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m = o.betas[0] * m + (1 - o.betas[0]) * g
        v = o.betas[1] * v + (1 - o.betas[1]) * g * g
        top = max(top, v)
        m_hat, v_hat = m / (1 - o.betas[0] ** t), top / (1 - o.betas[1] ** t)
        w -= o.learning_rate * m_hat / (math.sqrt(v_hat) + o.eps)
        yield w


def nadam(o, w, gradients):
    def mu(t):
        return o.betas[0] * (1 - 0.5 * 0.96 ** (t * o.momentum_decay))

    m, v, product = 0.0, 0.0, 1.0
    for t, g in enumerate(gradients, 1):
        product *= mu(t)
        m = o.betas[0] * m + (1 - o.betas[0]) * g
        v = o.betas[1] * v + (1 - o.betas[1]) * g * g
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        w -= o.learning_rate * ahead / (math.sqrt(v / (1 - o.betas[1] ** t)) + o.eps)
        yield w


def radam(o, w, gradients):
    m, v, (b1, b2) = 0.0, 0.0, o.betas
    most = 2 / (1 - b2) - 1
    for t, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        rho = most - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
            step *= r * math.sqrt(1 - b2**t) / (math.sqrt(v) + o.eps)
        w -= o.learning_rate * step
        yield w


def adamax(o, w, gradients):
    m, u = 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m, u = o.betas[0] * m + (1 - o.betas[0]) * g, max(o.betas[1] * u, abs(g) + o.eps)
        w -= o.learning_rate / (1 - o.betas[0] ** t) * m / u
        yield w


def lion(o, w, gradients):
    m = 0.0
    for g in gradients:
        w -= o.learning_rate * np.sign(o.betas[0] * m + (1 - o.betas[0]) * g)
        m = o.betas[1] * m + (1 - o.betas[1]) * g
        yield w


def lamb(o, w, gradients):
    """Of an array: steps are as long as all of it."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = o.betas[0] * m + (1 - o.betas[0]) * g
        v = o.betas[1] * v + (1 - o.betas[1]) * g * g
        m_hat, v_hat = m / (1 - o.betas[0] ** t), v / (1 - o.betas[1] ** t)
        r = m_hat / (np.sqrt(v_hat) + o.eps) + o.weight_decay * w
        length = np.linalg.norm(r)
        w = w - o.learning_rate * np.linalg.norm(w) / (length or 1) * r
        yield w


def rmsprop(o, w, gradients):
    v, m, b = 0.0, 0.0, 0.0
    for g in gradients:
        v, m = o.alpha * v + (1 - o.alpha) * g * g, o.alpha * m + (1 - o.alpha) * g
        b = o.momentum * b + g / (math.sqrt(v - m * m if o.centered else v) + o.eps)
        w -= o.learning_rate * b
        yield w


def adagrad(o, w, gradients):
    total = o.initial_accumulator_value
    for g in gradients:
        total += g * g
        w -= o.learning_rate * g / (math.sqrt(total) + o.eps)
        yield w


def adadelta(o, w, gradients):
    v, u = 0.0, 0.0
    for g in gradients:
        v = o.rho * v + (1 - o.rho) * g * g
        step = math.sqrt(u + o.eps) / math.sqrt(v + o.eps) * g
        u = o.rho * u + (1 - o.rho) * step * step
        w -= o.learning_rate * step
        yield w


def rprop(o, w, gradients):
    before, step = 0.0, o.learning_rate
    for g in gradients:
        turned = np.sign(before * g)
        step *= {-1.0: o.etas[0], 0.0: 1.0, 1.0: o.etas[1]}[turned]
        step = min(max(step, o.step_sizes[0]), o.step_sizes[1])
        if turned < 0:
            g = 0.0
        w -= np.sign(g) * step
        before = g
        yield w


PUBLISHED = {
    "sgd": momentum,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "amsgrad": amsgrad,
    "nadam": nadam,
    "radam": radam,
    "adamax": adamax,
    "lion": lion,
    "rmsprop": rmsprop,
    "rmsprop_momentum": rmsprop,
    "rmsprop_centered": rmsprop,
    "rmsprop_centered_momentum": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rprop": rprop,
    "lamb": lamb,
}
OTHERS = [
    dr.Adam(0.1, (0.5, 0.6), 0.01),
    dr.NAdam(0.1, (0.5, 0.6), 0.01, 0.3),
    dr.RAdam(0.1, (0.5, 0.9), 0.01),
    dr.Adamax(0.1, (0.5, 0.6), 0.01),
    dr.Lion(0.1, (0.5, 0.6)),
    dr.LAMB(0.1, (0.5, 0.6), 0.01, weight_decay=0.3),
    dr.RMSprop(0.1, 0.6, 0.01, 0.5, True),
    dr.Adagrad(0.1, 0.5, 0.01),
    dr.Adadelta(0.1, 0.6, 0.01),
    dr.Rprop(0.1, (0.3, 2.0), (0.05, 0.3)),
]


def test_every_rule_is_there():
    assert list(TABLE) == list(RULES) == list(PUBLISHED)


@pytest.mark.parametrize("optimizer", [*examples().values(), *OTHERS], ids=repr)
def test_fifty_steps_as_published(optimizer):
    gradients = np.random.default_rng(0).normal(size=(50, 20)) * np.logspace(-3, 1, 20)
    gradients[::7] = 0
    w = np.linspace(-1, 1, 20)
    state = [np.full(20, first) for first in optimizer.initial_state]
    published = PUBLISHED[optimizer.rule]
    if published is lamb:
        expected = np.transpose(list(published(optimizer, w, gradients)))
    else:
        expected = [list(published(optimizer, *one)) for one in zip(w, gradients.T, strict=True)]
    for step, g in enumerate(gradients, 1):
        w, *state = optimizer_step(optimizer, w, g, *state, step=step)
        np.testing.assert_allclose(w, [one[step - 1] for one in expected], rtol=1e-12, atol=1e-15)


def test_lamb_by_hand():
    """Steps are as long as the array, but for arrays that are 0; each array by itself."""
    zero, lamb = array(0, 0), dr.LAMB(0.5, eps=1e-12)
    w, *_ = optimizer_step(lamb, array(3, -4), array(1e-3, 7), zero, zero)
    step = 0.5 * 5 / math.sqrt(2)  # the direction is (1, 1)
    np.testing.assert_allclose(w, [[3 - step, -4 - step]])
    w, *_ = optimizer_step(lamb, zero, array(1e-3, -7), zero, zero)
    np.testing.assert_allclose(w, [[-0.5, 0.5]])
    w, *_ = optimizer_step(lamb, array(3, -4), zero, zero, zero)
    assert w.tolist() == [[3, -4]]


@pytest.mark.parametrize("rule", [rule for rule in RULES if not TABLE[rule].layered])
def test_weight_decay_is_that_of_the_gradient_or_of_the_parameter(rule):
    rng = np.random.default_rng(1)
    w, g = rng.normal(size=(2, 9))
    state = [rng.uniform(0.1, 1, 9) for _ in range(RULES[rule])]
    kind, rate = type(examples()[rule]), examples()[rule].learning_rate
    options = {k: v for k, v in vars(examples()[rule]).items() if "decay" not in k or k[0] == "m"}
    plain = kind(**options)
    coupled = kind(**options, weight_decay=0.25, decoupled_weight_decay=False)
    decoupled = kind(**options, weight_decay=0.25, decoupled_weight_decay=True)
    for a, b in zip(optimizer_step(coupled, w, g, *state),
                    optimizer_step(plain, w, g + 0.25 * w, *state), strict=True):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-12)
    new, *after = optimizer_step(decoupled, w, g, *state)
    other, *expected = optimizer_step(plain, w, g, *state)
    np.testing.assert_allclose(new, other - rate * 0.25 * w, rtol=1e-12, atol=1e-15)
    assert [a.tobytes() for a in after] == [a.tobytes() for a in expected]


def test_centered_rmsprop_of_a_constant_gradient():
    """The variance is rounding error, of either sign: nothing is NaN."""
    g, v, m, w = np.full(99, 0.1, "f4"), *np.zeros((3, 99), "f4")
    for step in range(1, 200):
        w, v, m = optimizer_step(dr.RMSprop(1e-9, 0.5, centered=True), w, g, v, m, step=step)
    assert np.isfinite(w).all()


# --------------------------------------------------------------------------------------- arrays
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rule", RULES)
def test_new_arrays_of_the_same_dtype(rule, dtype, order):
    w = np.ones((3, 2), dtype, order)
    w.flags.writeable = False
    results = optimizer_step(examples()[rule], w, w, *[w] * RULES[rule])
    assert len(results) == 1 + RULES[rule]
    for result in results:
        assert result.dtype == dtype
        assert not np.shares_memory(result, w)
    for shape in ((), (3,), (0,), (2, 3, 4)):
        some = np.ones(shape, dtype)
        for result in optimizer_step(examples()[rule], some, some, *[some] * RULES[rule]):
            assert result.shape == shape and result.dtype == dtype


@pytest.mark.parametrize("run", [optimizer_step, dr.ops.optimizer_step])
def test_bad_calls(run):
    w = np.ones((2, 3))
    for bad, error, text in [
        ((dr.SGD(), w, w.T), ValueError, r"g must have shape \(2, 3\), got \(3, 2\)"),
        ((dr.Lion(), w, w, w.astype("f4")), TypeError, r"state\[0\] must have the dtype of w"),
        (("adam", w, w, w), ValueError, "state must be 2 arrays, got 1"),
        (("sgd", w, w, w), ValueError, "state must be 0 arrays, got 1"),
        (("adam", w, w, w, w[:1]), ValueError, r"state\[1\] must have shape"),
        (("sdg", w, w), ValueError, "unknown optimizer 'sdg' .did you mean 'sgd'"),
        ((dr.SGD, w, w), TypeError, "must be an instance"),
        ((dr.SGD(clipnorm=1), w, w), ValueError, "clip_gradients does; got SGD.clipnorm=1.0"),
        (("sgd", w.astype(int), w), TypeError, "w must be float32 or float64"),
    ]:
        with pytest.raises(error, match=text):
            run(*bad)
    for step, error in [(0, ValueError), (-1, ValueError), (1.5, TypeError), (1 << 63, ValueError)]:
        with pytest.raises(error, match="step must be"):
            run("sgd", w, w, step=step)
