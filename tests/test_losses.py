"""Losses in a Network: targets in all their forms, ignored labels, weights of classes, metrics."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _predict, losses
from deltarule.losses import Loss

from .losses import CASES, LABELS, LOSSES, ROWS, given, lasts, shown, targets, width

N, N_IN = 40, 6


def network(loss: str | Loss, n_out: int, last: str | None = None, **arguments: Any) -> dr.Network:
    last = last or lasts(losses.get(loss))[0]
    layers = [dr.Dense(12, "tanh"), dr.Dense(n_out, last)]
    return dr.Network(layers, loss, **{"optimizer": dr.Adam(0.01), **arguments})


def samples(loss: Loss, n_out: int, form: str = ROWS) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).normal(size=(N, N_IN))
    return x, given(loss, targets(loss, N, n_out, form=form))


# -------------------------------------------------------------------------------------- every loss
@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_learns(loss: Loss, form: str, backend: str, dtype: str) -> None:
    n_out = width(loss, 3)
    x, y = samples(loss, n_out, form)
    net = network(loss, n_out, backend=backend, dtype=dtype, seed=3, optimizer=dr.Adam(0.03))
    history = net.fit(x, y, epochs=30, batch_size=8, verbose=False)
    assert np.isfinite(history["loss"]).all()
    first, last = history["loss"][0], history["loss"][-1]
    assert last < first - 0.1 * abs(first)
    assert net.evaluate(x, y)["loss"] < first


@pytest.mark.parametrize(("loss", "form"), CASES, ids=shown)
def test_saved_with_what_it_is_made_with(loss: Loss, form: str, tmp_path: Path) -> None:
    n_out = width(loss, 3)
    x, y = samples(loss, n_out, form)
    net = network(loss, n_out)
    net.fit(x, y, epochs=2, verbose=False)
    net.save(tmp_path / "net.safetensors")
    for other in (dr.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))):
        assert other.loss == loss and type(other.loss) is type(loss)
        assert other.evaluate(x, y) == net.evaluate(x, y)
    assert repr(loss) in repr(net) or repr(loss.kind) in repr(net)


@pytest.mark.parametrize("loss", LOSSES, ids=shown)
def test_which_networks_it_goes_with(loss: Loss) -> None:
    for activation in dr.activations.TABLE:
        fits = not loss.outputs or activation in loss.outputs
        layers = [dr.Dense(width(loss, 2), activation)]
        if fits:
            assert dr.Network(layers, loss).loss == loss
        else:
            with pytest.raises(ValueError, match=f"loss '{loss.kind}' needs a last layer"):
                dr.Network(layers, loss)
    if loss.least > 1:
        with pytest.raises(ValueError, match=f"'{loss.kind}' needs at least 2 outputs, got 1"):
            dr.Network([dr.Dense(1)], loss)
    if loss.per_target > 1:
        with pytest.raises(ValueError, match="the number of outputs must be a multiple"):
            dr.Network([dr.Dense(loss.per_target + 1, lasts(loss)[0])], loss)


@pytest.mark.parametrize("loss", LOSSES, ids=shown)
def test_accuracy_or_a_word_why_not(loss: Loss, backend: str) -> None:
    n_out = width(loss, 3)
    if not loss.decides:
        with pytest.raises(ValueError, match=f"'accuracy' needs classes, and loss '{loss.kind}'"):
            network(loss, n_out, metrics=["accuracy"])
        return
    net = network(loss, n_out, metrics=["accuracy"], backend=backend, seed=2)
    x, y = samples(loss, n_out, ROWS if loss.takes(labels=False) else LABELS)
    net.build(N_IN)
    wanted = net.evaluate(x, y)["accuracy"]
    output = net.predict(x)
    if loss.decides == "threshold":
        half = 0.5 if lasts(loss)[0] == "sigmoid" else 0
        right = ((output > half) == (y > 0.5)).mean(axis=1)
        np.testing.assert_array_equal(_predict.classes(net, output), output > half)
    else:
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        right = (output.argmax(axis=1) == labels)[(y.ndim > 1) | (labels != loss.ignored)]
    assert wanted == pytest.approx(np.mean(right))
    if loss.decides == "argmax":
        np.testing.assert_array_equal(_predict.classes(net, output), output.argmax(axis=1))
    if loss.decides == "either":
        with pytest.raises(ValueError, match=f"the loss {loss.kind} puts out numbers"):
            _predict.classes(net, output)


@pytest.mark.parametrize("last", ["log_softmax", "softmax", "identity"])
def test_the_loss_is_that_of_the_logits(last: str, backend: str) -> None:
    """Whatever the last layer makes of them: training is the same."""
    x, y = samples(losses.CrossEntropy(), 3, LABELS)
    net, plain = (network("cross_entropy", 3, k, backend=backend) for k in (last, "identity"))
    assert net.fit(x, y, verbose=False) == plain.fit(x, y, verbose=False)
    logits = plain.predict(x)
    expected = logits if last == "identity" else dr.reference.activation_forward(last, logits)
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5)


# ------------------------------------------------------------------------- outputs for each target
def test_quantiles_are_quantiles(backend: str) -> None:
    rng = np.random.default_rng(0)
    y = np.stack([rng.exponential(size=2000), rng.normal(size=2000)], axis=1)
    x = np.ones((2000, 1))
    levels = (0.1, 0.5, 0.9)
    net = dr.Network([dr.Dense(6)], losses.Quantile(levels), dr.Adam(0.03), backend=backend)
    net.fit(x, y, epochs=40, batch_size=200, verbose=False)
    found = net.predict(x[:1]).reshape(2, 3)
    np.testing.assert_allclose(found, np.quantile(y, levels, axis=0).T, atol=0.1)
    one = dr.Network([dr.Dense(3)], losses.Quantile(levels), backend=backend)
    one.fit(x, y[:, 0], verbose=False)
    assert one.predict(x).shape == (2000, 3)


def test_mean_and_variance(backend: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (1000, 1)).astype(float)
    y = np.stack([3 * x[:, 0] + rng.normal(0, 0.5 + x[:, 0]), rng.normal(0, 2, 1000)], axis=1)
    layers = [dr.Dense(4)]
    net = dr.Network(layers, "gaussian_nll", dr.Adam(0.03), backend=backend, dtype="float64")
    history = net.fit(x, y, epochs=80, batch_size=100, verbose=False)
    mean, log_variance = np.moveaxis(net.predict(np.array([[0.0], [1.0]])).reshape(2, 2, 2), 2, 0)
    np.testing.assert_allclose(mean, [[0, 0], [3, 0]], atol=0.25)
    np.testing.assert_allclose(np.exp(log_variance / 2), [[0.5, 2], [1.5, 2]], rtol=0.15)
    groups = [y[x[:, 0] == k] for k in (0, 1)]
    best = sum(len(g) * np.log(g.var(axis=0)).mean() for g in groups) / 2000 + 0.5
    assert history["loss"][-1] == pytest.approx(best, abs=0.05)


def test_signs_and_bits_are_the_same_hinge(backend: str) -> None:
    x, signs = samples(losses.Hinge(), 2)
    histories = []
    for y in (signs, (signs + 1) / 2, signs > 0, signs.astype(int)):
        histories.append(network("hinge", 2, backend=backend).fit(x, y, verbose=False))
    assert all(history == histories[0] for history in histories)


def test_one_hot_rows_are_labels(backend: str) -> None:
    for loss in (losses.Focal(), losses.CategoricalHinge(), losses.CrossEntropy()):
        x, labels = samples(loss, 3, LABELS)
        runs = [
            network(loss, 3, backend=backend, dtype="float64").fit(x, y, epochs=3, verbose=False)
            for y in (labels, np.eye(3)[labels], np.eye(3, dtype=bool)[labels], labels[:, None])
        ]
        for run in runs[1:]:
            np.testing.assert_allclose(run["loss"], runs[0]["loss"], rtol=1e-13)


# ---------------------------------------------------------------------------------- ignored labels
@pytest.mark.parametrize("loss", [k for k in LOSSES if k.ignored is not None], ids=shown)
@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_labels_count_for_nothing(
    loss: Loss, weighted: bool, backend: str, dtype: str
) -> None:
    x, y = samples(loss, 4, LABELS)
    y = np.where(y == loss.ignored, 0, y)
    weight = np.random.default_rng(2).uniform(0.5, 2, N) if weighted else None
    keep = np.arange(N) % 3 > 0
    some = np.where(keep, y, loss.ignored)
    arguments: dict[str, Any] = {"metrics": ["accuracy"], "backend": backend, "dtype": dtype}
    net, other = (network(loss, 4, **arguments) for _ in range(2))
    net.build(N_IN)
    other.build(N_IN)
    alone = (x[keep], y[keep], None if weight is None else weight[keep])
    (value, gradients), (wanted, expected) = (
        net.gradients(x, some, weight),
        other.gradients(*alone),
    )
    rtol = 1e-5 if dtype == "float32" else 1e-12
    assert value == pytest.approx(wanted, rel=rtol)
    for key, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected[key], rtol, rtol)
    first, second = net.evaluate(x, some, weight), other.evaluate(*alone)
    for key, number in first.items():
        assert number == pytest.approx(second[key], rel=rtol)
    # a batch in which all are ignored is no step
    nothing = np.full(N, loss.ignored)
    before = net.parameters()
    assert net.train_on_batch(x, nothing) == 0.0
    for key, array in net.parameters().items():
        np.testing.assert_array_equal(array, before[key])
    with pytest.raises(ValueError, match="no row of y counts"):
        net.fit(x, nothing)
    with pytest.raises(ValueError, match="no row of validation y counts"):
        net.fit(x, y, validation_data=(x, nothing))


def test_other_labels_are_not_ignored(backend: str) -> None:
    x, y = samples(losses.CrossEntropy(), 3, LABELS)
    y[7] = -1
    with pytest.raises(ValueError, match="y has label -1 at row 7; with 3 outputs"):
        network("cross_entropy", 3, backend=backend).fit(x, y)
    loss = losses.CrossEntropy(ignore_index=-1)
    network(loss, 3, backend=backend).fit(x, y, verbose=False)
    assert y[7] == -1  # the user's array is as it was


# ------------------------------------------------------------------------------ weights of classes
def test_class_weights_are_sample_weights(backend: str) -> None:
    x, y = samples(losses.CrossEntropy(), 3, LABELS)
    table = np.array([0.5, 2.0, 3.0])
    weight = np.random.default_rng(2).uniform(0.5, 2, N)
    for loss in ("cross_entropy", "focal", "categorical_hinge"):
        pairs = [
            ({"class_weight": table}, table[y]),
            ({"class_weight": {0: 0.5, 1: 2, 2: 3.0}}, table[y]),
            ({"class_weight": list(table)}, table[y]),
            ({"class_weight": {np.int64(2): 4}}, np.where(y == 2, 4.0, 1.0)),
            ({"class_weight": table, "sample_weight": weight}, table[y] * weight),
            ({"class_weight": "balanced"}, N / (3 * np.bincount(y))[y]),
        ]
        for arguments, expected in pairs:
            net, other = (network(loss, 3, backend=backend, dtype="float64") for _ in range(2))
            history = net.fit(x, y, **arguments, epochs=2, verbose=False)
            assert history == other.fit(x, y, sample_weight=expected, epochs=2, verbose=False)
            other = network(loss, 3, backend=backend, dtype="float64")
            one = network(loss, 3, backend=backend, dtype="float64")
            assert one.train_on_batch(x, y, **arguments) == other.train_on_batch(x, y, expected)
            assert one.evaluate(x, y, **arguments) == other.evaluate(x, y, expected)
            (value, gradients), (wanted, others) = (
                one.gradients(x, y, **arguments),
                other.gradients(x, y, expected),
            )
            assert value == wanted
            for name, gradient in gradients.items():
                np.testing.assert_array_equal(gradient, others[name])
            assert dr.verify(one, x, y, **arguments).ok


def test_classes_that_all_weigh_nothing(backend: str) -> None:
    x, y = samples(losses.CrossEntropy(), 3, LABELS)
    net = network("cross_entropy", 3, backend=backend)
    with pytest.raises(ValueError, match="no row of y counts"):
        net.fit(x, y, class_weight=[0, 0, 0])
    assert net.train_on_batch(x, y, class_weight=[0, 0, 0]) == 0.0


def test_class_weights_of_rows_and_of_absent_or_ignored_classes() -> None:
    x, y = samples(losses.CrossEntropy(), 4, LABELS)
    y[y == 3] = 0
    table = [1.0, 2.0, 3.0, 4.0]
    nets = [network("cross_entropy", 4, dtype="float64") for _ in range(4)]
    rows = np.eye(4)[y]
    history = nets[0].fit(x, rows, class_weight=table, verbose=False)
    weight = np.array(table)[y]
    assert history == nets[1].fit(x, rows, sample_weight=weight, verbose=False)
    # balanced: of the classes that are there, among the labels that count
    some = np.where(np.arange(N) < 5, -100, y)
    counts = np.bincount(some[5:], minlength=4)
    weight = (N - 5) / (3 * np.maximum(counts, 1))[np.maximum(some, 0)]
    history = nets[2].fit(x, some, class_weight="balanced", verbose=False)
    assert history == nets[3].fit(x, some, sample_weight=weight, verbose=False)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_focal", "hinge"])
def test_class_weights_of_two_classes(loss: str) -> None:
    made = losses.get(loss)
    x, y = samples(made, 1)
    bits = (y[:, 0] > 0.5).astype(float)
    y = 2 * bits[:, None] - 1 if loss == "hinge" else bits[:, None]
    nets = [network(loss, 1, dtype="float64") for _ in range(4)]
    weight = np.where(bits == 1, 3.0, 0.5)
    history = nets[0].fit(x, y, class_weight={0: 0.5, 1: 3}, verbose=False)
    assert history == nets[1].fit(x, y, sample_weight=weight, verbose=False)
    share = bits.mean()
    weight = np.where(bits == 1, 0.5 / share, 0.5 / (1 - share))
    history = nets[2].fit(x, y, class_weight="balanced", verbose=False)
    expected = nets[3].fit(x, y, sample_weight=weight, verbose=False)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)


def test_class_weights_of_many_labels() -> None:
    """Several outputs that are classes by themselves: the product, as scikit-learn has it."""
    x, y = samples(losses.BinaryFocal(), 3)
    each = [{0: 2.0}, [1.0, 5.0], "balanced"]
    share = y[:, 2].mean()
    weight = np.where(y[:, 0] == 0, 2.0, 1) * np.where(y[:, 1] == 1, 5.0, 1)
    weight *= np.where(y[:, 2] == 1, 0.5 / share, 0.5 / (1 - share))
    nets = [network("binary_cross_entropy", 3, dtype="float64") for _ in range(4)]
    history = nets[0].fit(x, y, class_weight=each, verbose=False)
    expected = nets[1].fit(x, y, sample_weight=weight, verbose=False)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)
    history = nets[2].fit(x, y, class_weight={1: 2.0}, verbose=False)
    weight = 2.0 ** y.sum(axis=1)
    assert history == nets[3].fit(x, y, sample_weight=weight, verbose=False)


BAD_WEIGHTS: list[tuple[str, str, Any, type[Exception], str]] = [
    ("cross_entropy", "labels", "balance", ValueError, "must be 'balanced', a dict or an array"),
    ("cross_entropy", "labels", {3: 1.0}, ValueError, "has class 3; classes are 0 to 2"),
    ("cross_entropy", "labels", {-1: 1.0}, ValueError, "has class -1; classes are 0 to 2"),
    ("cross_entropy", "labels", {"a": 1.0}, TypeError, "integer classes as keys, got 'a' (str)"),
    ("cross_entropy", "labels", {True: 1.0}, TypeError, "integer classes as keys, got True"),
    ("cross_entropy", "labels", {0: "x"}, TypeError, "class_weight[0] must be a number"),
    ("cross_entropy", "labels", {0: [1.0]}, TypeError, "class_weight[0] must be a number"),
    ("cross_entropy", "labels", {0: -1}, ValueError, "must be finite and >= 0, got -1.0 for class"),
    ("cross_entropy", "labels", [1, 2, np.nan], ValueError, "finite and >= 0, got nan for class 2"),
    ("cross_entropy", "labels", [1, 2], ValueError, "class_weight must have shape (3,), got (2,)"),
    ("cross_entropy", "labels", 2.0, ValueError, "class_weight must have shape (3,), got ()"),
    ("cross_entropy", "labels", [1e300, 1, 1], ValueError, "which becomes inf in float32"),
    ("mse", "rows", "balanced", ValueError, "class_weight needs classes, and loss 'mse' has none"),
    ("poisson", "rows", {0: 1}, ValueError, "class_weight needs classes"),
    ("binary_cross_entropy", "rows", {0: 1}, ValueError, "0 or 1 where class_weight is given, got"),
    ("binary_focal", "rows", [{}, {}], ValueError, "an entry for each of the 3 outputs, got 2"),
    ("binary_focal", "rows", [{}, {}, {2: 1}], ValueError, "class_weight[2] has class 2"),
    ("binary_focal", "rows", [1, 2, 3], ValueError, "class_weight must have shape (2,), got (3,)"),
]


@pytest.mark.parametrize(
    ("loss", "form", "value", "error", "text"), BAD_WEIGHTS, ids=[b[-1] for b in BAD_WEIGHTS]
)
def test_bad_class_weights(
    loss: str, form: str, value: Any, error: type[Exception], text: str, backend: str
) -> None:
    x, y = samples(losses.get(loss), 3, form)
    net = network(loss, 3, backend=backend)
    for call in (net.fit, net.train_on_batch):
        with pytest.raises(error) as caught:
            call(x, y, class_weight=value)
        assert text in str(caught.value)
        assert not net.built
    net.build(N_IN)
    for call in (net.evaluate, net.gradients, partial(dr.verify, net)):
        with pytest.raises(error) as caught:
            call(x, y, class_weight=value)
        assert text in str(caught.value)


# ------------------------------------------------------------------------------------- bad targets
def put(array: Any, index: Any, value: Any) -> np.ndarray:
    array = np.array(array, float)
    array[index] = value
    return array


TWO = losses.Quantile((0.1, 0.9))
THREE, PAIR = np.full((4, 3), 0.5), np.zeros((4, 2))
BITS, EYE = np.array([[0, 1, 1]] * 4), np.eye(3)[[0, 1, 2, 0]]
BAD_TARGETS: list[tuple[str | Loss, int, Any, str]] = [
    ("poisson", 3, put(THREE, (2, 1), -1), ">= 0 for loss 'poisson', got -1.0 at row 2, column 1"),
    ("poisson", 1, [0, 1, np.inf, 2], "y has inf at row 2, column 0"),
    ("hinge", 3, put(BITS, (3, 0), 2), "-1 and 1, or 0 and 1, for loss 'hinge', got 2.0"),
    ("hinge", 3, put(put(BITS, (0, 0), -1), (0, 1), 1), "got 0.0 at row 1, column 0"),
    ("hinge", 1, [0.5, 1, 0, 1], "got 0.5 at row 0, column 0"),
    ("binary_focal", 3, put(BITS, (1, 2), 0.5), "0 or 1 for loss 'binary_focal', got 0.5 at row 1"),
    ("binary_focal", 1, [0, 1, -1, 0], "0 or 1 for loss 'binary_focal', got -1 at row 2"),
    ("kl_divergence", 3, THREE, "row 0 sums to 1.5, not 1"),
    ("kl_divergence", 3, put(EYE, (1, 0), -0.1), ">= 0 for loss 'kl_divergence', got -0.1 at"),
    ("kl_divergence", 3, [0, 1, 2, 0], "have shape (4, 3) (one-hot or probabilities), got (4,)"),
    ("focal", 3, np.full((4, 3), 1 / 3), "labels or one-hot for loss 'focal', got 0.33"),
    ("focal", 3, [0, 1, 3, 0], "y has label 3 at row 2; with 3 outputs, labels must be 0 to 2"),
    ("categorical_hinge", 3, -EYE, ">= 0 for loss 'categorical_hinge', got -1.0 at row 0"),
    ("categorical_hinge", 3, PAIR, "(4,) (labels) or (4, 3) (one-hot), got (4, 2)"),
    ("cosine", 3, put(THREE, 2, 0), "y is zero in all of row 2: no direction for loss 'cos"),
    ("gaussian_nll", 4, THREE, "have shape (4, 2) for loss 'gaussian_nll' and 4 outputs"),
    ("gaussian_nll", 2, PAIR, "shape (4,) or (4, 1) for loss 'gaussian_nll' and 2 outp"),
    (TWO, 6, PAIR, "shape (4, 3) for loss 'quantile' and 6 outputs"),
    (TWO, 2, put(np.zeros(4), 3, np.nan), "y has nan at row 3, column 0"),
    ("huber", 2, [0, 1, 0, 1], "for class labels use loss='cross_entropy'"),
]


@pytest.mark.parametrize(
    ("loss", "n_out", "y", "text"), BAD_TARGETS, ids=[text for *_, text in BAD_TARGETS]
)
def test_bad_targets(loss: str | Loss, n_out: int, y: Any, text: str, backend: str) -> None:
    net = network(loss, n_out, backend=backend)
    x = np.zeros((4, N_IN))
    with pytest.raises(ValueError) as caught:
        net.fit(x, y)
    assert text in str(caught.value)
    assert not net.built
