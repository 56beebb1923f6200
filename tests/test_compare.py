"""``deltarule compare``: every operation is in it, and its figures are what they say."""

import json
import math
import time

import numpy as np
import pytest

import deltarule as dr
from deltarule import _cases, _check, _compare_table, cli, compare, losses, ops, optimizers
from deltarule._check_weights import CLIPS, CONSTRAINTS
from deltarule.reference import activation as activations

KEYS = {
    "operation": str,
    "size": str,
    "dtype": str,
    "error_ulp": float,
    "reference_seconds": float,
    "fast_seconds": float,
    "ratio": float,
}
NETWORK_KEYS = {
    "dtype": str,
    "layers": list,
    "samples": int,
    "epochs": int,
    "batch_size": int,
    "reference_seconds": float,
    "fast_seconds": float,
    "ratio": float,
    "max_difference": float,
}
PRECISE = _cases.wide_type("float64") != np.float64
# Largest errors that the definitions allow for. Softmax rounds its exponents, which are up to 20
# here, the steps of optimizers cancel, 1 - beta^step of Adam and its kin loses two digits, the
# length of RAdam three.
BOUNDS = {
    "softmax": 32.0, "gelu": 16.0, "gelu_tanh": 256.0, "optimizer_step": 400.0, "radam": 4000.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *texts, **_: printed.extend(map(str, texts)))
        compare.run(quick=True, as_json=True)
    assert len(printed) == 1
    found = json.loads(printed[0])
    assert isinstance(found, dict)
    return found


def test_schema(document: dict[str, object]) -> None:
    assert list(document) == [
        "schema",
        "config",
        "quick",
        "load",
        "truth",
        "operations",
        "networks",
    ]
    assert document["schema"] == "deltarule.compare/1" and document["quick"] is True
    assert document["config"] == json.loads(json.dumps(dr.config()))
    assert document["truth"] == {
        "float32": "float64",
        "float64": "longdouble" if PRECISE else "float64",
    }
    for keys, rows in (
        (KEYS | {"variant": (str, type(None))}, document["operations"]),
        (NETWORK_KEYS, document["networks"]),
    ):
        assert isinstance(rows, list) and rows
        for row in rows:
            assert row.keys() == keys.keys()
            assert all(isinstance(row[name], kind) for name, kind in keys.items()), row
            assert row["ratio"] == row["reference_seconds"] / row["fast_seconds"]
            assert row["fast_seconds"] > 0


def test_every_operation_is_in_it_in_both_dtypes(document: dict[str, object]) -> None:
    variants = {
        "activation_forward": _check.ACTIVATIONS,
        "activation_backward": _check.ACTIVATIONS,
        "loss_forward": losses.TABLE,
        "loss_backward": losses.TABLE,
        "noise_forward": _check.NOISES,
        "noise_backward": _check.NOISES,
        "optimizer_step": optimizers.RULES,
        "initialize": _check.INITIALIZERS,
        "constrain": CONSTRAINTS,
        "clip_gradients": CLIPS,
    }
    operations = document["operations"]
    assert isinstance(operations, list)
    found = {(row["operation"], row["variant"], row["dtype"]) for row in operations}
    assert len(found) == len(operations)
    for name in ops.__all__:
        dtypes = ("float64",) if name.startswith("random_") else ("float32", "float64")
        for dtype in dtypes:
            for variant in variants.get(name, (None,)):
                assert (name, variant, dtype) in found
                found.remove((name, variant, dtype))
    assert not found


