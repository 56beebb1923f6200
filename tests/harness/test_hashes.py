"""The same bits from the same sources, compiled for other processors, by another compiler and with
several threads; and what compilers and sanitizers find in the sources.

A C program (hashes.c and networks.c) runs products, activations, losses, optimizer steps and small
trainings through the core and prints a hash of each; AVX-512, AVX2, portable C with FMA on x86-64,
and portable C and NEON on aarch64 (under qemu) must print the same lines. So must threads, watched
by ThreadSanitizer (races.c: what several threads do at once), and no memory may be lost.

Needs gcc, clang, libomp, aarch64-linux-gnu-gcc and qemu-aarch64, and fails without them: marked
`cross`, run by .ci/run, which installs them.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.cross

ROOT = Path(__file__).parents[2]
CSRC, HARNESS = ROOT / "csrc", Path(__file__).parent
FLAGS = ("-O2 -std=c11 -Wall -Wextra -Wconversion -Wshadow -Werror -ffp-contract=off "
         "-fno-math-errno -fno-trapping-math")  # fmt: skip
ISA_FLAGS = {
    "generic": "",
    "neon": "",
    "avx2": "-mavx2 -mfma",
    "avx512": "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma",
}
X86, ARM = ["generic", "avx2", "avx512"], ["generic", "neon"]
QEMU = ["qemu-aarch64"]
# clang: gcc's OpenMP is a stranger to ThreadSanitizer, and its barriers look like races
TSAN = "-mfma -fopenmp -O1 -g -fsanitize=thread -DNDEBUG"
# name: compiler, its flags, the instruction sets compiled in, what runs the program
PROGRAMS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "gcc": ("gcc", "-DDR_HAVE_AVX2", X86, []),
    "gcc portable": ("gcc", "-mfma -fopenmp -fsanitize=leak", ["generic"], []),
    "clang": ("clang", "-DDR_HAVE_AVX2", X86, []),
    "clang portable": ("clang", "-mfma", ["generic"], []),
    "aarch64": ("aarch64-linux-gnu-gcc", "-DDR_HAVE_NEON", ARM, QEMU),
    "clang threads": ("clang", TSAN, ["generic"], []),
}
# name: the program, the instruction set that it takes
RUNS = {
    "gcc avx512": ("gcc", "avx512"),
    "gcc avx2": ("gcc", "avx2"),
    "gcc portable": ("gcc portable", "generic"),
    "clang avx512": ("clang", "avx512"),
    "clang avx2": ("clang", "avx2"),
    "clang portable": ("clang portable", "generic"),
    "aarch64 neon": ("aarch64", "neon"),
    "aarch64 portable": ("aarch64", "generic"),
}


def run(*command: str | Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr[-8000:]}"
    return done.stdout


OTHERS = {HARNESS / "team.c", HARNESS / "shim.c"}  # programs of other tests


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a program, once."""

    @cache
    def build(name: str) -> Path:
        compiler, flags, isas, launcher = PROGRAMS[name]
        for tool in (compiler, *launcher):
            if shutil.which(tool) is None:
                pytest.fail(f"{tool} is not installed; see docs/contributing.md")
        folder = tmp_path_factory.mktemp("build")
        sources = [(CSRC / "isa" / f"{isa}_{dtype}.c", ISA_FLAGS[isa])
                   for isa in reversed(isas) for dtype in ("f32", "f64")]  # fmt: skip
        rooms = [*(CSRC / room for room in (".", "ops", "network", "network/nodes")), HARNESS]
        sources += [(path, "") for room in rooms for path in sorted(room.glob("*.c"))
                    if path not in OTHERS]  # fmt: skip

        def compiled(number: int) -> Path:
            source, own = sources[number]
            target = folder / f"{number}.o"
            arguments = [*FLAGS.split(), *flags.split(), *own.split(), f"-I{CSRC}"]
            run(compiler, *arguments, "-c", source, "-o", target)
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, range(len(sources))))
        options = ["-static"] if launcher else []
        run(compiler, *flags.split(), *options, *objects, "-lm", "-o", folder / "hashes")
        return folder / "hashes"

    return build


@pytest.fixture(scope="session")
def hashes(program: Callable[[str], Path]) -> Callable[[str], list[str]]:
    """The lines that a run prints; each is made once."""

    @cache
    def compute(name: str) -> list[str]:
        built, isa = RUNS[name]
        return run(*PROGRAMS[built][-1], program(built), isa).splitlines()

    return compute


def test_the_program_hashes_what_it_claims(hashes: Callable[[str], list[str]]) -> None:
    lines = hashes("gcc avx2")
    operations = ("forward", "backward", "activation", "function", "batch_norm", "layer_norm",
                  "loss", "noise", "optimizer", "cholesky", "squares", "penalty", "clip",
                  "constraint", "average", "prelu")  # fmt: skip
    for what in (*operations, "input", "training", "branches"):
        for dtype in ("float32", "float64"):
            chosen = [line for line in lines if line.startswith(f"{what} ") and dtype in line]
            found = {line.split()[-1] for line in chosen}
            assert len(found) > 1, f"{what} {dtype}: all hashes are equal, or there are none"


@pytest.mark.parametrize("name", [name for name in RUNS if name != "gcc avx2"])
def test_same_bits(name: str, hashes: Callable[[str], list[str]]) -> None:
    if name.endswith("avx512") and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX-512")
    expected, got = hashes("gcc avx2"), hashes(name)
    differing = [f"{a}  {b.split()[-1]}" for a, b in zip(expected, got, strict=True) if a != b]
    assert not differing, f"{len(differing)} of {len(got)} differ:\n" + "\n".join(differing[:20])


def test_threads_race_nowhere(
    program: Callable[[str], Path], hashes: Callable[[str], list[str]]
) -> None:
    """ThreadSanitizer, which libomp tells of its own barriers (Archer), reports nothing; and three
    threads compute the bits of one."""
    archer = run("sh", "-c", "find /usr/lib -name libarcher.so | sort | tail -n 1").strip()
    assert archer, "libomp's libarcher.so is not installed; see docs/contributing.md"
    out = run(
        program("clang threads"), "generic", "3",
        TSAN_OPTIONS="ignore_noninstrumented_modules=1:halt_on_error=1",
        OMP_TOOL_LIBRARIES=archer, ARCHER_OPTIONS="verbose=1",
    )  # fmt: skip
    said = [line for line in out.splitlines() if not line.startswith("Archer")]
    assert said == hashes("gcc avx2")


def test_nothing_leaks(program: Callable[[str], Path], hashes: Callable[[str], list[str]]) -> None:
    """Of thousands of trainings, nor of their threads: LeakSanitizer makes it an error."""
    assert run(program("gcc portable"), "generic", "2").splitlines() == hashes("gcc avx2")


def test_the_analyzer_finds_nothing(tmp_path: Path) -> None:
    """gcc -fanalyzer: paths on which memory is lost, used after it is freed, or not checked."""
    rooms = (CSRC / room for room in (".", "ops", "network", "network/nodes"))
    sources = [path for room in rooms for path in sorted(room.glob("*.c"))]

    def analyze(source: Path) -> None:
        run("gcc", *FLAGS.split(), "-fopenmp", "-fanalyzer", f"-I{CSRC}", "-c", source, "-o",
            tmp_path / f"{source.stem}.o")  # fmt: skip

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(analyze, sources))
