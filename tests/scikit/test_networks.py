"""NetworkClassifier and NetworkRegressor: what a network is made of, and that it is one."""

import copy
import functools
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

import deltarule as dr
from deltarule.sklearn import NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 4)).astype("float32")
SCORE = X @ RNG.normal(size=(4, 3)) + 0.1 * RNG.normal(size=(90, 3))
Y = SCORE.argmax(1)
LABELS = (SCORE > 0).astype(int)
NAMES = np.array(["cat", "dog", "eel"])[Y]
HIDDEN = [dr.Dense(8, "tanh")]
SMALL: dict[str, Any] = {"epochs": 3, "random_state": 5, "optimizer": dr.Adam(0.02)}


def net_of(width: int, activation: str | None, loss: Any, **more: Any) -> dr.Network:
    more = {"optimizer": dr.Adam(0.02), "seed": 5, **more}
    return dr.Network([*HIDDEN, dr.Dense(width, activation)], loss, **more)


def build(n_features: int, n_classes: int, width: int = 8) -> dr.Network:
    assert n_features == 4
    layers = [dr.Dense(width, "tanh"), dr.Dense(n_classes, "softmax")]
    return dr.Network(layers, "cross_entropy", dr.Adam(0.02), seed=5)


def hidden(n_features: int, n_classes: int, *, width: int = 8) -> list[dr.Layer]:
    return [dr.Dense(width, "tanh")]


def same(a: dr.Network, b: dr.Network) -> bool:
    mine, theirs = a.parameters(), b.parameters()
    return all(mine[name].tobytes() == theirs[name].tobytes() for name in theirs)


# ------------------------------------------------------------------------------- what it trains
@pytest.mark.parametrize(
    "given, more",
    [
        (HIDDEN, SMALL),
        (tuple(HIDDEN), SMALL),
        (hidden, SMALL),
        (build, {"epochs": 3}),
        (net_of(3, "softmax", "cross_entropy"), {"epochs": 3}),
        (net_of(3, "softmax", "cross_entropy", seed=0, optimizer="sgd"), SMALL),
    ],
    ids=["layers", "tuple", "function: layers", "function", "network", "network, but"],
)
def test_it_is_the_network(given: Any, more: dict[str, Any]) -> None:
    """However it is told, it has the bits of the network that it stands for."""
    net = net_of(3, "softmax", "cross_entropy")
    history = net.fit(X, Y, epochs=3)
    before = copy.deepcopy(given)
    mine = NetworkClassifier(given, **more).fit(X, NAMES)
    assert same(mine.network_, net)
    assert mine.history_ == history
    assert_array_equal(mine.predict_proba(X), net.predict(X))
    assert_array_equal(mine.predict(X), np.array(["cat", "dog", "eel"])[net.predict(X).argmax(1)])
    if isinstance(given, dr.Network):  # is as it was
        assert not given.built and given.optimizer == before.optimizer


def test_it_begins_with_what_is_learnt() -> None:
    """A network that is built is where each fit begins; changed in parts it is so, too."""
    taught = net_of(3, "softmax", "cross_entropy")
    taught.fit(X, Y, epochs=2)
    on = copy.deepcopy(taught)
    on.fit(X, Y, epochs=3)
    mine = NetworkClassifier(taught, epochs=3)
    for _ in range(2):
        assert same(mine.fit(X, Y).network_, on)
    other = NetworkClassifier(taught, epochs=1, optimizer=dr.SGD(1e-30), dtype="float64").fit(X, Y)
    assert other.network_.dtype == "float64"
    assert_allclose(other.network_.parameters()["1.weight"], taught.parameters()["1.weight"])


def test_seeds() -> None:
    def first(**more: Any) -> np.ndarray:
        mine = NetworkRegressor(HIDDEN, **{**SMALL, "epochs": 1, **more}).fit(X, SCORE)
        return mine.network_.parameters()["0.weight"]

    assert_array_equal(first(), first())
    assert (first(random_state=None) != first(random_state=None)).any()
    state = np.random.RandomState(0)
    drawn = first(random_state=state)
    assert (first(random_state=state) != drawn).any()
    assert_array_equal(first(random_state=np.random.RandomState(0)), drawn)


