"""verify(): what it says of networks that are right, and that it leaves them as they are."""

from __future__ import annotations

import dataclasses
import pickle
import sys

import numpy as np
import pytest

import deltarule as dr
from deltarule import losses, optimizers
from deltarule._check import ACTIVATIONS
from deltarule._report import Check, Report, same_bits, within
from deltarule.verify import verify

from .losses import CASES, LABELS, ROWS, given, lasts, shown, targets, width

OPTIMIZERS = [
    dr.SGD(0.1),
    dr.SGD(0.05, momentum=0.9),
    dr.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    dr.Adam(1e-2),
]
RULES = [
    dataclasses.replace(optimizer, weight_decay=0.01, decoupled_weight_decay=number % 2 > 0)
    for number, optimizer in enumerate(optimizers.examples().values())
]
# loss, last activation, what the targets are: those that stand at the end of every activation, ...
USUAL = [
    (losses.MSE(), "identity", ROWS),
    (losses.CrossEntropy(), "softmax", LABELS),
    (losses.BinaryCrossEntropy(), "sigmoid", ROWS),
]
# ... and all of them
ENDS = [
    (loss, last, form)
    for loss, form in CASES
    for last in (("identity", "tanh", "softmax") if loss.kind == "mse" else lasts(loss))
]
PAIRS = [(hidden, *end) for hidden in ACTIVATIONS for end in USUAL]
PAIRS += [(ACTIVATIONS[i % len(ACTIVATIONS)], *end) for i, end in enumerate(ENDS)]


def problem(
    sizes: tuple[int, ...] = (5, 7, 3), n: int = 20, seed: int = 0, **arguments: object
) -> tuple[dr.Network, np.ndarray, np.ndarray]:
    """A classifier with sizes (n_in, ..., n_out), built, and data for it."""
    rng = np.random.default_rng(seed)
    layers = [dr.Dense(k, activation="tanh") for k in sizes[1:-1]]
    layers.append(dr.Dense(sizes[-1], activation="softmax"))
    net = dr.Network(layers, **{"loss": "cross_entropy", "metrics": ["accuracy"], **arguments})
    net.build(sizes[0])
    return net, rng.normal(size=(n, sizes[0])), rng.integers(0, sizes[-1], n)


# ------------------------------------------------------------------------------ what is right
@pytest.mark.parametrize("activation, loss, last, form", PAIRS, ids=shown)
def test_ok_for_every_activation_and_loss(activation, loss, last, form, dtype):
    # an exponential of exponentials soon leaves the range of float32
    second = "tanh" if activation == "exp" else activation
    number = PAIRS.index((activation, loss, last, form))
    backend = ("fast", "reference")[number // 2 % 2]
    rng = np.random.default_rng(number)
    n, n_in, n_hidden, n_out = (int(k) for k in rng.integers([1, 1, 2, 2], [40, 20, 20, 10]))
    n_out = width(loss, n_out)
    net = dr.Network(
        [
            dr.Dense(n_hidden, activation=activation, bias=number % 3 > 0),
            dr.Dense(9, activation=second, bias_init="lecun_uniform"),
            dr.Dense(n_out, activation=last),
        ],
        loss=loss,
        optimizer=OPTIMIZERS[number % len(OPTIMIZERS)],
        metrics=["accuracy"] if loss.decides else [],
        dtype=dtype,
        backend=backend,
        seed=number,
    )
    net.build(n_in)
    X, y = rng.normal(size=(n, n_in)), given(loss, targets(loss, n, n_out, form=form))
    weight = rng.integers(0, 3, n).astype(float) if number % 2 else None
    report = verify(net, X, y, weight)
    assert report.ok, report


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, *RULES], ids=str)
def test_ok_after_training(optimizer, dtype, backend):
    net, X, y = problem(optimizer=optimizer, dtype=dtype, backend=backend)
    net.fit(X, y, epochs=5, batch_size=7)
    report = verify(net, X, y)
    assert report, report


ODD_SIZES = [(1, 2), (1, 1, 2), (31, 32, 33), (33, 17, 16), (129, 2, 65, 4)]
ODD_ROWS = [1, 2, 3, 15, 16, 17, 129]


