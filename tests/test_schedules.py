"""Schedules: their rates, and that both engines train with them, interrupted or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import optimizers, schedules
from deltarule.schedules import Schedule

from .conftest import Data
from .interruption import assert_same, interrupt
from .schedules import PLAIN, SCHEDULES, published

Make = Callable[..., dr.Network]

each = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


# ------------------------------------------------------------------------------------- the rates
def test_every_schedule_is_in_the_table_of_examples() -> None:
    assert {schedule.kind for schedule in SCHEDULES} == set(schedules.TABLE)


BY_HAND = [
    (schedules.ConstantLR(1, 0.25, 2), [0.25, 0.25, 1, 1]),
    (schedules.StepLR(1, 2, 0.5), [1, 1, 0.5, 0.5, 0.25]),
    (schedules.MultiStepLR(1, [1, 3], 0.5), [1, 0.5, 0.5, 0.25, 0.25]),
    (schedules.ExponentialLR(1, 0.5), [1, 0.5, 0.25, 0.125]),
    (schedules.PolynomialLR(1, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
    (schedules.PolynomialLR(1, 4, 2), [1, 0.5625, 0.25, 0.0625, 0, 0]),
    (schedules.InverseScaling(1, 1), [1, 1 / 2, 1 / 3, 1 / 4]),
    (schedules.CosineAnnealingLR(1, 2, 0.5), [1, 0.75, 0.5, 0.75, 1, 0.75]),
    (schedules.CosineAnnealingWarmRestarts(1, 2), [1, 0.5, 1, 0.5, 1]),
    (schedules.CosineAnnealingWarmRestarts(1, 1, 2), [1, 1, 0.5, 1]),
    (
        schedules.OneCycleLR(1, 7, 3 / 7, "linear", 2, 2),
        [0.5, 0.75, 1, 0.8125, 0.625, 0.4375, 0.25, 0.25],
    ),
    (schedules.Warmup(2, 1, 0), [0, 0.5, 1, 1]),
    (
        schedules.Warmup(2, schedules.ExponentialLR(1, 0.5), 0, every="epoch"),
        [0, 0.5, 1, 0.5, 0.25],
    ),
]


@pytest.mark.parametrize(("schedule", "expected"), BY_HAND, ids=repr)
def test_by_hand(schedule: Schedule, expected: list[float]) -> None:
    if schedule.every == "step":
        rates = schedule.rates(len(expected), epoch=3)
    else:
        rates = np.array([schedule.rates(2, step=9, epoch=e)[1] for e in range(len(expected))])
    np.testing.assert_allclose(rates, expected, rtol=1e-15, atol=1e-16)


@each
def test_as_published(schedule: Schedule) -> None:
    for step in (0, 2, 4, 6, 18, 99, 100, 12345):
        for epoch in (0, 1, 3, 7, 50, 10**6):
            expected = [published(schedule, step + i, epoch) for i in range(20)]
            got = schedule.rates(20, step=step, epoch=epoch)
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)
            assert got.dtype == np.float64 and got.flags.c_contiguous and (got >= 0).all()


@each
def test_any_piece_of_the_rates_is_the_same(schedule: Schedule) -> None:
    whole = schedule.rates(50, epoch=2)
    parts = [schedule.rates(n, step=s, epoch=2) for s, n in ((0, 1), (1, 0), (1, 30), (31, 19))]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("schedule", PLAIN, ids=repr)
def test_epochs_and_steps_count_alike(schedule: Schedule) -> None:
    by_step, by_epoch = (dataclasses.replace(schedule, every=e) for e in ("step", "epoch"))
    rates = [by_epoch.rates(1, step=7, epoch=epoch).item() for epoch in range(40)]
    assert rates == by_step.rates(40, epoch=5).tolist()


def test_far_away() -> None:
    for schedule in SCHEDULES:
        if "gamma=1.0001" not in repr(schedule):
            rates = schedule.rates(3, step=1 << 61, epoch=1 << 61)
            assert ((rates >= 0) & (rates < 1)).all(), schedule


def test_infinite_rates_are_refused(make_net: Make, blobs: Data) -> None:
    grows = schedules.ExponentialLR(1.0, 1e300, every="step")
    with pytest.raises(ValueError, match=r"learning rate of ExponentialLR\(.*infinite after 2 upd"):
        grows.rates(5)
    net = make_net(optimizer=dr.SGD(grows))
    net.build(blobs[0].shape[1])
    before = net.parameters()
    with pytest.raises(ValueError, match="infinite"):
        net.fit(*blobs)
    assert net._plan is not None and net._plan.step == 0
    assert all((net.parameters()[name] == value).all() for name, value in before.items())


# --------------------------------------------------------------------------------- bad arguments
SMALLEST = {cls: next(s for s in SCHEDULES if type(s) is cls) for cls in schedules.TABLE.values()}


@pytest.mark.parametrize("schedule", SMALLEST.values(), ids=lambda s: s.kind)
def test_every_argument_is_checked(schedule: Schedule) -> None:
    for field in dataclasses.fields(schedule):
        for wrong in ("x", None, float("nan"), -1, (0, 2)):
            with pytest.raises((TypeError, ValueError)) as caught:
                dataclasses.replace(schedule, **{field.name: wrong})
            assert str(caught.value).startswith(field.name), (field.name, wrong)


BAD = [
    (lambda: schedules.StepLR(0, 2), ValueError, "learning_rate must be > 0"),
    (lambda: schedules.StepLR(1, 2.5), TypeError, "step_size must be an integer"),
    (lambda: schedules.StepLR(1, 2, every="batch"), ValueError, "every must be one of 'step', 'e"),
    (lambda: schedules.StepLR(1, 2, 0.1, "step"), TypeError, "positional arguments"),
    (lambda: schedules.MultiStepLR(1, [3, 2]), ValueError, "milestones must ascend, got [3, 2]"),
    (lambda: schedules.MultiStepLR(1, [2, 2]), ValueError, "milestones must ascend"),
    (lambda: schedules.MultiStepLR(1, [0.5]), TypeError, "milestones[0] must be an integer"),
    (lambda: schedules.MultiStepLR(1, 3), TypeError, "milestones must be a list"),
    (lambda: schedules.OneCycleLR(1, 9, 1.5), ValueError, "pct_start must be at most 1, got 1.5"),
    (lambda: schedules.OneCycleLR(1, 9, 0.3, "cosine"), ValueError, "did you mean 'cos'"),
    (lambda: schedules.Warmup(3, schedules.Warmup(2, 1)), TypeError, "then must not be a warm-up"),
    (lambda: schedules.Warmup(3, "step_lr"), TypeError, "then must be a number or a schedule"),
    (lambda: schedules.Warmup(3, 1, 1.5), ValueError, "start_factor must be at most 1"),
    (
        lambda: schedules.Warmup(3, schedules.StepLR(1, 2, every="step"), every="epoch"),
        ValueError,
        "a warm-up with every='epoch' needs a `then` with every='epoch'",
    ),
    (lambda: schedules.StepLR(1, 2).rates(-1), ValueError, "n must be >= 0"),
    (lambda: schedules.StepLR(1, 2).rates(1, step=0.5), TypeError, "step must be an integer"),
    (lambda: schedules.StepLR(1, 2).rates(1, epoch=-1), ValueError, "epoch must be >= 0"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text for _, _, text in BAD])
def test_bad_arguments(call: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize("module", [dr.ops, dr.reference])
def test_a_single_step_needs_a_number(module: object) -> None:
    w = np.ones(3)
    with pytest.raises(TypeError, match="a single step needs a number for learning_rate"):
        module.optimizer_step(dr.SGD(schedules.StepLR(1, 2)), w, w)  # type: ignore[attr-defined]


# -------------------------------------------------------------------------------------- training
def epochs_and_steps() -> list[Schedule]:
    return [
        schedules.ExponentialLR(0.05, 0.7),
        schedules.ExponentialLR(0.05, 0.98, every="step"),
        schedules.OneCycleLR(0.05, 20),
        schedules.Warmup(10, schedules.MultiStepLR(0.05, [1, 3])),
        schedules.Warmup(2, schedules.CosineAnnealingLR(0.05, 2), every="epoch"),
    ]


both = pytest.mark.parametrize("backend", ["fast", "reference"])
trained = pytest.mark.parametrize("schedule", epochs_and_steps(), ids=repr)


@both
@trained
def test_each_update_has_its_rate(schedule: Schedule, backend: str) -> None:
    """Plain SGD with rates by hand; every third batch has no weight, and so is no update."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((28, 4)), rng.standard_normal(28)
    w = np.ones(28)
    w[8:12] = w[20:24] = 0
    layers = [dr.Dense(3, "tanh"), dr.Dense(1)]
    net = dr.Network(layers, "mse", dr.SGD(schedule), dtype="float64", backend=backend)
    net.build(4)
    other = dr.Network(layers, "mse", dtype="float64", backend=backend)
    other.build(4)
    step = 0
    for epoch in range(5):
        net.fit(X, y, batch_size=4, shuffle=False, sample_weight=w, verbose=False)
        for first in range(0, 28, 4):
            if not w[first]:
                continue
            rate = published(schedule, step, epoch)
            gradients = other.gradients(X[first : first + 4], y[first : first + 4])[1]
            values = other.parameters()
            other.set_parameters({name: values[name] - rate * g for name, g in gradients.items()})
            step += 1
        for name, value in other.parameters().items():
            np.testing.assert_allclose(net.parameters()[name], value, rtol=1e-12, atol=1e-14)
    net.train_on_batch(X, y)
    gradients, rate = other.gradients(X, y)[1], published(schedule, step, 5)
    for name, value in other.parameters().items():
        new = value - rate * gradients[name]
        np.testing.assert_allclose(net.parameters()[name], new, rtol=1e-12, atol=1e-14)


