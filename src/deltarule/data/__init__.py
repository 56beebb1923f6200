"""Tables in files (`Parquet`), readers of files of data, and a small real data set."""

import numpy as np
from numpy.typing import NDArray

from ..sources.parquet import Parquet
from .idx import load_idx

__all__ = ["Parquet", "load_digits", "load_idx"]


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return 1,797 handwritten digits and their labels.

    Returns
    -------
    X : uint8 array of shape (1797, 64)
        One image a row: 8 x 8 pixels, row by row from the top left. A pixel counts the inked
        points, 0 to 16, in one 4 x 4 block of a 32 x 32 bitmap.
    y : int64 array of shape (1797,)
        The digit that was written, 0 to 9; every digit occurs 174 to 183 times.

    Both arrays are new at every call, so the caller may change them.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI
    Machine Learning Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0. The full set
    has 5,620 images by 43 writers; these are its test part, by 13 of them, in the order in which
    scikit-learn distributes it.

    ``digits.npz`` was made from ``sklearn/datasets/data/digits.csv.gz`` of scikit-learn 1.9.1: its
    first 64 columns became the uint8 array ``images``, the last column the uint8 array
    ``labels``, and both were written with :func:`numpy.savez_compressed`. No value was changed,
    no row was left out or moved. See ``LICENSE-digits.txt`` beside it.
    """
    from importlib import resources  # importing deltarule is not to pay for it

    # Opened as a stream: the package may be imported from a zip file, where there is no path.
    with (
        resources.files(__name__).joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        images: NDArray[np.uint8] = stored["images"]
        labels: NDArray[np.int64] = stored["labels"].astype(np.int64)
    return images, labels