@pytest.mark.parametrize(
    ("sizes", "n"),
    [(sizes, n) for sizes in ODD_SIZES for n in (ODD_ROWS if len(sizes) == 2 else (1, 17))],
)
def test_ok_for_odd_sizes(sizes, n, dtype):
    net, X, y = problem(sizes, n, dtype=dtype)
    report = verify(net, X, y, rows=200)
    assert report, report


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 255.0, 1e6])
def test_ok_for_data_of_any_scale(scale, dtype):
    """Pixels of 0 .. 255 saturate, data near 0 vanish: the bounds know."""
    net, X, y = problem(dtype=dtype)
    report = verify(net, X * scale, y)
    assert report, report


def test_ok_for_converged_networks(dtype):
    """Gradients of 1e-8 beside a loss that rounds at 1e-16."""
    net, X, y = problem((5, 40, 3), optimizer=dr.Adam(0.02), dtype=dtype)
    net.fit(X, y, epochs=300, batch_size=20)
    assert net.evaluate(X, y)["loss"] < 1e-2
    report = verify(net, X, y)
    assert report, report


def test_ok_where_nothing_can_be_learnt(dtype, backend):
    """Weights of zero, in all rows or in a whole batch; units that are always off."""
    net, X, y = problem(dtype=dtype, backend=backend)
    assert verify(net, X, y, np.zeros(len(X)))
    assert verify(net, X, y, (np.arange(len(X)) == 3).astype(float))
    layers = [dr.Dense(4, activation="relu"), dr.Dense(3, activation="softmax")]
    dead = dr.Network(layers, "cross_entropy", dtype=dtype, backend=backend)
    dead.build(5)
    dead.set_parameters({"0.bias": np.full(4, -1e3)})
    assert verify(dead, X, y)


def test_uses_the_first_rows():
    net, X, y = problem(n=30)
    one, other = verify(net, X, y, rows=10), verify(net, X[:10], y[:10])
    assert [c for c in one.checks if c.ulp == c.ulp] == [c for c in other.checks if c.ulp == c.ulp]
    assert one.checks != verify(net, X, y, rows=11).checks


# ---------------------------------------------------------------------------- what it lists
def test_every_place_is_there(backend):
    net, X, y = problem(backend=backend)
    places: dict[str, list[str]] = {}
    for check in verify(net, X, y).checks:
        places.setdefault(check.compared, []).append(check.place)
    parameters = list(net.parameters())
    operations = places["fast operations against reference"]
    for layer in (0, 1):
        for what in ("output", "weight gradient", "bias gradient", "error at the input"):
            assert f"{layer}.{what}" in operations
    for place in ("1.output after softmax", "0.error before tanh", "loss", "loss gradient"):
        assert place in operations
    assert {f"{name} step" for name in parameters} <= set(operations)
    for plan in ("fast plan against layer by layer", "fast plan against reference"):
        assert {"output", "loss", "sums of an epoch"} <= set(places[plan])
        for name in parameters:
            assert f"{name} gradient" in places[plan]
            assert f"{name} after a step" in places[plan]
            assert f"{name} after an epoch" in places[plan]
    own = {
        "fast": "the network against layer by layer",
        "reference": "the network in float32 against float64",
    }[backend]
    assert places[own] == ["output", *(f"{name} gradient" for name in parameters)]
    for engine in ("fast", "reference"):
        against = places[f"{engine} in float64 against central differences"]
        assert against == [f"{name} gradient" for name in parameters]


