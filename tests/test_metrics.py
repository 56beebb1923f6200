"""Metrics by themselves: as scikit-learn's, rows in chunks; names, arguments, refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import metrics
from deltarule.metrics import (
    F1,
    MAE,
    MSE,
    R2,
    RMSE,
    ROCAUC,
    Accuracy,
    ConfusionMatrix,
    LogLoss,
    Precision,
    Recall,
    Task,
    TopKAccuracy,
)

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]

N = 150


def labels(n_out: int, seed: int = 0) -> tuple[Task, Rows]:
    """Probabilities with many equal ones, and a class that is rare."""
    rng = np.random.default_rng(seed)
    p = rng.integers(1, 9, (N, n_out)).astype(float)
    t = np.where(rng.random(N) < 0.5, p.argmax(axis=1), rng.integers(0, n_out - 1, N))
    t[:n_out] = np.arange(n_out)
    p /= p.sum(axis=1, keepdims=True)
    return Task("argmax", n_out, chances=True, labels=True), (t, p, rng.uniform(0.1, 3, N))


def questions(n_out: int, half: float = 0.5) -> tuple[Task, Rows]:
    rng = np.random.default_rng(n_out)
    t = rng.integers(0, 2, (N, n_out)).astype(float)
    y = np.round(np.clip(0.3 * t + 0.7 * rng.random((N, n_out)), 0.01, 0.99), 1) + half - 0.5
    return Task("threshold", n_out, half, chances=half == 0.5), (t, y, rng.uniform(0.1, 3, N))


def amounts(n_out: int, mean: float) -> tuple[Task, Rows]:
    rng = np.random.default_rng(n_out)
    t = rng.normal(mean, 1, (N, n_out))
    return Task("", n_out), (t, t + rng.normal(0, 0.3, (N, n_out)), rng.uniform(0.1, 3, N))


def computed(metric: metrics.Metric, task: Task, rows: Rows, step: int = 47) -> Any:
    state = metric.start(task)
    for first in range(0, len(rows[0]), step):
        state = metric.update(state, *(a[first : first + step] for a in rows))
    return metric.result(state)


def classes(task: Task, t: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As scikit-learn wants true and predicted ones."""
    if task.decides == "argmax":
        return t, y.argmax(axis=1)
    true, predicted = t.astype(int), (y > task.half).astype(int)
    return (true[:, 0], predicted[:, 0]) if task.n_out == 1 else (true, predicted)


def of_classes(name: str, **arguments: Any) -> Callable[..., Any]:
    def peer(sk: Any, task: Task, t: np.ndarray, y: np.ndarray, w: np.ndarray) -> Any:
        return getattr(sk, name)(*classes(task, t, y), sample_weight=w, **arguments)

    return peer


def of_outputs(name: str, **arguments: Any) -> Callable[..., Any]:
    def peer(sk: Any, task: Task, t: np.ndarray, y: np.ndarray, w: np.ndarray) -> Any:
        y = y[:, -1] if task.n_classes == 2 else y
        t = t[:, 0] if t.ndim == 2 and task.n_out == 1 else t
        return getattr(sk, name)(t, y, sample_weight=w, **arguments)

    return peer


BINARY = {"softmax": labels(2), "sigmoid": questions(1), "margins": questions(1, half=0.0)}
CLASSES = {**BINARY, "classes": labels(4)}
COUNTED = {**CLASSES, "questions": questions(3)}
NUMBERS = {"number": amounts(1, 0), "numbers": amounts(3, 0), "far": amounts(1, 1e4)}
AVERAGES = ("macro", "micro", "weighted", None)