# ---------------------------------------------------------------------------------------- labels
@pytest.mark.parametrize(
    "y",
    [Y > 0, np.where(Y, "yes", "no"), 7 - Y, NAMES.astype(object), 2.0 * Y, list(NAMES)],
    ids=["bool", "two texts", "numbers", "objects", "floats", "list"],
)
def test_labels_of_any_kind(y: Any) -> None:
    mine = NetworkClassifier(HIDDEN, **SMALL | {"epochs": 30}).fit(X, y)
    assert_array_equal(mine.classes_, np.unique(y))
    chances = mine.predict_proba(X)
    assert chances.shape == (90, len(mine.classes_))
    assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(mine.predict(X), mine.classes_[chances.argmax(axis=1)])
    assert_allclose(mine.predict_log_proba(X), np.log(chances))
    assert mine.score(X, y) > 0.9
    widths = {2: 1, 3: 3}
    assert mine.network_.predict(X).shape[1] == widths[len(mine.classes_)]


@pytest.mark.parametrize("form", [np.array, scipy.sparse.csr_array])
def test_several_labels(form: Any) -> None:
    mine = NetworkClassifier(HIDDEN, **SMALL | {"epochs": 30}).fit(X, form(LABELS))
    assert_array_equal(mine.classes_, [0, 1, 2])
    assert mine.score(X, LABELS) > 0.8
    assert_array_equal(mine.predict(X), mine.predict_proba(X) > 0.5)