def test_places_of_other_nodes_than_dense():
    stack = [
        dr.Concat([[dr.Dense(4, "tanh")], []]), dr.BatchNorm(), dr.Dropout(0.2),
        dr.Dense(9, trainable=False), dr.Dense(3, "softmax"),
    ]  # fmt: skip
    net = dr.Network(stack, "cross_entropy")
    net.build(5)
    rng = np.random.default_rng(0)
    report = verify(net, rng.normal(size=(20, 5)), rng.integers(0, 3, 20))
    places = {check.place for check in report.checks}
    there = (
        "0.0.0.weight gradient", "0.output", "0.error at the input 0", "0.error at the input 1",
        "1.output", "1.output after batch_norm_inference", "1.flush before batch_norm",
        "1.running_mean step", "1.running_var after an epoch", "2.output", "2.error at the input",
        "3.error at the input", "3.weight after a step", "4.output after softmax",
    )  # fmt: skip
    assert set(there) <= places, set(there) - places
    absent = ("3.weight gradient", "3.weight step", "1.running_mean gradient")
    assert not places.intersection(absent), "these are not learnt"


def test_plan_is_to_have_the_bits_of_layer_by_layer():
    net, X, y = problem((40, 33, 3), n=70)
    for check in verify(net, X, y).checks:
        if check.compared == "fast plan against layer by layer" and "sums" not in check.place:
            assert check.error == 0


# ------------------------------------------------------------------------- what it leaves alone
def test_network_stays_as_it_is(backend, dtype):
    net, X, y = problem(backend=backend, dtype=dtype, optimizer=dr.Adam(1e-2))
    net.fit(X, y, epochs=2, batch_size=7)
    other = pickle.loads(pickle.dumps(net))
    before = pickle.dumps(net)
    inputs = X.copy(), y.copy()
    assert verify(net, X, y)
    assert pickle.dumps(net) == before
    assert np.array_equal(X, inputs[0]) and np.array_equal(y, inputs[1])
    assert (
        net.fit(X, y, epochs=2, batch_size=7)["loss"]
        == (other.fit(X, y, epochs=2, batch_size=7)["loss"])
    )


def test_settings_of_numpy_stay():
    net, X, y = problem()
    with np.errstate(all="raise"):
        before = np.geterr()
        assert verify(net, X, y)
        assert np.geterr() == before


# --------------------------------------------------------------------------------- bad calls
def test_not_built():
    net = dr.Network([dr.Dense(2)], "mse")
    with pytest.raises(RuntimeError, match=r"verify\(\): the network is not built"):
        verify(net, np.ones((3, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    "rows, error",
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), (None, TypeError)],
)
def test_bad_rows(rows, error):
    net, X, y = problem()
    with pytest.raises(error, match="rows"):
        verify(net, X, y, rows=rows)


@pytest.mark.parametrize("change", [
    lambda X, y: (X[:, :2], y, None),
    lambda X, y: (X[:5], y, None),
    lambda X, y: (X * np.nan, y, None),
    lambda X, y: (X, y + 3, None),
    lambda X, y: (X, y, -np.ones(len(y))),
    lambda X, y: (None, y, None),
    lambda X, y: (X, y.astype(float), None),
])  # fmt: skip
def test_bad_data_as_in_gradients(change, backend):
    net, X, y = problem(backend=backend)
    arguments = change(X, y)
    with pytest.raises((TypeError, ValueError)) as expected:
        net.gradients(*arguments)
    with pytest.raises(expected.type) as got:
        verify(net, *arguments)
    assert str(got.value) == str(expected.value)


@pytest.mark.parametrize("slot, name, what, place", [
    (0, "1.weight", "parameter", "[6, 2]"), (1, "0.bias", "optimizer state 1 of", "[6]"),
])  # fmt: skip
def test_diverged_parameters(slot, name, what, place, backend):
    net, X, y = problem(backend=backend)
    array = net._plan.get(slot, name)
    array.reshape(-1)[-1] = np.nan
    net._plan.set(slot, name, array)
    with pytest.raises(ValueError) as error:
        verify(net, X, y)
    assert str(error.value) == (
        f"{what} {name!r} has nan at {place}: the network has diverged and there is nothing to "
        "compare"
    )


def test_diverging_results():
    net = dr.Network([dr.Dense(3), dr.Dense(2)], "mse", dtype="float32")
    net.build(2)
    net.set_parameters({"0.weight": np.full((2, 3), 1e30), "1.weight": np.full((3, 2), 1e30)})
    with pytest.raises(ValueError, match=r"1\.output.* reaches .*float32 can hold.*diverged"):
        verify(net, np.ones((3, 2)), np.ones((3, 2)))