CASES: list[tuple[metrics.Metric, Callable[..., Any], dict[str, tuple[Task, Rows]]]] = [
    (Accuracy(), of_classes("accuracy_score"), CLASSES),
    (TopKAccuracy(2), of_outputs("top_k_accuracy_score", k=2), {"classes": labels(4)}),
    (ConfusionMatrix(), of_classes("confusion_matrix"), CLASSES),
    *[
        (ConfusionMatrix(over), of_classes("confusion_matrix", normalize=over), CLASSES)
        for over in ("true", "pred", "all")
    ],
    *[
        (cls(average), of_classes(name, average=average, zero_division=0), scenes)
        for cls, name in (
            (Precision, "precision_score"),
            (Recall, "recall_score"),
            (F1, "f1_score"),
        )
        for average, scenes in (("binary", BINARY), *((a, COUNTED) for a in AVERAGES))
    ],
    *[
        (
            ROCAUC(average=a),
            of_outputs("roc_auc_score", average=a, multi_class="ovr"),
            {"classes": labels(4), "questions": questions(3)},
        )
        for a in AVERAGES
    ],
    (ROCAUC(), of_outputs("roc_auc_score"), BINARY),
    (LogLoss(), of_outputs("log_loss"), {k: v for k, v in CLASSES.items() if k != "margins"}),
    (MSE(), of_outputs("mean_squared_error"), NUMBERS),
    (RMSE(), of_outputs("root_mean_squared_error"), NUMBERS),
    (MAE(), of_outputs("mean_absolute_error"), NUMBERS),
    (R2(), of_outputs("r2_score"), NUMBERS),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("metric", "peer", "scene"),
    [(metric, peer, scenes[name]) for metric, peer, scenes in CASES for name in scenes],
    ids=[f"{metric.name}-{name}" for metric, _, scenes in CASES for name in scenes],
)
def test_as_scikit_learn(
    metric: metrics.Metric, peer: Any, scene: tuple[Task, Rows], weighted: bool
) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    task, (t, y, w) = scene
    if not weighted:
        w = np.ones(N)
    expected = peer(sk, task, t, y, w)
    np.testing.assert_allclose(computed(metric, task, (t, y, w)), expected, 1e-12, 1e-14)
    assert np.ndim(expected) == 0 or not metric.scalar


def test_pairs_of_classes_as_scikit_learn() -> None:
    """Which takes no weights there; whole ones are rows that are there several times."""
    sk = pytest.importorskip("sklearn.metrics")
    task, (t, y, _) = labels(4)
    times = np.random.default_rng(3).integers(1, 4, N)
    t_, y_ = np.repeat(t, times), np.repeat(y, times, axis=0)
    for average in ("macro", "weighted"):
        expected = sk.roc_auc_score(t_, y_, multi_class="ovo", average=average)
        metric = ROCAUC("ovo", average)
        assert computed(metric, task, (t, y, times.astype(float))) == pytest.approx(expected, 1e-12)
        assert computed(metric, task, (t_, y_, np.ones(len(t_)))) == pytest.approx(expected, 1e-12)


def test_classes_that_do_not_occur() -> None:
    """A mean is one over classes that do; a value for each class has one for each output."""
    sk = pytest.importorskip("sklearn.metrics")
    t, y, w = np.array([0, 0, 2]), np.eye(4)[[0, 2, 2]], np.ones(3)
    task = Task("argmax", 4)
    for cls, name in ((Precision, "precision_score"), (Recall, "recall_score"), (F1, "f1_score")):
        for average in ("macro", "weighted"):
            expected = getattr(sk, name)(t, y.argmax(axis=1), average=average)
            assert computed(cls(average), task, (t, y, w)) == pytest.approx(expected, 1e-12)
        expected = getattr(sk, name)(
            t, y.argmax(axis=1), average=None, labels=range(4), zero_division=0
        )
        np.testing.assert_allclose(computed(cls(None), task, (t, y, w)), expected, 1e-12)


ONE = np.ones((4, 1))


