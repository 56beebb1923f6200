"""Writing down what each epoch gave, for other programs."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import _check, _check_names
from .base import Callback
from .monitor import count

if TYPE_CHECKING:
    from .training import Training


class CSVLogger(Callback):
    """Writes a row an epoch to a file: the number of the epoch, over the life of the network and
    counted from 1, and all values of history, under a line with their names.

    separator: one character between two numbers.
    append: leave in the file what is there. Without it a training that begins replaces the file;
        one that goes on, after an interruption or from a saved network, adds to it all the same,
        and replaces the rows of epochs that are done again; with it they stay.

    Raises TypeError or ValueError that names the argument; `fit` raises OSError where the file
    cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self._path = Path(_check_names.path("path", path))
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"separator must be one character, got {separator!r}")
        self._separator = separator
        self._append = _check.boolean("append", append)
        self._rows = 0
        self._file: IO[str] | None = None

    def state(self) -> dict[str, Any]:
        """How many rows have been written."""
        return {"rows": self._rows}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for what `state` cannot have returned."""
        self._rows = count(self, state, "rows")

    def on_fit_begin(self, training: Training) -> None:
        """Opens the file."""
        if self._rows and not self._append:
            self._forget_later_rows()
        mode = "a" if self._append or self._rows else "w"
        self._file = self._path.open(mode, newline="", encoding="utf-8")
        if self._file.tell() == 0:
            self._write("epoch", *training.names)
            self._rows = 0

    def _forget_later_rows(self) -> None:
        """Those of epochs that are done again, as after a kill."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb+") as file:
            for _ in range(1 + self._rows):
                file.readline()
            file.truncate()

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Writes a row."""
        self._write(training.epoch + 1, *(values[name] for name in training.names))
        self._rows += 1

    def _write(self, *cells: object) -> None:
        assert self._file is not None
        csv.writer(self._file, delimiter=self._separator, lineterminator="\n").writerow(cells)
        self._file.flush()

    def on_fit_end(self, training: Training) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()


class TensorBoard(Callback):
    """Writes the values of each epoch for TensorBoard: `tensorboard --logdir` shows them.

    log_dir: the folder. As with Keras, those of training go to log_dir/train and those of
        validation to log_dir/validation, so that epoch_loss, epoch_accuracy, ... are one picture
        each; epoch_learning_rate is there, too. Steps are epochs over the life of the network,
        counted from 0.

    Needs tensorboardX: pip install 'deltarule[tensorboard]'. ImportError where it is missing.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "logs") -> None:
        self._folder = Path(_check_names.path("log_dir", log_dir))
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError(
                "TensorBoard needs tensorboardX: pip install 'deltarule[tensorboard]'"
            ) from None
        self._writer = SummaryWriter
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, training: Training, values: Mapping[str, float]) -> None:
        """Writes the values."""
        for name, value in values.items():
            part = "validation" if name.startswith("val_") else "train"
            self._write(part, name.removeprefix("val_"), value, training.epoch)
        if training.learning_rate is not None:
            self._write("train", "learning_rate", training.learning_rate, training.epoch)
        for writer in self._writers.values():
            writer.flush()

    def _write(self, part: str, name: str, value: float, epoch: int) -> None:
        if part not in self._writers:
            # the name of a file has only seconds: another fit must not replace it
            self._writers[part] = self._writer(
                str(self._folder / part), filename_suffix=f".{os.getpid()}.{epoch}"
            )
        self._writers[part].add_scalar(f"epoch_{name}", value, epoch)

    def on_fit_end(self, training: Training) -> None:
        """Closes the files; the next fit writes to new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
