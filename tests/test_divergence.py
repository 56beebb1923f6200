"""Numbers that are none any more: said at once, with the batch and the layer where they arose."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.layers import Layer

Make = Callable[..., dr.Network]
ROWS = 8
HOW: dict[str, Any] = {"batch_size": ROWS, "shuffle": False}

# layers that are all right with inputs of 0 and targets of 0; what spoils a batch; and what that is
# to be called
PLACES: dict[str, tuple[list[Layer], float, float, str]] = {
    "first layer": ([dr.Dense(2, weight_init="ones"), dr.Dense(1)], 3e38, 0, "layer 0, Dense(2, "),
    "second layer": (
        [dr.Dense(2, weight_init="ones"), dr.Dense(1, "exp", weight_init="ones")],
        100, 0, "layer 1, Dense(1, activation='exp'",
    ),
    "branch": (
        [dr.Residual([dr.Dense(2, weight_init="ones")]), dr.Dense(1)],
        3e38, 0, "layer 0.0, Dense(2, ",
    ),
    "norm": ([dr.LayerNorm(), dr.Dense(1)], 3e38, 0, "layer 0, LayerNorm"),
    "many columns": (
        [dr.Dense(70, weight_init="ones"), dr.Dense(1)], 3e38, 0, "layer 0, Dense(70, ",
    ),
    "loss": ([dr.Dense(1)], 1, 3e38, "the loss itself"),
}  # fmt: skip


def case(make_net: Make, place: str, batch: int, **how: Any) -> tuple[dr.Network, Any, Any, str]:
    """A network, and X and y of which the batch with this number is spoilt; and where."""
    layers, x, y, name = PLACES[place]
    spoilt = np.arange(10 * ROWS) // ROWS == batch
    X = np.where(spoilt, x, 0).astype("float32")[:, np.newaxis].repeat(2, axis=1)
    X[:, 1] *= 1 if x < 1e30 else 0.9  # a norm needs what differs
    how = {"optimizer": dr.SGD(1e-30), "metrics": [], **how}
    net = make_net(layers=layers, loss="mse", **how)
    return net, X, np.where(spoilt, y, 0), name


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("batch", [0, 3, 9])
def test_the_place_is_named(make_net: Make, place: str, batch: int) -> None:
    (net, x, y, name), (other, *_) = (case(make_net, place, batch) for _ in range(2))
    where = f"since batch {batch + 1} of 10 in epoch 2, first in {name}"
    for one in (net, other):
        one.fit(np.zeros_like(x), np.zeros_like(y), **HOW)
    with pytest.warns(dr.DivergenceWarning, match=re.escape(where)) as caught:
        net.fit(x, y, epochs=2, **HOW)
    said = [w.filename for w in caught if w.category is dr.DivergenceWarning]
    assert said == [__file__]  # once, of the line that has called
    history = other.fit(x, y, epochs=2, callbacks=[dr.TerminateOnNaN()], **HOW)
    assert where in str(history.stopped) and history.epochs == 0


def test_the_place_is_named_of_sparse_rows(make_net: Make) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    net, x, y, name = case(make_net, "first layer", 3)
    where = f"since batch 4 of 10 in epoch 1, first in {name}"
    with pytest.warns(dr.DivergenceWarning, match=re.escape(where)):
        net.fit(sparse.csr_array(x), y, **HOW)


def test_what_weights_cost_is_no_layer(make_net: Make) -> None:
    layers = [dr.Dense(1, l2=1e308, weight_init="ones")]
    net = make_net(layers=layers, loss="mse", metrics=[], dtype="float64")
    with pytest.warns(dr.DivergenceWarning, match="batch 1 of 5 in epoch 1, first in the loss"):
        net.fit(np.zeros((40, 9)), np.zeros(40), **HOW)


@pytest.mark.parametrize("pieces", [1, 2])
def test_it_ends_with_the_batch_in_which_it_arose(make_net: Make, pieces: int) -> None:
    """Not some time later, so that the weights do not depend on how fast that was."""
    optimizer = dr.SGD(1e-30, gradient_accumulation_steps=pieces)
    how = HOW | {"batch_size": ROWS // pieces}
    for batch in (0, 3, 9):
        nets = [case(make_net, "second layer", batch, optimizer=optimizer) for _ in range(2)]
        (net, x, y, _), (other, *_) = nets
        net.fit(x, y, callbacks=[dr.TerminateOnNaN()], **how)
        known = slice(0, ROWS * (batch + 1))
        other.fit(x[known], y[known], callbacks=[dr.TerminateOnNaN()], **how)
        for name, value in net.parameters().items():
            np.testing.assert_array_equal(value, other.parameters()[name])
        steps = [one._plan.step for one in (net, other) if one._plan is not None]
        assert steps == [batch + 1] * 2


def test_it_is_said_in_the_middle_of_the_epoch(make_net: Make) -> None:
    """Where warnings are errors, the fit ends there; the next goes on from there."""
    net, x, y, _ = case(make_net, "second layer", 3)
    with pytest.raises(dr.DivergenceWarning):  # as pytest is configured
        net.fit(x, y, **HOW)
    assert net._position.batch == 4


def test_batches_that_a_program_makes(make_net: Make) -> None:
    net, x, y, name = case(make_net, "second layer", 3)

    def batches() -> Iterator[Any]:
        for first in range(0, len(x), ROWS):
            yield x[first : first + ROWS], y[first : first + ROWS]

    history = net.fit(batches, callbacks=[dr.TerminateOnNaN()])
    assert f"since batch 4 in epoch 1, first in {name}" in str(history.stopped)
    assert net._plan is not None and net._plan.step == 4
    with pytest.warns(dr.DivergenceWarning, match=re.escape(f"first in {name}")):
        case(make_net, "second layer", 3)[0].fit(batches)


def test_x_that_changes_meanwhile(make_net: Make) -> None:
    net, x, y, _ = case(make_net, "loss", 0)
    spoil = dr.LambdaCallback(on_epoch_begin=lambda training: x.fill(np.nan))
    with pytest.warns(dr.DivergenceWarning, match="first in X, which has changed meanwhile"):
        net.fit(x, y * 0, callbacks=[spoil], **HOW)


def test_nothing_is_said_of_finite_losses(make_net: Make) -> None:
    net, x, y, _ = case(make_net, "loss", 0)
    seen: list[str | None] = []
    look = dr.LambdaCallback(on_epoch_end=lambda training, values: seen.append(training.divergence))
    net.fit(x, y * 0, epochs=2, callbacks=[look], **HOW)
    assert seen == [None, None]
