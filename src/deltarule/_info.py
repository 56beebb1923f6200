"""``deltarule info``: what a bug report needs."""

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

import deltarule as dr

__all__ = ["aligned", "collect", "plain"]

_VARIABLES = ("DELTARULE_", "OMP_", "GOMP_", "OPENBLAS_NUM_", "MKL_NUM_")


def collect() -> dict[str, Any]:
    """`deltarule.config()`, and the processor, the packages and the variables that matter here."""
    values = dr.config()
    values["processor"] = _processor()
    values["cores"] = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        values["usable_cores"] = len(os.sched_getaffinity(0))
    try:
        values["tqdm"] = importlib.metadata.version("tqdm")
    except importlib.metadata.PackageNotFoundError:
        values["tqdm"] = "not installed"
    values["numpy_blas"] = _numpy_blas()
    values["environment"] = {
        name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
    }
    return values


def _processor() -> str:
    with (
        contextlib.suppress(OSError),
        open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def _numpy_blas() -> str:
    """What the reference multiplies with."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[part]) for part in ("name", "version") if part in blas) or "unknown"


def aligned(values: Mapping[str, object]) -> str:
    """One line a value, the values below one another."""
    width = max(len(name) for name in values)
    return "\n".join(f"{name:<{width}}  {plain(value)}" for name, value in values.items())


def plain(value: object) -> str:
    """A value as people write it: yes, no, none, a list without brackets."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items()) or "none"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(plain, value)) or "none"
    return str(value)
