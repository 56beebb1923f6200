"""The digits that travel with the package."""

from importlib import resources

import numpy as np

from deltarule.data import load_digits


def test_shapes_types_and_ranges() -> None:
    x, y = load_digits()
    assert x.shape == (1797, 64) and x.dtype == np.uint8
    assert y.shape == (1797,) and y.dtype == np.int64
    assert x.flags.c_contiguous and x.max() == 16
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_values_are_those_of_the_source() -> None:
    """Sums taken from the comma-separated source, and its first image, which is a zero."""
    x, y = load_digits()
    # fmt: off
    zero = [0, 0, 5, 13, 9, 1, 0, 0,     0, 0, 13, 15, 10, 15, 5, 0,
            0, 3, 15, 2, 0, 11, 8, 0,    0, 4, 12, 0, 0, 8, 8, 0,
            0, 5, 8, 0, 0, 9, 8, 0,      0, 4, 11, 0, 1, 12, 7, 0,
            0, 2, 14, 5, 10, 12, 0, 0,   0, 0, 6, 13, 10, 0, 0, 0]
    # fmt: on
    assert x[0].tolist() == zero and y[0] == 0
    assert int(x.sum(dtype=np.int64)) == 561_718
    # Weighted by position, so that a moved row or column shows too.
    rows = np.arange(1, 1798, dtype=np.int64)
    assert int(rows @ x.astype(np.int64) @ np.arange(1, 65)) == 16_337_198_609
    assert int(rows @ y) == 7_272_861


def test_every_call_returns_new_arrays() -> None:
    x, y = load_digits()
    x[:] = 0
    y[:] = 0
    again, labels = load_digits()
    assert again.any() and labels.any()


def test_small_and_attributed() -> None:
    folder = resources.files("deltarule.data")
    assert len(folder.joinpath("digits.npz").read_bytes()) < 100_000
    notice = folder.joinpath("LICENSE-digits.txt").read_text(encoding="utf-8")
    for text in (notice, load_digits.__doc__ or ""):
        for part in ("Alpaydin", "Kaynak", "1998", "10.24432/C50P49", "CC BY 4.0", "scikit-learn"):
            assert part in text
