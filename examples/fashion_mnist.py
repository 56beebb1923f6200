"""Fashion-MNIST: 60,000 small pictures of clothes to learn from, 10,000 to be tested with.

    python examples/fashion_mnist.py [--data DIRECTORY] [--torch] [--seeds 3]

trains 784-512-256-10 with the defaults of the library for 60 epochs, then a wider one with dropout
and a schedule of the learning rate for 40, and prints the accuracy on the test images and the time.
With --torch PyTorch trains the first for some epochs, as deltarule does then: from the same
weights, over the same batches, with the same hyperparameters.

The data: Debian's package `dataset-fashion-mnist` (Xiao, Rasul and Vollgraf, 2017), or the four .gz
files of https://github.com/zalandoresearch/fashion-mnist.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr
from deltarule.data import load_idx

WIDTHS, WIDE = (512, 256), (1024, 512)
EPOCHS, BATCH = 15, 256
GOAL = 0.89
STEPS = 200

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def load(folder: Path) -> Data:
    """Training images and labels, test images and labels; pixels from 0 to 1."""
    found = []
    for part in ("train", "t10k"):
        images = load_idx(folder / f"{part}-images-idx3-ubyte.gz")
        found.append(images.reshape(len(images), -1).astype("float32") / 255)
        found.append(load_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype("int64"))
    X, y, test_X, test_y = found
    return X, y, test_X, test_y


def network(seed: int = 0, dtype: str = "float32") -> dr.Network:
    layers = [*(dr.Dense(width, "relu") for width in WIDTHS), dr.Dense(10, "softmax")]
    return dr.Network(layers, "cross_entropy", metrics=["accuracy"], seed=seed, dtype=dtype)


def fitted(net: dr.Network, data: Data, **arguments: Any) -> str:
    X, y, test_X, test_y = data
    begun = time.perf_counter()
    history = net.fit(X, y, batch_size=BATCH, **arguments)
    seconds = time.perf_counter() - begun
    accuracy = net.evaluate(test_X, test_y)["accuracy"]
    return f"{accuracy:.2%} after {history.epochs} epochs, {seconds:.1f} s"


def by_default(data: Data, seed: int) -> str:
    return fitted(network(seed), data, epochs=60)


def regularised(data: Data, epochs: int = 40) -> str:
    layers: list[dr.Layer] = []
    for width in WIDE:
        layers += [dr.Dense(width, "relu"), dr.Dropout(0.3)]
    rate = dr.schedules.CosineAnnealingLR(1e-3, epochs)
    net = dr.Network(
        [*layers, dr.Dense(10, "softmax")], "cross_entropy", dr.Adam(rate), metrics=["accuracy"]
    )
    return fitted(net, data, epochs=epochs)


def epochs_of(data: Data, seed: int) -> tuple[float, float]:
    """Test accuracy after EPOCHS, and seconds of training until it was GOAL after an epoch."""
    X, y, test_X, test_y = data
    net, spent, reached, accuracy = network(seed), 0.0, float("inf"), 0.0
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        net.fit(X, y, batch_size=BATCH)
        spent += time.perf_counter() - begun
        accuracy = net.evaluate(test_X, test_y)["accuracy"]
        if accuracy >= GOAL:
            reached = min(reached, spent)
    return accuracy, reached


# --------------------------------------------------------------------------------------- PyTorch
class Peer:
    """The same network in PyTorch: its first weights, its batches."""

    def __init__(self, seed: int = 0, dtype: str = "float32") -> None:
        import torch

        self.torch, self.seed, self.epoch = torch, seed, 0
        net = network(seed, dtype)
        net.build(784)
        values = list(net.parameters().values())
        stack: list[Any] = []
        for weight, bias in zip(values[::2], values[1::2], strict=True):
            linear = torch.nn.Linear(*weight.shape)
            linear.weight = torch.nn.Parameter(torch.tensor(weight.T.copy()))
            linear.bias = torch.nn.Parameter(torch.tensor(bias))
            stack += [linear, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*stack[:-1])
        self.loss = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-3, fused=True)

    def train(self, X: Any, y: Any) -> Iterator[float]:
        """An epoch over tensors, in batches of the order in which the network takes them; their
        losses."""
        order = dr.ops.random_permutation(
            len(X), seed=self.seed, purpose="shuffle", step=self.epoch
        )
        self.epoch += 1
        for rows in self.torch.from_numpy(order).split(BATCH):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(X[rows]), y[rows])
            loss.backward()
            self.optimizer.step()
            yield loss

    def accuracy(self, X: Any, y: Any) -> float:
        with self.torch.inference_mode():
            return float((self.model(X).argmax(1) == y).double().mean())


def steps_apart(data: Data) -> float:
    """In float64: the largest relative difference of the losses of the first STEPS steps."""
    import torch

    X, y = data[0].astype("float64"), data[1]
    net, peer, worst = network(dtype="float64"), Peer(dtype="float64"), 0.0
    order = dr.ops.random_permutation(len(X), seed=0, purpose="shuffle")
    theirs = peer.train(torch.from_numpy(X), torch.from_numpy(y))
    for step in range(STEPS):
        rows = order[step * BATCH : (step + 1) * BATCH]
        mine, other = net.train_on_batch(X[rows], y[rows]), next(theirs).item()
        worst = max(worst, abs(mine - other) / other)
    return worst


def of_peer(data: Data, seed: int) -> tuple[float, float]:
    """What epochs_of says."""
    import torch

    X, y, test_X, test_y = map(torch.from_numpy, data)
    peer, spent, reached, accuracy = Peer(seed), 0.0, float("inf"), 0.0
    for _ in range(EPOCHS):
        begun = time.perf_counter()
        for _ in peer.train(X, y):
            pass
        spent += time.perf_counter() - begun
        accuracy = peer.accuracy(test_X, test_y)
        if accuracy >= GOAL:
            reached = min(reached, spent)
    return accuracy, reached


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    p.add_argument("--torch", action="store_true", help="have PyTorch do the same")
    p.add_argument("--seeds", type=int, default=3)
    options = p.parse_args(arguments)
    data = load(options.data)
    for seed in range(options.seeds):
        print(f"seed {seed}: {by_default(data, seed)}")
    print(f"dropout and cosine: {regularised(data)}")
    if options.torch:
        for seed in range(options.seeds):
            for name, one in (("deltarule", epochs_of), ("PyTorch", of_peer)):
                accuracy, seconds = one(data, seed)
                print(
                    f"seed {seed}, {EPOCHS} epochs by {name}: {accuracy:.2%}, "
                    f"{GOAL:.0%} after {seconds:.1f} s"
                )
        apart = steps_apart(data)
        print(f"float64, {STEPS} steps: losses differ by {apart:.1e} of themselves at most")


if __name__ == "__main__":
    main()
