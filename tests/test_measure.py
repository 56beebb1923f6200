"""Metrics of a network: over training batches as they were, in evaluate() and validation; holding
rows out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _measure, _split
from deltarule.metrics import F1, ConfusionMatrix, CustomMetric, Task

from .conftest import Data
from .interruption import assert_same, interrupt

Make = Callable[..., dr.Network]

MACRO = ["accuracy", "f1_macro", "log_loss", "roc_auc"]


class Rows(CustomMetric):
    """What an update gets, one after the other."""

    kind = "rows"

    def start(self, task: Task) -> Any:
        return []

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
        return [*state, (y_true, y_pred, weight)]

    def result(self, state: Any) -> float:
        seen.append([np.concatenate(part) for part in zip(*state, strict=True)])
        return len(state)


seen: list[Any] = []


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_measure, "ROWS", 40)
    seen.clear()


def judged(x: np.ndarray, y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """MACRO, by scikit-learn."""
    sk = pytest.importorskip("sklearn.metrics")
    return {
        "accuracy": sk.accuracy_score(y, p.argmax(axis=1)),
        "f1_macro": sk.f1_score(y, p.argmax(axis=1), average="macro"),
        "log_loss": sk.log_loss(y, p),
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr"),
    }


def close(
    found: Any, expected: dict[str, float], prefix: str = "", *, rel: float = 1e-12
) -> None:
    for name, value in expected.items():
        last = found[prefix + name]
        assert (last[-1] if isinstance(last, list) else last) == pytest.approx(value, rel), name


# ---------------------------------------------------------------------------------- what is judged
@pytest.mark.parametrize("last", ["softmax", "log_softmax", "identity"])
def test_metrics_see_probabilities(make_net: Make, blobs: Data, last: str) -> None:
    x, y = blobs
    net = make_net(layers=[dr.Dense(3, last)], metrics=MACRO, dtype="float64")
    net.fit(x, y, epochs=1)
    p = net.predict(x)
    if last != "softmax":
        p = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    found = net.evaluate(x, y)
    assert list(found) == ["loss", *MACRO]
    close(found, judged(x, y, p))
    assert found["loss"] == pytest.approx(found["log_loss"], 1e-9)


@pytest.mark.parametrize(
    ("loss", "n_out", "expected"),
    [
        ("binary_cross_entropy", 2, lambda z: 1 / (1 + np.exp(-z))),
        ("poisson", 2, np.exp),
        ("mse", 2, lambda z: z),
    ],
)
def test_what_other_losses_have_in_them(
    backend: str, dtype: str, loss: str, n_out: int, expected: Callable[..., Any]
) -> None:
    x, t = np.random.default_rng(0).random((2, 90, 2))
    net = dr.Network([dr.Dense(n_out)], loss, metrics=[Rows()], dtype=dtype, backend=backend)
    net.fit(x, t > 0.5, shuffle=True)
    net.evaluate(x, t > 0.5, np.arange(90) % 3)
    true, predicted, weight = seen[-1]
    counts = np.arange(90) % 3 > 0
    assert predicted.dtype == dtype and weight.dtype == np.float64
    np.testing.assert_array_equal(true, (t > 0.5)[counts])
    np.testing.assert_allclose(predicted, expected(net.predict(x)[counts]), rtol=1e-5)
    np.testing.assert_array_equal(weight, (np.arange(90) % 3)[counts])


@pytest.mark.parametrize("shuffle", [True, False])
def test_training_metrics_are_of_the_batches_as_they_were(
    make_net: Make, blobs: Data, dtype: str, shuffle: bool
) -> None:
    """Each row is judged by the network that it met; the losses are the same as without."""
    x, y = blobs
    lists: list[list[Any]] = [["accuracy"], [], [*MACRO, Rows()]]
    plain, twin, net = (make_net(dtype=dtype, metrics=few) for few in lists)
    how: dict[str, Any] = {"epochs": 2, "batch_size": 14, "shuffle": shuffle}
    expected, history = (n.fit(x, y, **how) for n in (plain, net))
    assert history["loss"] == expected["loss"] and history["accuracy"] == expected["accuracy"]
    np.testing.assert_array_equal(net.parameters()["0.weight"], plain.parameters()["0.weight"])
    p = np.empty((len(x), 3), dtype)
    for epoch in range(2):
        order = np.arange(len(x))
        if shuffle:
            order = dr.ops.random_permutation(len(x), seed=0, purpose="shuffle", step=epoch)
        twin.build(5)
        for first in range(0, len(x), 14):
            rows = order[first : first + 14]
            p[rows] = twin.predict(x[rows])
            twin.train_on_batch(x[rows], y[rows])
    np.testing.assert_array_equal(seen[-1][0], y)
    np.testing.assert_allclose(seen[-1][1], p, rtol=2e-6 if dtype == "float32" else 1e-12)
    rel = 1e-6 if dtype == "float32" else 1e-12  # scikit-learn works in the dtype
    close(history, judged(x, y, seen[-1][1]), rel=rel)


def test_a_batch_before_a_fit_and_after(make_net: Make, blobs: Data) -> None:
    """One shows what it puts out and the other does not, though they may use the same memory."""
    x, y = blobs[0][:40], blobs[1][:40]
    net = make_net(metrics=["f1_macro"])
    net.train_on_batch(x, y)
    afresh = copy.deepcopy(net)
    expected, found = (n.fit(x, y, batch_size=40, shuffle=False) for n in (afresh, net))
    assert found == expected
    assert net.train_on_batch(x, y) == copy.deepcopy(afresh).train_on_batch(x, y)


def test_validation_and_weights(make_net: Make, blobs: Data) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    x, y = blobs
    w = np.arange(len(x)) % 4
    net = make_net(metrics=["f1_macro", "recall_weighted"], dtype="float64")
    history = net.fit(x, y, validation_data=(x, y, w))
    p = net.predict(x).argmax(axis=1)
    expected = {"f1_macro": sk.f1_score(y, p, average="macro", sample_weight=w),
                "recall_weighted": sk.recall_score(y, p, average="weighted", sample_weight=w)}
    close(history, expected, "val_")
    close(net.evaluate(x, y, w), expected)


def test_ignored_labels_are_left_out(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    some = np.where(np.arange(len(y)) % 5 == 0, -100, y)
    net = make_net(metrics=[ConfusionMatrix(), "f1_macro", Rows()])
    history = net.fit(x, some)
    assert "confusion_matrix" not in history and "f1_macro" in history
    counts = some >= 0
    np.testing.assert_array_equal(seen[-1][0], y[counts])
    found = net.evaluate(x, some)
    assert found["confusion_matrix"].sum() == counts.sum()
    np.testing.assert_array_equal(
        found["confusion_matrix"], net.evaluate(x[counts], y[counts])["confusion_matrix"]
    )


def test_loss_and_accuracy_do_not_depend_on_others(backend: str, dtype: str) -> None:
    """Of more rows than are taken at once, in as many pieces as without."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2300, 4)), rng.integers(0, 3, 2300)
    few, many = (
        dr.Network([dr.Dense(3, l2=0.1)], "cross_entropy", metrics=["accuracy", *more], dtype=dtype,
                   backend=backend)
        for more in ([], ["f1_macro"])
    )  # fmt: skip
    few.build(4)
    many.build(4)
    one, two = few.evaluate(x, y), many.evaluate(x, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_measure, "ROWS", 1024)
        three = many.evaluate(x, y)
    assert one["accuracy"] == two["accuracy"] == three["accuracy"]
    assert one["loss"] == pytest.approx(two["loss"], 1e-7)
    assert one["loss"] == (three["loss"] if backend == "fast" else pytest.approx(two["loss"], 1e-7))


