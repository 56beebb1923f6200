"""Losses: hand values, limits, weights, and gradients against central differences."""

import numpy as np
import pytest

from deltarule import losses
from deltarule.reference import activation_forward, loss_backward, loss_forward

from ..losses import CASES, LABELS, ROWS, outputs, shown, targets, width

LN2, LN3 = np.log(2), np.log(3)


def case(loss, n=5, n_out=3, form=ROWS, seed=4):
    """(y, t) that fit the loss."""
    rng = np.random.default_rng(seed)
    n_out = width(loss, n_out)
    return outputs(loss, rng.standard_normal((n, n_out))), targets(loss, n, n_out, form=form)


def test_mse_by_hand():
    y, t = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 2.0]])
    # samples: (1 + 4) / 2 and (0 + 4) / 2
    assert loss_forward("mse", y, t) == 2.25
    # 2 (y - t) / 2 outputs / 2 samples
    assert loss_backward("mse", y, t).tolist() == [[0.5, -1.0], [0.0, -1.0]]
    # weights 3 and 1: (3 * 2.5 + 2) / 4
    w = np.array([3.0, 1.0])
    assert loss_forward("mse", y, t, sample_weight=w) == 2.375
    assert loss_backward("mse", y, t, sample_weight=w).tolist() == [[0.75, -1.5], [0.0, -0.5]]


def test_cross_entropy_by_hand():
    # softmax: (1/4, 1/4, 1/2) and (1/3, 1/3, 1/3)
    y = np.array([[0.0, 0.0, LN2], [5.0, 5.0, 5.0]])
    for t in (np.array([2, 0]), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])):
        np.testing.assert_allclose(loss_forward("cross_entropy", y, t), (LN2 + LN3) / 2)
        np.testing.assert_allclose(
            loss_backward("cross_entropy", y, t),
            [[1 / 8, 1 / 8, -1 / 4], [-1 / 3, 1 / 6, 1 / 6]],
        )


def test_binary_cross_entropy_by_hand():
    # sigmoid: 3/4, 1/2; -ln(3/4), -ln(1/2), a mean over both outputs
    y, t = np.array([[LN3, 0.0]]), np.array([[1.0, 0.0]])
    expected = (np.log(4 / 3) + LN2) / 2
    np.testing.assert_allclose(loss_forward("binary_cross_entropy", y, t), expected)
    np.testing.assert_allclose(loss_backward("binary_cross_entropy", y, t), [[-1 / 8, 1 / 4]])


def test_logits_far_out_neither_overflow_nor_vanish():
    y = np.array([[1000.0, -1000.0]])
    assert loss_forward("cross_entropy", y, [1]) == 2000.0
    assert loss_forward("cross_entropy", y, [0]) == 0.0
    assert loss_forward("binary_cross_entropy", y, np.array([[0.0, 1.0]])) == 1000.0
    # log1p keeps what log(1 + e^-40) would round to 0
    small = loss_forward("binary_cross_entropy", np.array([[40.0]]), np.array([[1.0]]))
    np.testing.assert_allclose(small, np.exp(-40.0))


def log_softmax(y):
    return np.log(activation_forward("softmax", y))


def of_label(values, t):
    return values[np.arange(len(t)), t]


def rival_and_own(y, t):
    others = [np.delete(row, label) for row, label in zip(y, t, strict=True)]
    return np.max(others, axis=1), of_label(y, t)


def of_truth(y, t):
    """The chance that a sigmoid gives to targets of 0 and 1."""
    p = activation_forward("sigmoid", y)
    return np.where(t == 1, p, 1 - p)


def smooth(loss, y, t):
    hot = np.eye(y.shape[1])[t] if t.ndim == 1 else t
    return hot + loss.label_smoothing * (1 / y.shape[1] - hot)


def gaussian(loss, y, t):
    mean, variance = y[:, ::2], np.exp(y[:, 1::2]) + loss.eps
    d = mean - t[:, ::2]
    return np.mean(np.log(variance) / 2 + d**2 / (2 * variance), axis=1)


def focal(loss, p, alpha):
    return -(1.0 if loss.alpha is None else alpha) * (1 - p) ** loss.gamma * np.log(p)


