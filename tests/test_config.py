"""Configuration: instruction sets, threads, the environment, and being a good neighbour."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import _fast

ISAS = [name for name, supported in dr.config()["isas"].items() if supported]
NOT_HAD = [name for name, supported in dr.config()["isas"].items() if not supported]
SOURCE = str(Path(dr.__file__).parents[1])
openmp = pytest.mark.skipif(not dr.config()["openmp"], reason="built without OpenMP")
affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the system has no affinity masks"
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Instruction set and threads go back to what they were."""
    isa, threads, exact = dr.get_isa(), dr.get_num_threads(), _fast.threads_exact()
    yield
    dr.set_isa(isa)
    dr.set_num_threads(None)
    if exact or dr.get_num_threads() != threads:
        dr.set_num_threads(threads, exact=exact)


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The code in a fresh Python with only these variables of ours and of OpenMP set."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DELTARULE_", "OMP_"))
    }
    environment |= {"PYTHONPATH": SOURCE, **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


def printed(code: str, **variables: str) -> Any:
    """What the code prints, which must be JSON, after `import deltarule as dr`."""
    done = run("import json, deltarule as dr\n" + code, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NET = """
import numpy as np
def fit(**arguments):
    x = np.random.default_rng(0).normal(size=(64, 20)).astype(np.float32)
    net = dr.Network([dr.Dense(30, activation="relu"), dr.Dense(3, activation="softmax")],
                     loss="cross_entropy", optimizer="adam", seed=0)
    net.fit(x, np.arange(64) % 3, epochs=2, batch_size=16, verbose=False)
    return net
"""


def _fit() -> dr.Network:
    scope: dict[str, Any] = {"dr": dr}
    exec(NET, scope)
    net: dr.Network = scope["fit"]()
    return net


# ------------------------------------------------------------------------------------ what there is
def test_keys():
    config = dr.config()
    assert {
        "deltarule", "isa", "isas", "same_bits", "openmp", "threads", "exact_threads", "python",
        "numpy", "platform", "machine", "build", "executable",
    } <= set(config)  # fmt: skip
    assert json.loads(json.dumps(config)) == config, "a bug report must be able to print it"
    assert config["deltarule"] == dr.__version__ and config["numpy"] == np.__version__
    assert config["isas"][config["isa"]] is True
    assert Path(config["build"]).exists() and config["executable"] == sys.executable


def test_isas_are_best_first():
    names = list(dr.config()["isas"])
    assert names[-1] == "generic" and len(set(names)) == len(names)
    assert printed("print(json.dumps(dr.get_isa()))") == ISAS[0]


@pytest.mark.parametrize("name", ISAS)
def test_set_isa(name):
    dr.set_isa(name)
    config = dr.config()
    assert dr.get_isa() == config["isa"] == name
    # x86 without FMA is outside the promise, and says so
    x86 = config["machine"] in ("x86_64", "AMD64")
    assert config["same_bits"] is (name != "generic" or not x86)


@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        (ISAS[0].upper() + "x", ValueError, f"did you mean '{ISAS[0]}'"),
        ("sse9", ValueError, "isa must be one of"),
        ("", ValueError, "isa must be one of"),
        (None, TypeError, "isa must be a string"),
        (2, TypeError, "isa must be a string"),
        *((name, ValueError, "not supported by this processor") for name in NOT_HAD),
    ],
)
def test_set_isa_errors(bad, error, match):
    before = dr.get_isa()
    with pytest.raises(error, match=match):
        dr.set_isa(bad)
    assert dr.get_isa() == before


@pytest.mark.parametrize("index", [-1, 100])
def test_the_binding_refuses_indices_out_of_range(index):
    with pytest.raises(ValueError, match="not available"):
        _fast.isa_select(index)
    assert dr.get_isa() in ISAS


# -------------------------------------------------------------------------------- the environment
@pytest.mark.parametrize("name", ISAS)
def test_environment_isa(name):
    assert printed("print(json.dumps(dr.get_isa()))", DELTARULE_ISA=name) == name


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DELTARULE_ISA", "sse9"),
        *(("DELTARULE_ISA", name) for name in NOT_HAD),
        ("DELTARULE_NUM_THREADS", "0"),
        ("DELTARULE_NUM_THREADS", "-2"),
        ("DELTARULE_NUM_THREADS", "many"),
        ("DELTARULE_NUM_THREADS", "1.5"),
        ("DELTARULE_EXACT_THREADS", "yes"),
    ],
)
def test_environment_that_cannot_be_honoured(variable, value):
    done = run("import deltarule", **{variable: value})
    assert done.returncode != 0
    assert "ImportError" in done.stderr and variable in done.stderr, done.stderr


STATE = "print(json.dumps([dr.get_num_threads(), dr.config()['exact_threads']]))"


@openmp
def test_environment_threads():
    assert printed(STATE, DELTARULE_NUM_THREADS="1") == [1, False]
    assert printed(STATE, DELTARULE_NUM_THREADS="5", DELTARULE_EXACT_THREADS="1") == [5, True]
    assert printed(STATE, DELTARULE_NUM_THREADS="", DELTARULE_EXACT_THREADS="0")[1] is False
    assert printed(STATE, OMP_NUM_THREADS="1") == [1, False]
    # ours is the more special
    both = {"OMP_NUM_THREADS": "1", "DELTARULE_NUM_THREADS": "3", "DELTARULE_EXACT_THREADS": "1"}
    assert printed(STATE, **both) == [3, True]


