"""``deltarule predict``: run a saved network over a file of samples."""

import math

import numpy as np

import deltarule as dr

from ._check import Array
from ._tables import Header, check_output, read_table, to_csv, write_table
from .layers import output_activation

__all__ = ["classes", "run"]


def run(
    model: str,
    data: str,
    *,
    output: str | None = None,
    labels: bool = False,
    key: str | None = None,
    header: Header = "auto",
    backend: str = "fast",
) -> None:
    """Writes what the network in the file `model` says about the rows in the file `data`.

    output: an .npy or .csv file, replaced as a whole; None prints text.
    labels: the classes instead of the outputs, see `classes`.
    The others are those of `deltarule._tables.read_table` and `deltarule.load`.

    Raises ValueError (with ModelFileError) or OSError, before anything has been written.
    """
    if output is not None:
        check_output(output)  # at once, not after a long computation
    net = dr.load(model, backend=backend)
    x = read_table(data, key=key, header=header)
    assert net.input_shape is not None  # a network from a file is built
    n_in = math.prod(net.input_shape)
    if x.ndim != 2 or x.shape[1] != n_in:
        has = f"{x.shape[1]} columns" if x.ndim == 2 else f"the shape {x.shape}"
        name = "standard input" if data == "-" else data
        raise ValueError(f"{name} has {has}, but the model takes rows of {n_in} numbers")
    result = net.predict(x.reshape(len(x), *net.input_shape))
    result = result.reshape(len(x), math.prod(result.shape[1:]))
    if labels:
        result = classes(net, result)
    if output is None:
        for text in to_csv(result):
            print(text, end="")
    else:
        write_table(output, result)


def classes(net: dr.Network, outputs: Array) -> Array:
    """The classes that outputs (n, n_out) stand for, int64.

    For losses of several classes (n,): the number of the largest output (the first of equal ones).
    For those of two (n, n_out), or (n,) for a single output: 1 where the output is above 1/2, or
    above 0 where the last layer puts out logits or margins; else 0.

    Raises ValueError for another loss, whose outputs are no classes, and for nan.
    """
    loss = net.loss
    if loss.decides not in ("argmax", "threshold"):
        kind = loss.kind
        raise ValueError(f"a network trained with the loss {kind} puts out numbers, not labels")
    lost = np.isnan(outputs).any(axis=1)
    if lost.any():
        row = int(np.argmax(lost))
        raise ValueError(f"the output for row {row + 1} is nan, which stands for no label")
    if loss.decides == "argmax":
        largest: Array = outputs.argmax(axis=1)
        return largest
    chances = loss.logits and output_activation(net.layers).kind != "identity"
    above = (outputs > (0.5 if chances else loss.half)).astype(np.int64)
    return above[:, 0] if above.shape[1] == 1 else above
