"""The reference: every operation as its formula, in numpy.

The functions have the names and signatures of deltarule.ops, whose results are checked against
these; each docstring derives what it computes. Plan, in deltarule.reference.plan, is the same for
whole networks.
"""

from .activation import activation_backward, activation_forward
from .average import average_step
from .batch_norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_running,
)
from .cholesky import cholesky, cholesky_solve
from .clip import clip_gradients
from .constraint import constrain
from .dense import dense_backward, dense_forward
from .initializer import initialize
from .layer_norm import (
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)
from .loss import loss_backward, loss_forward
from .noise import noise_backward, noise_forward
from .optimizer import optimizer_step
from .penalty import penalty_backward, penalty_forward
from .prelu import prelu_backward, prelu_forward
from .random import random_bits, random_normal, random_permutation, random_uniform

__all__ = [
    "activation_backward",
    "activation_forward",
    "average_step",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_running",
    "cholesky",
    "cholesky_solve",
    "clip_gradients",
    "constrain",
    "dense_backward",
    "dense_forward",
    "initialize",
    "layer_norm_backward",
    "layer_norm_forward",
    "loss_backward",
    "loss_forward",
    "noise_backward",
    "noise_forward",
    "optimizer_step",
    "penalty_backward",
    "penalty_forward",
    "prelu_backward",
    "prelu_forward",
    "random_bits",
    "random_normal",
    "random_permutation",
    "random_uniform",
    "rms_norm_backward",
    "rms_norm_forward",
]
