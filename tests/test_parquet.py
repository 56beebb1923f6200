"""Tables in files that need not fit into memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.sources import parquet as module
from deltarule.sources.stream import StreamRun

from .conftest import Data, make_blobs
from .interruption import assert_same

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")
ds = pytest.importorskip("pyarrow.dataset")

Make = Callable[..., dr.Network]
N = 203
X, Y = make_blobs(N)
WEIGHTS = np.linspace(0, 2, N)


def columns(x: np.ndarray = X) -> dict[str, Any]:
    return {"label": Y, "weight": WEIGHTS} | {f"x{i}": x[:, i] for i in range(x.shape[1])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files with groups of 17 rows, among them one without rows."""
    (tmp_path / "data").mkdir()
    table = pa.table(columns())
    for name, first, last in (("a", 0, 90), ("b", 90, 90), ("c", 90, N)):
        part = table.slice(first, last - first)
        pq.write_table(part, tmp_path / "data" / f"{name}.parquet", row_group_size=17)
    return tmp_path / "data"


def parquet(source: Any, **how: Any) -> Any:
    features = [f"x{i}" for i in range(5)]
    return dr.data.Parquet(source, "label", features, **{"sample_weight": "weight", **how})


WINDOWS = [(1, False), (40, False), (10**6, False), (N, True)]


@pytest.mark.parametrize(("window", "shuffle"), WINDOWS)
def test_the_same_bits_as_arrays(
    make_net: Make, folder: Path, window: int, shuffle: bool
) -> None:
    how = {"batch_size": 16, "shuffle": shuffle, "epochs": 2}
    arrays, files = make_net(), make_net()
    one = arrays.fit(X, Y, sample_weight=WEIGHTS, **how)
    two = files.fit(parquet(folder, window=window), **how)
    assert_same(arrays, files)
    assert one == two


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int16"])
def test_columns_of_any_type(make_net: Make, tmp_path: Path, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 100, (N, 5)).astype(dtype)
    pq.write_table(pa.table(columns(x)), tmp_path / "x.parquet")
    arrays, files = make_net(), make_net()
    arrays.fit(x, Y, sample_weight=WEIGHTS, shuffle=False)
    files.fit(parquet(tmp_path / "x.parquet"), shuffle=False)
    assert_same(arrays, files)


def test_windows_are_shuffled(make_net: Make, folder: Path) -> None:
    """The order of a window's rows is the network's permutation, by epoch and window."""
    files, arrays = make_net(seed=3), make_net(seed=3)
    files.fit(parquet(folder, window=70), batch_size=16, epochs=2)
    for epoch in range(2):
        order: list[int] = []
        for number, first in enumerate(range(0, N, 80)):  # 70, up to whole batches
            n = min(80, N - first)
            key = {"seed": 3, "purpose": "shuffle", "layer": number, "step": epoch}
            order += list(first + dr.reference.random_permutation(n, **key))
        assert sorted(order) == list(range(N)) and order != list(range(N))
        arrays.fit(X[order], Y[order], sample_weight=WEIGHTS[order], batch_size=16, shuffle=False)
    assert_same(files, arrays)