@pytest.mark.parametrize("method", ["LBFGS", "LevenbergMarquardt"])
def test_methods_that_take_all_rows(backend: str, method: str) -> None:
    if method == "LBFGS":
        pytest.importorskip("scipy")
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = np.sin(x[:, 0])
    layers = [dr.Dense(4, "tanh"), dr.Dense(1)]
    optimizer = getattr(dr, method)()
    net = dr.Network(layers, "mse", optimizer, metrics=["r2"], dtype="float64", backend=backend)
    history = net.fit(x, y, epochs=3)
    assert history["r2"][-1] == pytest.approx(net.evaluate(x, y)["r2"], 1e-12)
    assert history["r2"][-1] == pytest.approx(1 - history["loss"][-1] / y.var(), 1e-9)


def test_a_custom_loss_has_them_too(backend: str) -> None:
    from .custom_layers import MyMSE

    x, t = np.random.default_rng(0).normal(size=(2, 50, 2))
    nets = [
        dr.Network([dr.Dense(2)], loss, "sgd", metrics=["r2"], dtype="float64", backend=backend)
        for loss in (MyMSE(), "mse")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *a, **k: None)
        own, built_in = (net.fit(x, t, epochs=2)["r2"] for net in nets)
    assert own == pytest.approx(built_in, 1e-12)


