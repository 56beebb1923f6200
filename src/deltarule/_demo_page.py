"""The page of ``deltarule demo --report``: one HTML file without scripts and without anything from
elsewhere, for wide and narrow windows, light and dark."""

import html
import os
from typing import TYPE_CHECKING

import deltarule as dr

from . import _files, _svg
from ._info import plain

if TYPE_CHECKING:
    from .demo import DemoResult

__all__ = ["page", "write"]

_SHOWN = 12  # digits, or all mistakes where there are more of them, up to
_SHOWN_AT_MOST = 36

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1c1f23;
  --faint: #666b73; --rule: #e3e1dc; --first: #2563c9; --second: #c2560c; --other: #aeb4bd;
  --on: #ffffff; --cell: #f1efeb; }
@media (prefers-color-scheme: dark) { :root { --paper: #131518; --card: #1b1e22; --ink: #e9e7e3;
  --faint: #9aa1ab; --rule: #30353c; --first: #6fa8ff; --second: #f09a52; --other: #59616c;
  --on: #10151c; --cell: #24282e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 28px 16px 40px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 1.1rem; margin: 36px 0 10px; }
p { margin: 0 0 12px; max-width: 70ch; }
.lead, figcaption { color: var(--faint); }
.row { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 14px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr));
  margin: 20px 0 0; }
.tiles .card { padding: 12px 14px; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.25; font-weight: 650; }
.tiles span { color: var(--faint); font-size: .85rem; line-height: 1.35; display: block; }
figure { margin: 0; } figcaption { font-size: .9rem; margin-bottom: 8px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 13px system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--ink);
  font-variant-numeric: tabular-nums; }
