"""Numbers at the ends of a dtype, and what "the same kind of result" means for them."""

import numpy as np


def values(dtype: str) -> np.ndarray:
    """NaN, infinities, zeros, subnormals, the smallest normal and the largest, both signs; then
    both sides of the flush threshold and a few plain numbers."""
    info = np.finfo(dtype)
    tiny = 2.0**-100 if dtype == "float32" else 2.0**-1000
    below = np.nextafter(np.array(tiny, dtype), np.array(0, dtype))
    half = [np.inf, 0.0, info.smallest_subnormal, info.tiny / 2, info.tiny, info.max]
    half += [tiny, below, 1.0, 0.5, 20.0, 100.0, 1000.0]
    return np.array([np.nan, *half, *(-h for h in half)], dtype)


def kinds(a: np.ndarray) -> np.ndarray:
    """The class of each element: nan, an infinity, a zero of either sign, or a number's sign."""
    with np.errstate(all="ignore"):
        sign = np.where(np.signbit(a), "-", "+")
        name = np.where(np.isinf(a), "inf", np.where(a == 0, "0", "number"))
    return np.where(np.isnan(a), "nan", np.char.add(sign, name))


def assert_same_kinds(fast: np.ndarray, reference: np.ndarray, inputs: object) -> None:
    """The same class everywhere. Where one has a subnormal (or the smallest normal) number, the
    other may have rounded it to a zero of its sign."""
    got, expected = kinds(np.asarray(fast)), kinds(np.asarray(reference))
    small = np.finfo(np.asarray(fast).dtype).tiny
    with np.errstate(invalid="ignore"):
        near_zero = (np.abs(fast) <= small) & (np.abs(reference) <= small)
    near_zero &= np.signbit(fast) == np.signbit(reference)
    bad = (got != expected) & ~near_zero
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AssertionError(f"{inputs} at {at}: fast gives {got[at]}, reference {expected[at]}")
