"""The parameters that scikit-learn has not got: each against a Network, scikit-learn or by hand."""

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as stock
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight

import deltarule as dr
from deltarule import layers, schedules
from deltarule.sklearn import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(2)
N = 40
X = RNG.normal(size=(N, 4))
SCORE = X @ RNG.normal(size=(4, 3)) + 0.3 * RNG.normal(size=(N, 3))
CLASSES, NUMBER = SCORE.argmax(1), SCORE[:, 0]
LABELS = (SCORE > 0).astype(int)
XV, YV = X[::3] + 0.1, np.array(["a", "b", "c"])[CLASSES[::3]]
TEXT = np.array(["a", "b", "c"])[CLASSES]
SMALL: dict[str, Any] = {"hidden_layer_sizes": (6, 5), "max_iter": 4, "random_state": 0}
WHOLE: dict[str, Any] = {**SMALL, "batch_size": N, "shuffle": False, "alpha": 0.0}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights_of(mlp: Any) -> list[Any]:
    return [*mlp.coefs_, *mlp.intercepts_]


def same(one: Any, other: Any) -> None:
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        assert_array_equal(a, b)


# --------------------------------------------------------------------------- against a Network
class Drawn:
    """What scikit-learn draws from random_state=0, by hand."""

    def __init__(self, *squashes: bool, sizes: tuple[int, ...] = (4, 6, 5, 1)) -> None:
        rng = np.random.RandomState(0)
        self.values = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            squashed = squashes[min(i, len(squashes) - 1)] if squashes else False
            bound = np.sqrt((2 if squashed else 6) / (n_in + n_out))
            weight = rng.uniform(-bound, bound, (n_in, n_out))
            self.values.append((weight, rng.uniform(-bound, bound, n_out)))
        self.seed = rng.randint(1 << 31)


HUBER: dict[str, Any] = {"loss": "huber", "huber_delta": 0.5}
SGD: dict[str, Any] = {"optimizer": dr.SGD(0.1)}
Dense, BatchNorm, Dropout = dr.Dense, dr.BatchNorm, dr.Dropout
PLAIN = [Dense(6, "relu"), Dense(5, "relu"), Dense(1)]
LEVELS = (0.1, 0.9)

# what it is called, settings, layers, loss and optimizer of the Network
SAME: list[tuple[str, dict[str, Any], list[layers.Layer], Any, Any]] = [
    ("huber", {**HUBER, **SGD}, PLAIN, dr.losses.Huber(0.5), dr.SGD(0.1)),
    ("absolute", {"loss": "absolute_error", **SGD}, PLAIN, "mae", dr.SGD(0.1)),
    ("quantile", {"loss": "quantile", "quantile": 0.9, **SGD}, PLAIN, dr.losses.Quantile((0.9,)),
     dr.SGD(0.1)),
    ("quantiles", {"loss": "quantile", "quantile": LEVELS, **SGD}, [*PLAIN[:2], Dense(2)],
     dr.losses.Quantile(LEVELS), dr.SGD(0.1)),
    ("dropout", {**HUBER, **SGD, "dropout": 0.3},
     [PLAIN[0], Dropout(0.3), PLAIN[1], Dropout(0.3), PLAIN[2]], None, dr.SGD(0.1)),
    ("dropouts", {**HUBER, **SGD, "dropout": [0.0, 0.4]},
     [PLAIN[0], PLAIN[1], Dropout(0.4), PLAIN[2]], None, dr.SGD(0.1)),
    ("activation", {**HUBER, **SGD, "activation": "gelu"},
     [Dense(6, "gelu"), Dense(5, "gelu"), PLAIN[2]], None, dr.SGD(0.1)),
    ("activations", {**HUBER, **SGD, "activation": ["logistic", dr.activations.LeakyReLU(0.2)]},
     [Dense(6, "sigmoid"), Dense(5, dr.activations.LeakyReLU(0.2)), PLAIN[2]], None, dr.SGD(0.1)),
    ("prelu", {**HUBER, **SGD, "activation": ["prelu", "tanh"]},
     [Dense(6, "prelu"), Dense(5, "tanh"), PLAIN[2]], None, dr.SGD(0.1)),
    ("batch_norm", {**HUBER, **SGD, "batch_norm": True, "activation": "tanh"},
     [Dense(6), BatchNorm(), layers.Activation("tanh"),
      Dense(5), BatchNorm(), layers.Activation("tanh"), PLAIN[2]], None, dr.SGD(0.1)),
    ("penalties", {**HUBER, **SGD, "l1": 0.5, "alpha": 3.0},
     [Dense(6, "relu", l1=0.5 / N, l2=1.5 / N), Dense(5, "relu", l1=0.5 / N, l2=1.5 / N),
      Dense(1, l1=0.5 / N, l2=1.5 / N)], None, dr.SGD(0.1)),
    ("clip_norm", {**HUBER, **SGD, "clip_norm": 0.01}, PLAIN, None,
     dr.SGD(0.1, global_clipnorm=0.01)),
    ("schedule", {**HUBER, "optimizer": dr.Adam(schedules.StepLR(0.1, step_size=2))}, PLAIN, None,
     dr.Adam(schedules.StepLR(0.1, step_size=2))),
    ("pieces", {**HUBER, "optimizer": dr.SGD(0.1, gradient_accumulation_steps=4),
     "batch_size": 10}, PLAIN, None, dr.SGD(0.1)),
    ("marquardt", {"optimizer": "levenberg_marquardt", "activation": "tanh", "alpha": 0.2},
     [Dense(6, "tanh", l2=0.2 / N), Dense(5, "tanh", l2=0.2 / N), Dense(1, l2=0.2 / N)], "mse",
     "levenberg_marquardt"),
    *((f"optimizer {name}", {**HUBER, "optimizer": name}, PLAIN, None, name)
      for name in dr.optimizers.STEPS),
]  # fmt: skip