svg text.faint { fill: var(--faint); } svg text.name { font-weight: 600; }
svg text.tiny { font-size: 9px; } svg text.on { fill: var(--on); font-weight: 600; }
svg text.name.first { fill: var(--first); } svg text.name.second { fill: var(--second); }
.grid { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.first { stroke: var(--first); } .line.second { stroke: var(--second); }
.dot.first, .fill.first { fill: var(--first); } .dot.second, .fill.second { fill: var(--second); }
.fill.other { fill: var(--other); } .cell { fill: var(--cell); } .ink { fill: var(--ink); }
.matrix { max-width: 460px; margin: 0 auto; }
.digits { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); }
.digits .card { padding: 12px; }
.digits p { margin: 8px 0 6px; font-size: .9rem; line-height: 1.3; }
.digits .wrong { border-color: var(--second); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: 400; padding: 5px 12px 5px 0; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
th { color: var(--faint); white-space: nowrap; } td { overflow-wrap: anywhere; }
tr:last-child th, tr:last-child td { border-bottom: 0; }
footer { margin-top: 36px; color: var(--faint); font-size: .85rem; }
"""


def write(result: "DemoResult", path: str | os.PathLike[str]) -> None:
    """Writes the page, whole or not at all. Raises OSError."""
    _files.write(os.fspath(path), [page(result).encode("utf-8")])


def page(result: "DemoResult") -> str:
    """The page as a text."""
    n_train, n_test = len(result.digits.y_train), len(result.digits.y_test)
    shape = "-".join(map(str, _widths(result)))
    body = [
        "<header><h1>deltarule reads handwriting</h1>",
        f'<p class="lead">A network of {shape} units learnt {n_train:,} handwritten digits, '
        f"8 x 8 pixels each, in {_plural(result.epochs, 'epoch')} and was then asked about "
        f"{n_test} others. Once in C and once in numpy.</p></header>",
        _tiles(result),
        "<h2>Learning</h2>",
        _learning(result),
        "<h2>Right and wrong</h2>",
        _matrix(result),
        "<h2>The hard ones</h2>",
        _digits(result),
        "<h2>Fast against reference</h2>",
        _backends(result),
        "<h2>This machine</h2>",
        f'<div class="card">{_table(dr.config())}</div>',
        "<footer>Digits: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI "
        "Machine Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0. "
        f"Page made by deltarule {html.escape(dr.__version__)}: deltarule demo --report.</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>deltarule: handwritten digits</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _widths(result: "DemoResult") -> list[int]:
    weights = [a for name, a in result.fast.net.parameters().items() if name.endswith(".weight")]
    return [len(weights[0]), *(w.shape[1] for w in weights)]


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def _tiles(result: "DemoResult") -> str:
    n_test = len(result.digits.y_test)
    tiles = [
        (f"{result.fast.accuracy:.1%}", f"of the {n_test} held-out digits read right"),
        (_seconds(result.fast.seconds), f"for {_plural(result.epochs, 'epoch')} in C"),
        (f"{result.ratio:.1f} x", "the time in numpy, written to be read"),
        (f"{result.max_difference:.1e}", "largest difference between the weights of both"),
    ]
    cells = (f'<div class="card"><b>{b}</b><span>{text}</span></div>' for b, text in tiles)
    return f'<section class="tiles">{"".join(cells)}</section>'


def _figure(caption: str, picture: str) -> str:
    return f'<figure class="card"><figcaption>{caption}</figcaption>{picture}</figure>'


def _learning(result: "DemoResult") -> str:
    history = result.fast.history
    loss = _svg.curves(
        {"held out": history["val_loss"], "training": history["loss"]},
        "loss over the epochs, training and held out",
        log=True,
    )
    accuracy = _svg.curves(
        {"held out": history["val_accuracy"]}, "held-out accuracy over the epochs", percent=True
    )
    return (
        f'<div class="row">{_figure("Loss (cross-entropy), logarithmic", loss)}'
        f"{_figure('Accuracy on digits that it never learnt from', accuracy)}</div>"
    )


def _matrix(result: "DemoResult") -> str:
    n_test = len(result.digits.y_test)
    picture = _svg.heat_map(result.confusion, "confusion matrix of the held-out digits")
    caption = (
        f"{result.n_wrong} of {n_test} misread. Rows: what was written. Columns: what was read."
    )
    return _figure(caption, f'<div class="matrix">{picture}</div>')


def _digits(result: "DemoResult") -> str:
    cards = []
    for i in result.interesting(min(max(_SHOWN, result.n_wrong), _SHOWN_AT_MOST)):
        true, answer = int(result.digits.y_test[i]), int(result.answers[i])
        shares = result.outputs[i].tolist()
        sure = f"{shares[answer]:.0%} sure"
        if true == answer:
            text, kind = f"<b>{answer}</b>, {sure}", "card"
        else:
            text, kind = f"<b>{true}</b> read as <b>{answer}</b>, {sure}", "card wrong"
        cards.append(
            f'<div class="{kind}">{_svg.digit(result.digits.x_test[i], f"a written {true}")}'
            f"<p>{text}</p>"
            f"{_svg.percentages(shares, answer, true, 'how likely each digit is thought')}</div>"
        )
    return (
        "<p>The surest mistakes first, then what was read right, but with the least confidence. "
        "The bars: how likely the network thought each digit.</p>"
        f'<div class="digits">{"".join(cards)}</div>'
    )


def _backends(result: "DemoResult") -> str:
    fast, reference = result.fast, result.reference
    picture = _svg.bars(
        [
            ("fast backend (C)", fast.seconds, _seconds(fast.seconds)),
            ("numpy reference", reference.seconds, _seconds(reference.seconds)),
        ],
        "training times of both backends",
    )
    table = _table(
        {
            "held-out accuracy, fast": f"{fast.accuracy:.2%}",
            "held-out accuracy, reference": f"{reference.accuracy:.2%}",
            "largest weight difference": f"{result.max_difference:.1e}",
            "time, reference / fast": f"{result.ratio:.1f}",
        }
    )
    caption = (
        f"Time of fit: {_plural(result.epochs, 'epoch')} in batches of {result.batch_size}, with "
        "the held-out digits measured after each"
    )
    return f'<div class="row">{_figure(caption, picture)}<div class="card">{table}</div></div>'


def _table(values: dict[str, object] | dict[str, str]) -> str:
    rows = (
        f"<tr><th>{html.escape(name.replace('_', ' '))}</th>"
        f"<td>{html.escape(plain(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"