@openmp
@affinity
def test_affinity_mask():
    """A process on one core uses one thread, whether it was told before or after the import."""
    one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    assert printed(one + STATE) == [1, False]
    assert printed(one + "dr.set_num_threads(4)\n" + STATE) == [1, False]
    assert printed(one + "dr.set_num_threads(4, exact=True)\n" + STATE) == [4, True]


# ---------------------------------------------------------------------------------------- threads
@openmp
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_exactly_n_threads_run(n):
    """However small the work and however few the cores; results never depend on it."""
    dr.set_num_threads(1, exact=True)
    expected = _fit().parameters()
    assert _fast.last_team() == 1
    dr.set_num_threads(n, exact=True)
    assert dr.get_num_threads() == n and dr.config()["exact_threads"] is True
    got = _fit().parameters()
    assert _fast.last_team() == n
    assert {k: v.tobytes() for k, v in got.items()} == {
        k: v.tobytes() for k, v in expected.items()
    }


def test_tiny_work_stays_on_one_thread():
    dr.set_num_threads(None)
    _fit()
    assert _fast.last_team() == 1


def test_none_goes_back():
    dr.set_num_threads(None)
    automatic = dr.get_num_threads()
    dr.set_num_threads(1)
    assert dr.get_num_threads() == 1
    dr.set_num_threads(None)
    assert dr.get_num_threads() == automatic and dr.config()["exact_threads"] is False


@pytest.mark.parametrize(
    ("n", "exact", "error", "match"),
    [
        (0, False, ValueError, "n must be >= 1"),
        (-1, False, ValueError, "n must be >= 1"),
        (1 << 40, False, ValueError, "n must be"),
        (1.5, False, TypeError, "n must be an integer"),
        (True, False, TypeError, "n must be an integer"),
        ("2", False, TypeError, "n must be an integer"),
        (2, 1, TypeError, "exact must be True or False"),
        (None, True, ValueError, "exact"),
    ],
)
def test_set_num_threads_errors(n, exact, error, match):
    before = dr.get_num_threads(), dr.config()["exact_threads"]
    with pytest.raises(error, match=match):
        dr.set_num_threads(n, exact=exact)
    assert (dr.get_num_threads(), dr.config()["exact_threads"]) == before


@openmp
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_way_of_threadpoolctl():
    """It finds the OpenMP library among those loaded and calls omp_set_num_threads in it."""
    code = """
import ctypes
paths = {line.split()[-1] for line in open("/proc/self/maps") if "omp" in line and ".so" in line}
libraries = [ctypes.CDLL(path) for path in paths]
libraries = [l for l in libraries if hasattr(l, "omp_set_num_threads")]
assert len(libraries) == 1, paths
seen = [dr.get_num_threads()]
libraries[0].omp_set_num_threads(1)
seen.append(dr.get_num_threads())
libraries[0].omp_set_num_threads(seen[0])
seen.append(dr.get_num_threads())
print(json.dumps(seen))
"""
    before, inside, after = printed(code)
    assert inside == 1 and after == before


# --------------------------------------------------------------------------------- good neighbour
NEIGHBOUR = """
import json, signal, sys, threading, warnings
import numpy as np
np.random.seed(7)
def state():
    handlers = [str(signal.getsignal(s)) for s in sorted(signal.valid_signals())]
    random = [a.tolist() if hasattr(a, "tolist") else a for a in np.random.get_state()]
    filters = [str(f) for f in warnings.filters]
    return [handlers, np.geterr(), filters, random, sys.getrecursionlimit(),
            sys.getswitchinterval(), threading.active_count()]
before = state()
import deltarule as dr
imported = state()
""" + NET + """
fit()
if dr.config()["openmp"]:
    dr.set_num_threads(2, exact=True)
    fit()
after = state()
assert before == imported, "import has changed the process"
assert before == after, "fit has changed the process"
tiny = lambda: float((np.array([1e-310]) / 2)[0])
found = [tiny(), float(np.float32(1e-40) / np.float32(2))]
thread = threading.Thread(target=lambda: found.append(tiny()))
thread.start(); thread.join()
print(json.dumps(found))
"""


def test_good_neighbour():
    """Subnormals work in every thread; handlers, filters and numpy's settings are as they were."""
    done = run(NEIGHBOUR)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 3 and all(value != 0 for value in found), found
    assert done.stderr == ""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seconds", [0.0, 0.002])
def test_peak_is_a_rate(dtype: str, seconds: float) -> None:
    """Any processor does an operation in ten nanoseconds, and none a million in one."""
    assert 1e8 < _fast.peak(dtype, seconds) < 1e15
    for isa in filter(_fast.isa_supported, range(len(_fast.isa_names()))):
        assert 1e8 < _fast.peak(dtype, seconds, isa) < 1e15
    for isa in (-1, len(_fast.isa_names())):
        with pytest.raises(ValueError, match="not available"):
            _fast.peak(dtype, seconds, isa)
