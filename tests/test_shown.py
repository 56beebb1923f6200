"""What is seen of a network and its training: the progress line, and HTML for notebooks."""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

import deltarule as dr

from .callbacks.common import by_clock
from .conftest import Data
from .custom_layers import WhileTraining

Make = Callable[..., dr.Network]


# ----------------------------------------------------------------------------------- progress
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Writer:
    """As some programs put in place of stderr."""

    write = flush = lambda self, *text: None


def test_progress_bar(make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, verbose, shown in [
        (Terminal(), "auto", True),
        (Terminal(), False, False),
        (io.StringIO(), "auto", False),
        (io.StringIO(), True, True),
        (io.StringIO(), 1, True),
        (io.StringIO(), 0, False),
    ]:
        monkeypatch.setattr(sys, "stderr", stream)
        make_net().fit(*blobs, epochs=3, verbose=verbose, validation_data=blobs)
        text = stream.getvalue()
        assert bool(text) is shown
        if shown:
            assert re.search(r"epoch 3/3: 100%.* rows/s, loss=.*, accuracy=.*val_accuracy=", text)


@pytest.mark.parametrize("stream", [None, Writer()])
def test_no_stderr_to_speak_of(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch, capsys: Any, stream: Any
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    for verbose in ("auto", True):
        make_net().fit(*blobs, verbose=verbose)
    assert not capsys.readouterr().out


def test_speed_and_time_left(make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """96 rows in 12 batches of 2 s, and 1000 s of validation that are no training."""
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    net = make_net()
    net.build(5)
    clock = by_clock(net, monkeypatch, step=2.0, validation=1000.0)
    monkeypatch.setattr("tqdm.std.time", clock)
    stop = dr.LambdaCallback(on_epoch_end=lambda fit, v: fit.stop("enough") if fit.epoch else None)
    net.fit(*blobs, epochs=3, batch_size=8, validation_data=blobs, verbose=True, callbacks=[stop])
    *_, last, reason, performance = re.split(r"[\r\n]+", stream.getvalue().strip())
    now = r"epoch 1/3:  28%\|##7       \| \[00:20<00:52, 4\.00 rows/s, loss=[\d.]+, accuracy=[\d.]+"
    assert re.search(now, stream.getvalue())
    assert re.search(r"epoch 2/3:  67%.*\[34:08<.*, 4.00 rows/s, loss=.*, val_loss=", last)
    assert reason == "stopped: enough" and "GFLOP/s" in performance


@pytest.mark.parametrize("optimizer", ["adam", "levenberg_marquardt"])
def test_rows_of_a_fit(make_net: Make, blobs: Data, optimizer: str) -> None:
    x, y = blobs
    net = make_net(layers=[dr.Dense(1)], loss="mse", optimizer=optimizer, metrics=[])
    seen: list[int] = []
    look = dr.LambdaCallback(on_fit_begin=lambda fit: seen.append(fit.rows),
                             on_fit_end=lambda fit: seen.append(fit.rows))  # fmt: skip
    for _ in range(2):
        history = net.fit(x, y * 1.0, epochs=2, callbacks=[look])
        assert history.performance is not None
        assert seen == [0, history.performance.rows]
        seen.clear()


def test_unknown_number_of_batches(
    make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr("deltarule.Training.batches", 0)
    make_net().fit(*blobs, epochs=2, verbose=True)
    assert re.search(r"epoch 2/2: \|.*rows/s, loss=", stream.getvalue())


# ----------------------------------------------------------------------------------- notebooks
class Shown(HTMLParser):
    """Its texts; an error where a tag is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.cells: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            (self.cells if self.open[-1] in ("td", "th") else self.texts).append(data)


def test_network_in_html(make_net: Make) -> None:
    net = make_net(layers=[dr.Dense(1000, "relu"), dr.Residual([dr.Dense(1000)]), dr.Dense(3)])
    new = Shown(net._repr_html_())
    layers = [repr(layer) for layer in net.layers]
    assert new.cells == ["layer", "0", layers[0], "1", layers[1], "2", layers[2]]
    assert "not built" in new.texts[-1]
    net.build(5)
    built = Shown(net._repr_html_())
    assert built.cells == [
        *("layer", "output", "parameters", "input", "(n, 5)", "0"),
        *("0", layers[0], "(n, 1000)", "6,000"),
        *("1", layers[1], "(n, 1000)", "1,001,000"),
        *("2", layers[2], "(n, 3)", "3,003"),
    ]
    assert built.texts[-1] == str(net.summary()).splitlines()[-1]  # memory


EVIL = "<script>&\"'</td>"


class Evil(WhileTraining):
    def __repr__(self) -> str:
        return EVIL


@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
def test_texts_are_escaped() -> None:
    history = dr.History({EVIL: [1.0, 0.5], f"val_{EVIL}": [1.0, 2.0]})
    history.stopped = EVIL
    shown = Shown(history._repr_html_())
    assert EVIL in shown.texts and EVIL in shown.cells and f"stopped: {EVIL}" in shown.texts
    net = dr.Network([Evil(), dr.Dense(2)], "mse")
    assert EVIL in Shown(net._repr_html_()).cells
    net.build(3)
    shown = Shown(net._repr_html_())
    assert EVIL in shown.cells and shown.texts[-1] == "computed in Python: Evil"


def test_history_in_html(make_net: Make, blobs: Data) -> None:
    assert Shown(dr.History()._repr_html_()).texts == ["History of 0 epochs"]
    history = make_net().fit(*blobs, epochs=20, validation_data=blobs)
    html = history._repr_html_()
    shown = Shown(html)
    assert html.count("<svg") == 2 and html.count('class="line') == 4  # loss, accuracy
    assert shown.cells[:5] == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert shown.cells[-4] == f"{history['loss'][-1]:.4g}" and len(shown.cells) == 5 * 8
    assert shown.texts[-1] == str(history.performance)


@pytest.mark.parametrize(
    "values",
    [
        [math.nan],
        [math.inf, 1.0],
        [1e308, -1e308, 1.0],
        [1e308, 1e-310, 1.0],
        [5e-324, 0.0],
        [1e299, 1e299],
        [1.0, 1.0 + 2**-52],
    ],
)
def test_odd_values_in_html(values: list[float]) -> None:
    html = dr.History({"loss": values})._repr_html_()
    Shown(html)
    picture = html[html.index('figures">') : html.index("<table")]
    assert "nan" not in picture and "inf" not in picture
    assert picture.count('class="grid"') <= 9


def test_long_histories_are_thinned() -> None:
    """A peak among 100,000 epochs is still to be seen."""
    values = [1.0] * 100_000
    values[54_321] = 9.0
    html = dr.History({"loss": values})._repr_html_()
    assert len(html) < 10_000 and "L213.5 12.0L" in html
