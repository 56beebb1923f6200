"""``deltarule demo``: a small network learns to read handwritten digits, once with each backend."""

import importlib
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.data import load_digits

__all__ = ["DemoResult", "Digits", "run", "split_digits"]

N_TRAIN = 1437  # of 1,797, which is 80 %


@dataclass(frozen=True)
class Digits:
    """The digits, pixels scaled to [0, 1], in a training and a held-out part."""

    x_train: NDArray[np.floating]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.floating]
    y_test: NDArray[np.int64]


@dataclass(frozen=True)
class DemoResult:
    """What :func:`run` measured.

    Accuracies are fractions of the held-out digits, times are seconds of ``fit``, and
    ``max_difference`` is the largest absolute difference between the two networks' weights.
    """

    accuracy: float
    reference_accuracy: float
    seconds: float
    reference_seconds: float
    max_difference: float


def split_digits(dtype: Literal["float32", "float64"] = "float32") -> Digits:
    """Return the digits in a split that is the same on every machine and with every numpy."""
    images, labels = load_digits()
    order = dr.ops.random_permutation(len(labels), seed=0, purpose="shuffle")
    x = (images / 16.0).astype(dtype)[order]
    y = labels[order]
    return Digits(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:])


def run(
    *,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    dtype: Literal["float32", "float64"] = "float32",
    progress: bool = True,
) -> DemoResult:
    """Train the same network with both backends and print how they compare.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        As for ``Network.fit`` and ``Adam``.
    dtype
        What the networks compute in.
    progress
        Whether to show progress bars on the standard error.

    Raises
    ------
    TypeError, ValueError
        Where the network refuses one of these arguments.
    """
    digits = split_digits(dtype)
    print(f"{len(digits.y_train):,} handwritten digits to learn, {len(digits.y_test)} held out")
    print(f"network 64-100-10, Adam, {epochs} epochs in batches of {batch_size}, {dtype}, seed 0")

    if progress:
        importlib.import_module("tqdm")  # so that the first fit does not pay for its import
    nets: list[dr.Network] = []
    seconds: list[float] = []
    accuracies: list[float] = []
    for backend in ("fast", "reference"):
        net = dr.Network(
            [dr.Dense(100, activation="relu"), dr.Dense(10, activation="softmax")],
            loss="cross_entropy",
            optimizer=dr.Adam(learning_rate),
            metrics=["accuracy"],
            dtype=dtype,
            backend=backend,
            seed=0,
        )
        net.build((digits.x_train.shape[1],))
        start = perf_counter()
        net.fit(
            digits.x_train, digits.y_train, epochs=epochs, batch_size=batch_size, verbose=progress
        )
        seconds.append(perf_counter() - start)
        accuracies.append(net.evaluate(digits.x_test, digits.y_test)["accuracy"])
        nets.append(net)

    fast, reference = (net.parameters() for net in nets)
    difference = max(float(np.abs(fast[name] - reference[name]).max()) for name in fast)
    result = DemoResult(accuracies[0], accuracies[1], seconds[0], seconds[1], difference)
    _report(result)
    return result


def _report(result: DemoResult) -> None:
    ratio = result.reference_seconds / result.seconds
    print()
    print("                    held-out accuracy   training time")
    print(f"fast backend (C)          {result.accuracy:9.2%}     {result.seconds:9.3f} s")
    print(
        f"numpy reference           {result.reference_accuracy:9.2%}"
        f"     {result.reference_seconds:9.3f} s"
    )
    print()
    print(f"The reference, written to be read and not to be fast, took {ratio:.1f} times as long.")
    print(f"Largest difference between the trained weights: {result.max_difference:.1e}")
