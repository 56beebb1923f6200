"""The reference: every operation as its formula, in numpy.

The functions have the names and signatures of deltarule.ops, whose results are checked against
these; each docstring derives what it computes. Plan, in deltarule.reference.plan, is the same for
whole networks.
"""

from .activation import activation_backward, activation_forward
from .constraint import constrain
from .dense import dense_backward, dense_forward
from .initializer import initialize
from .loss import loss_backward, loss_forward
from .noise import noise_backward, noise_forward
from .optimizer import adam_step, sgd_step
from .penalty import penalty_backward, penalty_forward
from .prelu import prelu_backward, prelu_forward
from .random import random_bits, random_normal, random_permutation, random_uniform

__all__ = [
    "activation_backward",
    "activation_forward",
    "adam_step",
    "constrain",
    "dense_backward",
    "dense_forward",
    "initialize",
    "loss_backward",
    "loss_forward",
    "noise_backward",
    "noise_forward",
    "penalty_backward",
    "penalty_forward",
    "prelu_backward",
    "prelu_forward",
    "random_bits",
    "random_normal",
    "random_permutation",
    "random_uniform",
    "sgd_step",
]
