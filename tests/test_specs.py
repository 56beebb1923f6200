"""Layers, activations, losses, optimisers: arguments, equality, repr, JSON form, immutability."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

import deltarule as dr
from deltarule import (
    _check,
    activations,
    averages,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    schedules,
)
from deltarule._spec import Spec, from_config

from .losses import LOSSES
from .schedules import SCHEDULES

SPECS: list[tuple[Spec, dict[str, type]]] = [
    *[(cls(), activations.TABLE) for cls in activations.TABLE.values()],
    (activations.LeakyReLU(0.2), activations.TABLE),
    (activations.ELU(0), activations.TABLE),
    (activations.CELU(0.5), activations.TABLE),
    *[(cls(), initializers.TABLE) for cls in initializers.TABLE.values()],
    (initializers.Orthogonal(2), initializers.TABLE),
    (initializers.Constant(0.1), initializers.TABLE),
    (initializers.Uniform(-0.1, 0.1), initializers.TABLE),
    (initializers.TruncatedNormal(0.5, 0.1), initializers.TABLE),
    *[(loss, losses.TABLE) for loss in LOSSES],
    *[(cls(), metrics.TABLE) for cls in metrics.TABLE.values()],
    *[(metric, metrics.TABLE) for metric in metrics.NAMES.values() if metric.name[:5] != "top_5"],
    (metrics.F1(None), metrics.TABLE),
    *[(cls(), optimizers.TABLE) for cls in optimizers.TABLE.values()],
    (dr.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=1e-4), optimizers.TABLE),
    (dr.Adam(1 / 3, betas=(0.8, 0.99), eps=1e-7), optimizers.TABLE),
    (dr.Adam(weight_decay=0.1, decoupled_weight_decay=True, amsgrad=True), optimizers.TABLE),
    (dr.AdamW(weight_decay=0), optimizers.TABLE),
    (dr.NAdam(momentum_decay=0), optimizers.TABLE),
    (dr.Lion(decoupled_weight_decay=False, weight_decay=1), optimizers.TABLE),
    (dr.LAMB(weight_decay=0.01), optimizers.TABLE),
    (dr.RMSprop(alpha=0, momentum=0.5, centered=True), optimizers.TABLE),
    (dr.Adagrad(initial_accumulator_value=0.1), optimizers.TABLE),
    (dr.Adadelta(rho=0.5), optimizers.TABLE),
    (dr.Rprop(etas=[0.1, 3], step_sizes=(1, 1)), optimizers.TABLE),
    (dr.SGD(clipvalue=1), optimizers.TABLE),
    (dr.AdamW(global_clipnorm=0.5), optimizers.TABLE),
    (dr.Adam(schedules.ExponentialLR(0.1, 0.9, every="step")), optimizers.TABLE),
    (dr.Adam(average=dr.EMA(0.9, every=2)), optimizers.TABLE),
    (dr.SGD(0.1, average=dr.SWA(3, every_epochs=2)), optimizers.TABLE),
    (dr.EMA(), averages.TABLE),
    (dr.SWA(start_epoch=5), averages.TABLE),
    *[(schedule, schedules.TABLE) for schedule in SCHEDULES],
    (dr.Dense(4), layers.TABLE),
    (dr.Dropout(), layers.TABLE),
    (dr.AlphaDropout(), layers.TABLE),
    (dr.AlphaDropout(0.1), layers.TABLE),
    (dr.GaussianNoise(0.1), layers.TABLE),
    (dr.BatchNorm(), layers.TABLE),
    (dr.BatchNorm(1e-3, 0.3, affine=False, trainable=False), layers.TABLE),
    (dr.LayerNorm(), layers.TABLE),
    (dr.LayerNorm(1e-3, bias=False), layers.TABLE),
    (dr.LayerNorm(affine=False, trainable=False), layers.TABLE),
    (dr.RMSNorm(), layers.TABLE),
    (dr.RMSNorm(1e-6, affine=False), layers.TABLE),
    (dr.Dense(4, "relu", bias=False), layers.TABLE),
    (dr.Dense(4, trainable=False), layers.TABLE),
    (dr.Dense(4, "prelu"), layers.TABLE),
    (dr.Dense(4, constraint="max_norm"), layers.TABLE),
    (dr.Dense(4, constraint=dr.MaxNorm(3.0)), layers.TABLE),
    *[(cls(), constraints.TABLE) for cls in constraints.TABLE.values()],
    (dr.Dense(4, dr.PReLU(0.1)), layers.TABLE),
    (dr.PReLU(-0.5, per_feature=True, trainable=False), layers.TABLE),
    (layers.Activation(dr.PReLU(0.1)), layers.TABLE),
    (dr.Dense(4, l1=1e-3, l2=0.5), layers.TABLE),
    (dr.Dense(4, learning_rate_factor=0.1), layers.TABLE),
    (dr.RMSNorm(learning_rate_factor=0.1), layers.TABLE),
    (
        dr.Dense(
            9,
            activations.LeakyReLU(0.3),
            weight_init=initializers.Orthogonal(1.5),
            bias_init="he_uniform",
        ),
        layers.TABLE,
    ),
]


@pytest.mark.parametrize(("spec", "table"), SPECS, ids=lambda value: repr(value)[:60])
def test_json_pickle_copy_and_repr(spec: Spec, table: dict[str, type]) -> None:
    config = json.loads(json.dumps(spec.to_config(), allow_nan=False))
    names: dict[str, object] = {}
    rooms = (activations, initializers, losses, schedules, dr)
    for module in (*rooms, metrics) if table is metrics.TABLE else rooms:
        names |= vars(module)
    again = [
        from_config(config, table, "spec"),
        pickle.loads(pickle.dumps(spec)),
        copy.deepcopy(spec),
        eval(repr(spec), names),
    ]
    for other in again:
        assert other == spec
        assert hash(other) == hash(spec)
        assert type(other) is type(spec)


@pytest.mark.parametrize(("spec", "table"), SPECS, ids=lambda value: repr(value)[:60])
def test_immutable(spec: Spec, table: dict[str, type]) -> None:
    for field in dataclasses.fields(spec):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(spec, field.name, 1)


def test_all_are_different() -> None:
    assert len({spec for spec, _ in SPECS}) == len(SPECS)


def test_repr_shows_what_is_not_default() -> None:
    assert repr(dr.Dense(4)) == "Dense(4)"
    assert repr(dr.Dense(4, "relu")) == "Dense(4, activation='relu')"
    leaky = dr.Dense(4, activations.LeakyReLU(0.2), bias=False)
    assert repr(leaky) == "Dense(4, activation=LeakyReLU(negative_slope=0.2), bias=False)"
    assert repr(dr.Dense(4, l2=1e-4)) == "Dense(4, l2=0.0001)"
    assert repr(dr.SGD(0.5)) == "SGD(learning_rate=0.5)"
    assert repr(dr.Adam()) == "Adam()"
    decayed = "NAdam(learning_rate=0.1, momentum_decay=0.5, weight_decay=1.0)"
    assert repr(dr.NAdam(0.1, weight_decay=1, momentum_decay=0.5)) == decayed
    every = "StepLR(learning_rate=1.0, step_size=3, every='step')"
    assert repr(schedules.StepLR(1, 3, every="step")) == every


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        ("relu", "he_uniform"),
        ("leaky_relu", "he_uniform"),
        ("elu", "he_uniform"),
        ("gelu", "he_uniform"),
        ("selu", "lecun_normal"),
        ("softplus", "glorot_uniform"),
        ("tanh", "glorot_uniform"),
        ("sigmoid", "glorot_uniform"),
        ("softmax", "glorot_uniform"),
        (None, "glorot_uniform"),
    ],
)
def test_default_weight_init(activation: str | None, kind: str) -> None:
    layer = dr.Dense(3, activation)
    assert layer.weight_init.kind == kind
    assert layer.bias_init.kind == "zeros"
    assert activation == "leaky_relu" or layer == dr.Dense(3, activation, weight_init=kind)
    assert list(layer.initializers()) == ["weight", "bias"]
    assert list(dr.Dense(3, bias=False).initializers()) == ["weight"]


def test_default_gain_of_leaky_relu() -> None:
    """2 / (1 + slope^2) in place of 2; a slope of 1 is no activation at all."""
    for slope, gain in ((0.0, 1.0), (0.75, 0.8), (1.0, 0.5**0.5)):
        layer = dr.Dense(3, activations.LeakyReLU(slope))
        assert isinstance(layer.weight_init, initializers.HeUniform)
        assert layer.weight_init.gain == pytest.approx(gain)
    assert "init" not in repr(dr.Dense(3, "leaky_relu"))


def test_every_initializer_of_the_operations_is_a_specification() -> None:
    assert tuple(initializers.TABLE) == _check.INITIALIZERS


def test_losses_and_what_engines_get() -> None:
    assert losses.Quantile(0.5) == losses.Quantile((0.5,)) == losses.Quantile(np.array([0.5]))
    assert losses.Quantile([0.1, 0.9]).parameters == (0.1, 0.9)
    assert losses.BinaryFocal(1, None).parameters == (1.0, -1.0)
    assert losses.Focal(1, None).parameters == (1.0, 1.0)
    assert losses.CrossEntropy(0.1, ignore_index=7).parameters == (0.1,)
    assert losses.Poisson(False).parameters == (0.0,)
    assert repr(losses.Huber(0.5)) == "Huber(delta=0.5)"
    assert repr(losses.Focal(alpha=None)) == "Focal(alpha=None)"


def test_rules_and_numbers() -> None:
    assert (dr.SGD().rule, dr.SGD().n_slots) == ("sgd", 1)
    assert (dr.SGD(0.1, 0.9).rule, dr.SGD(0.1, 0.9).numbers) == ("momentum", (0.9,))
    assert dr.SGD(0.1, 0.9, True).rule == "nesterov"
    assert dr.SGD(momentum=5e-324).rule == "momentum"
    assert dr.Adam().numbers == (0.9, 0.999, 1e-8)
    assert dr.Adam(1, betas=[0, 0.5]).betas == (0.0, 0.5)
    assert (dr.Adam(amsgrad=True).rule, dr.Adam(amsgrad=True).n_slots) == ("amsgrad", 4)
    assert dr.AdamW().rule == "adam"
    assert dr.RMSprop(momentum=0.1, centered=True).rule == "rmsprop_centered_momentum"
    assert dr.Adagrad(initial_accumulator_value=0.5).initial_state == (0.5,)
    assert dr.Rprop(0.5).initial_state == (0.0, 0.5)
    assert dr.LAMB(weight_decay=0.1).numbers == (0.9, 0.999, 1e-6, 0.1)
    assert dr.LAMB(weight_decay=0.1, decoupled_weight_decay=False).numbers[3] == 0
    assert dr.NAdam().initial_state == (0.0, 0.0)


def test_averages() -> None:
    assert dr.Adam(average="ema") == dr.Adam(average=dr.EMA(0.999, every=1))
    assert (dr.Adam(average="ema").n_slots, dr.Adam(average="ema").n_states) == (4, 2)
    assert repr(dr.Adam(average=dr.EMA(0.9))) == "Adam(average=EMA(decay=0.9))"
    assert [epoch for epoch in range(9) if dr.SWA(2, 3).takes(epoch)] == [2, 5, 8]


def test_examples_are_one_of_each_rule() -> None:
    found = optimizers.examples()
    assert list(found) == list(optimizers.RULES)
    assert all(optimizer.rule == rule for rule, optimizer in found.items())
    for rule, optimizer in found.items():
        assert len(optimizer.initial_state) == optimizers.RULES[rule], rule
        assert len(optimizer.numbers) <= 4, rule


@pytest.mark.parametrize("cls", optimizers.TABLE.values(), ids=optimizers.TABLE)
def test_every_argument_of_an_optimizer_is_checked(cls: type[optimizers.Optimizer]) -> None:
    for field in dataclasses.fields(cls):
        for wrong in ("x", None, float("nan"), -1, (1, 2, 3)):
            if wrong is field.default:
                continue
            with pytest.raises((TypeError, ValueError)) as caught:
                cls(**{field.name: wrong})
            assert str(caught.value).startswith(field.name), (field.name, wrong)


BAD = [
    (lambda: dr.Dense(0), ValueError, "units must be >= 1"),
    (lambda: dr.Dense(-3), ValueError, "units must be >= 1"),
    (lambda: dr.Dense(2.5), TypeError, "units must be"),
    (lambda: dr.Dense("8"), TypeError, "units must be"),
    (lambda: dr.Dense(True), TypeError, "units must be"),
    (lambda: dr.Dense(None), TypeError, "units must be"),
    (lambda: dr.Dense(1 << 31), ValueError, "units must be"),
    (lambda: dr.Dense(3, "rellu"), ValueError, "did you mean 'relu'"),
    (lambda: dr.Dense(3, "linear"), ValueError, "did you mean 'identity'"),
    (lambda: dr.Dense(3, "Leaky-ReLU"), ValueError, "did you mean 'leaky_relu'"),
    (lambda: dr.Dense(3, 7), TypeError, "activation must be a name or one of"),
    (lambda: dr.Dense(3, activations.ReLU), TypeError, "must be an instance, ReLU()"),
    (lambda: dr.Dense(3, dr.Adam()), TypeError, "activation must be"),
    (lambda: dr.Dense(1, "softmax"), ValueError, "use activation='sigmoid'"),
    (lambda: dr.Dense(3, bias=1), TypeError, "bias must be True or False"),
    (lambda: dr.Dense(3, weight_init="xavier"), ValueError, "did you mean 'glorot_uniform'"),
    (lambda: dr.Dense(3, weight_init=0), TypeError, "initializer must be"),
    (lambda: dr.Dense(3, bias_init=None), TypeError, "initializer must be"),
    (lambda: dr.Dense(3, weight_init="random_normal"), ValueError, "did you mean 'normal'"),
    (lambda: initializers.Orthogonal(0), ValueError, "gain must be > 0"),
    (lambda: initializers.HeNormal(gain="2"), TypeError, "gain must be a real number"),
    (lambda: initializers.Constant(float("nan")), ValueError, "value must be finite"),
    (lambda: initializers.Uniform(1, 1), ValueError, "high must be > low, 1.0; got 1.0"),
    (lambda: initializers.Normal(stddev=0), ValueError, "stddev must be > 0"),
    (lambda: initializers.TruncatedNormal(mean=None), TypeError, "mean must be a real number"),
    (lambda: dr.Dropout(1.0), ValueError, "p must be >= 0 and < 1, got 1.0"),
    (lambda: dr.AlphaDropout(-0.1), ValueError, "p must be >= 0"),
    (lambda: dr.Dropout("0.5"), TypeError, "p must be a real number"),
    (lambda: dr.Dropout(True), TypeError, "p must be a real number"),
    (lambda: dr.GaussianNoise(-1), ValueError, "stddev must be >= 0"),
    (lambda: dr.GaussianNoise(float("nan")), ValueError, "stddev must be finite"),
    (
        lambda: dr.Network([dr.Dense(3), dr.Dropout()], loss="mse"),
        ValueError,
        "layers must not end with Dropout",
    ),
    (lambda: dr.BatchNorm(0), ValueError, "eps must be > 0, got 0.0"),
    (lambda: dr.BatchNorm(1e-21), ValueError, "eps must be >= 1e-20, got 1e-21"),
    (lambda: dr.BatchNorm(None), TypeError, "eps must be a real number"),
    (lambda: dr.BatchNorm(momentum=1.1), ValueError, "momentum must be >= 0 and <= 1, got 1.1"),
    (lambda: dr.BatchNorm(momentum=None), TypeError, "momentum must be a real number"),
    (lambda: dr.BatchNorm(affine=1), TypeError, "affine must be True or False"),
    (lambda: dr.BatchNorm(trainable=None), TypeError, "trainable must be True or False"),
    (lambda: dr.LayerNorm(float("inf")), ValueError, "eps must be finite"),
    (lambda: dr.LayerNorm((64,)), TypeError, "eps must be a real number"),
    (lambda: dr.LayerNorm(bias="no"), TypeError, "bias must be True or False"),
    (lambda: dr.RMSNorm(-1), ValueError, "eps must be > 0, got -1.0"),
    (lambda: dr.RMSNorm(True), TypeError, "eps must be a real number"),
    (lambda: dr.RMSNorm(affine=None), TypeError, "affine must be True or False"),
    (lambda: dr.Dense(3, learning_rate_factor=0), ValueError, "learning_rate_factor must be > 0"),
    (lambda: dr.PReLU(learning_rate_factor="2"), TypeError, "learning_rate_factor must be a real"),
    (lambda: dr.LayerNorm(learning_rate_factor=-1), ValueError, "learning_rate_factor must be > 0"),
    (lambda: dr.BatchNorm(learning_rate_factor=None), TypeError, "learning_rate_factor must be"),
    (lambda: dr.SGD(clipnorm=0), ValueError, "clipnorm must be > 0, got 0"),
    (lambda: dr.Adam(clipvalue=True), TypeError, "clipvalue must be a real number, got bool"),
    (
        lambda: dr.SGD(clipvalue=1, global_clipnorm=2),
        ValueError,
        "at most one may be given, got clipvalue=1.0 and global_clipnorm=2.0",
    ),
    (lambda: dr.Dense(3, l1=-1e-3), ValueError, "l1 must be >= 0"),
    (lambda: dr.Dense(3, l2=float("nan")), ValueError, "l2 must be finite"),
    (lambda: dr.Dense(3, l2=None), TypeError, "l2 must be a real number"),
    (lambda: activations.LeakyReLU(-0.1), ValueError, "negative_slope must be >= 0"),
    (lambda: activations.LeakyReLU(float("nan")), ValueError, "negative_slope must be finite"),
    (lambda: activations.LeakyReLU("a"), TypeError, "negative_slope must be"),
    (lambda: dr.Dense(3, constraint="maxnorm"), ValueError, "did you mean 'max_norm'"),
    (lambda: dr.Dense(3, constraint=3.0), TypeError, "constraint must be a name or one of"),
    (lambda: dr.Dense(3, constraint=dr.MaxNorm), TypeError, "must be an instance, MaxNorm()"),
    (lambda: dr.Adam(average="emma"), ValueError, "average: unknown average 'emma' (did you mean"),
    (lambda: dr.Adam(average="swa"), ValueError, "average: average 'swa' has arguments"),
    (lambda: dr.Adam(average=0.9), TypeError, "average must be a name or one of EMA, SWA"),
    (lambda: dr.Adam(average=dr.EMA), TypeError, "must be an instance, EMA()"),
    (lambda: dr.EMA(1.0), ValueError, "decay must be >= 0 and < 1"),
    (lambda: dr.EMA(every=0), ValueError, "every must be >= 1"),
    (lambda: dr.SWA(-1), ValueError, "start_epoch must be >= 0"),
    (lambda: dr.SWA(0, 2.5), TypeError, "every_epochs must be an int"),
    (lambda: dr.MaxNorm(0), ValueError, "max_value must be >= 1e-10, got 0.0"),
    (lambda: dr.MaxNorm(float("inf")), ValueError, "max_value must be finite"),
    (lambda: dr.MaxNorm("3"), TypeError, "max_value must be a real number"),
    (lambda: dr.PReLU("a"), TypeError, "slope must be a real number"),
    (lambda: dr.PReLU(float("inf")), ValueError, "slope must be finite"),
    (lambda: dr.PReLU(per_feature=1), TypeError, "per_feature must be True or False"),
    (lambda: dr.PReLU(trainable=None), TypeError, "trainable must be True or False"),
    (lambda: dr.Dense(3, dr.PReLU), TypeError, "must be an instance, PReLU()"),
    (lambda: dr.Dense(3, "parametric_relu"), ValueError, "did you mean 'prelu'"),
    (lambda: activations.ELU(-1), ValueError, "alpha must be >= 0"),
    (lambda: activations.ELU("1"), TypeError, "alpha must be a real number"),
    (lambda: activations.CELU(0), ValueError, "alpha must be > 0"),
    (lambda: activations.CELU(float("inf")), ValueError, "alpha must be finite"),
    (lambda: dr.Dense(3, "swish"), ValueError, "did you mean 'silu'"),
    (lambda: dr.Dense(1, "log_softmax"), ValueError, "log_softmax over one output is always 0"),
    (lambda: dr.SGD(0), ValueError, "learning_rate must be > 0"),
    (lambda: dr.SGD(-1.0), ValueError, "learning_rate must be > 0"),
    (lambda: dr.SGD(float("inf")), ValueError, "learning_rate must be finite"),
    (lambda: dr.SGD(10**400), ValueError, "learning_rate must be finite"),
    (lambda: dr.SGD("0.1"), TypeError, "learning_rate must be"),
    (lambda: dr.SGD(True), TypeError, "learning_rate must be"),
    (lambda: dr.SGD(momentum=1.0), ValueError, "momentum must be"),
    (lambda: dr.SGD(momentum=-0.1), ValueError, "momentum must be"),
    (lambda: dr.SGD(nesterov=True), ValueError, "needs momentum > 0"),
    (lambda: dr.SGD(momentum=0.9, nesterov=1), TypeError, "nesterov must be"),
    (lambda: dr.SGD(weight_decay=-1e-4), ValueError, "weight_decay must be >= 0"),
    (lambda: dr.Adam(0.0), ValueError, "learning_rate must be > 0"),
    (lambda: dr.Adam(betas=0.9), TypeError, "betas must be a pair"),
    (lambda: dr.Adam(betas=(0.9,)), ValueError, "betas must be a pair"),
    (lambda: dr.Adam(betas=(0.9, 1.0)), ValueError, "betas[1] must be"),
    (lambda: dr.Adam(betas=(-0.1, 0.9)), ValueError, "betas[0] must be"),
    (lambda: dr.Adam(eps=0.0), ValueError, "eps must be > 0"),
    (lambda: dr.Adam(eps=1e-31), ValueError, "eps must be >= 2^-100, which is 7.9e-31, got 1e-31"),
    (lambda: dr.Adam(amsgrad=1), TypeError, "amsgrad must be True or False"),
    (lambda: dr.SGD(0.1, 0.9, False, 0.1), TypeError, "positional arguments"),
    (lambda: dr.Adagrad(initial_accumulator_value=-1), ValueError, "value must be >= 0"),
    (lambda: dr.RMSprop(alpha=1), ValueError, "alpha must be >= 0 and < 1"),
    (lambda: dr.Rprop(etas=(0.5, 0.9)), ValueError, "etas must be below 1 and above 1"),
    (lambda: dr.Rprop(etas=(1.5, 2)), ValueError, "etas must be below 1 and above 1"),
    (lambda: dr.Rprop(etas=(0, 2)), ValueError, "etas[0] must be > 0"),
    (lambda: dr.Rprop(step_sizes=(1, 0.1)), ValueError, "the least and the largest"),
    (lambda: losses.get("bce"), ValueError, "did you mean 'binary_cross_entropy'"),
    (lambda: losses.get("KLDiv"), ValueError, "did you mean 'kl_divergence'"),
    (lambda: losses.get("pinball"), ValueError, "did you mean 'quantile'"),
    (lambda: losses.get(None), TypeError, "loss must be"),
    (lambda: losses.get(losses.Huber), TypeError, "must be an instance, Huber(), not the class"),
    (lambda: losses.Huber(0), ValueError, "delta must be > 0"),
    (lambda: losses.Huber("1"), TypeError, "delta must be a real number"),
    (lambda: losses.Quantile(0.0), ValueError, "levels must be > 0"),
    (lambda: losses.Quantile(1.0), ValueError, "levels must be >= 0 and < 1"),
    (lambda: losses.Quantile([0.5, 1.5]), ValueError, "levels[1] must be"),
    (lambda: losses.Quantile(()), ValueError, "levels must be 1 to 99 numbers, got 0"),
    (lambda: losses.Quantile([0.5] * 100), ValueError, "levels must be 1 to 99 numbers, got 100"),
    (lambda: losses.Quantile("0.5"), TypeError, "levels must be a real number"),
    (lambda: losses.Poisson(1), TypeError, "log_input must be True or False"),
    (lambda: losses.GaussianNLL(0.0), ValueError, "eps must be > 0"),
    (lambda: losses.GaussianNLL(1e-40), ValueError, "eps must be >= 1e-30"),
    (lambda: losses.Focal(-1), ValueError, "gamma must be >= 0"),
    (lambda: losses.Focal(alpha=1.0), ValueError, "alpha must be >= 0 and < 1"),
    (lambda: losses.BinaryFocal(alpha=0), ValueError, "alpha must be > 0"),
    (lambda: losses.BinaryFocal(alpha="x"), TypeError, "alpha must be a real number"),
    (lambda: losses.CrossEntropy(1.0), ValueError, "label_smoothing must be >= 0 and < 1"),
    (lambda: losses.CrossEntropy(ignore_index=0.5), TypeError, "ignore_index must be an integer"),
    (lambda: losses.CategoricalHinge(None), TypeError, "ignore_index must be an integer"),
    (lambda: optimizers.get("sdg"), ValueError, "did you mean 'sgd'"),
    (lambda: dr.Adam(schedules.StepLR), TypeError, "must be an instance, StepLR(...), not the"),
    (lambda: dr.Adam(dr.SGD()), TypeError, "learning_rate must be a number or a schedule"),
    (lambda: dr.Adam("step_lr"), TypeError, "learning_rate must be a number or a schedule"),
    (lambda: dr.Rprop(schedules.StepLR(1, 2)), TypeError, "Rprop only begins with it"),
    (lambda: metrics.get("acuracy"), ValueError, "did you mean 'accuracy'"),
    (lambda: dr.Dense.from_config({"kind": "conv"}), ValueError, "kind 'dense'"),
    (
        lambda: dr.SGD.from_config({"kind": "sgd", "rate": 1}),
        ValueError,
        "SGD has no argument 'rate'",
    ),
]


@pytest.mark.parametrize(("call", "error", "fragment"), BAD, ids=[fragment for *_, fragment in BAD])
def test_bad_arguments(call: object, error: type[Exception], fragment: str) -> None:
    with pytest.raises(error) as caught:
        call()  # type: ignore[operator]
    assert fragment in str(caught.value)
    assert type(caught.value) is error
