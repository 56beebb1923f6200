"""Builds the one extension module, deltarule._fast; everything else is in pyproject.toml.

The kernels are compiled once for each instruction set and dtype, with flags of their own, so that
one wheel runs on every processor. Environment variables of the build:

    DELTARULE_NO_OPENMP=1   build without OpenMP
    DELTARULE_DEBUG=1       -O0 -g and assertions
    DELTARULE_SANITIZE=1    address and undefined-behaviour sanitizers
    DELTARULE_COVERAGE=1    counters of branches (CC=clang)

Flags that decide over bits: -ffp-contract=off (the compiler must not fuse what the source did not)
and never -ffast-math, -Ofast or -march=native, at the link either: there they would switch the
whole process to flushing subnormals.
"""

import os
import platform
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
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
                     "-fno-trapping-math", "-Wall", "-Wextra", "-Wconversion", "-Wshadow"]
    link_flags: list[str] = []
    if switch("DEBUG"):
        compile_flags += ["-O0", "-g", "-UNDEBUG"]
    elif switch("SANITIZE") or switch("COVERAGE"):
        compile_flags += ["-O1", "-g", "-fno-omit-frame-pointer"]
    else:
        compile_flags += ["-O3", "-g0", "-DNDEBUG"]
    for name, extra in (("SANITIZE", ["-fsanitize=address,undefined", "-fno-sanitize-recover"]),
                        # the last two let killed processes and their children count, too
                        ("COVERAGE", ["-fprofile-instr-generate", "-fcoverage-mapping",
                                      "-mllvm", "-runtime-counter-relocation"])):
        if switch(name):
            compile_flags += extra
            link_flags += extra
    return compile_flags, link_flags


def changed(target: str) -> bool:
    """Whether this object is older than something that it is made of, by the compiler's own list
    (-MMD), or than the flags in this file."""
    listed = Path(target).with_suffix(".d")
    if not listed.exists():
        return True
    parts = listed.read_text().replace("\\\n", " ").split(": ", 1)[1].split()
    return newer_group([*parts, __file__], target, missing="newer")


class BuildExt(build_ext):
    """build_ext that probes OpenMP and compiles each C source by itself, side by side, with flags
    of its own, where something that it is made of has changed."""

    def build_extension(self, ext: Extension) -> None:
        (module,) = cythonize([ext], force=self.force, quiet=not self.verbose)
        compile_flags, link_flags = flags()
        openmp = [] if switch("NO_OPENMP") or not self.has_openmp() else ["-fopenmp"]
        print(f"deltarule: OpenMP {'found' if openmp else 'not used'}", file=sys.stderr)
        isas = ISAS.get(platform.machine(), {"generic": []})
        have = [(f"DR_HAVE_{isa.upper()}", None) for isa in isas]
        core = [str(path) for room in ROOMS for path in sorted((CSRC / room).glob("*.c"))]
        # The longest first. Cython's own C is not ours to warn about.
        sources = {source: ["-w"] for source in module.sources}
        sources |= {str(CSRC / "isa" / f"{isa}_{dtype}.c"): isa_flags
                    for isa, isa_flags in reversed(isas.items()) for dtype in ("f32", "f64")}
        sources |= dict.fromkeys(core, openmp)
        # Objects of each compiler and of each set of switches lie in a folder of their own. Not in
        # build_temp: an editable install would throw them away.
        told = repr((sys.version, self.compiler.compiler_so, compile_flags, openmp, have)).encode()
        folder = str(Path("build", f"objects-{zlib.crc32(told):08x}"))

        def compiled(source: str) -> str:
            (target,) = self.compiler.object_filenames([source], output_dir=folder)
            if self.force or changed(target):
                self.compiler.compile(
                    [source], output_dir=folder, macros=[*ext.define_macros, *have],
                    include_dirs=ext.include_dirs,
                    extra_postargs=[*compile_flags, *sources[source], "-MMD"])
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ext.extra_objects = list(pool.map(compiled, sources))
        ext.sources = []
        ext.extra_link_args = link_flags + openmp
        self.force = True  # what was linked before may have other switches
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


setup(
    ext_modules=[Extension(
        "deltarule._fast", ["src/deltarule/_fast.pyx"], include_dirs=[str(CSRC)],
        define_macros=[("Py_LIMITED_API", hex(LIMITED_API))], py_limited_api=True,
    )],
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
