"""The fuzzer by itself: a short run of each target, the same each time, and bugs that it finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltarule import _header, _state

from . import seeds
from .loop import Finding, Fuzzer, Last
from .targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_short_run(name: str, tmp_path: Path) -> None:
    """Sound files, the corpus, and some hundreds that are made of them."""
    fuzzer = Fuzzer(name, TARGETS[name], seed=1)
    last = Last(tmp_path / "last")
    fuzzer.run(len(fuzzer.start) + 500, last=last)
    assert len(fuzzer.outcomes) > 15
    assert Last.read(tmp_path / "last")


def test_sound_files_load() -> None:
    for data in seeds.models():
        assert TARGETS["model"].run(data).startswith("loaded")


BUGS = {
    "arrays are not compared": ("model", _state, "check_arrays", lambda *arguments: None),
    "-0 is a size": ("header", _header, "_integer", int),
}


@pytest.mark.parametrize("bug", BUGS)
def test_bugs_are_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *where = BUGS[bug]
    monkeypatch.setattr(*where)
    with pytest.raises(Finding):
        Fuzzer(name, TARGETS[name], seed=1).run(20_000)
