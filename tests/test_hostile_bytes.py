"""Hostile model files: every byte and bit of small ones, and large ones that ask for much."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import serialization

from .fuzz import mutate, seeds
from .sanitizers import needs_plain_memory


def load(data: bytes, backend: str = "fast") -> dr.Network:
    return serialization._read(io.BytesIO(data), "it", backend, {})


@pytest.fixture
def tiny(backend: str) -> bytes:
    net = dr.Network([dr.Dense(1)], "mse", "sgd", backend=backend)
    net.build(2)
    return seeds.model(net)


def begin(data: bytes) -> int:
    """Where the arrays begin."""
    return 8 + int(struct.unpack("<Q", data[:8])[0])


def test_truncation_at_every_byte(tiny: bytes, backend: str) -> None:
    for length in range(len(tiny)):
        with pytest.raises(dr.ModelFileError):
            load(tiny[:length], backend)


def flips(data: bytes, backend: str) -> int:
    """Loads the file with each of its bits flipped: an error. With a checksum made for it, an error
    or a network that works. How many have loaded."""
    loaded = 0
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            with pytest.raises(dr.ModelFileError):
                load(bytes(flipped), backend)
            try:
                net = load(mutate.signed(bytes(flipped)), backend)
            except dr.ModelFileError:
                assert position < begin(data)  # any number may stand in an array
                continue
            loaded += 1
            assert net.input_shape is not None
            with np.errstate(all="ignore"):
                net.predict(np.ones((1, *net.input_shape), net.dtype))
    return loaded


def test_single_bit_flips(tiny: bytes, backend: str) -> None:
    assert flips(tiny, backend) >= 8 * (len(tiny) - begin(tiny))


@pytest.mark.long
def test_single_bit_flips_and_truncations_of_everything() -> None:
    for data in seeds.models():
        flips(data, "fast")
        for length in range(len(data)):
            with pytest.raises(dr.ModelFileError):
                load(data[:length])


@needs_plain_memory
def test_memory_and_time_are_bounded_by_the_size(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), *sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", str(tmp_path)],
        env=environment, cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(dr.ModelFileError, match="not a regular file"):
        dr.load(tmp_path / "pipe")


def test_a_file_that_changes_while_it_is_read(tiny: bytes) -> None:
    """What has been checked is what is used."""

    class Changing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            return found.replace(b"sgd", b"xyz") if size == len(tiny) else found

    with pytest.raises(dr.ModelFileError, match="it changed while it was read"):
        serialization._read(Changing(tiny), "it", "fast", {})


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    net = dr.Network([dr.Dense(1)], "mse")
    net.build(1)
    net._callback_states = (("Mine", {"text": "x" * (5 << 20)}),)
    with pytest.raises(ValueError, match="cannot be saved: its header is said to have"):
        net.save(tmp_path / "a")
    assert not list(tmp_path.iterdir())
