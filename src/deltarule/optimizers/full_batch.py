"""Methods that need all rows at once, for small networks: their steps follow curvature, so that
some tens of iterations do what first-order steps take thousands for."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import ClassVar

from .. import _check
from .._spec import Spec
from .base import Optimizer
from .classic import SGD

_CHECKS = {
    "weight_decay": _check.non_negative_real,
    "tolerance_grad": _check.non_negative_real,
    "tolerance_change": _check.non_negative_real,
    "damping": _check.positive_real,
    "history_size": _check.positive_int,
}


@dataclass(frozen=True, repr=False)
class FullBatch(Spec):
    """Base of the methods that need all rows at once.

    An epoch of `fit` is one iteration over all rows: batch_size has to be None or as many as there
    are rows, shuffle has no effect, train_on_batch() is refused. history["loss"] is the loss that
    an iteration has reached, where other optimizers have that of the way there. The loss has to be
    a function of the parameters alone, so there can be no layers that draw random numbers or
    compute with the rows of a batch together (BatchNorm, unless it is not trainable). `fit` ends
    before its last epoch, and `history.stopped` says why, when there is nothing left to gain; in
    float64 that is later than in float32.
    """

    _: KW_ONLY
    weight_decay: float = 0.0
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _CHECKS[field.name](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @property
    def engine(self) -> Optimizer:
        """What the engine is told: it only ever has to compute gradients."""
        return SGD()

    @property
    def initial_state(self) -> tuple[float, ...]:
        """What the arrays of state begin with: there are none."""
        return self.engine.initial_state

    @property
    def n_slots(self) -> int:
        """Arrays kept for each parameter, its value included."""
        return self.engine.n_slots


@dataclass(frozen=True, repr=False)
class LBFGS(FullBatch):
    """Limited-memory BFGS (Liu and Nocedal, 1989): scipy's L-BFGS-B (Byrd, Lu, Nocedal and Zhu,
    1995) through scipy.optimize.minimize. Needs scipy: pip install 'deltarule[lbfgs]'.

    weight_decay >= 0: adds weight_decay / 2 * |w|^2 to the loss, all parameters w included.
    tolerance_grad: ends when no element of the gradient is larger (scipy's gtol).
    tolerance_change: ends when the loss falls by less, relative to itself or 1 (scipy's ftol).
    history_size >= 1: pairs of steps and gradients that stand for the curvature (scipy's maxcor).

    Names and defaults are PyTorch's. Keras has no L-BFGS. A second `fit` begins with a new memory:
    fit(5) and fit(5) are not fit(10). Outside the promise of the same bits, since scipy's steps
    are.
    """

    kind: ClassVar[str] = "lbfgs"
    history_size: int = 10


@dataclass(frozen=True, repr=False)
class LevenbergMarquardt(FullBatch):
    """Damped Gauss-Newton steps for the loss mse (Levenberg, 1944; Marquardt, 1963), in networks
    of up to a few thousand parameters.

        (A + damping * I) step = g;  w <- w - step
        gain = the fall of the loss / the fall of its quadratic model
        damping <- damping * max(1/3, 1 - (2 * gain - 1)^3)     where the loss has fallen
        damping <- damping * 2, 4, 8, ... until it does          where it has not

    g is the gradient and A its derivative, but for second derivatives of the outputs: 2 J^T J /
    outputs, averaged over the rows, with J the derivatives of the outputs by the parameters. The
    schedule is Nielsen's (1999); damping begins as `damping` times the largest element of the
    diagonal of A, is saved with the network and goes on with the next `fit`. Marquardt scales I by
    that diagonal: on tables of data and small networks of tanh that needed more iterations.

    weight_decay >= 0: adds weight_decay / 2 * |w|^2 to the loss, all parameters w included.
    tolerance_grad: ends when no element of the gradient is larger.
    tolerance_change: ends when no element of a step is larger, relative to the largest parameter.

    An iteration computes A in rows * outputs * parameters^2 / 2 multiply-adds and solves the
    equations in parameters^3 / 6, in float64 whatever the network's dtype is. It takes 16 bytes *
    parameters^2 of memory; more than 5,000 parameters are refused. What learns has to be Dense
    layers; Activation, Add, Concat, Residual, Normalization, Flatten and Reshape may be between
    them. PyTorch and Keras have no such optimizer.
    """

    kind: ClassVar[str] = "levenberg_marquardt"
    damping: float = 1e-3
