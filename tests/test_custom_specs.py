"""Classes that users write: what is refused when a network is made of them, and model files."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import deltarule as dr
from deltarule import _custom, layers

from .conftest import Data
from .custom_layers import CUSTOM, MyDense, Scale, Swish2
from .interruption import assert_same

pytestmark = pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")

Make = Callable[..., dr.Network]


# ------------------------------------------------------------------------- classes and arguments
def test_arguments_are_those_of_a_specification() -> None:
    assert MyDense(3) == MyDense(3) != MyDense(4)
    assert hash(MyDense(3)) == hash(MyDense(3))
    assert repr(MyDense(3)) == "MyDense(units=3, trainable=True)"
    assert repr(Swish2()) == "Swish2()"
    assert MyDense(3).to_config() == {"kind": "my_dense", "units": 3, "trainable": True}
    assert MyDense.from_config(MyDense(3).to_config()) == MyDense(3)
    with pytest.raises(AttributeError):
        MyDense(3).units = 4  # type: ignore[misc]


class _Nothing(dr.CustomLayer):
    kind = "nothing"

    def forward(self, x: Any, parameters: Any, training: bool) -> Any:
        return x, None

    def backward(self, dy: Any, kept: Any, parameters: Any) -> Any:
        return dy, {}


class _Named(_Nothing):
    kind = "named"
    rate: float = 1.0


class _Constant(_Nothing):
    kind = "constant"
    rate: ClassVar[float] = 1.0


@dataclass(frozen=True)
class _Holds(_Nothing):
    kind = "holds"
    value: Any = None
    others: tuple[Any, ...] = field(default_factory=tuple)


class _Says(_Nothing):
    """Its shapes are what the test says."""

    kind = "says"
    shape: ClassVar[Any] = None
    shapes: ClassVar[Any] = {}
    first: ClassVar[Any] = None

    def output_shape(self, input_shape: Any) -> Any:
        return self.shape if self.shape is not None else input_shape

    def parameter_shapes(self, input_shape: Any) -> Any:
        return self.shapes

    def first_value(self, name: Any, shape: Any, rng: Any) -> Any:
        return np.zeros(shape) if self.first is None else self.first


def kind_of(value: Any) -> dr.CustomLayer:
    return type("Mine", (_Nothing,), {"kind": value})()


LAYERS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: dr.CustomLayer(), TypeError, "abstract"),  # type: ignore[abstract]
    (lambda: type("Half", (dr.CustomLayer,), {"kind": "half"})(), TypeError, "abstract"),
    (lambda: _Named(), TypeError, "_Named has the argument 'rate', so write @data"),
    (lambda: _Named(2.0), TypeError, "write @dataclass(frozen=True)"),  # type: ignore[call-arg]
    (lambda: kind_of(""), ValueError, "Mine needs a kind, the name by which"),
    (lambda: kind_of(None), ValueError, "kind = 'mine'"),
    (lambda: kind_of("dense"), ValueError, "Mine must have a kind of its own, 'dense' is taken"),
    (lambda: _Holds(np.ones(3)), TypeError, "_Holds: value must be a finite number, a text,"),
    (lambda: _Holds(np.float64(1)), TypeError, "(float64)"),
    (lambda: _Holds(float("nan")), TypeError, "must be a finite number"),
    (lambda: _Holds([1]), TypeError, "or a tuple of them, which a model file can hold; got an obj"),
    (lambda: _Holds((1, (2, {}))), TypeError, "got an object of type tuple"),
    (lambda: _Holds(others=(object(),)), TypeError, "_Holds: others must be"),
    (lambda: Swish2, TypeError, "layers[1] must be a layer (Dense"),
]


@pytest.mark.parametrize(("bad", "kind", "text"), LAYERS)
def test_refused_in_a_network(bad: Callable[[], Any], kind: type[Exception], text: str) -> None:
    for wrap in (lambda layer: layer, lambda layer: layers.Residual([layer])):
        with pytest.raises(kind) as caught:
            dr.Network([dr.Dense(3), wrap(bad())], "mse")
        assert text in str(caught.value) or "layers[0] must be a layer" in str(caught.value)


def test_arguments_that_are_possible() -> None:
    for layer in (_Constant(), _Holds("text"), _Holds((1, 2.0, (True, None, "x"))), kind_of("x y")):
        net = dr.Network([dr.Dense(3), layer], "mse")
        assert copy.deepcopy(net).layers == net.layers


def test_two_classes_of_one_kind() -> None:
    with pytest.raises(ValueError, match="are both of kind 'nothing'"):
        dr.Network([_Nothing(), layers.Residual([kind_of("nothing")])], "mse")


SAYS: list[tuple[str, Any, type[Exception], str]] = [
    ("shape", 3, ValueError, "output_shape of _Says must be a shape such as (8,), got 3"),
    ("shape", [3], ValueError, "got [3]"),
    ("shape", (), ValueError, "got ()"),
    ("shape", (0,), ValueError, "output_shape of _Says must be"),
    ("shape", (2.0,), TypeError, "output_shape of _Says must be an integer"),
    ("shape", (1 << 31,), ValueError, "output_shape of _Says must be"),
    ("shape", (1 << 20, 1 << 20), ValueError, "output_shape of _Says, multiplied, must be"),
    ("shapes", None, TypeError, "parameter_shapes must be a dict, got None"),
    ("shapes", {"a": 3}, ValueError, "the shape of 'a' must be (n,) or (n, m), got 3"),
    ("shapes", {"a": ()}, ValueError, "the shape of 'a' must be (n,) or (n, m), got ()"),
    ("shapes", {"a": (1, 2, 3)}, ValueError, "got (1, 2, 3)"),
    ("shapes", {"a": (-1,)}, ValueError, "the shape of 'a' must be"),
    ("shapes", {"a": ("x",)}, TypeError, "the shape of 'a' must be an integer"),
    ("shapes", {"a": (1 << 30, 1 << 30)}, ValueError, "the shape of 'a', multiplied, must be"),
    ("shapes", {"a.b": (3,)}, ValueError, "parameters need names such as 'weight', got 'a.b'"),
    ("shapes", {"": (3,)}, ValueError, "got ''"),
    ("shapes", {1: (3,)}, ValueError, "got 1"),
    ("shapes", {f"p{i}": (3,) for i in range(17)}, ValueError, "at most 16 parameters are"),
    ("first", np.zeros(4), ValueError, "layer 1, _Says: the first value of 'a' must have"),
    ("first", "text", TypeError, "the first value of 'a'"),
    ("first", np.array([0, np.nan, 0]), ValueError, "the first value of 'a' must be finite"),
]


@pytest.mark.parametrize(("name", "value", "kind", "text"), SAYS)
def test_shapes_that_cannot_be(
    name: str, value: Any, kind: type[Exception], text: str, backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(_Says, "shapes", {"a": (3,)})
    monkeypatch.setattr(_Says, name, value)
    net = dr.Network([dr.Dense(3), _Says()], "mse", backend=backend)
    for call in (lambda: net.build(5), lambda: net.fit(np.ones((4, 5)), np.ones((4, 3)))):
        with pytest.raises(kind) as caught:
            call()
        assert text in str(caught.value)
        assert not net.built


def test_sixteen_parameters(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {f"p{i}": ((i + 1, 20 - i) if i % 2 else (30 * i + 1,)) for i in range(16)}
    monkeypatch.setattr(_Says, "shapes", shapes)
    net = dr.Network([_Says()], "mse", backend=backend)
    net.build(3)
    values = {f"0.{p}": np.arange(np.prod(s)).reshape(s) + 1.0 for p, s in shapes.items()}
    net.set_parameters(values)
    for part, array in net.parameters().items():
        np.testing.assert_array_equal(array, values[part])


# -------------------------------------------------------------------------------------- files
def chain() -> list[Any]:
    inner = layers.Concat([[Scale(0.5), Swish2()], []])
    return [MyDense(8), layers.Residual([layers.Residual([MyDense(8, False)])]), inner, dr.Dense(3)]


@pytest.fixture
def trained(make_net: Make, blobs: Data) -> dr.Network:
    net = make_net(layers=chain())
    net.fit(*blobs, epochs=2, batch_size=10)
    return net


def test_round_trip(trained: dr.Network, blobs: Data, tmp_path: Path) -> None:
    path = tmp_path / "model"
    trained.save(path)
    again = [
        dr.load(path, backend=trained.backend, custom=CUSTOM),
        pickle.loads(pickle.dumps(trained)),
        copy.deepcopy(trained),
    ]
    for other in again:
        assert_same(trained, other)
        assert repr(other) == repr(trained)
        np.testing.assert_array_equal(other.predict(blobs[0]), trained.predict(blobs[0]))
    trained.fit(*blobs, batch_size=10)
    for other in again:
        other.fit(*blobs, batch_size=10)
        assert_same(trained, other)


def test_files_name_no_classes(trained: dr.Network, tmp_path: Path) -> None:
    """Whatever a file says, only what the caller passes is used, and nothing stays."""
    trained.save(tmp_path / "model")
    dr.load(tmp_path / "model", custom=CUSTOM)
    for custom in (None, {}, {"swish2": Swish2}):
        with pytest.raises(dr.ModelFileError) as caught:
            dr.load(tmp_path / "model", custom=custom)
        assert "unknown layer 'my_dense'" in str(caught.value)
        assert "by the argument custom={kind: class} of load" in str(caught.value)


CUSTOMS: list[tuple[Any, type[Exception], str]] = [
    ([Swish2], TypeError, "custom must be a dict {kind: class}, got an object of type list"),
    (Swish2, TypeError, "custom must be a dict"),
    ({"swish2": "tests.custom_layers.Swish2"}, TypeError, "custom['swish2'] must be a class of"),
    ({"swish2": Swish2()}, TypeError, "must be a class of your own, got an object of type Swish2"),
    ({"dense": dr.Dense}, TypeError, "custom['dense'] must be a class of your own"),
    ({"swish": Swish2}, ValueError, "custom['swish'] is Swish2, whose kind is 'swish2'"),
    ({"dense": type(kind_of("dense"))}, ValueError, "'dense' is taken"),
    ({"": type(kind_of(""))}, ValueError, "Mine needs a kind"),
]


@pytest.mark.parametrize(("custom", "kind", "text"), CUSTOMS)
def test_wrong_custom(custom: Any, kind: type[Exception], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        dr.load(tmp_path / "none", custom=custom)
    assert text in str(caught.value)
    assert not isinstance(caught.value, dr.ModelFileError)


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"kind": "my_dense"}, "missing 1 required positional argument: 'units'"),
    ({"kind": "my_dense", "units": 8, "evil": 1}, "MyDense has no argument 'evil'"),
    ({"kind": "my_dense", "units": 0}, "units must be 1 to 1000, got 0"),
    ({"kind": "my_dense", "units": 9}, "must have shape (5, 9), got (5, 8)"),
    ({"kind": "my_dense", "units": "8"}, "not supported between"),
    ({"kind": "my_dense", "units": [8]}, "not supported between"),
    ({"kind": "my_dense", "units": {"kind": "dense"}}, "not supported between"),
    ({"kind": "my_dense", "units": 8, "trainable": 7}, "trainable must be"),
    ({"kind": "my_dense", "units": 8, "trainable": {}}, "trainable must be a finite number, a te"),
    ({"kind": "my_dense", "units": 8, "__class__": 1}, "MyDense has no argument '__class__'"),
    ({"kind": "tests.custom_layers.MyDense", "units": 8}, "unknown layer"),
    ({"kind": "scale"}, "the array '0.scale' is missing"),
]


@pytest.mark.parametrize(("config", "text"), HOSTILE)
def test_hostile_descriptions(
    backend: str, tmp_path: Path, config: dict[str, Any], text: str
) -> None:
    path = tmp_path / "model"
    net = dr.Network([MyDense(8), dr.Dense(3)], "mse", backend=backend)
    net.build(5)
    net.save(path)
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    description = json.loads(header["__metadata__"]["deltarule"])
    description["layers"][0] = config
    header["__metadata__"]["deltarule"] = json.dumps(description)
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + size :])
    with pytest.raises(dr.ModelFileError) as caught:
        dr.load(path, backend=backend, custom=CUSTOM)
    assert text in str(caught.value)


def test_every_class_here_is_a_dataclass_or_has_no_arguments() -> None:
    assert {cls.kind for cls in CUSTOM.values() if fields(cls)} == {"my_dense", "scale", "does"}


def test_methods_on_all_rows(backend: str) -> None:
    """Gradients are enough for L-BFGS; the other one wants to know more."""
    x = np.ones((4, 5))
    chain = [dr.Dense(5), layers.Residual([Swish2()])]
    net = dr.Network(chain, "mse", dr.optimizers.LevenbergMarquardt(), backend=backend)
    with pytest.raises(ValueError, match=r"cannot train layer 1.0: .* not written in Python"):
        net.fit(x, x)
    pytest.importorskip("scipy")
    net = dr.Network(chain, "mse", dr.optimizers.LBFGS(), dtype="float64", backend=backend)
    losses = net.fit(x, x, epochs=5, verbose=False)["loss"]
    assert losses[-1] < losses[0]


# --------------------------------------------------------------------------------- what is said
def made(chain: list[Any], backend: str) -> dr.Network:
    net = dr.Network(chain, "mse", backend=backend)
    net.build(5)
    return net


def test_slowness_is_said_once(monkeypatch: pytest.MonkeyPatch, blobs: Data) -> None:
    """For each class, where a network becomes a compiled one; the reference is slow anyway."""
    monkeypatch.setattr(_custom, "_warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made([Swish2(), MyDense(3)], "reference")
    net = dr.Network([Swish2(), MyDense(3), layers.Residual([MyDense(3)])], "cross_entropy")
    with pytest.warns(dr.SlowWarning) as caught:
        net.fit(*blobs)
    assert [str(w.message).split()[0] for w in caught] == ["Swish2", "MyDense"]
    assert {w.filename for w in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(*blobs)
        made([Swish2(), MyDense(3)], "fast")
    text = str(made([Swish2(), MyDense(3)], "fast").summary())
    assert "in Python: Swish2, MyDense" in text


def test_time_in_python_is_said(backend: str) -> None:
    net = made([dr.Dense(5), Swish2()], backend)
    x = np.ones((64, 5))
    performance = net.fit(x, x, epochs=3).performance
    assert performance is not None
    assert performance.python > 0
