"""``deltarule predict``: what goes in, what comes out, and what is said when it cannot."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import _predict, _tables, cli

N_IN = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes from four numbers."""
    net = dr.Network([dr.Dense(3, activation="softmax")], loss="cross_entropy", seed=1)
    net.build(N_IN)
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    net.save(path)
    return path


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, N_IN)).astype(np.float32)


class Command:
    """Runs the command here and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], model: Path) -> None:
        self.capsys, self.model = capsys, model

    def __call__(self, data: object, *options: object) -> str:
        code = cli.main(["predict", str(self.model), str(data), *map(str, options)])
        out, err = self.capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    def fails(self, data: object, *options: object) -> str:
        code = cli.main(["predict", str(self.model), str(data), *map(str, options)])
        out, err = self.capsys.readouterr()
        assert (code, out) == (1, "")
        assert err.startswith("deltarule predict: ") and err.count("\n") == 1
        return err.removeprefix("deltarule predict: ").rstrip("\n")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], model: Path) -> Command:
    return Command(capsys, model)


def parsed(text: str) -> np.ndarray:
    return np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2, dtype=np.float32)


# ------------------------------------------------------------------------------------- what goes in
def test_npy_in_text_out(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    expected = dr.load(command.model).predict(x)
    # the digits printed are enough to read the same float32 numbers back
    np.testing.assert_array_equal(parsed(command(tmp_path / "data.npy")), expected)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "uint16", "bool", ">f4"])
def test_any_dtype(command: Command, x: np.ndarray, tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "data.npy", x.astype(dtype))
    expected = dr.load(command.model).predict(x.astype(dtype).astype(np.float32))
    np.testing.assert_array_equal(parsed(command(tmp_path / "data.npy")), expected)


def test_npz(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.NPZ"
    np.savez(one, x)
    with open(two, "wb") as file:
        np.savez_compressed(file, first=x[:1], second=x)
    expected = command(one)
    assert command(two, "--key", "second") == expected
    assert command(two, "--key", "first") == expected[: expected.index("\n") + 1]
    assert "has 2 arrays, choose with --key: first, second" in command.fails(two)
    assert "no array 'third'; it has: first, second" in command.fails(two, "--key", "third")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "  ", ", "])
@pytest.mark.parametrize("header", ["", "sepal length,a;b,c d,e\n", "# made by hand\n\n", "﻿"])
def test_text(command: Command, x: np.ndarray, tmp_path: Path, delimiter: str, header: str) -> None:
    names = header.replace(",", delimiter.strip() or ",")
    if delimiter.isspace() and names.startswith("sepal"):
        names = "a b c d\n"
    lines = [delimiter.join(map(str, row)) for row in x]
    path = tmp_path / "data.csv"
    path.write_text(names + "\n".join(lines) + "\n\n", encoding="utf-8")
    np.save(tmp_path / "data.npy", x)
    assert command(path) == command(tmp_path / "data.npy")


def test_line_ends_and_quotes_and_suffixes(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    expected = command(tmp_path / "data.npy")
    lines = [",".join(f'"{value}"' for value in row) for row in x]
    for suffix in (".csv", ".TXT", ".dat"):
        path = tmp_path / f"data{suffix}"
        path.write_bytes(("a,b,c,d\r\n" + "\r\n".join(lines)).encode())
        assert command(path) == expected


def test_standard_input(
    command: Command, x: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.save(tmp_path / "data.npy", x)
    text = "\n".join(" ".join(map(str, row)) for row in x)
    for mark in ("", "\ufeff"):
        monkeypatch.setattr("sys.stdin", io.StringIO(mark + text))
        assert command("-") == command(tmp_path / "data.npy")
    monkeypatch.setattr("sys.stdin", None)
    assert command.fails("-") == "standard input: it is closed"


def test_header_can_be_said(command: Command, tmp_path: Path) -> None:
    """Names that are numbers, and lines that are not."""
    path = tmp_path / "data.csv"
    path.write_text("0,1,2,3\n1,2,3,4\n")
    assert command(path).count("\n") == 2
    assert command(path, "--header", "yes").count("\n") == 1
    path.write_text("a,b,c,d\n1,2,3,4\n")
    assert "line 1, column 1: expected a number, got 'a'" in command.fails(path, "--header", "no")


def test_nan_passes_through(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("1,2,3,4\n1,nan,3,4\n1,2,inf,4\n")
    lines = command(path).splitlines()
    assert "nan" not in lines[0] and lines[1] == "nan,nan,nan"
    message = command.fails(path, "--labels")
    assert message == "the output for row 2 is nan, which stands for no label"


# ----------------------------------------------------------------------------------- what comes out
def test_npy_out(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    out = tmp_path / "out.npy"
    out.write_text("there was something here before")
    assert command(tmp_path / "data.npy", "-o", out) == ""
    result = np.load(out)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, dr.load(command.model).predict(x))


def test_csv_out_is_what_would_be_printed(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    out = tmp_path / "out.csv"
    assert command(tmp_path / "data.npy", "--output", out) == ""
    assert out.read_text() == command(tmp_path / "data.npy")


def test_long_tables_are_written_in_pieces() -> None:
    array = np.arange(10001.0).reshape(-1, 1)
    assert "".join(_tables.to_csv(array)) == "".join(f"{i}.0\n" for i in range(10001))
    assert "".join(_tables.to_csv(np.empty((0, 3)))) == ""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_text_reads_back_as_the_same_numbers(dtype: str) -> None:
    array = np.random.default_rng(1).normal(size=(50, 3)).astype(dtype) ** 9
    text = "".join(_tables.to_csv(array))
    np.testing.assert_array_equal(np.loadtxt(io.StringIO(text), dtype, delimiter=","), array)


def test_labels(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    expected = dr.load(command.model).predict(x).argmax(axis=1)
    printed = command(tmp_path / "data.npy", "--labels").split()
    assert printed == [str(label) for label in expected]
    command(tmp_path / "data.npy", "--labels", "-o", tmp_path / "labels.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), expected)


@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_labels_of_binary_cross_entropy(activation: str, n_out: int, x: np.ndarray) -> None:
    """Above 1/2 as a probability is above 0 as a logit."""
    net = dr.Network([dr.Dense(n_out, activation=activation)], loss="binary_cross_entropy", seed=2)
    net.build(N_IN)
    parameters = net.parameters()
    logits = dr.reference.dense_forward(x, parameters["0.weight"], parameters["0.bias"])
    labels = _predict.classes(net, net.predict(x))
    assert labels.shape == ((len(x),) if n_out == 1 else (len(x), n_out))
    np.testing.assert_array_equal(labels.reshape(len(x), -1), (logits > 0).astype(np.int64))
    assert 0 < labels.mean() < 1


def test_backends_and_threads(command: Command, x: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", x)
    before = dr.get_num_threads()
    try:
        fast = parsed(command(tmp_path / "data.npy", "--threads", 1))
    finally:
        dr.set_num_threads(None)
    assert dr.get_num_threads() == before
    reference = parsed(command(tmp_path / "data.npy", "--backend", "reference"))
    np.testing.assert_allclose(fast, reference, rtol=1e-5)


def test_no_rows(command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.empty((0, N_IN), np.float32))
    assert command(tmp_path / "data.npy") == ""


# ---------------------------------------------------------------------------------- what is refused
BAD_TEXTS = {
    "": "no rows of numbers",
    "a,b,c,d\n": "no rows of numbers",
    "1,2,3,4\n1,2,x,4\n": "line 2, column 3: expected a number, got 'x'",
    "1,2,3,four\n1,2,3,4\n": "line 1, column 4: expected a number, got 'four'",
    "a,b,c,d\n\n1,2,3,4\n1,2,3\n": "line 4: expected 4 columns as in line 3, got 3",
    "1,2,3,4\n1,2,3,4,5\n": "line 2: expected 4 columns as in line 1, got 5",
    "1,2,3,4\n1,,3,4\n": "line 2, column 2: the cell is empty; write nan where a value is missing",
    "1;2;3;4,5\n": "line 1, column 4: expected a number, got '4,5' (decimal commas are not",
    "1,2,3,1_0\n": "line 1, column 4: expected a number, got '1_0'",
    "1,2,3\n": "has 3 columns, but the model takes rows of 4 numbers",
    "x" * 99 + " 1 2 3\n": "got '" + "x" * 37 + "...'",
}


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: repr(text)[:30])
def test_bad_text(command: Command, tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    message = command.fails(path)
    assert message.startswith(str(path)) and BAD_TEXTS[text] in message


def test_text_of_another_encoding(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("Länge,b,c,d\n1,2,3,4\n".encode("utf-16"))
    assert "not a text in UTF-8" in command.fails(path)


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a data file ran code",))


def test_pickles_are_not_read(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, np.array([Trap()], dtype=object), allow_pickle=True)
    assert "not a sound .npy file" in command.fails(path)
    np.savez(tmp_path / "data.npz", x=np.array([Trap()], dtype=object))
    assert "not a sound .npz file" in command.fails(tmp_path / "data.npz")

FOUND = Path(__file__).parent / "fuzz" / "corpus" / "table"


def _damaged(x: np.ndarray) -> dict[str, bytes]:
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, x)
    np.savez_compressed(npz, x=x)
    with zipfile.ZipFile(broken := io.BytesIO(), "w") as archive:
        archive.writestr("x.npy", npy.getvalue()[:30])
    return {
        "empty.npy": b"",
        "text.npy": b"1,2,3,4\n",
        "short.npy": npy.getvalue()[:-1],
        "head.npy": npy.getvalue()[:40],
        "npz.npy": npz.getvalue(),
        "empty.npz": b"",
        "npy.npz": npy.getvalue(),
        "short.npz": npz.getvalue()[:-30],
        "broken.npz": broken.getvalue(),
        "odd.npy": npy.getvalue().replace(b"(5, 4)", b"(1<<9)"),
        "open.npy": npy.getvalue().replace(b"(5, 4)", b"(5, 4 "),
        "locked.npz": (FOUND / "locked").read_bytes(),
        "elsewhere.npz": (FOUND / "elsewhere").read_bytes(),
    }


@pytest.mark.parametrize("name", _damaged(np.ones((5, N_IN), np.float32)))
def test_damaged_arrays(command: Command, x: np.ndarray, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(_damaged(x)[name])
    assert f"{path}: not a sound {path.suffix} file" in command.fails(path)


def test_arrays_that_claim_to_be_huge(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, N_IN)}
        np.lib.format.write_array_header_1_0(file, header)
    assert "memory" in command.fails(path)


def test_text_in_an_archive(command: Command, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing to see here")
    assert "expected numbers, got an array of dtype" in command.fails(tmp_path / "data.npz")


def test_damaged_compression(command: Command, tmp_path: Path) -> None:
    """Every byte of a compressed file may be wrong; what is said is one line."""
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.arange(40.0).reshape(10, N_IN))
    sound = path.read_bytes()
    for position in range(0, len(sound), 3):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 0x55]) + sound[position + 1 :])
        code = cli.main(["predict", str(command.model), str(path)])
        _, err = command.capsys.readouterr()
        assert (code, err.count("\n")) in ((0, 0), (1, 1))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.ones(N_IN), "has the shape (4,), but the model takes rows of 4 numbers"),
        (np.ones((2, 2, 2)), "has the shape (2, 2, 2), but"),
        (np.ones((2, 5)), "has 5 columns, but the model takes rows of 4 numbers"),
        (np.array([["1", "2", "3", "4"]]), "expected numbers, got an array of dtype <U1"),
        (np.ones((2, 4), complex), "expected numbers, got an array of dtype complex128"),
    ],
)
def test_wrong_arrays(command: Command, tmp_path: Path, array: np.ndarray, expected: str) -> None:
    path = tmp_path / "data.npy"
    np.save(path, array)
    assert expected in command.fails(path)


def test_wrong_files(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,2,3,4\n")
    assert command.fails(tmp_path / "no.csv") == f"{tmp_path / 'no.csv'}: No such file or directory"
    assert "expected a file that ends with" in command.fails(model)
    assert "only .npz files have keys" in command.fails(data, "--key", "x")
    command.model = tmp_path / "no.safetensors"
    assert str(command.model) in command.fails(data)
    command.model = data
    assert "is not a sound model file" in command.fails(data)


def test_labels_of_numbers(command: Command, tmp_path: Path) -> None:
    net = dr.Network([dr.Dense(1)], loss="mse")
    net.build(N_IN)
    net.save(tmp_path / "mse.safetensors")
    command.model = tmp_path / "mse.safetensors"
    (tmp_path / "data.csv").write_text("1,2,3,4\n")
    assert "the loss mse puts out numbers" in command.fails(tmp_path / "data.csv", "--labels")


def test_outputs_that_cannot_be(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,2,3,4\n")
    (tmp_path / "folder.csv").mkdir()
    for name, expected in {
        "out": "expected a name that ends with .npy or .csv",
        "out.npz": "expected a name that ends with .npy or .csv",
        "no/out.csv": "there is no folder",
        "folder.csv": "it is a folder",
    }.items():
        assert expected in command.fails(data, "-o", tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", "folder.csv"]


def test_a_failure_leaves_the_old_output(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data.csv", tmp_path / "out.csv"
    data.write_text("1,2,3\n")
    out.write_text("old")
    command.fails(data, "-o", out)
    assert out.read_text() == "old"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(out))

    data.write_text("1,2,3,4\n")
    monkeypatch.setattr("os.fsync", full)
    assert command.fails(data, "-o", out).startswith(f"{out}: No space left on device: it is not")
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", "out.csv"]
