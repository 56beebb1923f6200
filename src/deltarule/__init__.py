"""Neural networks trained by backpropagation, fast on the CPU and with the same bits everywhere."""

from . import (
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    reference,
)
from ._header import ModelFileError
from .config import config, get_isa, get_num_threads, set_isa, set_num_threads
from .constraints import MaxNorm, NonNegative
from .history import History
from .layers import (
    Activation,
    Add,
    AlphaDropout,
    Concat,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    PReLU,
    Reshape,
    Residual,
)
from .network import Network
from .optimizers import SGD, Adam
from .performance import Performance
from .serialization import load
from .verify import verify

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "Add",
    "AlphaDropout",
    "Concat",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "History",
    "Layer",
    "MaxNorm",
    "ModelFileError",
    "Network",
    "NonNegative",
    "PReLU",
    "Performance",
    "Reshape",
    "Residual",
    "activations",
    "config",
    "constraints",
    "get_isa",
    "get_num_threads",
    "initializers",
    "layers",
    "load",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "reference",
    "set_isa",
    "set_num_threads",
    "verify",
]
