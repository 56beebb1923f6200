"""Fixtures shared by all tests: every test of the Network runs on both backends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr

try:
    from hypothesis import settings
except ImportError:  # tests with it skip themselves
    pass
else:  # the same examples in each run of the suite; others by --hypothesis-profile=long
    settings.register_profile("short", max_examples=25, derandomize=True, deadline=None)
    settings.register_profile("long", max_examples=1_000, deadline=None, database=None)
    settings.load_profile("short")

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """Also where it is ignored, as in what a shell script runs in the background: tests send it to
    themselves and to processes that they start, which inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["reference", "fast"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_blobs(n: int = 96, n_in: int = 5, classes: int = 3, seed: int = 0) -> Data:
    """Well separated classes: X (n, n_in) float32, labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = rng.normal(0, 3, (classes, n_in))
    return (centres[labels] + rng.normal(0, 0.5, (n, n_in))).astype(np.float32), labels


@pytest.fixture
def blobs() -> Data:
    return make_blobs()


@pytest.fixture
def make_net(backend: str) -> Callable[..., dr.Network]:
    """A small classifier on 3 classes; every argument of Network may be replaced."""

    def make(**arguments: object) -> dr.Network:
        defaults: dict[str, object] = {
            "layers": [dr.Dense(7, activation="relu"), dr.Dense(3, activation="softmax")],
            "loss": "cross_entropy",
            "optimizer": dr.Adam(1e-2),
            "metrics": ["accuracy"],
            "backend": backend,
        }
        return dr.Network(**{**defaults, **arguments})

    return make


@pytest.fixture
def saved(
    make_net: Callable[..., dr.Network], blobs: Data, tmp_path: Path
) -> tuple[dr.Network, Path]:
    net = make_net()
    net.fit(*blobs, epochs=2, batch_size=10)
    net.save(tmp_path / "model.safetensors")
    return net, tmp_path / "model.safetensors"
