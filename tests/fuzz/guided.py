"""The same by libFuzzer, which goes on from inputs that reach code no other has reached:

    pip install atheris
    python -m tests.fuzz.guided model -max_total_time=600 tests/fuzz/corpus/model

What follows the target are libFuzzer's arguments; the last is the folder of the corpus, to which it
adds. atheris is not for every version of Python, so CI goes without.
"""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["deltarule"]):
    from .targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]
    sound = target.seeds()
    change = target.mutator(sound, random.Random(0))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        change.draw.seed(seed)
        # an empty corpus begins with sound files, and goes back to them now and again
        return change(data if data and seed % 16 else change.draw.choice(sound))[:most]

    def read(data: bytes) -> None:
        target.run(data)

    atheris.Setup(sys.argv, read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
