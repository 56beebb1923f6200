"""The benchmark itself: what it times is the same work, and what it prints follows from that."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import __main__, memory, report, sparse, threads
from benchmarks.cases import MANY, PREDICT, TRAIN, Case
from benchmarks.peers import BESIDE, OWN, PEAK, SYSTEMS, load
from benchmarks.race import Effort, Result, best_of_threads, judge, race
from benchmarks.worker import check
from deltarule import set_num_threads

SHORT = Effort(windows=2, seconds=0.001, budget=1)
NET = Case("net", (5, 8, 6, 3), 8, 64, learning_rate=0.01)
HERE = (OWN, "deltarule plan", "deltarule loop", "numpy")  # what needs no other package
CASES = [
    NET,
    replace(NET, name="sgd", optimizer="sgd", learning_rate=0.1),
    replace(NET, name="tanh", hidden="tanh", dtype="float64"),
    replace(NET, name="sigmoid", hidden="sigmoid", gain=2.0),
    replace(NET, name="mse", loss="mse", hidden="tanh"),
    replace(NET, name="binary", loss="binary_cross_entropy", widths=(5, 8, 1)),
    replace(NET, name="whole", batch=64),
    replace(NET, name="one", batch=1),
    replace(NET, name="many", networks=3, task="many"),
    replace(NET, name="gradient", batch=64, task="gradient"),
    replace(NET, name="gradient mse", batch=64, task="gradient", loss="mse", hidden="tanh"),
    replace(NET, name="gradient sigmoid", batch=64, task="gradient", hidden="sigmoid"),
    replace(NET, name="predict", batch=64, task="predict"),
]


@pytest.fixture(autouse=True)
def automatic_threads():
    yield
    set_num_threads(None)


def systems(task):
    return [s for s in SYSTEMS[task] if s in HERE]


# ------------------------------------------------------------------------------------------- cases
def test_useful_operations():
    case = Case("x", (3, 4, 2), 5, 10)
    assert case.flops == 4 * 5 * 3 * 4 + 6 * 5 * 4 * 2
    assert replace(case, task="gradient").flops == case.flops
    assert replace(case, task="predict").flops == 2 * 5 * (3 * 4 + 4 * 2)
    assert replace(case, task="many", networks=7).flops == 7 * case.flops
    assert case.steps == 2
    with pytest.raises(ValueError, match="no multiple"):
        Case("x", (3, 4, 2), 4, 10)


def test_cases_have_names_of_their_own():
    names = [case.name for case in (*TRAIN, *MANY, *PREDICT)]
    assert len(set(names)) == len(names)
    assert all("," not in name for name in names)  # --cases separates with it


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_data_is_the_same_in_every_process(case):
    for a, b in zip((*case.data(), *case.parameters()), (*case.data(), *case.parameters()),
                    strict=True):
        np.testing.assert_array_equal(a, b)
    x, t = case.data()
    assert x.shape == (case.rows, case.widths[0]) and x.dtype == case.dtype
    if case.loss == "cross_entropy":
        assert t.shape == (case.rows,) and set(t) == set(range(case.widths[-1]))
    else:
        assert t.shape == (case.rows, case.widths[-1]) and np.abs(t).max() <= 1


def test_loss_by_hand():
    case = Case("x", (2, 3), 8, 8)
    assert case.mean_loss([np.zeros((2, 3)), np.zeros(3)]) == pytest.approx(np.log(3))
    binary = replace(case, widths=(2, 1), loss="binary_cross_entropy")
    hits = binary.data()[1].mean()  # a logit of 1 says so
    expected = hits * np.log1p(np.exp(-1)) + (1 - hits) * np.log1p(np.e)
    assert 0 < hits < 1
    assert binary.mean_loss([np.zeros((2, 1)), np.ones(1)]) == pytest.approx(expected)
    squares = replace(case, loss="mse")
    expected = np.mean(squares.data()[1] ** 2)
    assert squares.mean_loss([np.zeros((2, 3)), np.zeros(3)]) == pytest.approx(expected)


# ----------------------------------------------------------------------------------------- systems
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_systems_do_the_same_work(case):
    """From the same weights to about the same loss; gradients and outputs are just the same."""
    checks = [check(load(case, name, 1), 6) for name in systems(case.task)]
    before, after = zip(*checks, strict=True)
    np.testing.assert_allclose(before, before[0], rtol=1e-4)
    if case.trains:
        assert max(after) < before[0]
        falls = before[0] - np.array(after)
        np.testing.assert_allclose(falls, falls[0], rtol=0.25)
    else:
        np.testing.assert_allclose(after, after[0], rtol=1e-5)


@pytest.mark.parametrize("name", systems("train"))
def test_window_starts_from_the_first_weights(name):
    system = load(NET, name, 1)
    start = NET.mean_loss(system.result())
    assert system.window(8) > 0
    assert NET.mean_loss(system.result()) < start
    system.reset()
    assert NET.mean_loss(system.result()) == pytest.approx(start, rel=1e-6)


def test_beside_times_the_first_only():
    both = load(NET, OWN + BESIDE + "numpy", 1)
    runs = []
    for name, system in (("first", both.first), ("second", both.second)):
        system.run = lambda n, name=name: runs.append((name, n))
    assert 0 <= both.window(2) < 1
    assert runs == [("second", 1), ("first", 1)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.name in ("net", "sgd", "mse", "binary",
                                                                 "many", "gradient", "predict")],
                         ids=lambda c: c.name)
def test_every_system_does_the_same_work(case):
    """Those that are installed; the others are skipped with a word."""
    results = race(case, SYSTEMS[case.task], [1], SHORT)
    assert {r.system for r in results} == {PEAK, *SYSTEMS[case.task]}
    for r in results:
        assert (r.times and r.alike) or r.word.startswith("No module named"), (r.system, r)
        assert r.times or r.system not in HERE


# -------------------------------------------------------------------------------------------- race
def test_race():
    results = race(NET, systems("train"), [1, 10_000], SHORT)
    systems_here = [(s, 1) for s in systems("train")]
    assert [(r.system, r.threads) for r in results] == [(PEAK, 1), *systems_here]
    for r in results:
        assert len(r.times) == SHORT.windows and min(r.times) > 0
        assert r.best <= r.median and r.gflops == NET.flops / r.best / 1e3
        if r.system != PEAK:
            assert r.alike and 0 < r.end < r.start


@pytest.mark.parametrize(("line", "word"), [
    ("raise ImportError('no sklearn here')", "no sklearn here"),
    ("raise ValueError('broken')", "failed: ValueError: broken"),
    ("import os; os._exit(3)", "failed: its process died"),
])
def test_what_cannot_take_part_is_skipped_with_a_word(line, word, tmp_path, monkeypatch, capsys):
    (tmp_path / "sklearn.py").write_text(line + "\n", encoding="utf-8")
    before = [p for p in sys.path if p]
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *before]))
    results = race(NET, [OWN, "scikit-learn"], [1], SHORT)
    report.case_table(results)
    assert f"skipped: scikit-learn: {word}\n" in capsys.readouterr().out
    assert results[1].times and not results[2].times
    assert results[2].as_dict()["skipped"] == word


def made(system, us, threads=1, start=2.0, end=1.0):
    return Result(NET, system, threads, start=start, end=end, times=[us, 2 * us, 3 * us])


@pytest.mark.parametrize(("start", "end", "alike"), [
    (2.0, 1.0, True), (2.0, 1.15, True), (2.0, 1.25, False), (2.0, 0.7, False),
    (2.1, 1.1, False), (2.0, 2.0, False), (2.0, float("nan"), False),
])
def test_a_loss_that_does_not_fall_alike_is_marked(start, end, alike, capsys):
    results = [made(OWN, 1.0), made("numpy", 4.0), made("jax scan", 3.0),
               made("torch eager", 2.0, start=start, end=end)]
    judge(results)
    assert [r.alike for r in results] == [True, True, True, alike]
    report.case_table(results)
    assert ("! unlike the others: loss" in capsys.readouterr().out) is not alike
    assert report.best_peer(results).system == ("torch eager" if alike else "jax scan")


def test_each_system_at_its_best_number_of_threads():
    results = [made(OWN, 3.0), made(OWN, 2.0, threads=2), made("numpy", 5.0),
               made("numpy", 6.0, threads=2), Result(NET, "jax scan", 1, "absent")]
    assert [(r.system, r.threads) for r in best_of_threads(results)] == [(OWN, 2), ("numpy", 1)]


def test_shares_compare_best_windows_of_all_threads():
    peak = made(PEAK, 1.0)
    assert report.share(made(OWN, 2.0), peak) == 0.5
    assert report.share(made(OWN, 2.0, threads=2), peak) == 0.25


def test_summary_compares_medians(capsys):
    one, two = made(OWN, 10.0), made(OWN, 8.0, threads=2)
    numpy = replace(made("numpy", 30.0), times=[11.0, 60.0, 61.0])
    report.summary([[made(PEAK, 1.0), one, two, numpy, made("deltarule plan", 9.0)]])
    text = capsys.readouterr().out.splitlines()
    head, first, best = (line.split() for line in text if "shares" not in line and line)
    assert head[0] == "threads" and head[-1] == "ratio"
    assert first == ["net", "1", "20", "10", number(one), "10.0%", "numpy", "(1)", "60", "3.00"]
    assert best == ["best", "(2)", "16", "8", number(two), "6.2%", "numpy", "(1)", "60", "3.75"]


def number(result):
    return report.number(result.gflops)


@pytest.mark.parametrize(("windows", "budget", "one_round", "rounds"), [
    (31, 90, 0.1, 31), (31, 90, 10, 9), (31, 90, 100, 5), (2, 90, 100, 2),
])
def test_slow_rounds_are_fewer(windows, budget, one_round, rounds):
    assert Effort(windows, 0.01, budget).rounds(one_round) == rounds


# ---------------------------------------------------------------------------------- the other parts
def test_threads(monkeypatch, capsys):
    monkeypatch.setattr(threads, "TRAIN", (NET,))
    for name, value in (("LARGE", ("net",)), ("TOGETHER", ("net",)), ("PEERS", ("numpy",)),
                        ("WIDTHS", (8, 16)), ("BATCHES", (8,))):
        monkeypatch.setattr(threads, name, value)
    monkeypatch.setattr(threads, "joblib", lambda effort: [])
    found = threads.main(SHORT)
    assert [f["case"] for f in found["scaling"]] == ["net"]
    assert [(f["width"], f["batch"]) for f in found["choice"]] == [(8, 8), (16, 8)]
    assert [f["how"] for f in found["company"]][1:] == ["deltarule beside numpy",
                                                        "numpy beside deltarule"]
    worst = max(f["ratio"] for f in found["choice"])
    assert f", {worst:.3f}\n" in capsys.readouterr().out


@pytest.mark.slow
def test_joblib(monkeypatch):
    pytest.importorskip("joblib")
    monkeypatch.setattr(threads, "TRAIN", (NET,))
    monkeypatch.setattr(threads, "TOGETHER", ("net",))
    assert [f["case"] for f in threads.joblib(SHORT)] == ["net"]


@pytest.mark.parametrize("kind", memory.KINDS)
def test_memory(kind):
    if not memory.STATUS.with_name("clear_refs").exists():
        pytest.skip("needs Linux's /proc")
    if kind.endswith("Parquet"):
        pytest.importorskip("pyarrow")
    command = [sys.executable, "-m", memory.__name__, kind, "300"]
    done = subprocess.run(command, cwd=memory.ROOT, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    itemsize = np.dtype(kind.split()[0]).itemsize
    assert found["data"] == 300 * memory.FEATURES * itemsize and found["above"] >= 0


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.picture import draw

    path = tmp_path / "picture.png"
    draw([[made(PEAK, 1.0), made(OWN, 2.0), made("numpy", 30.0)], [made(OWN, 2e6)]], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_command_line(tmp_path, capsys):
    path = tmp_path / "results.json"
    arguments = ["train", "--quick", "--cases", "tiny", "--systems", "deltarule,numpy"]
    assert __main__.main([*arguments, "--threads", "1", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["machine"]["packages"]["numpy"] == np.__version__
    assert [r["system"] for r in found["train"]] == [PEAK, OWN, "numpy"]
    assert all(r["case"] == "tiny" and r["best_us"] <= r["median_us"] for r in found["train"])
    assert "tiny: 4-16-16-3, batch 8 of 1,024" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["nothing"], "unknown benchmark 'nothing'; there are: train, many, parts, threads"),
    (["train", "--cases", "tiny,none"], "unknown: 'none'; there are: tiny, small"),
    (["train", "--systems", "none"], "unknown: 'none'; there are: deltarule"),
])
def test_unknown_names(arguments, message, capsys):
    with pytest.raises(SystemExit):
        __main__.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("system", sparse.SYSTEMS)
def test_sparse(system):
    """Both learn the same from the same matrix."""
    pytest.importorskip("sklearn" if system == "scikit-learn" else "scipy")
    if not memory.STATUS.with_name("clear_refs").exists():
        pytest.skip("needs Linux's /proc")
    found = sparse.measure(system, 2000, 500, 3)
    assert found["matrix"] == 2000 * (8 * sparse.ENTRIES + 4) + 4 and found["above"] >= 0
    assert found["losses"][-1] < found["losses"][0] < 2.4
