"""Structure-aware fuzzing of all that reads bytes from outside: `python -m tests.fuzz --help`.

`seeds.py` makes sound files, `mutate.py` breaks them at the level of the description, the header,
the JSON text, the arrays and the bytes, `targets.py` reads them and says what must hold, `loop.py`
goes round. Nothing here measures coverage: an input is kept to go on from when it has had an
outcome (a fault, or a network) that none before has had. `guided.py` gives the same mutator and
targets to libFuzzer, which does measure it.
"""
