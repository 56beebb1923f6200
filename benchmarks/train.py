"""Training steps of all systems, of many networks, and predictions: the races of cases.py."""

from __future__ import annotations

from collections.abc import Iterable

from . import report
from .cases import MANY, PREDICT, TRAIN, Case
from .peers import SYSTEMS
from .race import Effort, Result, race

CASES = {"train": TRAIN, "many": MANY, "predict": PREDICT}


def races(
    cases: Iterable[Case], systems: list[str], threads: list[int], effort: Effort
) -> list[list[Result]]:
    """A table a case, and one of all at the end. No systems: all that there are for the task."""
    done = []
    for case in cases:
        names = [s for s in SYSTEMS[case.task] if not systems or s in systems]
        done.append(race(case, names, threads, effort))
        report.case_table(done[-1])
    report.summary(done)
    return done
