"""The same bits from the same sources, compiled for other processors and by another compiler.

A C program (hashes.c) runs products, activations, losses, optimizer steps and small trainings
through the core and prints a hash of each; AVX-512, AVX2, portable C with FMA on x86-64, and
portable C and NEON on aarch64 (under qemu) must print the same lines.

Needs gcc, clang, aarch64-linux-gnu-gcc and qemu-aarch64, and fails without them: marked `cross`,
run by .ci/run, which installs them.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.cross

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
FLAGS = "-O2 -std=c11 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -fno-trapping-math"
ISA_FLAGS = {
    "generic": "",
    "neon": "",
    "avx2": "-mavx2 -mfma",
    "avx512": "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma",
}
QEMU = ["qemu-aarch64"]
# name: compiler, flags for all files, instruction sets compiled in, the one that runs, launcher
BUILDS: dict[str, tuple[str, str, list[str], str, list[str]]] = {
    "gcc avx512": ("gcc", "-DDR_HAVE_AVX2", ["generic", "avx2", "avx512"], "avx512", []),
    "gcc avx2": ("gcc", "-DDR_HAVE_AVX2", ["generic", "avx2", "avx512"], "avx2", []),
    "gcc portable": ("gcc", "-mfma", ["generic"], "generic", []),
    "clang avx512": ("clang", "-DDR_HAVE_AVX2", ["generic", "avx2", "avx512"], "avx512", []),
    "clang avx2": ("clang", "-DDR_HAVE_AVX2", ["generic", "avx2", "avx512"], "avx2", []),
    "clang portable": ("clang", "-mfma", ["generic"], "generic", []),
    "aarch64 neon": (
        "aarch64-linux-gnu-gcc", "-static -DDR_HAVE_NEON", ["generic", "neon"], "neon", QEMU,
    ),
    "aarch64 portable": (
        "aarch64-linux-gnu-gcc", "-static -DDR_HAVE_NEON", ["generic", "neon"], "generic", QEMU,
    ),
}  # fmt: skip


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def hashes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """The lines that a build prints; each build is made once."""
    lines: dict[str, list[str]] = {}

    def compute(name: str) -> list[str]:
        if name in lines:
            return lines[name]
        compiler, flags, isas, isa, launcher = BUILDS[name]
        for tool in (compiler, *launcher):
            if shutil.which(tool) is None:
                pytest.fail(f"{tool} is not installed; see docs/contributing.md")
        folder = tmp_path_factory.mktemp("build")
        base = [*FLAGS.split(), *flags.split(), f"-I{CSRC}"]
        objects = []
        for built in isas:
            for dtype in ("f32", "f64"):
                objects.append(folder / f"{built}_{dtype}.o")
                source = CSRC / "isa" / f"{built}_{dtype}.c"
                arguments = [*base, *ISA_FLAGS[built].split(), "-c", source, "-o", objects[-1]]
                run(compiler, *[a for a in arguments if a != "-static"])
        rooms = (".", "ops", "network", "network/nodes")
        core = [path for room in rooms for path in sorted((CSRC / room).glob("*.c"))]
        program = folder / "hashes"
        main = Path(__file__).with_name("hashes.c")
        run(compiler, *base, *core, main, *objects, "-lm", "-o", program)
        lines[name] = run(*launcher, program, isa).splitlines()
        return lines[name]

    return compute


def test_the_program_hashes_what_it_claims(hashes: Callable[[str], list[str]]) -> None:
    lines = hashes("gcc avx2")
    operations = ("forward", "backward", "activation", "function", "batch_norm", "layer_norm",
                  "loss", "noise", "optimizer", "cholesky", "squares", "penalty", "clip",
                  "constraint", "prelu")  # fmt: skip
    for what in (*operations, "input", "training"):
        for dtype in ("float32", "float64"):
            chosen = [line for line in lines if line.startswith(f"{what} ") and dtype in line]
            found = {line.split()[-1] for line in chosen}
            assert len(found) > 1, f"{what} {dtype}: all hashes are equal, or there are none"


@pytest.mark.parametrize("name", [name for name in BUILDS if name != "gcc avx2"])
def test_same_bits(name: str, hashes: Callable[[str], list[str]]) -> None:
    if name.endswith("avx512") and "avx512f" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX-512")
    expected, got = hashes("gcc avx2"), hashes(name)
    differing = [f"{a}  {b.split()[-1]}" for a, b in zip(expected, got, strict=True) if a != b]
    assert not differing, f"{len(differing)} of {len(got)} differ:\n" + "\n".join(differing[:20])
