"""Callbacks of `fit`: what happens during a training beside it, and what may end it."""

from __future__ import annotations

from .base import Callback
from .checkpoint import ModelCheckpoint
from .functions import LambdaCallback
from .learning_rate import LearningRateScheduler, ReduceLROnPlateau
from .logs import CSVLogger, TensorBoard
from .monitor import Monitor
from .progress import ProgressBar
from .stopping import EarlyStopping, TerminateOnNaN, TimeBudget
from .training import Training

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "Monitor",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeBudget",
    "Training",
]
