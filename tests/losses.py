"""All losses, with their defaults and with other arguments, and targets that suit them: tests go
over these, so that a new loss is tested by being registered."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from deltarule import losses
from deltarule.losses import Loss

LABELS, ROWS = "labels", "rows"

# By the name of an argument, another value than its default.
OTHERS: dict[str, Any] = {
    "delta": 0.3,
    "levels": (0.1, 0.5, 0.9),
    "log_input": False,
    "eps": 0.1,
    "gamma": 0.6,
    "alpha": None,
    "label_smoothing": 0.2,
    "ignore_index": 1,
}


def _variants() -> list[Loss]:
    found: list[Loss] = []
    for cls in losses.TABLE.values():
        found.append(cls())
        if fields(cls):
            found.append(cls(**{field.name: OTHERS[field.name] for field in fields(cls)}))
    return found


LOSSES = _variants()
# each with the kinds of targets that it takes
CASES = [
    (loss, form)
    for loss in LOSSES
    for form in (ROWS, LABELS)
    if loss.takes(labels=form == LABELS)
]


def shown(value: object) -> str:
    """For the id of a test."""
    return repr(value) if isinstance(value, Loss) else str(value)


def lasts(loss: Loss) -> tuple[str, ...]:
    """Last activations for it; near a rate of 0 a loss of rates is too steep for tests."""
    return tuple(k for k in loss.outputs if k not in ("relu", "hard_sigmoid")) or ("identity",)


def accuracy(loss: Loss) -> str:
    """How hits may be counted."""
    return {"either": "threshold", "": "none"}.get(loss.decides, loss.decides)


def width(loss: Loss, at_least: int = 1) -> int:
    """A number of outputs that the loss may have."""
    least = max(at_least, loss.least)
    return -(-least // loss.per_target) * loss.per_target


def from_uniform(loss: Loss, u: np.ndarray) -> np.ndarray:
    """Rows of targets as engines take them, out of numbers (n, n_out) between 0 and 1."""
    made = {
        "classes": lambda: u / u.sum(axis=1, keepdims=True),
        "chances": lambda: u / u.sum(axis=1, keepdims=True),
        "counts": lambda: np.floor(4 * u),
        "bits": lambda: np.round(u),
        "signs": lambda: 2 * np.round(u) - 1,
    }.get(loss.targets, lambda: u)()
    return np.repeat(made[:, :: loss.per_target], loss.per_target, axis=1)


def targets(
    loss: Loss, n: int, n_out: int, dtype: str = "float64", form: str = ROWS, seed: int = 0
) -> np.ndarray:
    """As engines and operations take them."""
    rng = np.random.default_rng((seed, n, n_out))
    if form == LABELS:
        return rng.integers(0, n_out, n)
    return from_uniform(loss, rng.uniform(size=(n, n_out))).astype(dtype)


def given(loss: Loss, t: np.ndarray) -> np.ndarray:
    """Such targets as a user gives them to a Network: each once."""
    return t if t.ndim == 1 else t[:, :: loss.per_target]


def outputs(loss: Loss, y: np.ndarray) -> np.ndarray:
    """Numbers turned into ones that the loss may meet: rates are not negative, and too steep for
    tests near 0."""
    rates = loss.outputs and not loss.logits and "identity" not in loss.outputs
    return np.abs(y) + np.array(0.1, y.dtype) if rates else y
