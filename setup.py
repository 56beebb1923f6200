"""Builds the one extension module, deltarule._fast; everything else is in pyproject.toml.

The kernels are compiled once for each instruction set and dtype, with flags of their own, so that
one wheel runs on every processor. Environment variables of the build:

    DELTARULE_NO_OPENMP=1   build without OpenMP
    DELTARULE_DEBUG=1       -O0 -g and assertions
    DELTARULE_SANITIZE=1    address and undefined-behaviour sanitizers
    DELTARULE_COVERAGE=1    gcov counters

Flags that decide over bits: -ffp-contract=off (the compiler must not fuse what the source did not)
and never -ffast-math, -Ofast or -march=native, at the link either: there they would switch the
whole process to flushing subnormals.
"""

import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError
from setuptools.modified import newer_group

LIMITED_API = 0x030B0000  # Python 3.11

CSRC = Path("csrc")
ROOMS = [".", "ops", "network", "network/nodes"]

# Instruction sets by machine, each with its own flags.
ISAS: dict[str, dict[str, list[str]]] = {
    "x86_64": {
        "generic": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma",
                   "-mprefer-vector-width=512"],
    },
    "aarch64": {"generic": [], "neon": []},
}
ISAS["AMD64"] = ISAS["x86_64"]
ISAS["arm64"] = ISAS["aarch64"]


def switch(name: str) -> bool:
    return os.environ.get(f"DELTARULE_{name}", "0") not in ("", "0")


def flags() -> tuple[list[str], list[str]]:
    """Flags of every compilation, and of the link."""
    compile_flags = ["-std=c11", "-fvisibility=hidden", "-ffp-contract=off", "-fno-math-errno",
                     "-fno-trapping-math", "-Wall", "-Wextra"]
    link_flags: list[str] = []
    if switch("DEBUG"):
        compile_flags += ["-O0", "-g", "-UNDEBUG"]
    elif switch("SANITIZE") or switch("COVERAGE"):
        compile_flags += ["-O1", "-g", "-fno-omit-frame-pointer"]
    else:
        compile_flags += ["-O3", "-g0", "-DNDEBUG"]
    for name, extra in (("SANITIZE", ["-fsanitize=address,undefined", "-fno-sanitize-recover"]),
                        ("COVERAGE", ["--coverage"])):
        if switch(name):
            compile_flags += extra
            link_flags += extra
    return compile_flags, link_flags


class BuildExt(build_ext):
    """build_ext that compiles each group of C sources with its own flags and probes OpenMP."""

    def build_extension(self, ext: Extension) -> None:
        built = self.get_ext_fullpath(ext.name)
        in_place = self.inplace and not self.editable_mode
        if in_place and not (
            self.force or newer_group([*ext.sources, *ext.depends, __file__], built)
        ):
            return
        self.force = True  # what another build has left in build/ may have other switches
        compile_flags, link_flags = flags()
        openmp = [] if switch("NO_OPENMP") or not self.has_openmp() else ["-fopenmp"]
        print(f"deltarule: OpenMP {'found' if openmp else 'not used'}", file=sys.stderr)
        isas = ISAS.get(platform.machine(), {"generic": []})
        have = [(f"DR_HAVE_{isa.upper()}", None) for isa in isas]
        core = [path for room in ROOMS for path in sorted((CSRC / room).glob("*.c"))]
        groups = [([CSRC / "isa" / f"{isa}_{dtype}.c"], isa_flags)
                  for isa, isa_flags in isas.items() for dtype in ("f32", "f64")]
        groups.append((core, openmp))

        def compile_group(group: tuple[list[Path], list[str]]) -> list[str]:
            sources, extra = group
            return self.compiler.compile(
                [str(path) for path in sources], output_dir=self.build_temp, macros=have,
                include_dirs=[str(CSRC)], extra_postargs=compile_flags + extra,
                depends=ext.depends)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = [o for group in pool.map(compile_group, groups) for o in group]
        ext.extra_objects = objects
        # Cython's own C is not ours to warn about.
        ext.extra_compile_args = [*compile_flags, "-Wno-unused-parameter", "-Wno-sign-compare",
                                  "-Wno-missing-field-initializers", "-Wno-cast-function-type"]
        ext.extra_link_args = link_flags + openmp
        super().build_extension(ext)

    def has_openmp(self) -> bool:
        """Whether the compiler has OpenMP with omp_pause_resource_all (gcc 9, clang 9): without
        that, a forked child would hang."""
        program = ("#include <omp.h>\n"
                   "int main(void) { return omp_pause_resource_all(omp_pause_hard) != 0; }\n")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(program)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder,
                                                extra_postargs=["-fopenmp"])
                self.compiler.link_executable(objects, str(Path(folder, "probe")),
                                              extra_postargs=["-fopenmp"])
            except (CompileError, LinkError):
                return False
        return True


# What the module is rebuilt for.
csrc = [str(path) for path in sorted(CSRC.rglob("*.*"))]
setup(
    ext_modules=[Extension(
        "deltarule._fast", ["src/deltarule/_fast.pyx"], include_dirs=[str(CSRC)],
        define_macros=[("Py_LIMITED_API", hex(LIMITED_API))], py_limited_api=True,
        depends=[*csrc, *map(str, sorted(Path("src/deltarule/_fast").glob("*.pxi")))],
    )],
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
