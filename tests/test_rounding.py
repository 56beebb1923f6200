"""Intervals: whatever is computed from numbers in them lies in them; and they are not too wide."""

from __future__ import annotations

import numpy as np
import pytest

from deltarule import _bounds
from deltarule._bounds import Near, exact
from deltarule._rounding import Interval
from deltarule.optimizers import RULES, examples
from deltarule.reference import optimizer_step
from deltarule.reference.activation import flush
from deltarule.reference.optimizer import TABLE

N = 400


def interval(low: float, high: float, value: float | None = None, eps: float = 0.0) -> Interval:
    middle = (low + high) / 2 if value is None else value
    return Interval(*map(np.array, (middle, low, high)), eps, 0.0, 0.0)


def ends(x: Interval) -> tuple[float, float, float]:
    return float(x.low), float(x.value), float(x.high)


def test_operations_by_hand() -> None:
    a, b, c = interval(-1, 3), interval(2, 4), interval(1, 9, 4)
    assert ends(a + b) == (1, 4, 7)
    assert ends(a - b) == (-5, -2, 1)
    assert ends(2 - a) == (-1, 1, 3)
    assert ends(a * b) == (-4, 3, 12)
    assert ends(a * a) == (-3, 1, 9)  # as if they knew nothing of each other
    assert ends(np.square(a)) == (0, 1, 9)
    assert ends(a / b) == (-0.5, 1 / 3, 1.5)
    assert ends(interval(2, 4, eps=1e-9) / a) == (-np.inf, 3, np.inf)
    assert ends(np.sqrt(c)) == (1, 2, 3)
    assert ends(np.sqrt(a)) == (0, 1, np.sqrt(3))
    assert ends(np.abs(a)) == (0, 1, 3)
    assert ends(np.abs(-c)) == (1, 4, 9)
    assert ends(-c) == (-9, -4, -1)
    assert a.error == 2


def test_choices_by_hand() -> None:
    a, b, c = interval(-1, 3), interval(2, 4), interval(5, 6)
    assert ends(np.where(a < c, a, c)) == (-1, 1, 3)
    assert ends(np.where(a > c, a, b)) == (2, 3, 4)
    assert ends(np.where(a > b, 10.0, c)) == (5, 5.5, 10)  # either
    assert ends(np.where(a > b, a, b)) == (2, 3, 4)  # the larger
    assert ends(np.where(a < b, a, b)) == (-1, 1, 3)  # the smaller
    assert ends(np.where(a < 0, -1.0, np.where(a > 0, 1.0, 0.0))) == (-1, 1, 1)
    zero = interval(0, 0)
    assert ends(np.where(zero > 0, 1.0, zero)) == (0, 0, 0)


def test_every_operation_rounds() -> None:
    a, b = interval(1, 1, eps=0.25), interval(3, 3, eps=0.25)
    assert ends(a + b) == (3, 4, 5)
    assert ends(a - b) == (-2.5, -2, -1.5)
    assert ends(interval(2, 2, eps=0.25) * b) == (4.5, 6, 7.5)
    assert ends(b / interval(2, 2, eps=0.25)) == (1.125, 1.5, 1.875)
    assert ends(np.sqrt(interval(4, 4, eps=0.25))) == (1.5, 2, 2.5)
    # but not where nothing is rounded
    assert ends(a * b) == ends(1.0 * b) == ends(b + 0.0 * a) == ends(np.abs(-b)) == (3, 3, 3)


def test_constants_are_rounded_where_they_do_not_fit() -> None:
    one = interval(1, 1, eps=0.25)
    assert ends(np.where(one > 0, 0.5, one)) == (0.5, 0.5, 0.5)
    low, value, high = ends(np.where(one > 0, 0.1, one))
    assert (low, value, high) == pytest.approx((0.075, 0.1, 0.125))


def test_what_one_has_flushed_the_other_may_keep() -> None:
    p = _bounds.precision("float32")
    values = np.array([0, p.tiny / 2, -p.tiny, 3 * p.tiny])
    x = flush(Interval(values, values, values, 0.0, 0.0, p.tiny))
    assert (x.low <= np.minimum(values, 0))[:3].all()
    assert (x.high >= np.maximum(values, 0))[:3].all()
    assert x.low[3] == x.high[3] == values[3]


def test_other_functions_are_refused() -> None:
    with pytest.raises(TypeError):
        np.exp(interval(0, 1))
    with pytest.raises(TypeError):
        np.add.reduce(interval(0, 1))
    with pytest.raises(TypeError):
        np.concatenate([interval(0, 1)])


@pytest.mark.parametrize("wide", [0.0, 1e-6, 1e-2])
@pytest.mark.parametrize("rule", RULES)
def test_steps_from_anywhere_in_the_intervals(rule: str, wide: float) -> None:
    """In float32, of numbers moved by up to the errors: as far as the bound, and that is sharp
    for exact numbers."""
    rng = np.random.default_rng(0)
    p, optimizer = _bounds.precision("float32"), examples()[rule]
    arrays = [rng.normal(size=N), rng.normal(size=N) * np.logspace(-6, 1, N)]
    arrays += [rng.uniform(0.01, 1, N) for _ in range(RULES[rule])]
    arrays = [a.astype("f4").astype("f8") for a in arrays]
    w, g, *state = (Near(a, wide * np.abs(a)) for a in arrays)
    near = _bounds.update(p, optimizer, w, g, state, 5)
    for _ in range(50):
        moved = [(a * (1 + wide * rng.choice([-1, 0, 1], N))) for a in arrays]
        rounded = [a.astype("f4") if not wide else a for a in moved]
        for got, bound in zip(optimizer_step(optimizer, *rounded, step=5), near, strict=True):
            assert (np.abs(got - bound.value) <= bound.error * (1 + 1e-9) + 1e-15).all()
    if not wide and "centered" not in rule:  # where what is below the root may be 0
        change = np.abs(near[0].value - arrays[0])
        most = 60 if TABLE[rule].layered else 30  # which have norms to add up
        assert (near[0].error <= p.eps * (2 * np.abs(arrays[0]) + most * change) + p.least).all()


@pytest.mark.parametrize("rule", RULES)
def test_steps_from_gradients_that_are_rounding_errors(rule: str) -> None:
    """Whose value is 0 or anything far below their error, and the state zero."""
    rng = np.random.default_rng(1)
    p, optimizer = _bounds.precision("float64"), examples()[rule]
    w, g = rng.normal(size=N), rng.normal(size=N) * rng.choice([0.0, 1e-3], N)
    state = [np.zeros(N) for _ in range(RULES[rule])]
    near = _bounds.update(p, optimizer, exact(w), Near(g, np.ones(N)), list(map(exact, state)), 1)
    for moved in (g, *(g + rng.uniform(-1, 1, N) for _ in range(50))):
        for got, bound in zip(optimizer_step(optimizer, w, moved, *state, step=1), near,
                              strict=True):  # fmt: skip
            assert (np.abs(got - bound.value) <= bound.error * (1 + 1e-9)).all()
