"""Sizes around every edge of the C core, and arrays of them."""

import zlib
from collections.abc import Sequence

import numpy as np

# Elements of vectors (2 to 16), units (16 float32, 8 float64) and panels (twice as many).
LENGTHS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 63, 64, 65)
# Rows of a tile of the product: 3, 6 or 14; of a block: 128.
ROWS = (0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 27, 28, 29, 127, 128, 129)
# The inner index of a product: also whole blocks and what is left of them.
INNER = (*LENGTHS, 127, 128, 129, 143, 144, 145, 159, 160, 161, 255, 256, 257)
# Rows of a loss or a softmax: they are worked on one by one, summed in 16 partials.
FEW_ROWS = (0, 1, 2, 3, 15, 16, 17, 33)


def rectangles() -> list[tuple[int, int]]:
    """(n, n_out): every length beside some number of rows, and every number of rows beside one
    output, a unit of float64 and more than a panel."""
    found = {(FEW_ROWS[1 + i % 7], m) for i, m in enumerate(LENGTHS)}
    found |= {(n, m) for n in FEW_ROWS for m in (1, 8, 33)}
    return sorted((n, m) for n, m in found if n != m)


def triples() -> list[tuple[int, int, int]]:
    """(n, n_in, n_out): each runs over its edges beside different others, and pairs at random."""
    found = {(n, 19, 37) for n in ROWS} | {(n, 3, 5) for n in ROWS}
    found |= {(5, n_in, 37) for n_in in INNER} | {(9, n_in, 3) for n_in in INNER}
    found |= {(5, 19, n_out) for n_out in LENGTHS} | {(17, 130, n_out) for n_out in LENGTHS}
    found |= {(0, 0, 0), (0, 4, 3), (3, 0, 4), (4, 3, 0), (3, 0, 0), (0, 0, 3), (0, 3, 0)}
    rng = np.random.default_rng(7)
    for _ in range(150):
        n, n_in, n_out = (int(rng.choice(table)) for table in (ROWS, INNER, LENGTHS))
        found.add((n, n_in, n_out))
    return sorted(found)


def normal(dtype: str, *shape: int, scale: float = 1.0, salt: str = "") -> np.ndarray:
    """The same numbers for the same arguments, drawn in float32: both dtypes see one problem."""
    seed = zlib.crc32(repr((shape, scale, salt)).encode())
    values = np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)
    return values.astype(dtype)


def first_difference(one: Sequence[bytes], other: Sequence[bytes], sizes: Sequence[object]) -> str:
    """Which size two runs over all sizes first differ at; "" where they are the same."""
    assert len(one) == len(other) == len(sizes)
    return next((str(s) for a, b, s in zip(one, other, sizes, strict=True) if a != b), "")
