"""The reference: every operation as its formula, in numpy.

The functions have the names and signatures of deltarule.ops, whose results are checked against
these; each docstring derives what it computes. Plan, in deltarule.reference.plan, is the same for
whole networks.
"""

from .activation import activation_backward, activation_forward
from .cholesky import cholesky, cholesky_solve
from .dense import dense_backward, dense_forward
from .initializer import initialize
from .loss import loss_backward, loss_forward
from .optimizer import optimizer_step
from .random import random_bits, random_normal, random_permutation, random_uniform

__all__ = [
    "activation_backward",
    "activation_forward",
    "cholesky",
    "cholesky_solve",
    "dense_backward",
    "dense_forward",
    "initialize",
    "loss_backward",
    "loss_forward",
    "optimizer_step",
    "random_bits",
    "random_normal",
    "random_permutation",
    "random_uniform",
]
