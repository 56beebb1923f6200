"""Warnings that point at the line outside of this package that has called it."""

from __future__ import annotations

import itertools
import sys
import warnings


class DivergenceWarning(UserWarning):
    """A training has lost its numbers: the loss is nan or infinite."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, and training goes on without it."""


def warn(message: str, category: type[Warning]) -> None:
    """As warnings.warn."""
    package = __name__.partition(".")[0]
    for level in itertools.count(1):
        frame = sys._getframe(level)
        name = str(frame.f_globals.get("__name__"))
        if frame.f_back is None or name.partition(".")[0] != package:
            warnings.warn(message, category, stacklevel=level + 1)
            return
