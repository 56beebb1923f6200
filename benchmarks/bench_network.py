"""Whole training steps: forward, loss, backward, Adam; float32, relu, softmax cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import deltarule as dr

from .cases import TRAIN
from .peers.own import Fit, TrainPlan
from .timing import Timing, header, measure, row

NETS = TRAIN[:5]
STEPS = 32  # in an epoch


def on_threads(n: int | None, run: Callable[[int], None], epochs: int = 1) -> Callable[[], object]:
    def call() -> None:
        dr.set_num_threads(n)
        run(epochs)

    return call


def a_step(timing: Timing, steps: int = STEPS) -> Timing:
    return Timing(timing.best / steps, timing.median / steps)


def main() -> None:
    threads = dr.get_num_threads()
    title = f"training step on {dr.get_isa()}"
    cases = [replace(case, rows=STEPS * case.batch) for case in NETS]
    header(title, "widths, batch", "1 thread", f"automatic, up to {threads}")
    try:
        for case in cases:
            calls = (on_threads(n, TrainPlan(case, 1).run) for n in (1, None))
            one, auto = measure(*calls, windows=7, seconds=0.05)
            label = "-".join(map(str, case.widths)) + f", {case.batch}"
            row(label, a_step(one), a_step(auto), last=f"{one.median / auto.median:.2f}x")
        header("the same through Network.fit", "epochs a call", "plan", "fit")
        for epochs in (1, 100):
            calls = (on_threads(1, s(cases[0], 1).run, n)
                     for s, n in ((TrainPlan, 1), (Fit, epochs)))
            plan, fit = measure(*calls)
            share = f"{fit.median / (epochs * plan.median):.2f}x"
            row(f"{epochs}", a_step(plan), a_step(fit, STEPS * epochs), last=share)
    finally:
        dr.set_num_threads(None)
