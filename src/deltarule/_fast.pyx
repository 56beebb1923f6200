# cython: language_level=3, embedsignature=False, nonecheck=True
"""The binding: checks that buffers are what C expects, drops the GIL, makes one C call.

Arguments have been checked for meaning by the callers (ops.py, network.py through _check.py); what is
checked here is what memory safety rests on: element type, contiguity, size. It works under Python's
limited API with plain buffers, so that one wheel serves all versions of Python and numpy.
"""

cimport cython
import numpy as np

include "_fast/csrc.pxi"
include "_fast/buffer.pxi"
include "_fast/system.pxi"
include "_fast/gate.pxi"
include "_fast/activation.pxi"
include "_fast/dense.pxi"
include "_fast/average.pxi"
include "_fast/batch_norm.pxi"
include "_fast/layer_norm.pxi"
include "_fast/cholesky.pxi"
include "_fast/clip.pxi"
include "_fast/constraint.pxi"
include "_fast/loss.pxi"
include "_fast/optimizer.pxi"
include "_fast/penalty.pxi"
include "_fast/prelu.pxi"
include "_fast/random.pxi"
include "_fast/noise.pxi"
include "_fast/orthogonal.pxi"
include "_fast/call.pxi"
include "_fast/plan.pxi"
include "_fast/run.pxi"
include "_fast/linearize.pxi"
