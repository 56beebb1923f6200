"""scikit-learn's callbacks (sklearn.callback): a fit is a task, and each epoch one in it."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any, Self

import scipy.optimize
import sklearn.neural_network._multilayer_perceptron as stock
from sklearn.callback import CallbackSupportMixin


class Tasks:
    """The task of a fit, begun, and that of the epoch under way.

    X, y, sample_weight: what callbacks are shown, as users give it. epochs: as many at the most.
    """

    def __init__(self, estimator: Any, X: Any, y: Any, sample_weight: Any, epochs: int) -> None:
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._shown = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=epochs)
        self._fit.call_on_fit_task_begin(**self._shown)
        self._epoch: Any = None
        self.epochs_left = epochs

    @classmethod
    def of(cls, estimator: Any, *arguments: Any) -> Self | None:
        """None where no callbacks have been set: nothing is to be done, then."""
        return cls(estimator, *arguments) if hasattr(estimator, "_skl_callbacks") else None

    def begin_epoch(self) -> None:
        self.epochs_left -= 1
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._shown)

    def end_epoch(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Whether a callback wants the fit to end. fitted: returns the attributes with which a copy
        of the estimator is as if it had ended; called where a callback looks at such a copy."""
        epoch, self._epoch = self._epoch, None
        return bool(epoch.call_on_fit_task_end(**self._shown, reconstruction_attributes=fitted))

    def end(self) -> None:
        if self._epoch is not None:  # that has been given up
            self._epoch.call_on_fit_task_end(**self._shown)
        self._fit.call_on_fit_task_end(**self._shown, reconstruction_attributes={})


class Supported(CallbackSupportMixin):
    """Mixin that lets scikit-learn's perceptrons have callbacks: `_tasks` is there while such a fit
    goes on."""

    _tasks: Tasks | None = None

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        tasks = None if incremental else Tasks.of(self, X, y, sample_weight, self.max_iter)
        if tasks is None:
            return super()._fit(X, y, sample_weight, incremental)
        self._tasks = tasks
        try:
            super()._fit(X, y, sample_weight)
        finally:
            del self._tasks
        tasks.end()
        return self

    def _fit_lbfgs(self, *arguments: Any) -> None:
        if self._tasks is None:
            super()._fit_lbfgs(*arguments)
            return
        # scikit-learn's own function, with a minimize() that looks up after each iteration
        known = SimpleNamespace(optimize=SimpleNamespace(minimize=self._minimize))
        theirs = super()._fit_lbfgs.__func__.__code__
        FunctionType(theirs, {**vars(stock), "scipy": known})(self, *arguments)

    def _minimize(self, *arguments: Any, **options: Any) -> Any:
        tasks, ended = self._tasks, False
        assert tasks is not None

        def after_iteration(x: Any) -> None:
            nonlocal ended
            ended = self._epoch_ends(lambda: self._unpack(x.copy()))
            if ended:
                raise StopIteration
            if tasks.epochs_left:
                tasks.begin_epoch()

        tasks.begin_epoch()
        found = scipy.optimize.minimize(*arguments, callback=after_iteration, **options)
        if ended:  # as a callback has wished, which is no failure
            found.status = 0
        return found

    def _epoch_ends(self, write: Callable[[], None]) -> bool:
        """Whether the fit is to end with it. write: puts the parameters of now into the arrays."""
        assert self._tasks is not None

        def fitted() -> dict[str, Any]:
            write()
            names = ("coefs_", "intercepts_")
            return {name: [array.copy() for array in getattr(self, name)] for name in names}

        return self._tasks.end_epoch(fitted)
