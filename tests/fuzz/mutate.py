"""Breaking files, at every level of what they are made of."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule import _header, _state, serialization
from deltarule.network import Network

MOST = 1 << 16  # bytes of a file; short ones find as much, and sooner
_NUMBERS = (0, 1, -1, 2, 3, 255, 1000, 2**31 - 1, 2**31, 2**32, 2**53, 2**62 - 1, 2**62, 2**63,
            2**64 - 1, 2**64, 10**99, 0.5, -0.0, 1e-320, 1e308, -1.5)  # fmt: skip
_OTHERS: tuple[Any, ...] = (
    None, True, False, "", "nan", "0x1p+0", "-0x1p+1023", "loss", "x" * 99, "\ud800", "0.weight",
    [], {}, [1, 2], [[1]], {"kind": "dense"},
)  # fmt: skip
_TOKENS = ("NaN", "-Infinity", "1e999", "-0", "9" * 200, "[", "]", "{", "}", ",", ":", '"', "\\",
           "\\ud800", "\\u0000", "\0", "\x7f", "\x85", "null", "[" * 20, "\ufeff", " ", "//", "0x1",
           '"a":0,', '"__metadata__":{},', "1.", "1E5", "\U0001f600")  # fmt: skip
_WAYS = ("-%s", "%s.0", "%se0", "0%s", "%s0", "1%s", "+%s", "%s.", '"%s"', "[%s]")
_WHOLE, _PIECE = re.compile(r"(?<![\w.])\d+"), re.compile(r'[\[\]{}:,"\\]|[-\w.+]+|$')
_DESCRIPTION = re.compile(rb'"deltarule":\s*"((?:[^"\\]|\\.)*)"')


class Bytes:
    """Of a file of which nothing is known but tokens."""

    def __init__(self, seeds: Sequence[bytes], draw: random.Random) -> None:
        self.seeds, self.draw = list(seeds), draw

    def __call__(self, data: bytes) -> bytes:
        """A changed file; mostly changed once, so that it gets far."""
        while True:
            data = self.change(data)[:MOST]
            if self.draw.random() < 0.6:
                return data

    def change(self, data: bytes) -> bytes:
        draw, out = self.draw, bytearray(data)
        first, second = sorted((draw.randrange(len(out) + 1), draw.randrange(len(out) + 1)))
        what = draw.randrange(8)
        if what < 2 and out:
            out[draw.randrange(len(out))] ^= 1 << draw.randrange(8)
        elif what == 2 and out:
            out[draw.randrange(len(out))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, 34, 44, 92, 123))
        elif what == 3:
            del out[first : min(second, first + 1 + draw.randrange(40))]
        elif what == 4:
            out[second:second] = out[first : first + draw.randrange(100)]
        elif what == 5:
            out[first:first] = self.token()
        elif what == 6:
            del out[first:]
        else:
            number = int(draw.choice(_NUMBERS)) % 2**64
            size = draw.choice((2, 4, 8))
            order = draw.choice(("little", "big"))
            out[first : first + size] = (number % 256**size).to_bytes(size, order)
        return bytes(out)

    def token(self) -> bytes:
        return self.draw.choice(_TOKENS).encode()


class Texts(Bytes):
    """Of a model file, mostly its header as text: quick, and most of it is refused at once."""

    def change(self, data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        if end > len(data) or self.draw.random() < 0.1:
            return super().change(data)
        if self.draw.random() < 0.4:
            return join(super().change(data[8:end]), data[end:])
        return join(self.text(data[8:end].decode("latin-1")).encode("latin-1"), data[end:])

    def text(self, text: str) -> str:
        """JSON that is broken, or unusual: a piece of it away, written again, or another one."""
        draw = self.draw
        if draw.random() < 0.3 and (numbers := [*_WHOLE.finditer(text)]):
            piece = draw.choice(numbers)
            return text[: piece.start()] + draw.choice(_WAYS) % piece[0] + text[piece.end() :]
        piece = _PIECE.search(text, draw.randrange(len(text) + 1))
        assert piece
        start, end = piece.span()
        what = draw.randrange(5)
        if what == 0:
            return text[:start] + text[end:]
        if what == 1:
            return text[: start + draw.randrange(60)] + text[start:]
        after = (start, end, end)[what - 2]  # before it, behind it, in its place
        token = self.token().decode("latin-1")
        return text[: end if what == 3 else start] + token + text[after:]


class Headed(Bytes):
    """The same, mostly within the first bytes, where sizes and types are."""

    def change(self, data: bytes) -> bytes:
        if self.draw.random() < 0.3:
            return super().change(data)
        length = self.draw.choice((4, 16, 80, 128))
        return super().change(data[:length]) + data[length:]


class Models(Texts):
    """Model files: of the description, of the header, of either as text, and arrays that fit."""

    def __init__(self, seeds: Sequence[bytes], draw: random.Random) -> None:
        super().__init__(seeds, draw)
        # what stands behind a key anywhere in the seeds may stand behind it anywhere else
        self.known: dict[str, list[Any]] = {}
        for seed in seeds:
            if parts := split(seed):
                self.collect("description", parts[1])
                self.collect("header", parts[0])

    def collect(self, key: str, value: Any) -> None:
        found = self.known.setdefault(key, [])
        if value not in found and len(found) < 200:
            found.append(value)
        inner = value.items() if isinstance(value, dict) else ((key, v) for v in value) if (
            isinstance(value, list)) else ()  # fmt: skip
        for name, child in inner:
            self.collect(name, child)

    def change(self, data: bytes) -> bytes:
        parts, draw = split(data), self.draw
        if parts is None or (level := draw.randrange(20)) < 2:
            return super().change(data)
        header, description, arrays = parts
        if level < 12:
            self.tree("description", description)
            if level < 6 and (fitting := self.fit(description)):
                return fitting
        elif level < 16:
            self.tree("header", header)
        text = json.dumps(description, separators=(",", ":"))
        if level == 16:
            text = self.text(text)
        elif level == 17:
            arrays = super().change(arrays)
        if isinstance(header.get("__metadata__"), dict) and level != 15:
            header["__metadata__"]["deltarule"] = text
        text = json.dumps(header, separators=(",", ":"))
        return join((self.text(text) if level > 17 else text).encode("latin-1"), arrays)

    def tree(self, name: str, tree: dict[str, Any]) -> None:
        """Changes one place of it."""
        draw, node, key = self.draw, tree, name
        while True:
            places = list(node) if isinstance(node, dict) else range(len(node))
            if not places:
                return
            place: Any = draw.choice(places)
            key = place if isinstance(node, dict) else key
            child: Any = node[place]
            if not (isinstance(child, dict | list) and child) or draw.random() < 0.2:
                break
            node = child
        what = draw.randrange(10)
        if what < 4:
            node[place] = copy.deepcopy(draw.choice(self.known.get(key) or _OTHERS))
        elif what < 6:
            node[place] = self.other(child)
        elif what == 6:
            node[place] = copy.deepcopy(draw.choice(_NUMBERS + _OTHERS))
        elif what == 7:
            del node[place]
        elif isinstance(node, list):
            again = copy.deepcopy(draw.choice((child, *self.known.get(key, ()))))
            node[place:place] = [again] * draw.choice((1, 1, 2, 9, 40))
        else:
            more = draw.choice(list(self.known))
            node[more] = copy.deepcopy(draw.choice(self.known[more]))

    def other(self, value: Any) -> Any:
        """One like it."""
        draw = self.draw
        if isinstance(value, bool) or value is None:
            return not value
        if isinstance(value, int):
            value %= 10**100
            changed = (value + 1, value - 1, -value, value * 2, value << draw.randrange(64))
            return draw.choice(changed)
        if isinstance(value, float):
            whole = int(value) if abs(value) < 2**64 else 0
            return draw.choice((-value, value * 2.0 ** draw.randrange(-1000, 1000), whole))
        if isinstance(value, str):
            at = draw.randrange(len(value) + 1)
            return value[:at] + draw.choice(("", "0", ".", "\u00e9", "_")) + value[at + 1 :]
        return draw.choice(([value], {"kind": value}, list(value)))

    def fit(self, description: Any) -> bytes | None:
        """A file with all arrays that the description asks for, if it does and they are small."""
        try:
            state = _state.parse_description(description, {})
            net = Network(**state.arguments, backend="reference")
            assert state.input_shape is not None
            shapes = _state.array_shapes(net, net._lower(state.input_shape), state)
            sizes = {name: int(np.prod(shape, dtype=object)) for name, shape in shapes.items()}
            if sum(sizes.values()) > MOST // 16:
                return None
            item = np.dtype(net.dtype).itemsize
            arrays = {
                name: np.frombuffer(self.numbers(sizes[name] * item), net.dtype).reshape(shape)
                for name, shape in shapes.items()
            }
            return b"".join(serialization.pieces(description, sorted(arrays.items()).__iter__))
        except Exception:  # the target will find what is wrong with it
            return None

    def numbers(self, size: int) -> bytes:
        return self.draw.randbytes(size) if self.draw.random() < 0.5 else bytes(size)


def split(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes] | None:
    """Header, description and arrays, where a file has them."""
    try:
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        description = json.loads(header["__metadata__"]["deltarule"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error):
        return None
    if not (isinstance(header, dict) and isinstance(description, dict)):
        return None
    description.pop(serialization.CHECKSUM_KEY, None)
    return header, description, data[8 + length :]


def signed(data: bytes) -> bytes:
    """The file with the checksum of what it says now, if that can be summed up at all; else as it
    was, to the last byte."""
    try:
        found = _header.read(io.BytesIO(data))
        text = found.metadata[serialization.METADATA_KEY]
    except (ValueError, TypeError, KeyError):
        return data
    literal = _DESCRIPTION.search(found.start)
    if literal is None or not literal[1].endswith(b"}"):
        return data
    payload = data[len(found.start) :]
    plain = re.sub(r',"sha256":"[^"]*"}$', "}", text)
    arrays = (memoryview(payload)[e.begin : e.end] for _, e in sorted(found.tensors.items()))
    added = json.dumps(serialization.signed(plain, arrays)[len(plain) - 1 :])[1:-1].encode()
    quoted = re.sub(rb',\\"sha256\\":\\"[^"]*"}$', b"}", literal[1])[:-1] + added
    return join(found.start[8 : literal.start(1)] + quoted + found.start[literal.end(1) :], payload)


def join(header: bytes, arrays: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + arrays
