"""Files of the IDX format."""

import gzip
import struct

import numpy as np
import pytest

from deltarule.data import load_idx

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(array):
    head = struct.pack(f">HBB{array.ndim}I", 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(5,), (3, 2, 4), (0, 7)])
def test_read(tmp_path, pack, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype) - (dtype != "uint8")
    (tmp_path / "x").write_bytes(pack(idx(array)))
    found = load_idx(tmp_path / "x")
    assert found.dtype == dtype and found.flags.writeable
    np.testing.assert_array_equal(found, array)


GOOD = idx(np.arange(6, dtype="uint8").reshape(2, 3))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "4 of 4 bytes are missing"),
        (GOOD[:3], "1 of 4 bytes are missing"),
        (GOOD[:10], "2 of 8 bytes are missing"),
        (GOOD[:-1], "1 of 6 bytes are missing"),
        (GOOD + b"x", "more than its 6 bytes"),
        (b"\x00\x01" + GOOD[2:], "no IDX file"),
        (b"\x00\x00\x07" + GOOD[3:], "no IDX file"),
        (struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3), "is cut short"),
        (struct.pack(">HBB4I", 0, 8, 4, 0, *[2**32 - 1] * 3), "which no array can have"),
        (struct.pack(">HBB255I", 0, 8, 255, *[0] * 255), "which no array can have"),
        (gzip.compress(GOOD)[:-9], "damaged"),
        (gzip.compress(GOOD)[:12] + b"xxxx" + gzip.compress(GOOD)[16:], "damaged|missing|no IDX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_files(tmp_path, data, words):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=words) as caught:
        load_idx(path)
    assert str(path) in str(caught.value)
