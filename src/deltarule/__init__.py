"""Neural networks trained by backpropagation, fast on the CPU and with the same bits everywhere."""

from . import (
    activations,
    averages,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    reference,
    schedules,
)
from ._custom import SlowWarning
from ._header import ModelFileError
from .averages import EMA, SWA
from .config import config, get_isa, get_num_threads, set_isa, set_num_threads
from .constraints import MaxNorm, NonNegative
from .history import History
from .layers import (
    Activation,
    Add,
    AlphaDropout,
    BatchNorm,
    Concat,
    CustomLayer,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNorm,
    Normalization,
    PReLU,
    Reshape,
    Residual,
    RMSNorm,
)
from .losses import CustomLoss
from .network import Network
from .optimizers import (
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    LevenbergMarquardt,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from .performance import Performance
from .serialization import load
from .verify import verify

__version__ = "0.1.0"

__all__ = [
    "EMA",
    "LBFGS",
    "SGD",
    "SWA",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Add",
    "AlphaDropout",
    "BatchNorm",
    "Concat",
    "CustomLayer",
    "CustomLoss",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "History",
    "Layer",
    "LayerNorm",
    "LevenbergMarquardt",
    "Lion",
    "MaxNorm",
    "ModelFileError",
    "NAdam",
    "Network",
    "NonNegative",
    "Normalization",
    "PReLU",
    "Performance",
    "RAdam",
    "RMSNorm",
    "RMSprop",
    "Reshape",
    "Residual",
    "Rprop",
    "SlowWarning",
    "activations",
    "averages",
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
    "schedules",
    "set_isa",
    "set_num_threads",
    "verify",
]