# -------------------------------------------------------------------------------- in mid-epoch
@pytest.mark.parametrize("saved", [False, True])
def test_interrupted_epoch(
    make_net: Make, blobs: Data, backend: str, tmp_path: Path, saved: bool
) -> None:
    how: dict[str, Any] = {"batch_size": 14}
    arguments: dict[str, Any] = {"metrics": [*MACRO, ConfusionMatrix()], "dtype": "float64"}
    whole, net = make_net(**arguments), make_net(**arguments)
    expected = whole.fit(*blobs, epochs=2, **how)
    interrupt(net, blobs, 1, 3, epochs=2, **how)
    if net._position.batch == 0:
        pytest.skip("the whole epoch was one slice of training")
    if saved:
        net.save(tmp_path / "half.safetensors")
        net = dr.load(tmp_path / "half.safetensors", backend=backend)
    assert net.fit(*blobs, epochs=2, **how) == expected
    assert_same(net, whole)
    whole.save(tmp_path / "whole.safetensors")
    assert dr.load(tmp_path / "whole.safetensors")._position.outputs is None


def test_another_fit_has_rows_of_its_own(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    net = make_net(metrics=["f1_macro"])
    interrupt(net, blobs, 1, 1, batch_size=14)
    assert net.fit(x[:60], y[:60], batch_size=10)["f1_macro"]


# ------------------------------------------------------------------------------ holding rows out
def test_rows_held_out(backend: str) -> None:
    sizes = (10, 0.2, 2), (30, 0.1, 3), (7, 0.5, 4), (2, 0.01, 1), (900, 0.4, 360)
    for n, fraction, wanted in sizes:
        learnt, held = _split.share_out(n, fraction, None, 5, backend)
        assert len(held) == wanted
        np.testing.assert_array_equal(np.sort(np.r_[learnt, held]), np.arange(n))
        assert (np.diff(held) > 0).all() and (np.diff(learnt) > 0).all()
    others = [_split.share_out(900, 0.4, None, seed, backend)[1] for seed in (5, 6)]
    np.testing.assert_array_equal(others[0], held)
    assert len(np.intersect1d(*others)) < 200
    first, second = (_split.share_out(900, 0.4, None, 5, b)[1] for b in ("fast", "reference"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [((50, 30, 20), 0.1, (5, 3, 2)), ((5, 5, 1), 0.2, (1, 1, 0)), ((3, 3, 3, 3), 0.5, (2, 2, 1, 1)),
     ((1, 98, 1), 0.5, (1, 49, 0))],
)  # fmt: skip
def test_classes_in_equal_shares(sizes: Any, fraction: float, expected: Any) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    np.random.default_rng(0).shuffle(strata)
    _, held = _split.share_out(len(strata), fraction, strata, 0, "fast")
    np.testing.assert_array_equal(np.bincount(strata[held], minlength=len(sizes)), expected)


@pytest.mark.parametrize("form", ["labels", "one-hot", "questions", "numbers"])
@pytest.mark.parametrize("weighted", [False, True])
def test_as_if_told(backend: str, form: str, weighted: bool) -> None:
    """As a fit with the same rows as validation_data; Normalization measures the others alone."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(60, 2)), np.arange(60) % 3
    x[labels == 2] += 5
    loss, n_out, y, class_weight = {
        "labels": ("cross_entropy", 3, labels, "balanced"),
        "one-hot": ("cross_entropy", 3, np.eye(3)[labels], {0: 2.0}),
        "questions": ("binary_cross_entropy", 1, labels > 1, {1: 3.0}),
        "numbers": ("mse", 1, x[:, 0], None),
    }[form]
    w = None
    strata = {"questions": np.asarray(labels > 1, int), "numbers": None}.get(form, labels)
    if weighted:
        w = rng.integers(0, 3, 60)
        strata = None if strata is None else np.where(w > 0, strata, -1)

    def make() -> dr.Network:
        layers = [dr.Normalization(), dr.Dense(n_out)]
        return dr.Network(layers, loss, seed=9, dtype="float64", backend=backend)

    how: dict[str, Any] = {"epochs": 2, "class_weight": class_weight}
    learnt, held = _split.share_out(60, 0.25, strata, 9, backend)
    net, twin = make(), make()
    history = net.fit(x, y, validation_split=0.25, sample_weight=w, **how)
    parts = [[a[rows] for a in (x, y, w) if a is not None] for rows in (learnt, held)]
    expected = twin.fit(
        *parts[0][:2], validation_data=tuple(parts[1]), sample_weight=w if w is None else w[learnt],
        **how,
    )  # fmt: skip
    assert history == expected
    assert_same(net, twin)
    np.testing.assert_allclose(net.parameters()["0.running_mean"], x[learnt].mean(axis=0), 1e-12)
    assert net.fit(x, y, validation_split=0.25, **how).epochs == 2  # the same rows again


def test_ignored_labels_are_a_share_of_their_own(backend: str) -> None:
    x, y = np.zeros((40, 1)), np.repeat([0, 1, -100, -100], 10)
    net = dr.Network([dr.Dense(2)], "cross_entropy", metrics=[Rows()], backend=backend)
    net.fit(x, y, validation_split=0.3, class_weight="balanced")
    np.testing.assert_array_equal(np.bincount(seen[-1][0]), [3, 3])


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"validation_split": 1.0}, ValueError, "validation_split must be >= 0 and < 1, got 1.0"),
        ({"validation_split": "a"}, TypeError, "validation_split must be"),
        ({"validation_split": 0.999}, ValueError, "holds out all of X, which has 20 rows"),
        ({"validation_split": 0.5, "validation_data": (1, 2)}, ValueError, "cannot both be given"),
        ({"validation_split": 0.5, "sample_weight": np.eye(20)[3]}, ValueError, "is zero every"),
    ],
)  # fmt: skip
def test_bad_splits(make_net: Make, how: Any, error: type[Exception], message: str) -> None:
    net = make_net()
    with pytest.raises(error, match=message):
        net.fit(np.ones((20, 2)), np.arange(20) % 3, **how)
    assert not net.built


def test_faults_are_named_by_the_rows_that_the_user_knows(make_net: Make) -> None:
    x = np.ones((20, 2))
    x[17, 1] = np.nan
    with pytest.raises(ValueError, match="X has nan at row 17, column 1"):
        make_net().fit(x, np.arange(20) % 3, validation_split=0.3)


def test_specs_of_several_averages_live_together(make_net: Make, blobs: Data) -> None:
    net = make_net(metrics=["f1_macro", F1(None), F1("micro")])
    found = net.fit(*blobs) and net.evaluate(*blobs)
    assert list(found) == ["loss", "f1_macro", "f1_per_class", "f1_micro"]
    assert found["f1_macro"] == pytest.approx(found["f1_per_class"].mean(), 1e-12)
