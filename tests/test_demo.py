"""What ``deltarule demo`` promises: a good network, the reference's network, and pictures."""

import math
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule import _demo_page, _draw, _svg, demo


@pytest.fixture(scope="module")
def result() -> demo.DemoResult:
    return demo.run(epochs=3, progress=False)


def test_the_split_never_moves() -> None:
    digits = demo.split_digits()
    assert digits.x_train.shape == (1437, 64) and digits.x_test.shape == (360, 64)
    assert digits.x_train.dtype == np.float32 and digits.y_train.dtype == np.int64
    assert digits.x_train.min() == 0.0 and digits.x_train.max() == 1.0
    assert digits.y_train[:10].tolist() == [5, 5, 5, 1, 2, 1, 4, 4, 6, 6]
    assert digits.y_test[:10].tolist() == [0, 5, 2, 7, 1, 6, 7, 3, 1, 6]
    counts = np.bincount(digits.y_train) + np.bincount(digits.y_test)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_default_run(capsys: pytest.CaptureFixture[str]) -> None:
    result = demo.run(progress=False)
    assert result.fast.accuracy >= 0.975
    assert result.reference.accuracy >= 0.975
    # float32 rounding differs between the backends, and training amplifies it.
    assert result.max_difference < 1e-3
    out = capsys.readouterr().out
    assert f"{result.fast.accuracy:.2%}" in out and f"{result.max_difference:.1e}" in out
    assert f"{result.ratio:.1f} times" in out
    assert len(re.findall(r"\d\.\d{3} s$", out, re.MULTILINE)) == 2
    assert max(map(len, out.splitlines())) <= 100
    assert f"{result.n_wrong} of 360 held-out digits misread" in out
    assert "loss (log scale)" in out and "read as" in out


def test_backends_train_the_same_network() -> None:
    """In float64, where rounding is too small to hide a wrong formula."""
    result = demo.run(epochs=3, dtype="float64", progress=False)
    assert result.max_difference < 1e-9
    assert result.fast.accuracy == result.reference.accuracy


def test_run_is_repeatable(result: demo.DemoResult) -> None:
    again = demo.run(epochs=3, progress=False)
    assert (result.fast.accuracy, result.max_difference) == (
        again.fast.accuracy,
        again.max_difference,
    )
    assert result.fast.history == again.fast.history


def test_bad_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs"):
        demo.run(epochs=-1, progress=False)


def test_what_is_said_about_the_held_out_digits(result: demo.DemoResult) -> None:
    assert result.outputs.shape == (360, 10)
    assert result.confusion.sum() == 360
    assert result.confusion.sum(axis=1).tolist() == np.bincount(result.digits.y_test).tolist()
    right = np.trace(result.confusion) / 360
    assert right == pytest.approx(result.fast.accuracy) and result.n_wrong == 360 - 360 * right
    order = result.interesting(360)
    assert sorted(order) == list(range(360))
    wrong = (result.answers != result.digits.y_test)[order]
    sure = result.outputs.max(axis=1)[order]
    n = result.n_wrong
    assert n > 2 and wrong[:n].all() and not wrong[n:].any()
    assert (np.diff(sure[:n]) <= 0).all() and (np.diff(sure[n:]) >= 0).all()


def test_saved_network_is_the_fast_one(tmp_path: Path, result: demo.DemoResult) -> None:
    demo.run(epochs=3, progress=False, save=tmp_path / "digits.safetensors")
    net = dr.load(tmp_path / "digits.safetensors")
    np.testing.assert_array_equal(net.predict(result.digits.x_test), result.outputs)


# ------------------------------------------------------------------------------------- the page
class Page(HTMLParser):
    """Checks that tags close in order, and collects what was read."""

    VOID = ("meta", "rect", "path", "circle")  # the last three: as <rect .../>

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def text(result: demo.DemoResult) -> str:
    return _demo_page.page(result)


def test_page_is_well_formed(text: str) -> None:
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>\n") and text.endswith("</html>\n")
    assert page.tags.count("html") == page.tags.count("title") == page.tags.count("h1") == 1
    assert page.tags.count("svg") > 20


def test_page_needs_nothing_from_elsewhere(text: str) -> None:
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(page.tags)
    assert not {"src", "href", "xlink:href", "style"} & {name for name, _ in page.attributes}
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not re.search(r"https?:|//|url\(|@import", text.replace("<!DOCTYPE", ""))


