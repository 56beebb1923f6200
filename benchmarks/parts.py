"""What the parts of a network cost: a step of 784-512-512-10 at batch 256 with each of them,
against the plain one, on one thread. In turn, window by window."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import deltarule as dr

from . import report
from .cases import TRAIN
from .race import Effort
from .timing import measure

(CASE,) = (case for case in TRAIN if case.name == "mnist-l")
WIDTHS = CASE.widths[1:-1]
Layers = list[dr.Layer]


def plain(activation: str | Any = "relu", **settings: Any) -> Layers:
    return [dr.Dense(n, activation, **settings) for n in WIDTHS]


def behind(layer: dr.Layer) -> Layers:
    """After every hidden layer."""
    return [part for dense in plain() for part in (dense, layer)]


def between(layer: dr.Layer) -> Layers:
    """Between every product and its activation."""
    dense = plain("identity", bias=False)
    return [part for one in dense for part in (one, layer, dr.Activation("relu"))]


# The hidden layers and the optimizer.
PARTS: dict[str, tuple[Layers, Any]] = {
    "plain: relu, Adam": (plain(), dr.Adam()),
    **{name: (plain(name), dr.Adam()) for name in ("tanh", "gelu", "silu", "sigmoid")},
    "activations by themselves": (
        [part for n in WIDTHS for part in (dr.Dense(n), dr.Activation("relu"))], dr.Adam()
    ),
    "AdamW": (plain(), dr.AdamW()),
    "SGD": (plain(), dr.SGD(1e-3)),
    "SGD with momentum": (plain(), dr.SGD(1e-3, momentum=0.9)),
    **{
        repr(noise): (behind(noise), dr.Adam())
        for noise in (dr.Dropout(0.5), dr.AlphaDropout(0.1), dr.GaussianNoise(0.1))
    },
    **{
        repr(norm): (between(norm), dr.Adam())
        for norm in (dr.BatchNorm(), dr.LayerNorm(), dr.RMSNorm())
    },
    "l1 and l2": (plain(l1=1e-5, l2=1e-5), dr.Adam()),
    **{
        name: (plain(constraint=name), dr.Adam()) for name in ("max_norm", "non_negative")
    },
    **{
        f"{name}=1e-3": (plain(), dr.Adam(**{name: 1e-3}))
        for name in ("clipvalue", "clipnorm", "global_clipnorm")
    },
    "a rate for each layer": (
        [replace(layer, learning_rate_factor=0.5) for layer in plain()], dr.Adam()
    ),
    "prelu": (plain("prelu"), dr.Adam()),
    "prelu per feature": (plain(dr.PReLU(per_feature=True)), dr.Adam()),
    "EMA": (plain(), dr.Adam(average=dr.EMA())),
    "residual block": ([*plain()[:1], dr.Residual(plain()[1:])], dr.Adam()),
}  # fmt: skip


def main(effort: Effort) -> list[dict[str, Any]]:
    x, y = CASE.data()

    def epoch(layers: Layers, optimizer: Any) -> Any:
        net = dr.Network([*layers, dr.Dense(CASE.widths[-1], "softmax")], CASE.loss, optimizer)
        return lambda: net.fit(x, y, batch_size=CASE.batch, verbose=False)

    dr.set_num_threads(1)
    try:
        calls = [epoch(*part) for part in PARTS.values()]
        timings = measure(*calls, windows=effort.windows, seconds=effort.seconds)
    finally:
        dr.set_num_threads(None)
    base = timings[0]
    found = [
        {
            "part": name,
            "median_us": timing.median / CASE.steps,
            "best_us": timing.best / CASE.steps,
            "ratio": timing.median / base.median,
            "ratio_of_best": timing.best / base.best,
        }
        for name, timing in zip(PARTS, timings, strict=True)
    ]
    print(f"\nParts of a network, on {CASE.title}; one thread")
    report.table(
        ("", "median us", "best us", "times plain", "times, best windows"),
        [
            (f["part"], report.number(f["median_us"]), report.number(f["best_us"]),
             f"{f['ratio']:.3f}", f"{f['ratio_of_best']:.3f}")
            for f in found
        ],
    )  # fmt: skip
    return found