@pytest.mark.parametrize(
    ("metric", "task", "t", "y", "expected"),
    [
        (Precision(), Task("threshold", 1), ONE, 0 * ONE, 0.0),
        (Recall(), Task("threshold", 1), 0 * ONE, ONE, 0.0),
        (F1(), Task("threshold", 1), 0 * ONE, 0 * ONE, 0.0),
        (F1("weighted"), Task("threshold", 2), np.zeros((4, 2)), np.ones((4, 2)), 0.0),
        (ROCAUC(), Task("threshold", 1), ONE, ONE * [[0.1]], np.nan),
        (ROCAUC(), Task("argmax", 3), np.array([0, 1]), np.eye(3)[:2], np.nan),
        (ROCAUC("ovo"), Task("argmax", 3), np.array([0, 1]), np.eye(3)[:2], np.nan),
        (ROCAUC("ovo"), Task("argmax", 4), np.array([0, 1]), np.eye(4)[:2], np.nan),
        (ROCAUC(), Task("threshold", 1), np.eye(4)[:, :1], np.full((4, 1), np.nan), np.nan),
        (R2(), Task("", 1), 0.1 * ONE, 0.1 * ONE, 1.0),
        (R2(), Task("", 1), 0.1 * ONE, ONE, 0.0),
        (R2(), Task("", 1), ONE[:1], ONE[:1], np.nan),
        (LogLoss(), Task("threshold", 1, chances=True), ONE, 0 * ONE, -np.log(2.0**-52)),
        (LogLoss(), Task("argmax", 2, chances=True), np.full((1, 2), 0.5), np.full((1, 2), 0.5),
         np.log(2)),
        (LogLoss(), Task("threshold", 2, chances=True), np.eye(2), np.full((2, 2), 0.5), np.log(2)),
        (Accuracy(), Task("threshold", 2), np.eye(2), np.ones((2, 2)), 0.5),
    ],
)  # fmt: skip
def test_edges(metric: Any, task: Task, t: np.ndarray, y: np.ndarray, expected: float) -> None:
    value = computed(metric, task, (t, y, np.ones(len(t))), step=3)
    assert isinstance(value, float | np.floating)
    np.testing.assert_allclose(value, expected, 1e-12)


def test_without_rows_nothing_is_known() -> None:
    for metric, _, scenes in CASES:
        task, _ = next(iter(scenes.values()))
        assert np.isnan(metric.result(metric.start(task)))