def test_page_is_for_phones_and_for_the_dark(text: str) -> None:
    assert '<meta name="viewport" content="width=device-width' in text
    assert "@media (prefers-color-scheme: dark)" in text
    light, dark = re.findall(r":root \{([^}]*)\}", text)
    colours = [set(re.findall(r"--(\w+):", part)) for part in (light, dark)]
    assert colours[0] == colours[1] == set(re.findall(r"var\(--(\w+)\)", text))


def test_page_says_what_was_measured(text: str, result: demo.DemoResult) -> None:
    said = " ".join(Page(text).text)
    for value in (
        f"{result.fast.accuracy:.2%}",
        f"{result.reference.accuracy:.2%}",
        f"{result.max_difference:.1e}",
        f"{result.ratio:.1f}",
        f"{result.n_wrong} of 360 misread",
        dr.config()["platform"],
    ):
        assert value in said
    cells = {int(c) for c in result.confusion.ravel() if c}
    assert all(re.search(rf">{c}</text>", text) for c in cells)
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text).lower()


def test_page_escapes(monkeypatch: pytest.MonkeyPatch, result: demo.DemoResult) -> None:
    monkeypatch.setattr(dr, "config", lambda: {"executable": '/home/<b>&"me"/python'})
    text = _demo_page.page(result)
    Page(text)
    assert "/home/&lt;b&gt;&amp;" in text and "<b>&" not in text


def test_page_is_written_whole_or_not_at_all(
    tmp_path: Path, result: demo.DemoResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            _demo_page.write(result, path)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["demo.html"]
    _demo_page.write(result, path)
    assert path.read_text(encoding="utf-8") == _demo_page.page(result)
    assert path.stat().st_size < 200_000 and os.listdir(tmp_path) == ["demo.html"]


@pytest.mark.parametrize("epochs", [1, 2, 7, 30, 100, 1234])
def test_curves_as_svg(epochs: int) -> None:
    falling = [2.0 / (1 + e) for e in range(epochs)]
    for options in ({}, {"log": True}, {"percent": True}):
        text = _svg.curves({"training": falling, "held out": falling[::-1]}, "x", **options)
        Page(text)
        assert "nan" not in text and "inf" not in text
        assert text.count('class="grid"') >= 3 or epochs == 1
        labels = re.findall(r'text-anchor="middle">(\d+)</text>', text)
        assert labels[0] == "1" and labels[-1] == str(epochs) and len(labels) <= 9


@pytest.mark.parametrize(
    "values", [[], [0.0], [math.nan], [math.inf, 1.0], [0.0, 0.0, 3.0], [1e9, 1e9 + 2**-23]]
)
def test_curves_of_odd_values(values: list[float]) -> None:
    for log in (False, True):
        Page(_svg.curves({"a": values}, "x", log=log))
        lines = _draw.curves({"a": values}, "x", log=log)
        assert len(lines) == 12


# ---------------------------------------------------------------------------------- the characters
def test_curves_as_characters() -> None:
    lines = _draw.curves(
        {"one": [0, 1, 2, 3], "two": [3.0]}, "both", width=7, height=4, pen=_draw.ASCII
    )
    assert lines == [
        "both   o one   x two",
        "3 |x     o",
        "  |    o",
        "  |  o",
        "0 |o",
        "  +-------",
        "   epoch 1 4",
    ]


def test_logarithmic_curves_are_straight() -> None:
    lines = _draw.curves({"a": [1, 0.1, 0.01]}, "t", width=3, height=3, log=True, pen=_draw.ASCII)
    assert [line.split("|")[1] for line in lines[1:4]] == ["o", " o", "  o"]


def test_images() -> None:
    lines = _draw.image(np.array([0.0, 0.01, 0.5, 1.0]), pen=_draw.ASCII)
    assert lines == ["  ..", "++@@"]
    assert _draw.image(np.array([0.0, 0.01, 0.5, 1.0]), pen=_draw.UNICODE) == ["  ░░", "▒▒██"]


def test_confusion_and_beside() -> None:
    lines = _draw.confusion(np.array([[5, 0], [1, 12]]), pen=_draw.ASCII)
    assert lines == [" is  read as", "        0   1", "  0     5   .", "  1     1  12"]
    assert _draw.beside([["a", "bb"], ["c"]], gap=1) == ["a  c", "bb"]
    assert _draw.beside([]) == []


def test_pens() -> None:
    class Stream:
        encoding: str | None = "utf-8"

    stream = Stream()
    assert _draw.pen_for(stream) is _draw.UNICODE  # type: ignore[arg-type]
    for encoding in ("ascii", "latin-1", "no-such-encoding", None):
        stream.encoding = encoding
        assert _draw.pen_for(stream) is _draw.ASCII  # type: ignore[arg-type]
    assert _draw.pen_for(None) is _draw.ASCII
