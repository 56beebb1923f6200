"""Model files: what is saved comes back, and saving is atomic."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import deltarule as dr
from deltarule import _header

from .conftest import Data
from .interruption import assert_same, interrupt

Make = Callable[..., dr.Network]


# ------------------------------------------------------------------------------------ round trip
@pytest.mark.parametrize("optimizer", [dr.Adam(1 / 3), dr.SGD(0.1, 0.9, True, weight_decay=1e-4)])
@pytest.mark.parametrize("stage", ["built", "fitted", "interrupted"])
def test_round_trip(
    make_net: Make, blobs: Data, tmp_path: Path, dtype: str, stage: str, optimizer: object
) -> None:
    layers = [
        dr.Dense(6, dr.activations.LeakyReLU(1 / 7), bias=False, weight_init="he_normal"),
        dr.Dense(4, "tanh", bias_init="lecun_uniform"),
        dr.Dense(3),
    ]
    net = make_net(layers=layers, optimizer=optimizer, dtype=dtype, seed=2**64 - 1)
    net.build(5)
    if stage == "fitted":
        net.fit(*blobs, epochs=2)
    if stage == "interrupted":
        interrupt(net, blobs, 2, 1, epochs=2, batch_size=8)
    path = tmp_path / "model.safetensors"
    net.save(path)
    for given in (path, str(path)):
        again = dr.load(given, backend=net.backend)
        assert_same(net, again)
        assert repr(again) == repr(net)
        np.testing.assert_array_equal(again.predict(blobs[0]), net.predict(blobs[0]))
    for _ in range(2):
        assert net.fit(*blobs, batch_size=8) == again.fit(*blobs, batch_size=8)
    assert_same(net, again)


@pytest.mark.parametrize("stage", ["fitted", "interrupted"])
def test_a_new_process_goes_on_with_the_same_bits(
    make_net: Make, blobs: Data, tmp_path: Path, stage: str
) -> None:
    net = make_net()
    if stage == "fitted":
        net.fit(*blobs, epochs=2, batch_size=10)
    else:
        interrupt(net, blobs, 2, 3, epochs=2, batch_size=10)
    net.save(tmp_path / "a.safetensors")
    np.savez(tmp_path / "data.npz", x=blobs[0], y=blobs[1])
    program = (
        "import sys, numpy as np, deltarule as dr\n"
        "folder, backend = sys.argv[1:]\n"
        "data = np.load(folder + '/data.npz')\n"
        "net = dr.load(folder + '/a.safetensors', backend=backend)\n"
        "net.fit(data['x'], data['y'], epochs=3, batch_size=10)\n"
        "net.save(folder + '/b.safetensors')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), net.backend]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    net.fit(*blobs, epochs=3, batch_size=10)
    net.save(tmp_path / "here.safetensors")
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "here.safetensors").read_bytes()


def test_a_diverged_network_round_trips(make_net: Make, blobs: Data, tmp_path: Path) -> None:
    net = make_net(layers=[dr.Dense(3)], loss="mse", optimizer=dr.SGD(1e30))
    target = np.eye(3)[blobs[1]]
    with pytest.warns(dr.DivergenceWarning):
        interrupt(net, (blobs[0], target), 5, 1, epochs=5, batch_size=8)
    assert not np.isfinite(net.parameters()["0.weight"]).all()
    net.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors", backend=net.backend)
    assert_same(net, again)


def test_files_are_plain_safetensors(saved: tuple[dr.Network, Path]) -> None:
    net, path = saved
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, "numpy") as file:
        assert path.read_bytes() == safetensors.numpy.save(arrays, file.metadata())
    np.testing.assert_array_equal(arrays["0.weight"], net.parameters()["0.weight"])
    names = ("0.weight", "0.bias", "1.weight", "1.bias")
    expected = {*names, *(f"optimizer.{slot}.{n}" for slot in (1, 2) for n in names)}
    assert set(arrays) == expected
    with safetensors.safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["deltarule"])
    assert description["format"] == 1
    assert description["version"] == dr.__version__
    assert description["input_shape"] == [5]
    assert description["position"] == {"epoch": 2, "batch": 0}
    assert description["step"] == 20


@pytest.mark.parametrize("items", [1, 2, 3])
def test_headers_are_those_of_safetensors(items: int, dtype: str) -> None:
    """To the last byte, padding and escapes included."""
    names = ["0.\u00e9\U0001f600", "1.weight", 'a"\\/\n\x1f\x7f']
    shapes = [(2, 0, 3), (), (items, 2)]
    arrays = {name: np.ones(shape, dtype) for name, shape in zip(names, shapes, strict=True)}
    metadata = {"k": "x" * items + "\x00\b\t\"\\\u2028\u00e9"}
    kind = {"float32": "F32", "float64": "F64"}[dtype]
    start = _header.make(metadata, {name: (kind, a.shape) for name, a in arrays.items()})
    whole = start + b"".join(array.tobytes() for array in arrays.values())
    assert whole == safetensors.numpy.save(arrays, metadata)


def test_saving_makes_no_copy(tmp_path: Path, backend: str) -> None:
    """One array at a time."""
    net = dr.Network([dr.Dense(200)] * 8, "mse", "sgd", backend=backend)
    net.build(200)
    net.save(tmp_path / "net")  # what Python keeps from now on
    tracemalloc.start()
    try:
        net.save(tmp_path / "net")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 200 * 200 * 4 <= peak < 3 * 200 * 200 * 4


def test_a_checksum_without_memory(
    saved: tuple[dr.Network, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then OpenSSL raises a ValueError, which says nothing about the file."""

    def sha256(data: bytes) -> None:
        raise ValueError("[digital envelope routines] initialization error")

    monkeypatch.setattr(hashlib, "sha256", sha256)
    with pytest.raises(MemoryError, match="digital envelope"):
        dr.load(saved[1])
    with pytest.raises(MemoryError, match="digital envelope"):
        saved[0].save(saved[1])


def test_backends_read_each_others_files(blobs: Data, tmp_path: Path, backend: str) -> None:
    other = {"fast": "reference", "reference": "fast"}[backend]
    net = dr.Network([dr.Dense(3)], "cross_entropy", backend=backend)
    net.fit(*blobs)
    net.save(tmp_path / "a")
    assert_same(net, dr.load(tmp_path / "a", backend=other))


def test_the_largest_description_fits(make_net: Make, tmp_path: Path) -> None:
    net = make_net(layers=[dr.Dense(2, dr.activations.LeakyReLU(1 / 3))] * 1000, loss="mse")
    net.build(2)
    net.save(tmp_path / "a")
    assert_same(net, dr.load(tmp_path / "a", backend=net.backend))


# ---------------------------------------------------------------------------------------- saving
@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links(saved: tuple[dr.Network, Path]) -> None:
    net, path = saved
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link = path.parent / "link"
    link.symlink_to(path)
    net.save(link)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_relative_path(
    saved: tuple[dr.Network, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    saved[0].save("here.safetensors")
    assert_same(dr.load("here.safetensors", backend=saved[0].backend), saved[0])


def test_missing_file_and_bad_arguments(tmp_path: Path, backend: str) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        dr.load(tmp_path / "nothing", backend=backend)
    with pytest.raises(dr.ModelFileError, match="not a regular file"):
        dr.load(tmp_path, backend=backend)
    with pytest.raises(ValueError, match="unknown backend"):
        dr.load(tmp_path / "nothing", backend="gpu")
    with pytest.raises(TypeError):
        dr.load(3, backend=backend)  # type: ignore[arg-type]
