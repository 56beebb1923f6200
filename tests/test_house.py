"""The rules of the house, read from the tree as text: what a reviewer would have to look for."""

import ast
import inspect
import re
import sys
import tomllib
from pathlib import Path

import pytest

from deltarule import ops, reference

ROOT = Path(__file__).resolve().parents[1]
CSRC, PACKAGE = ROOT / "csrc", ROOT / "src" / "deltarule"
REFERENCE = PACKAGE / "reference"

# Kernels that are operations of their own; the rest of csrc/kernels serves them.
OPERATIONS = ("activation", "average", "batch_norm", "cholesky", "clip", "constraint", "dense",
              "layer_norm", "loss", "noise", "optimizer", "penalty", "prelu")  # fmt: skip
HELPERS = ("cross_entropy", "elementary", "jacobian", "kernels", "math", "normal", "panels", "peak",
           "philox", "softmax", "sparse")  # fmt: skip

C_FILES = sorted(p for p in CSRC.rglob("*") if p.suffix in (".c", ".h", ".inc"))
CYTHON = [PACKAGE / "_fast.pyx", *sorted((PACKAGE / "_fast").glob("*.pxi"))]
PYTHON = sorted(p for room in (ROOT / "src", ROOT / "tests", ROOT / "benchmarks")
                for p in room.rglob("*.py") if "__pycache__" not in p.parts)
CODE = [*C_FILES, *CYTHON, *PYTHON, PACKAGE / "_fast.pyi", ROOT / "setup.py"]
THIS = Path(__file__).resolve()


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_comments(path: Path) -> str:
    """C without comments, Python and Cython without what follows #; lines stay where they are."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".c", ".h", ".inc"):
        text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL)
        return re.sub(r"//[^\n]*", "", text)
    return re.sub(r"#[^\n]*", "", text)


def found(pattern: str, paths: list[Path], *, comments: bool = False) -> list[str]:
    """"file:line" of every match."""
    hits = []
    for path in paths:
        text = path.read_text(encoding="utf-8") if comments else without_comments(path)
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{name(path)}:{number}")
    return hits


# ---------------------------------------------------------------------------- one stem everywhere
def test_every_kernel_file_is_known():
    stems = {p.stem for p in (CSRC / "kernels").glob("*.inc")}
    assert stems == {*OPERATIONS, *HELPERS}, "name a new kernel file in OPERATIONS or HELPERS here"


@pytest.mark.parametrize("stem", [*OPERATIONS, "random"])
def test_one_stem_everywhere(stem):
    wanted = [
        f"csrc/ops/{stem}.c",
        f"src/deltarule/_fast/{stem}.pxi",
        f"src/deltarule/reference/{stem}.py",
        f"tests/ops/test_{stem}.py",
        f"tests/reference/test_{stem}.py",
        f"benchmarks/bench_{stem}.py",
    ]
    missing = [path for path in wanted if not (ROOT / path).is_file()]
    assert not missing, f"{stem} is an operation and needs {', '.join(missing)}"


def test_every_reference_has_its_tests():
    others = {"__init__", "ledger", "linearize", "nodes", "normal", "plan", "rows", "run",
              "state"}
    stems = {p.stem for p in REFERENCE.glob("*.py")} - others
    missing = [s for s in sorted(stems) if not (ROOT / "tests" / "ops" / f"test_{s}.py").is_file()]
    assert not missing, f"write tests/ops/test_X.py for {missing}"


# ------------------------------------------------------------------------------------ rooms of C
def test_kernels_start_no_threads_and_allocate_nothing():
    hits = found(r"\bomp\b|\bomp_|malloc|alloc\b|alloc\(|\bfree\(|dr_parallel",
                 sorted((CSRC / "kernels").iterdir()))
    assert not hits, f"threads and memory belong to csrc/ops and csrc/network: {hits}"


def test_c_knows_no_python():
    hits = found(r"Python\.h|\bPy[A-Z_]\w*|numpy/", C_FILES)
    assert not hits, f"everything that needs Python belongs to src/deltarule/_fast: {hits}"


def test_intrinsics_only_in_simd():
    others = [p for p in C_FILES if p != CSRC / "simd.h" and p.parent != CSRC / "simd"]
    hits = found(r"\b_mm\d*_|\b__m(128|256|512|mask)|immintrin|arm_neon|\bv\w+q_f(32|64)\b", others)
    assert not hits, f"give the intrinsic a name in csrc/simd.h and use that: {hits}"


def test_openmp_only_in_threads():
    hits = found(r"\bomp\b|\bomp_|<omp\.h>|_OPENMP", [p for p in C_FILES if p.name != "threads.c"])
    assert not hits, f"use dr_parallel_run and dr_barrier_wait of csrc/threads.h: {hits}"


def test_no_hidden_state():
    """What outlives a call is an atomic setting or counter, one thread's own, or a constant."""
    static = r"^\s*static (?!.*(\(|\bconst\b|\batomic_|_Thread_local))"
    assert found(static, C_FILES) == [], "const, atomic_ or _Thread_local: threads share the rest"
    variable = r"^cdef (?!(class|extern)\b)[^(]*\b(?!_[A-Z_]+ =)\w+ ="
    assert found(variable, CYTHON) == [], "a constant, whose name is written large"
    code = [*CYTHON, *(p for p in PYTHON if PACKAGE in p.parents)]
    assert found(r"^\s*global \w", code) == []