@trained
def test_resumed(make_net: Make, blobs: Data, schedule: Schedule, tmp_path: Path) -> None:
    """In several fits, after loading, and after Ctrl-C within an epoch: the same bits."""
    optimizer, how = dr.Adam(schedule), {"batch_size": 14}
    whole, net = make_net(optimizer=optimizer), make_net(optimizer=optimizer)
    whole.fit(*blobs, epochs=5, **how)
    net.fit(*blobs, epochs=2, **how)
    interrupt(net, blobs, 1, 3, epochs=3, **how)
    net.save(tmp_path / "m.safetensors")
    net = dr.load(tmp_path / "m.safetensors", backend=net.backend)
    assert net.optimizer == optimizer
    net.fit(*blobs, epochs=2 + (net._position.batch > 0), **how)
    assert_same(net, whole)


@pytest.mark.parametrize("rule", optimizers.RULES)
def test_every_optimizer_takes_one(rule: str) -> None:
    """A schedule that never changes is the number."""
    plain = optimizers.examples()[rule]
    if rule == "rprop":
        return
    still = dataclasses.replace(plain, learning_rate=schedules.StepLR(0.01, 1, 1.0))
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4)), rng.standard_normal(20)
    nets = [
        dr.Network([dr.Dense(3, "tanh"), dr.Dense(1)], "mse", optimizer)
        for optimizer in (still, dataclasses.replace(plain, learning_rate=0.01))
    ]
    for net in nets:
        net.fit(X, y, epochs=3, batch_size=6, verbose=False)
    for name, value in nets[0].parameters().items():
        assert value.tobytes() == nets[1].parameters()[name].tobytes()


def test_verify_with_a_schedule(make_net: Make, blobs: Data) -> None:
    net = make_net(optimizer=dr.Adam(schedules.Warmup(5, 0.01, 0.0)))
    net.build(blobs[0].shape[1])
    assert dr.verify(net, *blobs).ok
    net.fit(*blobs, epochs=2)
    assert dr.verify(net, *blobs).ok
