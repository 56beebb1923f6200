"""More than 2^31 numbers, in a file that is nearly all holes: every offset has 64 bits."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr

from .layouts import Csr, bits

pytestmark = pytest.mark.slow

ROWS, COLUMNS, BATCH = 70_001, 30_701, 1000
# behind 2^31 numbers, on both sides of it, and before
WRITTEN = np.array([0, 3, 2**31 // COLUMNS - 1, 2**31 // COLUMNS, 2**31 // COLUMNS + 1, ROWS - 1])


@pytest.fixture(scope="module")
def x(tmp_path_factory: pytest.TempPathFactory) -> np.memmap:
    assert ROWS * COLUMNS > 2**31 + COLUMNS
    path = tmp_path_factory.mktemp("large") / "x"
    mapped = np.memmap(path, np.uint8, "w+", shape=(ROWS, COLUMNS))
    mapped[WRITTEN] = np.random.default_rng(0).integers(0, 3, (len(WRITTEN), COLUMNS), np.uint8)
    return mapped


def network() -> dr.Network:
    net = dr.Network([dr.Dense(2, "softmax")], "cross_entropy", dr.SGD(1e-3))
    net.build(COLUMNS)
    return net


def test_more_than_two_to_the_31_numbers(x: np.memmap) -> None:
    net, y = network(), np.arange(ROWS) % 2
    small = net.predict(np.array(x[WRITTEN]))
    whole = net.predict(x)
    assert bits(whole[WRITTEN]) == bits(small)
    rest = np.delete(whole, WRITTEN, axis=0)
    assert (rest == net.predict(np.zeros((1, COLUMNS)))).all()
    # rows without weight change nothing: what is left is a fit of the rows written
    w = np.isin(np.arange(ROWS), WRITTEN).astype("float32")
    other = network()
    net.fit(x, y, sample_weight=w, batch_size=BATCH, shuffle=False)
    for batch in np.unique(WRITTEN // BATCH):
        some = WRITTEN[batch == WRITTEN // BATCH]
        other.train_on_batch(np.array(x[some]), y[some])
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, other.parameters()[name])
    expected = other.evaluate(np.array(x[WRITTEN]), y[WRITTEN])
    assert net.evaluate(x, y, w)["loss"] == pytest.approx(expected["loss"])


def test_sparse_rows_of_as_many(x: np.memmap) -> None:
    dense = np.array(x[WRITTEN])
    rows, columns = np.nonzero(dense)
    counts = np.zeros(ROWS + 1, np.int64)
    np.add.at(counts, WRITTEN[rows] + 1, 1)
    entries = dense[rows, columns].astype("float32")
    sparse = Csr(entries, columns.astype("int32"), np.cumsum(counts), (ROWS, COLUMNS))
    net = network()
    assert bits(net.predict(sparse)[WRITTEN]) == bits(net.predict(dense))