@pytest.mark.parametrize("case", SAME, ids=lambda case: case[0])
def test_as_a_network(case: Any) -> None:
    """The same bits as a Network of these layers that begins with the same weights."""
    name, settings, stack, loss, optimizer = case
    mlp = MLPRegressor(**{**WHOLE, **settings}).fit(X, NUMBER)
    first = Drawn(*[True, False] if name == "activations" else [],
                  sizes=(4, 6, 5, stack[-1].units))  # fmt: skip
    net = dr.Network(stack, loss or dr.losses.Huber(0.5), optimizer, dtype="float64",
                     seed=first.seed)  # fmt: skip
    net.build(4)
    dense = [str(i) for i, layer in enumerate(stack) if isinstance(layer, Dense)]
    for i, (weight, bias) in zip(dense, first.values, strict=True):
        net.set_parameters({f"{i}.weight": weight, f"{i}.bias": bias})
    history = net.fit(X, NUMBER, epochs=4, batch_size=N, shuffle=False)
    found = net.parameters()
    exactly = {"rtol": 1e-8 if "l2" in repr(stack) else 0.0}  # penalties are divided elsewhere
    for i, coef, intercept in zip(dense, mlp.coefs_, mlp.intercepts_, strict=True):
        assert_allclose(coef, found[f"{i}.weight"], **exactly)
        assert_allclose(intercept, found[f"{i}.bias"], **exactly)
    rest = {k: v for k, v in found.items() if k not in {f"{i}.{p}" for i in dense
                                                        for p in ("weight", "bias")}}  # fmt: skip
    assert list(getattr(mlp, "other_parameters_", {})) == list(rest)
    for key, value in rest.items():
        assert_array_equal(mlp.other_parameters_[key], value)
    half = 0.5 if name == "marquardt" else 1.0
    assert_allclose(mlp.loss_curve_, np.multiply(half, history["loss"]), rtol=1e-12)
    expected = net.predict(X)
    expected = expected if expected.shape[1] > 1 else expected[:, 0]
    assert_allclose(mlp.predict(X), expected, **exactly)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_list_of_one_activation(solver: str) -> None:
    """Is that one, for every solver."""
    one, several = (
        MLPClassifier(**SMALL, solver=solver, activation=activation).fit(X, CLASSES)
        for activation in ("logistic", ["logistic", "sigmoid"])
    )
    for a, b in zip(weights_of(one), weights_of(several), strict=True):
        assert_allclose(a, b, rtol=1e-9)
    assert_array_equal(one.predict(X), several.predict(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_huber_far_out(solver: str) -> None:
    """Of small differences it is squared_error."""
    settings = {**SMALL, "solver": solver}
    huber = MLPRegressor("huber", **settings, huber_delta=1e6).fit(X, NUMBER)
    squares = MLPRegressor(**settings).fit(X, NUMBER)
    assert_allclose(huber.predict(X), squares.predict(X), rtol=1e-7)
    assert_allclose(huber.loss_, squares.loss_, rtol=1e-7)


# -------------------------------------------------------------------------------- class_weight
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("given", ["balanced", {"a": 3, "c": 0.5}])
def test_class_weight(solver: str, given: Any) -> None:
    settings = {**SMALL, "solver": solver}
    own = np.linspace(0.5, 2, N)
    weight = compute_sample_weight(given if given == "balanced" else {"b": 1, **given}, TEXT)
    mlp = MLPClassifier(**settings, class_weight=given).fit(X, TEXT, own)
    same(mlp, MLPClassifier(**settings).fit(X, TEXT, own * weight))


def test_class_weight_of_several_labels() -> None:
    given = [{0: 1, 1: 4}, {0: 1, 1: 1}, {0: 2, 1: 1}]
    weight = compute_sample_weight(given, LABELS)
    mlp = MLPClassifier(**SMALL, class_weight=given).fit(X, LABELS)
    same(mlp, MLPClassifier(**SMALL).fit(X, LABELS, weight))


def test_class_weight_in_parts() -> None:
    """A batch may lack classes."""
    mlp, other = MLPClassifier(**SMALL, class_weight={"a": 3, "c": 2}), MLPClassifier(**SMALL)
    some = TEXT != "a"
    mlp.partial_fit(X[some], TEXT[some], classes=["a", "b", "c"])
    other.partial_fit(X[some], TEXT[some], 1.0 + (TEXT[some] == "c"), classes=["a", "b", "c"])
    same(mlp, other)


# ------------------------------------------------------------------- validation and stopping
def test_the_loss_of_validation_data() -> None:
    mlp = MLPClassifier(**SMALL, alpha=0.7, validation_data=(XV, YV)).fit(X, TEXT)
    penalty = 0.35 * sum(np.square(coef).sum() for coef in mlp.coefs_) / len(XV)
    expected = log_loss(YV, mlp.predict_proba(XV)) + penalty
    assert mlp.validation_loss_curve_[-1] == pytest.approx(expected)
    assert len(mlp.validation_loss_curve_) == mlp.n_iter_ == 4 and mlp.stopped_ is None
    same(mlp, MLPClassifier(**SMALL, alpha=0.7).fit(X, TEXT))


@pytest.mark.parametrize("apart", [False, True])
def test_stopping_on_the_loss(apart: bool) -> None:
    settings = {**SMALL, "max_iter": 60, "learning_rate_init": 0.1, "n_iter_no_change": 3}
    given = (XV, YV) if apart else None
    mlp = MLPClassifier(
        **settings, early_stopping=True, scoring="loss", validation_data=given, batch_norm=apart
    ).fit(X, TEXT)
    curve = mlp.validation_loss_curve_
    assert_allclose(mlp.validation_scores_, np.negative(curve))
    assert mlp.best_validation_score_ == -min(curve) and mlp.n_iter_ < 60
    assert mlp.stopped_ is not None and mlp.stopped_.startswith("Validation score")
    if apart:  # the best weights are in place, those of batch_norm, too
        penalty = 0.5e-4 * sum(np.square(coef).sum() for coef in mlp.coefs_) / len(XV)
        assert log_loss(YV, mlp.predict_proba(XV)) + penalty == pytest.approx(min(curve))


def test_a_scorer() -> None:
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("wxyz"))
    settings = {**SMALL, "max_iter": 1, "early_stopping": True, "scoring": "f1_macro"}
    mlp = MLPClassifier(**settings, validation_data=(frame[::3], TEXT[::3])).fit(frame, TEXT)
    expected = f1_score(TEXT[::3], mlp.predict(frame[::3]), average="macro")
    assert mlp.validation_scores_ == [pytest.approx(expected)]
    assert list(mlp.feature_names_in_) == list("wxyz")


def test_early_stopping_in_parts() -> None:
    mlp = MLPClassifier(
        **{**SMALL, "learning_rate_init": 0.1}, early_stopping=True, n_iter_no_change=2,
        validation_data=(XV, YV, np.linspace(0, 1, len(XV))),
    )  # fmt: skip
    for _ in range(99):
        mlp.partial_fit(X, TEXT, classes=["a", "b", "c"])
        if mlp.stopped_:
            break
    scores = mlp.validation_scores_
    assert len(scores) < 99 and max(scores) == mlp.best_validation_score_
    best = mlp.score(XV, YV, np.linspace(0, 1, len(XV)))
    assert best == pytest.approx(max(scores)) and scores[-1] <= max(scores)
    mlp.partial_fit(X, TEXT)
    assert mlp.stopped_ is None


# ----------------------------------------------------------------------------------- callbacks
class Watch(dr.Callback):
    """What it has been told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_epoch_end(self, training: Any, values: Any) -> None:
        self.seen.append((dict(values), dr.get_num_threads(), training.epoch))


def test_callbacks(tmp_path: Any) -> None:
    watch, path = Watch(), str(tmp_path / "best.safetensors")
    callbacks = [watch, dr.EarlyStopping("val_loss", patience=1, min_delta=10.0),
                 dr.ModelCheckpoint(path, monitor="val_loss")]  # fmt: skip
    before = dr.get_num_threads()
    mlp = MLPClassifier(
        **SMALL, callbacks=callbacks, n_threads=1, validation_data=(XV, YV), batch_norm=True
    ).fit(X, TEXT)
    assert mlp.n_iter_ == 2 and "val_loss" in mlp.stopped_
    assert [seen[0]["val_loss"] for seen in watch.seen] == mlp.validation_loss_curve_
    assert [seen[1] for seen in watch.seen] == [1, 1] and dr.get_num_threads() == before
    assert_allclose(dr.load(path).predict(X).sum(1), 1, rtol=1e-6)


def test_callbacks_in_parts() -> None:
    """Calls of partial_fit are epochs of one training."""
    watch = Watch()
    mlp = MLPRegressor(
        **SMALL, callbacks=[watch, dr.EarlyStopping("loss", patience=3, min_delta=10.0)]
    )
    stopped = []
    for _ in range(5):
        mlp = pickle.loads(pickle.dumps(mlp.partial_fit(X, NUMBER)))
        stopped.append(mlp.stopped_ is not None)
    assert stopped == [False, False, False, True, False]
    assert [seen[2] for seen in mlp.callbacks[0].seen] == [0, 1, 2, 3, 4]
    mlp.set_params(warm_start=True, callbacks=[watch]).fit(X, NUMBER)
    assert [seen[2] for seen in watch.seen[-4:]] == [0, 1, 2, 3]


@pytest.mark.parametrize("settings", [{"optimizer": "adamw"}, {"clip_norm": 0.01}])
def test_state_in_parts(settings: dict[str, Any]) -> None:
    """Calls of partial_fit are a fit, pickled or not."""
    mlp = MLPClassifier(**WHOLE, **settings)
    for _ in range(4):
        mlp = pickle.loads(pickle.dumps(mlp.partial_fit(X, CLASSES, classes=[0, 1, 2])))
    same(mlp, MLPClassifier(**WHOLE, **settings).fit(X, CLASSES))


# ------------------------------------------------------------------------------- the rest of it
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_dtype(solver: str) -> None:
    mlp = MLPRegressor(**{**SMALL, "solver": solver}, dtype="float32").fit(X, NUMBER)
    assert {array.dtype.name for array in weights_of(mlp)} == {"float32"}
    assert mlp.predict(X).dtype == np.float32
    with pytest.raises(ValueError, match="too large for dtype"):
        mlp.predict(1e300 * X)
    if solver == "adam":
        same(mlp, MLPRegressor(**SMALL).fit(X.astype("float32"), NUMBER))


def test_curvature_is_kept() -> None:
    """Many short calls get as far as a long one, which begins as scikit-learn's does."""
    settings = {**SMALL, "solver": "lbfgs", "activation": "tanh", "warm_start": True}
    long = MLPRegressor(**{**settings, "max_iter": 60}, keep_curvature=True).fit(X, NUMBER)
    theirs = stock.MLPRegressor(**{**settings, "max_iter": 60}).fit(X, NUMBER)
    assert long.loss_ == pytest.approx(theirs.loss_, rel=1e-5) and long.n_iter_ == theirs.n_iter_
    short, forgetful = (
        MLPRegressor(**{**settings, "max_iter": 1}, keep_curvature=keeps) for keeps in (True, False)
    )
    for _ in range(60):
        short = pickle.loads(pickle.dumps(short.fit(X, NUMBER)))
        forgetful.fit(X, NUMBER)
    assert short.loss_ < 1.1 * long.loss_ and forgetful.loss_ > 2 * long.loss_
    short.set_params(tol=1.0).fit(X, NUMBER)
    assert short.n_iter_ == 0


def test_lbfgs_of_deltarule() -> None:
    """Goes where solver='lbfgs' goes, and can be watched."""
    watch = Watch()
    settings = {**SMALL, "activation": "tanh", "max_iter": 30}
    ours = MLPRegressor(**settings, optimizer="lbfgs", callbacks=[watch]).fit(X, NUMBER)
    theirs = MLPRegressor(**settings, solver="lbfgs").fit(X, NUMBER)
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=0.1)
    assert len(watch.seen) == ours.n_iter_


