"""The systems that are timed: one small class each, behind one interface.

A module here is imported in a worker process only. It may import a package that is not there: its
systems are then skipped with a word.
"""

from __future__ import annotations

import gc
import importlib
import time

from ..cases import Array, Case

OWN = "deltarule"  # the system that the others are compared with
PEAK = "peak"

# task: name: module and class
SYSTEMS = {
    "train": {
        OWN: ("own", "Fit"),
        "deltarule plan": ("own", "TrainPlan"),
        "scikit-learn": ("scikit", "Fit"),
        "torch eager": ("pytorch", "Eager"),
        "torch.compile": ("pytorch", "Compiled"),
        "jax scan": ("jax_xla", "Scan"),
        "jax step": ("jax_xla", "Steps"),
        "numpy": ("plain", "Train"),
    },
    "many": {
        OWN: ("many", "FitMany"),
        "deltarule loop": ("many", "Loop"),
        "deltarule joblib": ("many", "Processes"),
        "jax vmap": ("jax_xla", "Vmap"),
    },
    "gradient": {
        OWN: ("own", "Gradients"),
        "deltarule plan": ("own", "GradientPlan"),
        "torch eager": ("pytorch", "EagerGradient"),
        "torch.compile": ("pytorch", "CompiledGradient"),
        "jax": ("jax_xla", "Gradient"),
        "numpy": ("plain", "Gradient"),
    },
    "predict": {
        OWN: ("own", "Predict"),
        "onnxruntime": ("onnx_runtime", "Predict"),
        "scikit-learn": ("scikit", "Predict"),
        "torch no_grad": ("pytorch", "PredictNoGrad"),
        "torch inference": ("pytorch", "PredictInference"),
        "torch.compile": ("pytorch", "PredictCompiled"),
        "jax": ("jax_xla", "Predict"),
        "numpy": ("plain", "Predict"),
    },
}
BESIDE = " beside "  # "a beside b": a timed, its epochs taking turns with those of b


class System:
    """One way to do a case. A unit of its work is an epoch, a gradient or a call of predict."""

    def __init__(self, case: Case, threads: int) -> None:
        self.case = case
        self.threads = threads
        self.x, self.t = case.data()

    def reset(self) -> None:
        """Back to the first weights; what an optimizer remembers may stay."""

    def run(self, n: int) -> None:
        """n units."""
        raise NotImplementedError

    def result(self) -> list[Array]:
        """For the check: parameters, gradients or the output; float copies."""
        raise NotImplementedError

    def window(self, n: int) -> float:
        """The seconds of n units, caches and clock warm."""
        self.run(n // 8)
        self.reset()
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        self.run(n)
        seconds = time.perf_counter() - start
        gc.enable()
        return seconds


class Beside(System):
    """Two systems in one process; the first is timed."""

    def __init__(self, first: System, second: System) -> None:
        self.case, self.first, self.second = first.case, first, second

    def reset(self) -> None:
        self.first.reset()
        self.second.reset()

    def run(self, n: int) -> None:
        self.first.run(n)

    def result(self) -> list[Array]:
        return self.first.result()

    def window(self, n: int) -> float:
        self.reset()
        seconds = 0.0
        for _ in range(n):
            self.second.run(1)
            start = time.perf_counter()
            self.first.run(1)
            seconds += time.perf_counter() - start
        return seconds


def load(case: Case, name: str, threads: int) -> System:
    """The system of that name; ImportError where its package is missing."""
    if BESIDE in name:
        return Beside(*(load(case, one, threads) for one in name.split(BESIDE)))
    module, kind = ("own", "Peak") if name == PEAK else SYSTEMS[case.task][name]
    made: System = getattr(importlib.import_module(f".{module}", __name__), kind)(case, threads)
    return made