# The plain formula of each sample's loss, without the stable forms.
DEFINITIONS = {
    "mse": lambda loss, y, t: np.mean((y - t) ** 2, axis=1),
    "mae": lambda loss, y, t: np.mean(np.abs(y - t), axis=1),
    "huber": lambda loss, y, t: np.mean(
        np.where(
            np.abs(y - t) <= loss.delta,
            (y - t) ** 2 / 2,
            loss.delta * (np.abs(y - t) - loss.delta / 2),
        ),
        axis=1,
    ),
    "log_cosh": lambda loss, y, t: np.mean(np.log(np.cosh(y - t)), axis=1),
    "quantile": lambda loss, y, t: np.mean(
        [
            np.maximum(level * (t - y), (level - 1) * (t - y))[:, i :: len(loss.levels)]
            for i, level in enumerate(loss.levels)
        ],
        axis=(0, 2),
    ),
    "poisson": lambda loss, y, t: np.mean(
        np.exp(y) - t * y if loss.log_input else y - t * np.log(y + 1e-8), axis=1
    ),
    "gaussian_nll": gaussian,
    "binary_cross_entropy": lambda loss, y, t: -np.mean(
        t * np.log(of_truth(y, np.ones_like(t))) + (1 - t) * np.log(of_truth(y, 0 * t)), axis=1
    ),
    "binary_focal": lambda loss, y, t: np.mean(
        focal(loss, of_truth(y, t), np.where(t == 1, loss.alpha or 1, 1 - (loss.alpha or 1))),
        axis=1,
    ),
    "hinge": lambda loss, y, t: np.mean(np.maximum(0, 1 - t * y), axis=1),
    "cross_entropy": lambda loss, y, t: -np.sum(smooth(loss, y, t) * log_softmax(y), axis=1),
    "kl_divergence": lambda loss, y, t: np.sum(t * (np.log(t) - log_softmax(y)), axis=1),
    "focal": lambda loss, y, t: focal(loss, of_label(np.exp(log_softmax(y)), t), loss.alpha),
    "categorical_hinge": lambda loss, y, t: np.maximum(
        0, 1 + np.subtract(*rival_and_own(y, t))
    ),
    "cosine": lambda loss, y, t: 1
    - np.sum(y * t, axis=1) / np.linalg.norm(y, axis=1) / np.linalg.norm(t, axis=1),
}


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_the_definition(loss, form):
    y, t = case(loss, form=form)
    each = DEFINITIONS[loss.kind](loss, y, t)
    rtol = 1e-11 if loss.kind == "cosine" else 1e-13  # a little is added to lengths
    np.testing.assert_allclose(loss_forward(loss, y, t), np.mean(each), rtol=rtol)
    w = np.array([0.5, 0.0, 2.0, 1.0, 3.0])
    np.testing.assert_allclose(
        loss_forward(loss, y, t, sample_weight=w), np.average(each, weights=w), rtol=rtol
    )


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "n_out"), [(5, 3), (1, 4), (7, 2)])
def test_gradient_is_the_central_difference(loss, form, weighted, n, n_out, agree):
    y, t = case(loss, n, n_out, form)
    w = np.random.default_rng(5).uniform(0.5, 2, n) if weighted else None
    gradient = loss_backward(loss, y, t, sample_weight=w)
    agree(gradient, lambda y: loss_forward(loss, y, t, sample_weight=w), y)


def test_labels_are_one_hot_rows():
    y, labels = case(losses.CrossEntropy(), form=LABELS)
    one_hot = np.eye(3)[labels]
    for loss in ("cross_entropy", losses.CrossEntropy(label_smoothing=0.3)):
        np.testing.assert_array_equal(
            loss_backward(loss, y, labels), loss_backward(loss, y, one_hot)
        )
        assert loss_forward(loss, y, labels) == loss_forward(loss, y, one_hot)


def test_targets_that_do_not_sum_to_one(agree):
    y, t = case(losses.MSE())
    gradient = loss_backward("cross_entropy", y, t)
    agree(gradient, lambda y: loss_forward("cross_entropy", y, t), y)