@pytest.mark.parametrize(
    "loss, last, y, columns, answers",
    [
        ("cross_entropy", "softmax", Y > 0, 2, "chances"),
        ("cross_entropy", "identity", Y, 3, "chances"),
        ("cross_entropy", "log_softmax", Y, 3, "chances"),
        ("kl_divergence", "softmax", Y, 3, "chances"),
        ("focal", "softmax", Y, 3, "chances"),
        ("binary_focal", "identity", Y > 0, 1, "chances"),
        ("hinge", "identity", Y > 0, 1, "margins"),
        ("hinge", "identity", LABELS, 3, "margins"),
        ("categorical_hinge", "identity", Y, 3, "margins"),
    ],
)
def test_losses_of_classes(loss: str, last: str, y: Any, columns: int, answers: str) -> None:
    """The last layer that a loss gets, and one that is given, agree on what is answered."""
    mine = NetworkClassifier(HIDDEN, loss=loss, **SMALL | {"epochs": 40}).fit(X, y)
    given = NetworkClassifier(net_of(columns, last, loss), epochs=40).fit(X, y)
    assert mine.score(X, y) > 0.8
    assert_array_equal(mine.predict(X), given.predict(X))
    for each in (mine, given, NetworkClassifier(loss=loss), NetworkClassifier(given.network)):
        assert hasattr(each, "predict_proba") == (answers == "chances")
        assert hasattr(each, "decision_function") == (answers == "margins")
    if answers == "chances":
        assert_allclose(mine.predict_proba(X), given.predict_proba(X), rtol=1e-4, atol=1e-6)
        assert_allclose(given.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    else:
        margins = mine.decision_function(X)
        assert margins.shape == ((90,) if columns == 1 else (90, 3))
        if columns == 1:
            assert_array_equal(mine.predict(X), margins > 0)


@pytest.mark.parametrize(
    "loss, last, y, shape",
    [
        ("mse", "identity", SCORE[:, 0], (90,)),
        ("huber", "identity", SCORE, (90, 3)),
        ("poisson", "identity", np.exp(SCORE[:, 0]), (90,)),
        ("binary_cross_entropy", "identity", LABELS[:, 0] * 0.8, (90,)),
        (dr.losses.Quantile([0.1, 0.5, 0.9]), "identity", SCORE[:, 0], (90, 3)),
        (dr.losses.Quantile([0.1, 0.9]), "identity", SCORE, (90, 3, 2)),
        ("gaussian_nll", "identity", SCORE, (90, 3)),
    ],
    ids=lambda given: None if isinstance(given, np.ndarray) else str(given),
)
def test_losses_of_numbers(loss: Any, last: str, y: Any, shape: tuple[int, ...]) -> None:
    mine = NetworkRegressor(HIDDEN, loss=loss, **SMALL | {"epochs": 60}).fit(X, y)
    width = mine.network_.predict(X).shape[1]
    given = NetworkRegressor(net_of(width, last, loss), epochs=60).fit(X, y)
    guess = mine.predict(X)
    assert guess.shape == shape and mine.n_outputs_ == (1 if y.ndim == 1 else 3)
    assert_allclose(guess, given.predict(X), rtol=1e-3, atol=1e-4)
    if guess.shape == y.shape:
        assert mine.score(X, y) > 0.7
    else:
        target = y[..., np.newaxis]
        assert_allclose((target < guess).mean(axis=0)[..., -1], 0.9, atol=0.09)
    if loss == "gaussian_nll":
        mean, std = mine.predict(X, return_std=True)
        assert_array_equal(mean, guess)
        assert 0.5 < np.mean(((y - mean) / std) ** 2) < 2
    else:
        with pytest.raises(ValueError, match="return_std=True needs loss 'gaussian_nll', got"):
            mine.predict(X, return_std=True)


def test_class_weight() -> None:
    """Labels name classes; with weights of samples they multiply, and split rows count as 1."""
    weight = {"cat": 0.5, "eel": 3.0}
    of_row = np.array([weight.get(name, 1.0) for name in NAMES])
    mine = NetworkClassifier(HIDDEN, class_weight=weight, **SMALL).fit(X, NAMES)
    other = NetworkClassifier(HIDDEN, **SMALL).fit(X, NAMES, sample_weight=of_row)
    assert same(mine.network_, other.network_)
    assert not same(mine.network_, NetworkClassifier(HIDDEN, **SMALL).fit(X, NAMES).network_)
    net = net_of(3, "softmax", "cross_entropy")
    net.fit(X, Y, epochs=3, class_weight="balanced")
    mine = NetworkClassifier(HIDDEN, class_weight="balanced", **SMALL).fit(X, NAMES)
    assert same(mine.network_, net)


# -------------------------------------------------------------------------------------- going on
def test_going_on() -> None:
    """Fits with warm_start, and calls of partial_fit, are epochs of one training."""
    whole = NetworkClassifier(HIDDEN, **SMALL | {"epochs": 6}).fit(X, NAMES)
    warm = NetworkClassifier(HIDDEN, warm_start=True, **SMALL)
    assert same(warm.fit(X, NAMES).fit(X, NAMES).network_, whole.network_)
    assert warm.history_["loss"] == whole.history_["loss"][3:]
    bit = NetworkClassifier(HIDDEN, **SMALL)
    for _ in range(6):
        bit.partial_fit(X, NAMES, classes=["eel", "dog", "cat"])
    assert same(bit.network_, whole.network_)
    bit.partial_fit(X[:3], ["dog", "dog", "cat"])
    cold = NetworkClassifier(HIDDEN, **SMALL)
    assert same(cold.fit(X, NAMES).network_, cold.fit(X, NAMES).network_)


def test_going_on_otherwise() -> None:
    """What training is like may change on the way; layers may not."""
    warm = NetworkRegressor(HIDDEN, warm_start=True, **SMALL).fit(X, SCORE)
    first = warm.network_
    warm.set_params(optimizer__learning_rate=1e-30).fit(X, SCORE)
    assert warm.network_ is not first and same(warm.network_, first)
    warm.set_params(network=[dr.Dense(9)])
    with pytest.raises(ValueError, match="cannot go on with other layers"):
        warm.fit(X, SCORE)


def test_interrupted() -> None:
    """After Ctrl-C it is a fitted estimator, and goes on with the same bits."""

    def interrupt(training: dr.Training, values: Any) -> None:
        if training.history.epochs == 2 and not done:
            done.append(True)
            raise KeyboardInterrupt

    done: list[bool] = []
    settings = {**SMALL, "callbacks": [dr.LambdaCallback(on_epoch_end=interrupt)]}
    mine = NetworkClassifier(HIDDEN, warm_start=True, **settings)
    with pytest.raises(KeyboardInterrupt):
        mine.fit(X, Y)
    assert mine.predict(X).shape == (90,) and mine.history_.epochs == 2
    mine.set_params(epochs=2).fit(X, Y)  # ends the second again, and makes the third
    assert same(mine.network_, NetworkClassifier(HIDDEN, **SMALL).fit(X, Y).network_)


def test_callbacks_and_validation() -> None:
    stop = dr.EarlyStopping("val_accuracy", patience=0)
    mine = NetworkClassifier(
        HIDDEN, **SMALL | {"epochs": 500}, validation_split=0.2, metrics=["accuracy"],
        callbacks=[stop],
    ).fit(X, NAMES)  # fmt: skip
    assert mine.history_.epochs < 500 and mine.history_.stopped is not None
    assert list(mine.history_) == ["loss", "accuracy", "val_loss", "val_accuracy"]


# ------------------------------------------------------------------------------------ parameters
def test_parts_of_parameters() -> None:
    mine = NetworkClassifier([dr.Dense(8, "relu"), dr.Dropout(0.5)], loss="focal")
    params = mine.get_params()
    assert params["optimizer"] is None and params["optimizer__learning_rate"] == 1e-3
    assert params["network__0__units"] == 8 and params["loss__gamma"] == 2.0
    assert "network__0__units" not in mine.get_params(deep=False)
    mine.set_params(
        network__0__units=5, network__0__activation="tanh", network__1=dr.Dense(3),
        optimizer="sgd", optimizer__nesterov=True, optimizer__momentum=0.9, loss__gamma=1.0,
    )  # fmt: skip
    assert mine.network == [dr.Dense(5, "tanh"), dr.Dense(3)]
    assert mine.optimizer == dr.SGD(momentum=0.9, nesterov=True)
    assert mine.loss == dr.losses.Focal(gamma=1.0)
    mine.set_params(optimizer__learning_rate=dr.schedules.CosineAnnealingLR(0.1, T_max=5))
    mine.set_params(optimizer__learning_rate__T_max=7)
    assert mine.optimizer.learning_rate.T_max == 7
    of_function = NetworkClassifier(hidden)
    assert of_function.get_params()["network__width"] == 8
    of_function.set_params(network__width=3)
    assert isinstance(of_function.network, functools.partial)
    assert of_function.get_params()["network__width"] == 3
    assert of_function.fit(X, Y).network_.layers[0] == dr.Dense(3, "tanh")
    net = net_of(3, "softmax", "cross_entropy")
    of_network = NetworkClassifier(net, epochs=1).set_params(optimizer__learning_rate=0.5)
    assert of_network.fit(X, Y).network_.optimizer == dr.Adam(0.5)
    for name in ("optimizer__rate", "network__7__units", "loss__gama", "epochs__x", "what"):
        with pytest.raises(ValueError, match="Invalid parameter"):
            mine.set_params(**{name: 1})


def test_search() -> None:
    """Over parts of parameters, in processes of their own."""
    grid = {"network__width": [1, 8], "optimizer__learning_rate": [1e-9, 0.05]}
    mine = NetworkClassifier(hidden, epochs=20, random_state=0)
    search = GridSearchCV(mine, grid, cv=2, n_jobs=2).fit(X, NAMES)
    assert search.best_params_ == {"network__width": 8, "optimizer__learning_rate": 0.05}
    assert search.best_score_ > 0.8 and mine.network is hidden


# ------------------------------------------------------------------------------------- bad input
BAD: list[tuple[str, Any, dict[str, Any], Any, Any, str]] = [
    ("one class", NetworkClassifier, {}, X, np.zeros(90), "at least 2 classes"),
    ("numbers", NetworkClassifier, {}, X, SCORE[:, 0], "continuous"),
    ("tables of classes", NetworkClassifier, {}, X, np.stack([Y, Y], 1), "multioutput"),
    ("nan", NetworkClassifier, {}, X * np.nan, Y, "NaN"),
    ("rows", NetworkClassifier, {}, X[:9], Y, "inconsistent"),
    ("unknown loss", NetworkClassifier, {"loss": "log"}, X, Y, "unknown loss 'log'"),
    ("loss of numbers", NetworkClassifier, {"loss": "mse"}, X, Y, "loss 'mse' is not one for y"),
    ("of two", NetworkClassifier, {"loss": "hinge"}, X, Y, "Only binary .* and y has 3"),
    ("of one", NetworkClassifier, {"loss": "focal"}, X, LABELS, "several labels"),
    ("a class", NetworkClassifier, {"class_weight": {9: 1}}, X, Y, "class_weight has 9"),
    ("width", NetworkClassifier, {"network": net_of(4, "softmax", "focal")}, X, Y, "4 numbers"),
    ("result", NetworkClassifier, {"network": lambda n, m: 7}, X, Y, "must return a Network"),
    ("layer", NetworkClassifier, {"network": [8]}, X, Y, r"layers\[0\] must be a layer"),
    ("callback", NetworkClassifier, {"callbacks": [7]}, X, Y, r"callbacks\[0\] must be a"),
    ("weights", NetworkClassifier, {"epochs": 0}, X, Y, "'epochs' parameter of NetworkClassifier"),
    ("classes", NetworkRegressor, {"loss": "focal"}, X, Y, "needs a loss of numbers"),
    ("texts", NetworkRegressor, {}, X, NAMES, "y must be numbers"),
    ("negative", NetworkRegressor, {"loss": "poisson"}, X, SCORE, "y must be"),
]


@pytest.mark.parametrize(
    "kind, params, x, y, message", [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD]
)
def test_bad_input(kind: Any, params: dict[str, Any], x: Any, y: Any, message: str) -> None:
    """It says what is wrong, and what has been fitted before is as it was."""
    mine = kind(**{**SMALL, "epochs": 1}).fit(X[:, :3], LABELS[:, 0])
    mine.set_params(**params)
    before, answers = vars(mine).copy(), mine.predict(X[:, :3])
    with pytest.raises((ValueError, TypeError), match=message):
        mine.fit(x, y)
    assert vars(mine).keys() == before.keys()
    assert all(vars(mine)[name] is value for name, value in before.items())
    assert_array_equal(mine.predict(X[:, :3]), answers)


def test_bad_partial_fit() -> None:
    mine = NetworkClassifier(HIDDEN)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        mine.partial_fit(X, Y)
    with pytest.raises(NotFittedError):
        mine.predict(X)
    with pytest.raises(ValueError, match="unseen labels"):
        mine.partial_fit(X, Y, classes=[0, 1])
    assert not hasattr(mine, "classes_")
    mine.partial_fit(X, Y, classes=[2, 1, 0])
    with pytest.raises(ValueError, match="as before"):
        mine.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="as before"):
        mine.partial_fit(X, LABELS)
    with pytest.raises(ValueError, match="3 features"):
        mine.partial_fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="needs all of y at once"):
        mine.set_params(class_weight="balanced").partial_fit(X, Y)
    other = NetworkRegressor(HIDDEN).partial_fit(X, SCORE)
    with pytest.raises(ValueError, match="3 targets as before"):
        other.partial_fit(X, Y)


