"""``deltarule demo``: a small network learns to read handwritten digits, once with each backend."""

import functools
import importlib
import os
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule import _draw
from deltarule._check import Array
from deltarule._tables import check_writable
from deltarule.data import load_digits

__all__ = ["DemoResult", "Digits", "Trained", "run", "split_digits"]

N_TRAIN = 1437  # of 1,797, which is 80 %
_HIDDEN = 100
_N_CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """The digits, pixels scaled to [0, 1], in a training and a held-out part."""

    x_train: NDArray[np.floating]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.floating]
    y_test: NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """One backend's network: seconds of ``fit``, accuracy on the held-out digits, its history."""

    net: dr.Network
    seconds: float
    accuracy: float
    history: dr.History


@dataclass(frozen=True)
class DemoResult:
    """What :func:`run` measured.

    outputs: what the fast network says about the held-out digits, (360, 10), rows sum to 1.
    max_difference: the largest absolute difference between the two networks' weights.
    """

    digits: Digits
    epochs: int
    batch_size: int
    fast: Trained
    reference: Trained
    outputs: Array
    max_difference: float

    @property
    def ratio(self) -> float:
        """The reference's time by the fast one's."""
        return self.reference.seconds / self.fast.seconds

    @functools.cached_property
    def answers(self) -> NDArray[np.int64]:
        """What the fast network takes the held-out digits for, (360,)."""
        answers: NDArray[np.int64] = np.argmax(self.outputs, axis=1)
        return answers

    @functools.cached_property
    def n_wrong(self) -> int:
        """How many held-out digits are misread."""
        return int(np.sum(self.answers != self.digits.y_test))

    @functools.cached_property
    def confusion(self) -> NDArray[np.int64]:
        """How often a digit (row) is taken for a digit (column), (10, 10)."""
        counts = np.zeros((_N_CLASSES, _N_CLASSES), np.int64)
        np.add.at(counts, (self.digits.y_test, self.answers), 1)
        return counts

    def interesting(self, n: int) -> list[int]:
        """The numbers of n held-out digits: the surest mistakes first, then what is right but
        least sure."""
        sure = self.outputs.max(axis=1)
        wrong = self.answers != self.digits.y_test
        order = np.lexsort((np.where(wrong, -sure, sure), ~wrong))
        return [int(i) for i in order[:n]]


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
    save: str | os.PathLike[str] | None = None,
    report: str | os.PathLike[str] | None = None,
) -> DemoResult:
    """Train the same network with both backends and print how it went and how they compare.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        As for ``Network.fit`` and ``Adam``.
    dtype
        What the networks compute in.
    progress
        Whether to show progress bars on the standard error.
    save
        Where to save the fast network; `deltarule.load` reads it.
    report
        Where to write the same as an HTML page with pictures, which needs nothing from elsewhere.

    Raises
    ------
    TypeError, ValueError
        Where the network refuses one of these arguments.
    OSError
        Where a file cannot be written; the folders are looked at before the training.
    """
    for path in (save, report):
        if path is not None:
            check_writable(os.fspath(path))
    digits = split_digits(dtype)
    print(f"{len(digits.y_train):,} handwritten digits to learn, {len(digits.y_test)} held out")
    print(
        f"network 64-{_HIDDEN}-{_N_CLASSES}, Adam, {epochs} epoch{'s' * (epochs != 1)} in batches "
        f"of {batch_size}, {dtype}, seed 0",
        flush=True,
    )
    if progress:
        importlib.import_module("tqdm")  # so that the first fit does not pay for its import

    def trained(backend: str) -> Trained:
        net = dr.Network(
            [dr.Dense(_HIDDEN, activation="relu"), dr.Dense(_N_CLASSES, activation="softmax")],
            loss="cross_entropy",
            optimizer=dr.Adam(learning_rate),
            metrics=["accuracy"],
            dtype=dtype,
            backend=backend,
            seed=0,
        )
        held_out = (digits.x_test, digits.y_test)
        net.build(digits.x_train.shape[1])
        start = perf_counter()
        history = net.fit(
            digits.x_train,
            digits.y_train,
            epochs=epochs,
            batch_size=batch_size,
            validation_data=held_out,
            verbose=progress,
        )
        seconds = perf_counter() - start
        return Trained(net, seconds, net.evaluate(*held_out)["accuracy"], history)

    fast, reference = trained("fast"), trained("reference")
    ours, theirs = fast.net.parameters(), reference.net.parameters()
    result = DemoResult(
        digits,
        epochs,
        batch_size,
        fast,
        reference,
        fast.net.predict(digits.x_test),
        max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours),
    )
    _print(result)
    if save is not None:
        fast.net.save(save)
        print(f"\nThe trained network is in {os.fspath(save)}: deltarule predict uses it.")
    if report is not None:
        from deltarule import _demo_page

        _demo_page.write(result, report)
        print(f"\nThe same with pictures is in {os.fspath(report)}: open it in a browser.")
    return result


def _print(result: DemoResult) -> None:
    pen = _draw.pen_for(sys.stdout)
    history = result.fast.history
    loss = {"training": history["loss"], "held out": history["val_loss"]}
    accuracy = {"held out": history["val_accuracy"]}
    charts = [
        _draw.curves(loss, "loss (log scale)", log=True, pen=pen),
        _draw.curves(accuracy, "held-out accuracy", percent=True, pen=pen),
    ]
    print("", *_draw.beside(charts, gap=4), "", sep="\n")
    print(*_draw.confusion(result.confusion, pen=pen), "", sep="\n")
    n_test = len(result.digits.y_test)
    print(
        f"{result.n_wrong} of {n_test} held-out digits misread. The surest mistakes first, then "
        "what was read right,\nbut with the least confidence:"
    )
    print("", *_gallery(result, pen), sep="\n")
    print(
        f"                    held-out accuracy   training time\n"
        f"fast backend (C)          {result.fast.accuracy:9.2%}     {result.fast.seconds:9.3f} s\n"
        f"numpy reference           {result.reference.accuracy:9.2%}"
        f"     {result.reference.seconds:9.3f} s\n\n"
        "The reference, written to be read and not to be fast, took "
        f"{result.ratio:.1f} times as long.\n"
        f"Largest difference between the trained weights: {result.max_difference:.1e}"
    )


def _gallery(result: DemoResult, pen: _draw.Pen, in_a_row: int = 5) -> list[str]:
    """Digits as pictures, with what the network said and how sure it was."""
    shown = result.interesting(in_a_row * (1 if result.n_wrong < in_a_row else 2))
    lines: list[str] = []
    for start in range(0, len(shown), in_a_row):
        blocks = []
        for i in shown[start : start + in_a_row]:
            true, answer = result.digits.y_test[i], result.answers[i]
            sure = f"{result.outputs[i, answer]:.0%}"
            text = (
                f"{answer}, {sure} sure" if true == answer else f"{true} read as {answer}, {sure}"
            )
            blocks.append([*_draw.image(result.digits.x_test[i], pen=pen), text])
        lines += [*_draw.beside(blocks), ""]
    return lines
