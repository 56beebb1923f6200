"""A network of 30 sigmoid layers does not learn: on its way down the error loses three quarters and
more of itself in every layer. Each cure in turn, on handwritten digits:

    python examples/vanishing_gradients.py [--epochs 10] [--picture gradients.png]

prints the accuracy on digits that were not trained on, and how large the gradients of the first and
the last layer's weights were before training; the picture (needs matplotlib) shows those of all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import deltarule as dr
from deltarule.data import load_digits

DEPTH, WIDTH, TRAINED = 30, 64, 1200

Layers = list[dr.Layer]


def plain(activation: str, **settings: object) -> Layers:
    return [dr.Dense(WIDTH, activation, **settings) for _ in range(DEPTH)]


def normalised() -> Layers:
    """The sums of each unit are brought back to mean 0 and variance 1 before the sigmoid."""
    return [dr.Dense(WIDTH, bias=False), dr.BatchNorm(), dr.Activation("sigmoid")] * DEPTH


def residual(*before: dr.Layer) -> Layers:
    """x + f(x): the error has a way past every layer."""
    inside = [*before, dr.Dense(WIDTH, "sigmoid"), dr.Dense(WIDTH)]
    return [dr.Dense(WIDTH, "sigmoid"), *[dr.Residual(inside)] * (DEPTH // 2)]


CURES: dict[str, Layers] = {
    "sigmoid": plain("sigmoid"),
    "tanh, Glorot's weights": plain("tanh"),
    "tanh, orthogonal weights": plain("tanh", weight_init="orthogonal"),
    "relu, He's weights": plain("relu"),
    "selu, LeCun's weights": plain("selu"),
    "sigmoid in residual blocks": residual(),
    "the same, after layer norm": residual(dr.LayerNorm()),
    "sigmoid after batch norm": normalised(),
}


def gradient_norms(net: dr.Network, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the weights of each Dense layer, first to last."""
    _, gradients = net.gradients(X, y)
    return np.array([np.linalg.norm(g) for g in gradients.values() if g.ndim == 2])


def draw(norms: dict[str, np.ndarray], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5))
    for name, values in norms.items():
        axes.semilogy(np.arange(1, len(values) + 1), values, marker=".", label=name)
    axes.set_xlabel("layer")
    axes.set_ylabel("norm of the gradient of its weights")
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--picture", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)

    X, y = load_digits()
    X = X.astype(np.float32) / 8 - 1  # about mean 0
    X_test, y_test = X[TRAINED:], y[TRAINED:]
    X, y = X[:TRAINED], y[:TRAINED]
    norms = {}
    print(f"{'30 layers of':28} {'accuracy':>8}   gradient: first layer   last layer")
    for name, layers in CURES.items():
        net = dr.Network(
            [*layers, dr.Dense(10, "softmax")], "cross_entropy", "adam", metrics=["accuracy"]
        )
        net.build(X.shape[1])
        norms[name] = gradient_norms(net, X[:200], y[:200])
        net.fit(X, y, epochs=options.epochs, batch_size=32, verbose=False)
        accuracy = net.evaluate(X_test, y_test)["accuracy"]
        print(f"{name:28} {accuracy:8.1%} {norms[name][0]:22.1e} {norms[name][-1]:12.1e}")
    if options.picture:
        draw(norms, options.picture)
        print(f"drawn: {options.picture}")


if __name__ == "__main__":
    main()