def test_memory_only_in_memory():
    pattern = r"\b(aligned_alloc|malloc|calloc|realloc|posix_memalign|alloca|free|_mm_malloc)\("
    hits = found(pattern, [p for p in C_FILES if p.name != "memory.c"])
    assert not hits, f"use dr_alloc and dr_free, which align, clear and count: {hits}"


def test_isa_files_hold_no_algorithms():
    for path in (CSRC / "isa").glob("*"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 6, f"{name(path)}: algorithms belong to csrc/kernels"
        assert all(line.startswith("#") for line in lines if line), name(path)


@pytest.mark.parametrize("room", ["kernels", "ops", "network", "simd"])
def test_c_calls_only_downwards(room):
    """kernels/ include no ops/, ops/ no network/."""
    above = {"kernels": "ops|network|memory|threads", "ops": "network", "network": "-",
             "simd": "ops|network|kernels|memory|threads"}[room]
    hits = found(rf'#include "({above})\b', sorted((CSRC / room).rglob("*.*")))
    assert not hits, f"a file calls only downwards: {hits}"


def test_every_slot_of_the_kernel_table_is_filled():
    """A missing one would be a null pointer that is called."""
    header = without_comments(CSRC / "kernels" / "kernels.h")
    struct = re.search(r"typedef struct \{((?:(?!typedef).)*?)\} dr_kernels;", header, re.DOTALL)
    assert struct, "where is the table in kernels.h?"
    slots = re.findall(r"\(\*(\w+)(?:\[(\w+)\])?\)", struct[1])
    assert len(slots) > 8
    table = (CSRC / "kernels" / "kernels.inc").read_text(encoding="utf-8")
    enums = "".join(without_comments(CSRC / f"{part}.h") for part in ("deltarule", "optimizer"))
    for slot, count in slots:
        entry = re.search(rf"\.{slot} = (\{{[^}}]*\}}|\w+)", table)
        assert entry, f"kernels.inc does not fill .{slot}"
        if not count:
            continue
        members = re.search(rf"typedef enum \{{([^}}]*)\b{count}\b", enums)
        assert members, f"where is the enum that ends with {count}?"
        for member in re.findall(r"\b(DR_\w+)", members[1]):
            assert re.search(rf"\[{member}\] = \w+", entry[1]), f".{slot} lacks [{member}]"


# ------------------------------------------------------------------------------- names and flags
def test_only_config_names_instruction_sets():
    paths = [p for p in (*CYTHON, *PACKAGE.rglob("*.py"), PACKAGE / "_fast.pyi")
             if p != PACKAGE / "config.py"]
    hits = found(r"(?i)\b(avx\w*|sse\d\w*|neon|sve)\b", paths, comments=True)
    assert not hits, f"above csrc/ nobody knows an instruction set by name: {hits}"


def test_no_flags_that_change_numbers():
    """They may be named to be forbidden: in comments and docstrings, with a "never" close by."""
    pattern = "-ffast-" + r"math|-Ofa" + r"st\b|-march=na" + "tive|-funsafe-" + "math"
    places = [*CODE, *ROOT.glob("*.toml"), *ROOT.glob("*.cfg"), *ROOT.glob("*.in"),
              *(ROOT / ".github").rglob("*.y*ml")]
    for path in places:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(pattern, text):
            near = re.split(r"(?<=[.:;])\s+[A-Z]", text[max(0, match.start() - 250) : match.end()])
            forbids = re.search(r"(?i)\b(never|no|not|without)\b", near[-1])
            line = text.count("\n", 0, match.start()) + 1
            assert forbids, f"{name(path)}:{line}: {match[0]} changes results; take it out"


def test_flags_are_forbidden_in_fact():
    """Of setup.py the strings that are flags, not the docstring."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    strings = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)
               and isinstance(n.value, str) and n.value != ast.get_docstring(tree, clean=False)}
    bad = [s for s in strings if re.match(r"-(ffast|Ofast|march|funsafe|fassociative|mdaz)", s)]
    assert not bad, f"take {bad} out of the build"
    assert "-ffp-contract=off" in strings, "without it the compiler fuses what it likes"


def test_files_fit_a_head():
    long = {name(p): n for p in CODE if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert not long, f"split these: more than 400 lines in {long}"


def test_nothing_is_left_to_do():
    words = "TO" + "DO|FIX" + "ME|XX" + r"X\b|#if " + "0"
    hits = found(words, CODE, comments=True)
    assert not hits, f"finish it or file an issue: {hits}"


# ---------------------------------------------------------------------------------- the reference
def test_reference_imports_only_numpy():
    allowed = {"numpy", *sys.stdlib_module_names}
    for path in REFERENCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                bad = [a.name for a in node.names if a.name.split(".")[0] not in allowed]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                bad = [] if (node.module or "").split(".")[0] in allowed else [node.module]
            elif isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module] if node.module else [a.name for a in node.names]
                known = ("_graph", "_scalar", "losses", "optimizers")
                bad = [n for n in names if n not in known and n[:6] != "_check"]
            else:
                continue
            assert not bad, f"{name(path)} imports {bad}: the reference is numpy only"


def test_reference_and_ops_are_one_interface():
    assert sorted(reference.__all__) == sorted(ops.__all__), "the same names in both"
    for function in reference.__all__:
        fast, slow = (inspect.signature(getattr(m, function)) for m in (ops, reference))
        assert [(p.name, p.kind, p.default) for p in fast.parameters.values()] == [
            (p.name, p.kind, p.default) for p in slow.parameters.values()
        ], f"{function}: give both the same arguments"
        assert getattr(reference, function).__doc__, f"say what {function} computes"


def test_binding_is_typed():
    """Every function of the binding in its .pyi, and the reverse."""
    defined = {m for p in CYTHON for m in re.findall(r"^def (\w+)", p.read_text("utf-8"), re.M)}
    typed = set(re.findall(r"^def (\w+)", (PACKAGE / "_fast.pyi").read_text("utf-8"), re.M))
    assert {d for d in defined if not d.startswith("_")} == typed


# --------------------------------------------------------------------------------- what is written
VARIABLE = r"\bDELTARULE_[A-Z][A-Z_]*[A-Z]\b"


def _used_variables() -> set[str]:
    text = "\n".join(p.read_text(encoding="utf-8") for p in (*PACKAGE.rglob("*.py"), *CYTHON))
    text += "\n".join(p.read_text(encoding="utf-8") for p in C_FILES if "getenv" in p.read_text())
    used = set(re.findall(VARIABLE, text))
    build = (ROOT / "setup.py").read_text(encoding="utf-8")
    switches = re.findall(r'switch\("(\w+)"\)|^ *(?:for .* in )?\(+"(\w+)", \[', build, re.M)
    return used | {f"DELTARULE_{a or b}" for a, b in switches}


def _documents() -> list[Path]:
    return [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if p.is_file()]


def test_environment_variables_are_documented():
    build = ast.get_docstring(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))) or ""
    written = set(re.findall(VARIABLE, build))
    for path in _documents():
        written |= set(re.findall(VARIABLE, path.read_text(encoding="utf-8")))
    used = _used_variables()
    assert used - written == set(), "describe these in README.md or docs/"
    assert written - used == set(), "nothing reads these: take them out of the documents"


def test_where_to_change_something_exists():
    """Of the README's table: every `path` in it, with X, <isa> and the like for any one name."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^#+ [^\n]*[Ww]here to change.*?(?=^#|\Z)", text, re.M | re.S)
    assert section, "the README needs its table 'where to change something'"
    rows = [line for line in section[0].splitlines() if line.startswith("|")]
    assert len(rows) > 4
    paths = [p for row in rows for p in re.findall(r"`([\w./<>*{}-]+)`", row)
             if "/" in p or re.search(r"\.(c|h|inc|py|pyx|pxi|pyi|md|toml)$", p)]
    assert paths
    for path in paths:
        pattern = re.sub(r"<\w+>|\bX\b|(?<=_)X(?=\b|\.)|\{\w+\}", "*", path).strip("/")
        rooms = ("", "src/deltarule/", "csrc/", "src/")
        assert any(any(ROOT.glob(room + pattern)) for room in rooms), f"README names {path}: gone"


def test_this_file_reads_the_tree():
    """A wrong ROOT would make every rule above pass on nothing."""
    assert len(C_FILES) > 20 and len(CYTHON) > 5 and THIS in PYTHON
    assert {"deltarule.h", "simd.h", "kernels.inc"} <= {p.name for p in C_FILES}


def test_every_package_is_installed():
    """setuptools is told their names."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    folders = {p.parent.relative_to(PACKAGE.parent) for p in PACKAGE.rglob("__init__.py")}
    assert set(listed["packages"]) == {".".join(folder.parts) for folder in folders}
