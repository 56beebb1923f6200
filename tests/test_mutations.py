"""Bugs sown into a copy of the sources: each is caught by the test that is to (mutations.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mutants import MUTANTS, change
from .mutations import catch, with_tests
from .seeded_kernels import ROOT, Tree

# of C, of Cython, and of a few parts in Python; all of them: python -m tests.mutations
SOME = (
    "columns of a sparse batch forget the row",
    "a training does not wait for readers",
    "a file is not synced",
    "EarlyStopping has patience for one more",
    "each window goes on at its begin",
)


@pytest.mark.parametrize("bug", MUTANTS)
def test_there_is_something_to_break(bug: str, tmp_path: Path) -> None:
    """Each change still has its place in the sources, and its test is there."""
    mutant = MUTANTS[bug]
    path = tmp_path / mutant.file
    path.parent.mkdir(parents=True)
    path.write_bytes((ROOT / mutant.file).read_bytes())
    assert change(tmp_path, mutant) != path.read_text(encoding="utf-8")
    file, *function = mutant.test.split("::")
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert all(f"def {name}(" in text for name in function)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    return with_tests(tmp_path_factory.mktemp("mutated") / "tree")


@pytest.mark.slow
@pytest.mark.parametrize("bug", SOME)
def test_it_is_caught(bug: str, tree: Tree) -> None:
    assert catch(tree, MUTANTS[bug]), "it survives"
