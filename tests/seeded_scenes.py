"""Networks and data on which verify() is to find bugs."""

from __future__ import annotations

from typing import Any

import numpy as np

import deltarule as dr
from deltarule import layers, losses
from deltarule._report import Report
from deltarule.losses import Loss
from deltarule.verify import verify

SCENES: dict[str, dict[str, Any]] = {
    "classes": {
        "layers": [("tanh", 8), ("relu", 12), ("softmax", 20)],
        "loss": "cross_entropy",
        "optimizer": dr.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    },
    "momentum": {
        "layers": [("leaky_relu", 35), ("softmax", 4)],
        "loss": "cross_entropy",
        "optimizer": dr.SGD(0.05, momentum=0.9),
    },
    "numbers": {
        "layers": [("sigmoid", 35), ("tanh", 35), ("identity", 3)],
        "loss": "mse",
        "optimizer": dr.Adam(1e-2),
    },
    "chances": {
        "layers": [("leaky_relu", 35), ("identity", 20)],
        "loss": "cross_entropy",
        "optimizer": dr.SGD(0.05),
    },
    "shares": {
        "layers": [("gelu", 35), ("silu", 20), ("gelu_tanh", 17), ("mish", 3)],
        "loss": "mse",
        "optimizer": dr.SGD(0.02),
    },
    "lines": {
        "layers": [("elu", 35), ("softplus", 20), ("log_softmax", 7), ("hard_swish", 3)],
        "loss": "mse",
        "optimizer": dr.AdamW(1e-2),
    },
    "squares": {
        "layers": [("tanh", 7), ("sigmoid", 5), ("identity", 2)],
        "loss": "mse",
        "optimizer": dr.LevenbergMarquardt(),
    },
    "noise": {
        "layers": [
            dr.GaussianNoise(0.1), ("selu", 35), dr.AlphaDropout(0.2), ("tanh", 20),
            dr.Dropout(0.4), ("identity", 3),
        ],
        "loss": "mse",
        "optimizer": dr.SGD(0.02),
    },
    "norms": {
        "layers": [
            ("tanh", 7), dr.BatchNorm(), ("silu", 17), dr.LayerNorm(),
            layers.Residual([dr.RMSNorm(), dr.Dense(17)]), ("identity", 3),
        ],
        "loss": "mse",
        "optimizer": dr.Adam(1e-2),
    },
    "bits": {
        "layers": [("softmax", 20), ("sigmoid", 3)],
        "loss": "binary_cross_entropy",
        "optimizer": dr.Adam(1e-2),
    },
    "weights": {
        "layers": [
            dr.Dense(35, dr.PReLU(0.1, per_feature=True), l1=0.01, bias_init="lecun_uniform"),
            dr.Dense(20, "prelu", l2=0.02, constraint=dr.MaxNorm(0.5)),
            dr.Dense(3, l1=0.01, l2=0.01, constraint="non_negative"),
        ],
        "loss": "mse",
        "optimizer": dr.SGD(0.05, momentum=0.9, average=dr.EMA(0.9)),
    },
    "clipped": {
        "layers": [("tanh", 70), ("relu", 20), ("identity", 3)],
        "loss": "mse",
        "optimizer": dr.SGD(0.05, 0.9, weight_decay=0.01, global_clipnorm=0.1),
    },
    "lamb": {
        "layers": [("tanh", 70), ("relu", 20), ("identity", 3)],
        "loss": "mse",
        "optimizer": dr.LAMB(0.01, weight_decay=0.1, clipnorm=0.3),
    },
    "held": {
        "layers": [("tanh", 20), ("identity", 3)],
        "loss": "mse",
        "optimizer": dr.Adam(1e-2, clipvalue=0.01),
    },
    "branches": {
        "layers": [
            layers.Concat([[dr.Dense(17, "tanh")], [dr.Dense(5)]]),
            layers.Add([[dr.Dense(9, "tanh")], [dr.Dense(9, "silu"), dr.Dropout(0.2)]]),
            layers.Residual(
                [
                    layers.Activation("relu"),
                    layers.Add([[dr.Dense(9, learning_rate_factor=0.5)], [dr.Dense(9)]]),
                ]
            ),
            layers.Activation("gelu"),
            dr.Dense(3, trainable=False),
        ],
        "loss": "mse",
        "optimizer": dr.Adam(1e-2),
    },
    **{
        loss.kind: {
            "layers": [("tanh", 20), (last, n_out)],
            "loss": loss,
            "optimizer": dr.Adam(1e-2),
        }
        for loss, last, n_out in (
            (losses.MAE(), "identity", 3),
            (losses.Huber(0.5), "identity", 3),
            (losses.LogCosh(), "identity", 3),
            (losses.Quantile((0.1, 0.5, 0.9)), "identity", 21),
            (losses.Poisson(), "identity", 3),
            (losses.GaussianNLL(), "identity", 6),
            (losses.BinaryFocal(), "sigmoid", 3),
            (losses.Hinge(), "identity", 3),
            (losses.CrossEntropy(0.1), "softmax", 35),
            (losses.KLDivergence(), "softmax", 20),
            (losses.Focal(1.5), "softmax", 20),
            (losses.CategoricalHinge(), "identity", 20),
            (losses.Cosine(), "identity", 5),
        )
    },
    "rates": {
        "layers": [("tanh", 20), ("softplus", 3)],
        "loss": losses.Poisson(log_input=False),
        "optimizer": dr.Adam(1e-2),
    },
}


def targets(loss: Loss, n: int, n_out: int, rng: np.random.Generator) -> np.ndarray:
    shape = (n, n_out // loss.per_target)
    return {
        "numbers": lambda: rng.normal(size=shape),
        "directions": lambda: rng.normal(size=shape),
        "counts": lambda: rng.poisson(2, shape),
        "shares": lambda: rng.integers(0, 2, shape),
        "bits": lambda: rng.integers(0, 2, shape),
        "signs": lambda: rng.choice([-1, 1], shape),
        "classes": lambda: rng.integers(0, n_out, n),
        "labels": lambda: rng.integers(0, n_out, n),
        "chances": lambda: rng.dirichlet(np.ones(n_out), n),
    }[loss.targets]()


def examine(scene: str, n: int = 100, weighted: bool = True, backend: str = "fast") -> Report:
    """The report on a network of the scene after two epochs of training by the reference: with a
    broken core, training could end anywhere."""
    rng = np.random.default_rng(0)
    parts = SCENES[scene]
    stack = [
        one
        if isinstance(one, layers.Layer)
        else dr.Dense(one[1], activation=one[0], bias_init="lecun_uniform")
        for one in parts["layers"]
    ]
    loss = losses.get(parts["loss"])
    metrics = ["accuracy"] if loss.decides in ("argmax", "threshold") else []
    net, trained = (
        dr.Network(stack, loss, parts["optimizer"], metrics=metrics, backend=which)
        for which in (backend, "reference")
    )
    X, n_out = rng.normal(size=(n, 5)), stack[-1].units
    y = targets(loss, n, n_out, rng)
    if scene == "chances":
        y = rng.dirichlet(np.ones(n_out), n)
    weight = rng.integers(1, 4, n).astype(float) if weighted else None
    trained.fit(X, y, sample_weight=weight, epochs=2, verbose=False)
    net.build(5)
    for slot in range(net.optimizer.n_slots):
        for name in net.parameters():
            net._plan.set(slot, name, trained._plan.get(slot, name))
    net._plan.step, net._plan.averaged = trained._plan.step, trained._plan.averaged
    return verify(net, X, y, weight, rows=n)
