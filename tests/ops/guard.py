"""Arrays that notice what is done to them, for calling the C entry points directly.

Each lies in the middle of a larger buffer, one element off any alignment. Around an input is NaN (a
label far out of range), and it is read-only; around an output is a canary, and it is full of NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

MARGIN = 65  # elements: more than a panel, odd
CANARY = 0xA5


class Guard:
    """One call's arrays: make them with `input` and `output`, call, then `check`."""

    def __init__(self) -> None:
        self._inputs: list[tuple[np.ndarray, bytes]] = []
        self._outputs: list[tuple[np.ndarray, np.ndarray]] = []

    def input(self, values: np.ndarray) -> np.ndarray:
        """A read-only copy of the values, surrounded by NaN."""
        around = np.nan if values.dtype.kind == "f" else np.iinfo(values.dtype).max
        outer = np.full(values.size + 2 * MARGIN, around, values.dtype)
        view = outer[MARGIN : MARGIN + values.size].reshape(values.shape)
        view[...] = values
        view.flags.writeable = False
        self._inputs.append((outer, outer.tobytes()))
        return view

    def output(
        self, dtype: Any, *shape: int, start: np.ndarray | float = np.nan
    ) -> np.ndarray:
        """An array to write: full of NaN, or of `start` where the call works in place."""
        size = int(np.prod(shape))
        outer = np.empty(size + 2 * MARGIN, dtype)
        outer.view(np.uint8)[...] = CANARY
        view = outer[MARGIN : MARGIN + size].reshape(shape)
        if view.dtype.kind == "f":
            view[...] = start
        self._outputs.append((outer, view))
        return view

    def check(self, message: object = "") -> None:
        """Inputs are as they were, outputs are written to the last element and not beyond."""
        for outer, before in self._inputs:
            assert outer.tobytes() == before, f"{message}: an input was written"
        for outer, view in self._outputs:
            edges = np.concatenate([outer[:MARGIN], outer[-MARGIN:]]).view(np.uint8)
            assert (edges == CANARY).all(), f"{message}: written outside an output"
            if view.dtype.kind == "f":
                assert not np.isnan(view).any(), f"{message}: not all of an output was written"


def bad_buffers(array: np.ndarray, writable: bool) -> dict[str, np.ndarray]:
    """What a function of _fast must refuse in place of `array` (a 1-D array would do, too)."""
    flat = array.reshape(-1)
    assert flat.size > 1
    wrong = {"float32": np.float64, "float64": np.float32, "int64": np.int32, "uint32": np.int32}
    locked = flat.copy()
    locked.flags.writeable = False
    bad = {
        "other dtype": flat.astype(wrong[array.dtype.name]),
        "same size, other kind": flat.view(f"V{array.dtype.itemsize}"),
        "one element short": flat[:-1].copy(),
        "one element long": np.append(flat, flat[:1]),
        "strided": np.repeat(flat, 2)[::2],
        "byte order": flat.astype(array.dtype.newbyteorder()),
    }
    return {**bad, "read-only": locked} if writable else bad


def refuse_bad_buffers(
    call: Callable[..., object], head: tuple[object, ...], inputs: dict[str, np.ndarray | None],
    outputs: dict[str, np.ndarray], errors: tuple[type[Exception], ...] = (ValueError, BufferError),
) -> None:
    """call(*head, *inputs, *outputs) with one bad buffer at a time raises and writes nothing."""
    given = {**inputs, **outputs}
    before = {name: a.tobytes() for name, a in outputs.items()}
    for name, array in given.items():
        if array is None:
            continue
        for kind, bad in bad_buffers(array, name in outputs).items():
            try:
                call(*head, *{**given, name: bad}.values())
            except errors:
                pass
            else:
                raise AssertionError(f"{name}: {kind} was accepted")
            for other, a in outputs.items():
                assert a.tobytes() == before[other], f"{name}: {kind} was refused, {other} written"