def test_a_new_entry_appears_by_being_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_check, "ACTIVATIONS", (*_check.ACTIVATIONS, "cube"))
    monkeypatch.setitem(
        activations._TABLE,
        "cube",
        (lambda x, alpha: x**3, lambda x, y, dy, alpha: dy * 3 * np.cbrt(y) ** 2),
    )
    cases = list(_cases.all_cases("float32", True))
    assert [c.operation for c in cases if c.variant == "cube"] == [
        "activation_forward",
        "activation_backward",
    ]
    monkeypatch.setitem(optimizers.RULES, "sgd_too", 0)
    with pytest.raises(KeyError, match="sgd_too"):  # registered, and no optimizer has it
        list(_cases.all_cases("float32", True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_are_small_and_the_references_too(dtype: str) -> None:
    for case in _cases.all_cases(dtype, True):
        truth = case.truth()
        bound = BOUNDS.get(case.variant, BOUNDS.get(case.operation, 8.0))
        for module in (dr.ops, dr.reference):
            for result, true, scale in zip(case.run(module), truth, case.scale(truth), strict=True):
                error = compare.error_in_ulp(result, true, scale, dtype)
                assert error <= bound, (case.operation, case.variant, module.__name__)


def test_promised_bits(document: dict[str, object]) -> None:
    operations = document["operations"]
    assert isinstance(operations, list)
    for row in operations:
        same = row["operation"].startswith("random_") or (
            row["operation"] == "initialize" and row["dtype"] == "float64"
        )
        if same:
            assert row["error_ulp"] == 0.0


# -------------------------------------------------------------------------------- what an error is
def ulps(result: object, truth: object, dtype: str = "float32") -> float:
    exact = np.array(truth, np.float64)
    return compare.error_in_ulp(np.array(result, dtype), exact, exact, dtype)


def test_ulp() -> None:
    assert ulps([1.0, 2.0], [1.0, 2.0]) == 0
    assert ulps([1 + 2**-23], [1.0]) == 1
    assert ulps([2 + 2**-22], [2.0]) == 1
    assert ulps([1.0], [1 + 2**-24]) == 0.5
    assert ulps([1.0, -3.0], [1.0, 3.0]) == 6 * 2**22
    assert ulps([0.0], [2.0**-149]) == 1
    assert ulps([np.nan, np.inf], [np.nan, np.inf]) == 0
    assert ulps([np.nan], [1.0]) == math.inf and ulps([1.0], [np.nan]) == math.inf
    assert ulps([np.inf], [1.0]) == math.inf
    assert ulps([], []) == 0
    assert ulps([1.0], [[1.0]]) == math.inf
    one = np.array([1.0])
    assert compare.error_in_ulp(one + 2**-20, one, 8 * one, "float32") == 1


def test_integers_are_compared_as_they_are() -> None:
    bits = np.array([1, 2**32 - 1], np.uint32)
    assert compare.error_in_ulp(bits, bits, bits, "float64") == 0
    assert compare.error_in_ulp(bits, bits[::-1], bits, "float64") == 2**32 - 2


def test_a_wrong_kernel_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    right = dr.ops.activation_forward

    def wrong(name: str, x: np.ndarray) -> np.ndarray:
        y = right(name, x)
        y[-1, -1] += 1e-4
        return y

    monkeypatch.setattr(dr.ops, "activation_forward", wrong)
    case = next(c for c in _cases.all_cases("float32", True) if c.variant == "sigmoid")
    assert compare.measure(case, compare.QUICK).error_ulp > 100


def test_slower_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the ratio is what was slept."""
    right = dr.ops.dense_forward

    def slow(*arrays: np.ndarray) -> np.ndarray:
        time.sleep(2e-3)
        return right(*arrays)

    monkeypatch.setattr(dr.ops, "dense_forward", slow)
    case = next(c for c in _cases.all_cases("float32", True) if c.operation == "dense_forward")
    m = compare.measure(case, compare.QUICK)
    assert m.fast_seconds >= 2e-3 and m.ratio < 1
    assert "<" in _compare_table.row([m, None], [])
    assert "is slower: 1 of 1." in _compare_table.foot([m], {}).replace("\n", " ")


def test_times_are_medians() -> None:
    waits = iter([0, 0] * 2 + [0.03, 0, 0] * 2)  # warming up and counting, then three windows
    first, second = compare._times((lambda: time.sleep(next(waits)), lambda: None), 3, 1e-9)
    assert first < 0.02 and second < 0.02


# ------------------------------------------------------------------------------------------ printed
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "--quick"]) == 0
    out, err = capsys.readouterr()
    assert not err
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
    for name in ops.__all__:
        assert any(line.startswith(name) for line in lines)
    for name in (*_check.ACTIVATIONS, *losses.TABLE, *_check.NOISES, *_check.INITIALIZERS):
        assert any(line.startswith(f"  {name} ") for line in lines)
    assert "network 64-100-10" in out and "largest weight difference" in out
    assert "sum of |a||b|" in out  # what an ulp is


def test_json_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quick"] is True


def test_json_has_no_numbers_that_json_has_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = compare.Measurement("relu", "", "1", "float32", math.inf, 1.0, 2.0)
    monkeypatch.setattr(compare, "measurements", lambda effort: iter([[bad, None]]))
    compare.run(quick=True, as_json=True)
    row = json.loads(capsys.readouterr().out)["operations"][0]
    assert row["error_ulp"] is None and row["variant"] is None and row["ratio"] == 0.5
    assert "nan" in _compare_table.row([bad, None], [])


def test_a_busy_machine_is_said_to_be() -> None:
    quiet = [_compare_table.head(dr.config(), load) for load in (None, 0.0)]
    assert quiet[0] == quiet[1] and "OTHER PROGRAMS" not in quiet[0]
    busy = _compare_table.head(dr.config(), 1e3)
    assert "OTHER PROGRAMS ARE RUNNING (load 1000.0)" in busy
    assert max(map(len, busy.splitlines())) <= 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 us"), (9.994e-6, "9.99 us"), (9.996e-6, "10.0 us"), (9.99e-5, "99.9 us"),
     (9.997e-5, "100 us"), (9.996e-4, "1.00 ms"), (0.25, "250 ms"), (1.5, "1.50 s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert _compare_table.duration(seconds) == text


def test_a_ratio_below_one_never_reads_as_one() -> None:
    assert [_compare_table.ratio(r) for r in (0.999, 1.0, 0.27, 12.34, 155)] == [
        *("0.99", "1.00", "0.27", "12.3", "155")
    ]


def test_training_compares_the_same_network() -> None:
    trained = compare.train("float64", compare.QUICK)
    assert 0 < trained.max_difference < 1e-12
    assert trained.layers == (64, 100, 10) and trained.epochs == 2