# --------------------------------------------------------------------------------- forms of data
def test_forms_of_data() -> None:
    """Sparse rows give the bits of dense ones; a column as y is one target."""
    some = np.where(X > 0, X, 0)
    dense = NetworkRegressor(HIDDEN, **SMALL).fit(some, SCORE)
    for form in (scipy.sparse.csr_matrix, scipy.sparse.csc_array):
        mine = NetworkRegressor(HIDDEN, **SMALL).fit(form(some), SCORE)
        assert same(mine.network_, dense.network_)
        assert_array_equal(mine.predict(form(some)), dense.predict(some))
    with pytest.warns(DataConversionWarning):
        column = NetworkRegressor(HIDDEN, **SMALL).fit(X, SCORE[:, :1])
    assert column.predict(X).shape == (90,)
    images = (X * 50 + 128).clip(0, 255).astype("uint8")
    mine = NetworkClassifier([dr.Normalization(), *HIDDEN], **SMALL).fit(images, Y)
    assert mine.predict(images).shape == (90,)


def test_plain_arrays_are_checked() -> None:
    """What goes past scikit-learn's checks is only what they would let pass as it is."""
    with pytest.raises(NotFittedError):
        NetworkClassifier().predict_proba(X)
    mine = NetworkClassifier(HIDDEN, **SMALL).fit(X, Y)
    for bad, message in (
        (X[:2] * np.nan, "NaN"),
        (X[:, :3], "3 features"),
        (X[:0], "0 sample"),
        (X[0], "Reshape your data"),
        (X.astype(complex), "Complex data"),
    ):
        with pytest.raises(ValueError, match=message):
            mine.predict_proba(bad)