def test_relations_between_losses():
    y, t = case(losses.MSE())
    half = losses.Quantile(0.5)
    np.testing.assert_allclose(loss_forward(half, y, t), loss_forward("mae", y, t) / 2)
    far = losses.Huber(1e6)
    np.testing.assert_allclose(loss_forward(far, y, t), loss_forward("mse", y, t) / 2)
    rates = losses.Poisson(log_input=False)
    np.testing.assert_allclose(
        loss_forward(rates, np.exp(y), t), loss_forward("poisson", y, t), rtol=1e-6
    )
    labels = np.array([2, 0, 1, 1, 2])
    plain, plain_pair = losses.Focal(0.0, None), losses.BinaryFocal(0.0, None)
    np.testing.assert_allclose(
        loss_forward(plain, y, labels), loss_forward("cross_entropy", y, labels)
    )
    bits = np.round(t)
    np.testing.assert_allclose(
        loss_forward(plain_pair, y, bits), loss_forward("binary_cross_entropy", y, bits)
    )
    shares = t / t.sum(axis=1, keepdims=True)
    entropy = -np.mean(np.sum(shares * np.log(shares), axis=1))
    np.testing.assert_allclose(
        loss_forward("kl_divergence", y, shares), loss_forward("cross_entropy", y, shares) - entropy
    )
    assert loss_forward("kl_divergence", np.log(shares), shares) == pytest.approx(0, abs=1e-15)
    assert loss_forward("cosine", 3 * t, t) == pytest.approx(0, abs=1e-10)
    assert loss_forward("cosine", -t, t) == pytest.approx(2)


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_weights_that_sum_to_zero(loss, form):
    y, t = case(loss, form=form)
    w = np.zeros(5)
    assert loss_forward(loss, y, t, sample_weight=w) == 0.0
    assert not loss_backward(loss, y, t, sample_weight=w).any()
    assert loss_forward(loss, y[:0], t[:0]) == 0.0
    assert loss_backward(loss, y[:0], t[:0]).shape == (0, y.shape[1])


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_a_weight_of_two_is_a_sample_seen_twice(loss, form):
    y, t = case(loss, form=form)
    twice = [0, 1, 1, 2, 3, 4]
    w = np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        loss_forward(loss, y, t, sample_weight=w), loss_forward(loss, y[twice], t[twice])
    )


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_float32(loss, form):
    y, t = case(loss, form=form)
    y4, t4 = y.astype("f4"), t if form == LABELS else t.astype("f4")
    assert type(loss_forward(loss, y4, t4)) is float
    np.testing.assert_allclose(loss_forward(loss, y4, t4), loss_forward(loss, y, t), rtol=2e-6)
    gradient = loss_backward(loss, y4, t4)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, loss_backward(loss, y, t), rtol=1e-5, atol=1e-6)


def test_small_gradients_are_flushed():
    y, t = np.full((1, 1), 2.0**-101, np.float32), np.zeros((1, 1), np.float32)
    assert loss_backward("mse", y, t).item() == 2.0**-100
    assert loss_backward("mse", y / 2, t).item() == 0.0


def test_bad_calls():
    y, t = case(losses.MSE())
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        loss_forward("crossentropy", y, t)
    with pytest.raises(ValueError, match=r"t must have shape \(5, 3\), got \(5, 2\)"):
        loss_forward("mse", y, t[:, :2])
    with pytest.raises(ValueError, match="t has label 3 at row 1"):
        loss_forward("cross_entropy", y, [0, 3, 0, 0, 0])
    with pytest.raises(TypeError, match="t must be integer labels, got dtype float64"):
        loss_backward("cross_entropy", y, t[:, 0])
    with pytest.raises(TypeError, match="t must be float32 or float64, got dtype int64"):
        loss_backward("mse", y, np.ones((5, 3), int))
    with pytest.raises(TypeError, match="t must have the dtype of y"):
        loss_backward("mse", y, t.astype("f4"))
    with pytest.raises(TypeError, match="sample_weight must have the dtype of y"):
        loss_forward("mse", y, t, sample_weight=np.ones(5, "f4"))
    with pytest.raises(
        ValueError, match=r"sample_weight must be finite and >= 0, got -1.0 at row 4"
    ):
        loss_forward("mse", y, t, sample_weight=np.array([1.0, 1, 1, 1, -1]))
    with pytest.raises(ValueError, match="y must have at least 1 column"):
        loss_forward("mse", y[:, :0], t[:, :0])
    with pytest.raises(ValueError, match=r"'gaussian_nll' has 2 outputs for each target.*got 3"):
        loss_forward("gaussian_nll", y, t)
    with pytest.raises(TypeError, match="t must be integer labels, got dtype float64"):
        loss_backward("focal", y, t)
    with pytest.raises(ValueError, match=r"t must have shape \(5,\), got \(5, 3\)"):
        loss_backward("categorical_hinge", y, np.eye(3, dtype=int)[[0, 1, 2, 0, 1]])
    with pytest.raises(ValueError, match=r"t must have shape \(5, 3\), got \(5,\)"):
        loss_backward("kl_divergence", y, np.array([0, 1, 2, 0, 1.0]))
    with pytest.raises(TypeError, match="loss must be a name or one of"):
        loss_forward(None, y, t)
    with pytest.raises(TypeError, match=r"an instance, Huber\(\), not the class"):
        loss_forward(losses.Huber, y, t)
