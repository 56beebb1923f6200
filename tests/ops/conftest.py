"""Every test of an operation runs on each instruction set that this processor has."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

import deltarule as dr

from .sizes import first_difference

Run = Callable[[], Iterable[bytes]]
ISAS = [name for name, supported in dr.config()["isas"].items() if supported]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """The instruction set of the test id, in force during the test."""
    before = dr.get_isa()
    dr.set_isa(request.param)
    try:
        assert dr.get_isa() == dr.config()["isa"] == request.param
        yield request.param
        assert dr.get_isa() == request.param, "the test has changed the instruction set"
    finally:
        dr.set_isa(before)


@pytest.fixture(params=["float32", "float64"], ids=["f32", "f64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bits_on_every_isa() -> Callable[[Run, Sequence[object]], None]:
    """Runs a generator of digests, one a size, on every instruction set that promises the same
    bits, and asserts that they are."""

    def compare(run: Run, sizes: Sequence[object]) -> None:
        before, digests = dr.get_isa(), {}
        try:
            for name in ISAS:
                dr.set_isa(name)
                if dr.config()["same_bits"]:
                    digests[name] = list(run())
        finally:
            dr.set_isa(before)
        first, *others = digests or [None]
        for other in others:
            size = first_difference(digests[first], digests[other], sizes)
            assert not size, f"{first} and {other} differ, first at size {size}"

    return compare