@pytest.mark.parametrize("stop", [1, 5, 7, 12])
def test_an_interrupted_epoch_is_finished(
    make_net: Make, folder: Path, stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a window or at its end; saved in between."""
    monkeypatch.setattr(module, "_READ", 5)  # several record batches a group of rows

    source = parquet(folder, window=64)
    whole, net = make_net(), make_net()
    whole.fit(source, batch_size=16, epochs=2)
    advance = StreamRun.advance

    def interrupted(run: StreamRun, budget: float) -> bool:
        over = advance(run, 0.0)
        if run.batch == stop:
            raise KeyboardInterrupt
        return over

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StreamRun, "advance", interrupted)
        net.fit(source, batch_size=16)
    net.save(tmp_path / "model.safetensors")
    net = dr.load(tmp_path / "model.safetensors", backend=net.backend)
    assert net._position.batch == stop
    net.fit(parquet(folder, window=60), batch_size=16)  # 64, too
    net.fit(source, batch_size=16)
    assert_same(net, whole)


def test_predict_evaluate_adapt_and_validation(make_net: Make, folder: Path) -> None:
    net = make_net(layers=[dr.Normalization(), dr.Dense(3, "softmax")])
    source = parquet(folder, window=50)
    net.adapt(source)
    net.build(5)
    np.testing.assert_allclose(net.parameters()["0.running_mean"], X.mean(axis=0), rtol=1e-5)
    features = dr.data.Parquet(folder, features=[f"x{i}" for i in range(5)])
    for given in (source, features):
        assert net.predict(given).tobytes() == net.predict(X).tobytes()
    history = net.fit(X, Y, validation_data=source)
    expected = net.evaluate(X, Y, WEIGHTS)
    assert net.evaluate(source) == pytest.approx(expected, rel=1e-6)
    assert history["val_loss"][0] == pytest.approx(expected["loss"], rel=1e-6)


def test_sources(folder: Path, tmp_path: Path) -> None:
    files = [str(folder / f"{name}.parquet") for name in "ac"]
    for source in (files, ds.dataset(folder), str(folder)):
        assert parquet(source).rows == N
    feather.write_feather(pa.table(columns()), tmp_path / "x.feather")
    both = dr.data.Parquet(tmp_path / "x.feather", target=["label", "weight"])
    assert repr(both).endswith("x.feather: 203 rows, 5 features>")
    (piece,) = both.pieces(both.way(None, False))
    assert piece.values[1].column_names == ["label", "weight"] and piece.values[2] is None
    memory = ds.dataset(pa.table(columns()))
    assert parquet(memory).rows == N


FAULTS: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "no file": (lambda p: parquet(p / "none.parquet"), FileNotFoundError, "none.parquet"),
    "no path": (lambda p: parquet(3), TypeError, r"source must be a path.*3 \(int\)"),
    "no column": (
        lambda p: dr.data.Parquet(p, target="lable"),
        ValueError,
        r"target: no column 'lable' \(did you mean 'label'\?\); known: label, weight, x0",
    ),
    "twice": (lambda p: dr.data.Parquet(p, "label", ["x0", "x0"]), ValueError, "a column twice"),
    "both": (lambda p: dr.data.Parquet(p, "label", ["label"]), ValueError, "features has 'label'"),
    "none": (lambda p: dr.data.Parquet(p, "label", []), ValueError, "features has no columns"),
    "window": (lambda p: parquet(p, window=0), ValueError, "window must be >= 1"),
    "filter": (
        lambda p: parquet(ds.dataset(p).filter(ds.field("label") == 0)),
        ValueError,
        "Remove the filtering",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_arguments(folder: Path, fault: str) -> None:
    call, error, message = FAULTS[fault]
    with pytest.raises(error, match=message):
        call(folder)


def test_bad_files(folder: Path, tmp_path: Path) -> None:
    cut, other, text = (tmp_path / f"{name}.parquet" for name in ("cut", "other", "text"))
    whole = folder / "a.parquet"
    cut.write_bytes(whole.read_bytes()[:-100])
    pq.write_table(pa.table(columns()).drop(["x3"]), other)
    pq.write_table(pa.table({**columns(), "x1": ["a"] * N}), text)
    for source in (cut, [whole, cut]):
        with pytest.raises(ValueError, match=r"cut\.parquet cannot be read: "):
            parquet(source)
    with pytest.raises(ValueError, match=r"other\.parquet has no column 'x3'"):
        parquet([whole, other])
    with pytest.raises(TypeError, match="column 'x1' must be numbers, got string; leave it out"):
        parquet(text)
    with pytest.raises(TypeError, match=r"column 'x1' must be .*encode classes as integers"):
        dr.data.Parquet(text, target="x1")


def test_faults_found_while_it_is_read(make_net: Make, folder: Path) -> None:
    """The network is as after the window before, and goes on when the file has been mended."""
    net, whole = make_net(), make_net()
    net.build(5)
    how: dict[str, Any] = {"batch_size": 16, "shuffle": False}
    second = folder / "c.parquet"
    good = second.read_bytes()
    x3 = X[90:, 3].tolist()
    table = pa.table(columns()).slice(90)
    at = table.column_names.index("x3")
    for value, message in ((None, "a missing value"), (float("nan"), "nan")):
        broken = pa.array([*x3[:50], value, *x3[51:]], pa.float32())
        pq.write_table(table.set_column(at, "x3", broken), second)
        where = f"rows 128 to 159 of .*data: X has {message} at row 12, column 'x3'$"
        with pytest.raises(ValueError, match=where):
            net.fit(parquet(folder, window=32), **how)
        assert net._position.batch == 8
    second.write_bytes(good)
    source = parquet(folder, window=32)
    second.write_bytes(good[: len(good) // 3])
    with pytest.raises(ValueError, match=r"c\.parquet cannot be read"):
        net.fit(source, **how)
    assert net._position.batch >= 8
    second.write_bytes(good)
    net.fit(parquet(folder, window=32), **how)
    whole.fit(X, Y, sample_weight=WEIGHTS, **how)
    np.testing.assert_array_equal(net.predict(X), whole.predict(X))


def test_a_file_that_has_lost_rows(make_net: Make, tmp_path: Path) -> None:
    net, path = make_net(), tmp_path / "x.arrow"
    feather.write_feather(pa.table(columns()), path)
    source = parquet(path, window=32)
    feather.write_feather(pa.table(columns()).slice(0, 150), path)
    with pytest.raises(ValueError, match=r"x\.arrow has ended after 150 rows, of which it had 203"):
        net.fit(source, batch_size=16)
    assert net._position.batch == 8


def test_without_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(ImportError, match=r"pip install deltarule\[parquet\]"):
        parquet(folder)


def test_steps_and_targets(make_net: Make, folder: Path, blobs: Data) -> None:
    net = make_net()
    net.build(5)
    with pytest.raises(ValueError, match="steps_per_epoch is for iterables"):
        net.fit(parquet(folder), steps_per_epoch=3)
    with pytest.raises(TypeError, match="y must be an array, got None"):
        net.fit(dr.data.Parquet(folder, features=[f"x{i}" for i in range(5)]))