# ------------------------------------------------------------------------------ names and arguments
def test_names() -> None:
    assert metrics.get("f1_macro") == F1("macro")
    assert metrics.get("f1") == F1()
    assert metrics.get("roc_auc_ovo_weighted") == ROCAUC("ovo", "weighted")
    assert metrics.get("top_3_accuracy") == TopKAccuracy(3)
    for name, metric in metrics.NAMES.items():
        assert metric.name == name and name not in metrics.TABLE
    net = dr.Network([dr.Dense(4)], "cross_entropy", metrics=["f1_macro", Recall(None), "roc_auc"])
    assert "metrics=['f1_macro', Recall(average=None), 'roc_auc']" in repr(net)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.get("roc_auk"), "did you mean 'roc_auc'"),
        (lambda: metrics.get("auc"), "did you mean 'roc_auc'"),
        (lambda: F1("mean"), "average must be 'binary', 'macro', 'micro', 'weighted' or None"),
        (lambda: ROCAUC("all"), "multi_class must be 'ovr' or 'ovo'"),
        (lambda: ROCAUC("ovo", None), "average must be one of 'macro', 'weighted' with"),
        (lambda: ConfusionMatrix("rows"), "normalize must be 'true', 'pred', 'all' or None"),
        (lambda: TopKAccuracy(0), "k must be"),
        (lambda: metrics.get_all(["f1", F1()]), "the same metric twice"),
    ],
)
def test_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("metric", "loss", "n_out", "message"),
    [
        ("f1", "cross_entropy", 3, "'f1' with average='binary' is for two classes, got 3 classes"),
        ("f1", "binary_cross_entropy", 2, "for two classes, got 2 questions: use average="),
        ("recall_macro", "poisson", 1, "'recall' needs classes, and loss 'poisson' has none"),
        ("roc_auc", "cosine", 2, "'roc_auc' needs classes"),
        ("confusion_matrix", "binary_cross_entropy", 2, "got 2 questions of their own"),
        (TopKAccuracy(3), "cross_entropy", 3, "k=3 needs more than 3 classes, got 3"),
        ("top_2_accuracy", "binary_cross_entropy", 1, "k=2 needs more than 2 classes, got 2"),
        ("log_loss", "hinge", 1, "'log_loss' needs probabilities"),
        ("mse", "cross_entropy", 3, "'mse' needs numbers, and loss 'cross_entropy' has classes"),
        ("r2", "gaussian_nll", 2, "needs one output for each target"),
    ],
)
def test_what_metrics_say_nothing_about(metric: Any, loss: str, n_out: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dr.Network([dr.Dense(n_out)], loss, metrics=[metric])


# ------------------------------------------------------------------------------------ users' own
@dataclass(frozen=True)
class Within(dr.CustomMetric):
    """The share of rows whose outputs are all less than `off` off."""

    kind = "within"
    off: float = 0.5

    def start(self, task: Task) -> Any:
        return np.zeros(2)

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
        near = (np.abs(y_pred - y_true) < self.off).all(axis=1)
        return state + np.array([weight @ near, weight.sum()])

    def result(self, state: Any) -> Any:
        return state[0] / state[1]


class Worst(dr.CustomMetric):
    kind = "worst"

    def start(self, task: Task) -> Any:
        return 0.0

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
        return max(state, np.abs(y_pred - y_true).max())

    def result(self, state: Any) -> Any:
        return state


class Several(Worst):
    kind = "several"

    def result(self, state: Any) -> Any:
        return np.zeros(2)


def line(backend: str, own: list[Any]) -> tuple[dr.Network, np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(50, 2))
    net = dr.Network([dr.Dense(1)], "mse", metrics=own, dtype="float64", backend=backend)
    return net, x, x @ [1.0, -2.0]


def test_a_metric_of_ones_own(backend: str, tmp_path: Any) -> None:
    net, x, y = line(backend, [Within(0.3), Worst(), "mae"])
    w = np.arange(50.0)
    history = net.fit(x, y, epochs=2, validation_data=(x, y), sample_weight=w)
    assert {"within", "val_worst"} < set(history)
    off = np.abs(net.predict(x)[:, 0] - y)
    found = net.evaluate(x, y, w)
    assert found["within"] == pytest.approx(w @ (off < 0.3) / w.sum(), 1e-12)
    assert found["worst"] == pytest.approx(off[1:].max(), 1e-12)
    assert history["val_worst"][-1] == pytest.approx(off.max(), 1e-12)
    net.save(tmp_path / "own.safetensors")
    with pytest.raises(dr.ModelFileError, match=r"unknown metric 'within'; .*custom="):
        dr.load(tmp_path / "own.safetensors")
    own = {"within": Within, "worst": Worst}
    again = dr.load(tmp_path / "own.safetensors", custom=own, backend=backend)
    assert again.metrics == net.metrics and again.evaluate(x, y, w) == found


def test_what_ones_own_may_not_do(backend: str) -> None:
    net, x, y = line(backend, [Several()])
    with pytest.raises(TypeError, match="metric Several: result must return a number"):
        net.fit(x, y)
    with pytest.raises(ValueError, match="two results of the name 'within'"):
        line(backend, [Within(), Within(0.2)])

    class Changes(Worst):
        kind = "changes"

        def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any) -> Any:
            y_pred *= 2

    with pytest.raises(ValueError, match="read-only"):
        line(backend, [Changes()])[0].fit(x, y)

    class Taken(Worst):
        kind = "mse"

    with pytest.raises(ValueError, match="'mse' is taken"):
        line(backend, [Taken()])