def test_while_training():
    net, X, y = problem()
    with net._gate.training("fit()"), pytest.raises(RuntimeError, match=r"verify\(\)"):
        verify(net, X, y)


# ------------------------------------------------------------------------------ the report itself
def test_text_of_a_good_report(monkeypatch):
    net, X, y = problem()
    report = verify(net, X, y)
    for columns in (40, 80, 100, 300):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = str(report).splitlines()
        assert max(map(len, lines[:-1])) <= max(80, min(columns, 110))
    assert lines[-1].startswith(f"ok: {len(report.checks)} comparisons")
    assert report.worst.place in lines[-1] and report.worst.compared in lines[-1]
    assert report.worst.error == max(check.error for check in report.checks) <= 1
    assert lines[0] == "fast operations against reference"
    assert sum(line.endswith(" ok") for line in lines) == len(report.checks)


def report_of(*rows: tuple[str, float, float]) -> Report:
    return Report(tuple(
        within(place, "fast operations against reference", got, expected, 0.01, "float32")
        for place, got, expected in rows
    ))  # fmt: skip


def test_text_of_a_bad_report():
    report = report_of(("loss", 1.0, 1.001), ("1.weight gradient", 0.1, 0.2), ("x", 1.0, 2.0))
    assert not report.ok and not report
    assert str(report).splitlines()[-1] == (
        "FAILED: 1.weight gradient, fast operations against reference: it is 0.1, expected 0.2 "
        "(2 of 3 comparisons failed)"
    )
    matrix = np.zeros((4, 20))
    matrix[3, 17] = 0.1
    check = within("1.weight gradient", "a against b", matrix, matrix * 2, 0.01, "float32")
    assert str(Report((check,))).splitlines()[-1] == (
        "FAILED: 1.weight gradient, a against b: [3, 17] is 0.1, expected 0.2"
    )
    assert check.index == (3, 17) and check.error == pytest.approx(10)
    assert check.ulp == pytest.approx(0.1 / np.spacing(np.float32(0.2)))


def test_worst_is_the_first_that_fails_or_the_largest_error():
    good = within("loss", "a", 1.0, 1.01, 0.1, "float32")
    better = within("loss", "b", 1.0, 1.001, 0.1, "float32")
    first = within("x", "b", 1.0, 2.0, 0.5, "float32")
    later = within("y", "c", 1.0, 2.0, 1e-6, "float32")
    assert Report((better, good)).worst is good
    report = Report((good, better, first, later))
    assert report.worst is first
    assert "x, b" in report.verdict and "(2 of 4 comparisons failed)" in report.verdict


@pytest.mark.parametrize(
    "got, expected",
    [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan), (np.inf, np.inf), (-np.inf, 1.0)],
)
def test_what_is_not_finite_fails(got, expected):
    check = within("x", "a", [1.0, got], [1.0, expected], 1e9, "float32")
    assert not check.ok and check.error == np.inf and check.index == (1,)
    check = same_bits("x", "a", [1.0, got], [1.0, expected], "float32")
    assert not check.ok and check.error == np.inf and check.index == (1,)


def test_bits_are_compared_as_bits():
    assert same_bits("x", "a", [0.5, 0.0], [0.5, 0.0], "float64").ok
    zero = same_bits("x", "a", [0.5, -0.0], [0.5, 0.0], "float64")
    assert not zero.ok and zero.index == (1,)
    last = same_bits("x", "a", [0.5, np.nextafter(1, 2), 7.0], [0.5, 1.0, 7.1], "float64")
    assert last.index == (2,), "the one that is off by most"
    assert same_bits("loss", "a", 1.5, 1.5, "float64").index == ()


def test_reports_are_values():
    net, X, y = problem()
    report = verify(net, X, y)
    assert isinstance(report, Report) and isinstance(report.checks[0], Check)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.checks = ()  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.worst.ok = False  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(report)).verdict == report.verdict
    assert sys.modules["deltarule.verify"].Report is Report