@pytest.mark.parametrize("settings", [{}, {"batch_norm": True, "activation": ["mish", "tanh"]}])
@pytest.mark.parametrize("target", ["classes", "labels", "number"])
def test_looking_inside(settings: dict[str, Any], target: str) -> None:
    kind, y = {
        "classes": (MLPClassifier, CLASSES), "labels": (MLPClassifier, LABELS),
        "number": (MLPRegressor, NUMBER),
    }[target]  # fmt: skip
    mlp = kind(**{"activation": "tanh", **SMALL, **settings}).fit(X, y)
    predict = getattr(mlp, "predict_proba", mlp.predict)
    hidden = mlp.hidden_activations(X)
    assert [each.shape for each in hidden] == [(N, 6), (N, 5)]
    if not settings:
        assert_allclose(hidden[0], np.tanh(X @ mlp.coefs_[0] + mlp.intercepts_[0]), rtol=1e-12)
    z = hidden[-1] @ mlp.coefs_[-1] + mlp.intercepts_[-1]
    if target == "number":
        assert_allclose(z[:, 0], predict(X), rtol=1e-9)
    found, step = mlp.input_gradients(X), 1e-5
    assert found.shape == ((N, 4) if target == "number" else (N, 3, 4))
    for column in range(4):
        move = step * np.eye(4)[column]
        expected = (predict(X + move) - predict(X - move)) / (2 * step)
        assert_allclose(found[..., column], expected, atol=1e-8)


def test_quantiles() -> None:
    settings = {**SMALL, "max_iter": 600, "learning_rate_init": 0.005, "tol": 0}
    mlp = MLPRegressor("quantile", **settings, quantile=[0.1, 0.5, 0.9]).fit(X, NUMBER)
    below = (NUMBER[:, np.newaxis] <= mlp.predict(X)).mean(axis=0)
    assert_allclose(below, [0.1, 0.5, 0.9], atol=0.1)
    with pytest.raises(ValueError, match=r"score\(\) has no meaning for several quantiles"):
        mlp.score(X, NUMBER)
    two = MLPRegressor("quantile", **SMALL, quantile=[0.2, 0.8], early_stopping=True)
    assert two.fit(X, SCORE[:, :2]).predict(X).shape == (N, 4)
