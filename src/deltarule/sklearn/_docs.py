"""Docstrings of classes in the form of numpydoc, which scikit-learn and its HTML pages read."""

from __future__ import annotations

import inspect
import re
from typing import TypeVar

C = TypeVar("C", bound=type)


def _split(doc: str | None) -> tuple[str, dict[str, dict[str, str]]]:
    """(what it begins with, {section: {name: its entry}}); sections of other kinds are left out."""
    first, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(doc or ""), flags=re.M)
    sections = {}
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        if title in ("Parameters", "Attributes"):
            entries = [entry.strip() for entry in re.split(r"^(?=\S)", body, flags=re.M)]
            sections[title] = {entry.split(" ")[0]: entry for entry in entries if entry}
    return first.strip(), sections


def documented(cls: C) -> C:
    """Class decorator: parameters and attributes that its bases document are documented in it, too,
    where it says nothing else of them; parameters in the order of the constructor."""
    entries: dict[str, dict[str, str]] = {"Parameters": {}, "Attributes": {}}
    for base in reversed(cls.__mro__):
        text, sections = _split(base.__doc__)
        for title, found in sections.items():
            entries[title] |= found
    order = list(inspect.signature(cls).parameters)
    parameters = [entries["Parameters"][name] for name in order if name in entries["Parameters"]]
    sections_of = {"Parameters": parameters, "Attributes": list(entries["Attributes"].values())}
    for title, found_entries in sections_of.items():
        text += f"\n\n{title}\n{'-' * len(title)}\n" + "\n\n".join(found_entries)
    cls.__doc__ = text + "\n"
    return cls
