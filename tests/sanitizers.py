"""Whether the tests run with sanitizers, as docs/reliability/sanitizers.md has it."""

import os

import pytest

SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")

# for tests that limit the memory of a process, or preload a malloc of their own
needs_plain_memory = pytest.mark.skipif(
    SANITIZED, reason="sanitizers have a malloc of their own, and shadow memory"
)
