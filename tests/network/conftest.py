"""Settings are put back after every test, and a hang in C is a failure instead of a wait."""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Iterator

import pytest

from .common import settings


@pytest.fixture(autouse=True)
def _settings_restored(request: pytest.FixtureRequest) -> Iterator[None]:
    # Ctrl-C does not reach a C call that waits for ever: the whole run is given up, with a trace.
    limit = 1800 if request.node.get_closest_marker("slow") else 120
    faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__)
    try:
        with settings():
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()
