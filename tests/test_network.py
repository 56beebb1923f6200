"""Network: learning, reporting, the position in training, copies, and use from several threads."""

from __future__ import annotations

import copy
import io
import pickle
import re
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

import deltarule as dr
from deltarule._engine import Plan, Run

from .conftest import Data, make_blobs

Make = Callable[..., dr.Network]

XOR_X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR_Y = np.array([0, 1, 1, 0])


def assert_same(first: dr.Network, second: dr.Network) -> None:
    """The same bits: parameters, optimizer state, position."""
    one, two = first.__getstate__(), second.__getstate__()
    assert one["description"] == two["description"]
    assert one["arrays"].keys() == two["arrays"].keys()
    for name, array in one["arrays"].items():
        assert array.tobytes() == two["arrays"][name].tobytes(), name


# -------------------------------------------------------------------------------------- learning
@pytest.mark.parametrize("optimizer", [dr.SGD(0.5, momentum=0.9), dr.Adam(0.05)])
@pytest.mark.parametrize(
    ("loss", "last"),
    [
        ("cross_entropy", dr.Dense(2, "softmax")),
        ("cross_entropy", dr.Dense(2)),
        ("binary_cross_entropy", dr.Dense(1, "sigmoid")),
        ("binary_cross_entropy", dr.Dense(1)),
        ("mse", dr.Dense(1, "sigmoid")),
    ],
)
def test_learns_xor(
    backend: str, dtype: str, loss: str, last: dr.Dense, optimizer: dr.optimizers.Optimizer
) -> None:
    net = dr.Network(
        [dr.Dense(8, "tanh"), last],
        loss,
        optimizer,
        metrics=["accuracy"],
        dtype=dtype,
        backend=backend,
        seed=1,
    )
    history = net.fit(XOR_X, XOR_Y, epochs=400, batch_size=4)
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.05
    assert net.evaluate(XOR_X, XOR_Y)["accuracy"] == 1.0
    output = net.predict(XOR_X)
    assert output.dtype == np.dtype(dtype)
    logits = loss != "mse" and last.activation.kind == "identity"
    right = output.argmax(1) if last.units == 2 else output[:, 0] > (0 if logits else 0.5)
    np.testing.assert_array_equal(right, XOR_Y)


def test_learns_blobs_and_reports(make_net: Make, blobs: Data) -> None:
    net = make_net()
    other = make_blobs(60)
    history = net.fit(*blobs, epochs=30, batch_size=16, validation_data=other)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epochs == 30
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < history["loss"][0]
    assert {f"val_{k}": v for k, v in net.evaluate(*other).items()} == {
        k: history[k][-1] for k in ("val_loss", "val_accuracy")
    }


def test_learns_a_regression_with_two_outputs(backend: str, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3))
    y = x @ np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.0]]) + 0.25
    net = dr.Network([dr.Dense(2)], "mse", dr.Adam(0.05), dtype=dtype, backend=backend)
    assert net.fit(x, y, epochs=60, batch_size=20)["loss"][-1] < 1e-4
    np.testing.assert_allclose(net.parameters()["0.bias"], 0.25, atol=0.02)


def test_same_seed_same_bits_other_seed_other_bits(make_net: Make, blobs: Data) -> None:
    nets = [make_net(seed=seed) for seed in (5, 5, 6)]
    for net in nets:
        net.fit(*blobs, epochs=2)
    assert_same(nets[0], nets[1])
    assert not np.array_equal(nets[0].predict(blobs[0]), nets[2].predict(blobs[0]))


def test_both_backends_begin_with_the_same_bits() -> None:
    nets = [
        dr.Network([dr.Dense(4, bias_init="he_uniform"), dr.Dense(3)], "mse", backend=backend)
        for backend in ("reference", "fast")
    ]
    for net in nets:
        net.build(5)
    assert_same(*nets)


def test_layers_are_shared_without_sharing_weights(backend: str) -> None:
    layer = dr.Dense(4, "tanh")
    net = dr.Network([layer, layer, layer], "mse", backend=backend)
    net.build(4)
    parameters = net.parameters()
    assert list(parameters) == [f"{i}.{p}" for i in range(3) for p in ("weight", "bias")]
    assert not np.array_equal(parameters["0.weight"], parameters["1.weight"])


def test_layouts_give_the_same_bits(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    nets = [make_net() for _ in range(3)]
    nets[0].fit(x, y, epochs=2)
    nets[1].fit(np.asfortranarray(x.astype("float64")), y.astype("uint8"), epochs=2)
    nets[2].fit(np.repeat(x, 2, axis=1)[:, ::2], np.eye(3)[y], epochs=2)
    assert_same(nets[0], nets[1])
    np.testing.assert_allclose(nets[0].predict(x), nets[2].predict(x), atol=1e-5)


def test_uint8_images(make_net: Make) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    net = make_net()
    net.fit(images.reshape(20, -1), np.arange(20) % 3)
    assert net.input_shape == (64,)


# ------------------------------------------------------------------------------------ reporting
def test_epoch_loss_weighs_batches_by_their_weight(make_net: Make, blobs: Data) -> None:
    x, y = blobs
    w = np.linspace(0, 3, len(y)).astype("float32")
    net = make_net(optimizer=dr.SGD(1e-30), metrics=["accuracy"])
    net.build(5)
    before = net.evaluate(x, y, w)
    history = net.fit(x, y, sample_weight=w, batch_size=7, validation_data=(x, y, w))
    assert history["loss"][0] == pytest.approx(before["loss"], rel=1e-5)
    assert history["accuracy"][0] == pytest.approx(before["accuracy"], rel=1e-6)
    assert history["val_loss"][0] == pytest.approx(before["loss"], rel=1e-5)


def test_weights_are_repetitions(make_net: Make, blobs: Data) -> None:
    x, y = blobs[0][:9], blobs[1][:9]
    w = np.arange(9) % 3
    net = make_net(dtype="float64")
    net.build(5)
    loss, gradients = net.gradients(x, y, w)
    again, repeated = net.gradients(np.repeat(x, w, axis=0), np.repeat(y, w))
    assert loss == pytest.approx(again, rel=1e-12)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], repeated[name], atol=1e-12)


def test_weights_that_sum_to_zero_change_nothing(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    twin = copy.deepcopy(net)
    zeros = np.zeros(len(blobs[1]))
    assert net.train_on_batch(*blobs, zeros) == 0.0
    assert net.gradients(*blobs, zeros)[0] == 0.0
    assert_same(net, twin)


def test_gradients_against_central_differences(backend: str, blobs: Data) -> None:
    net = dr.Network(
        [dr.Dense(4, "tanh"), dr.Dense(3)], "cross_entropy", dtype="float64", backend=backend
    )
    net.build(5)
    loss, gradients = net.gradients(*blobs)
    assert loss == pytest.approx(net.evaluate(*blobs)["loss"], rel=1e-12)
    start = net.parameters()
    assert gradients.keys() == start.keys()
    for name, value in start.items():
        index = tuple(size // 2 for size in value.shape)
        losses = []
        for step in (1e-6, -1e-6):
            moved = value.copy()
            moved[index] += step
            net.set_parameters({name: moved})
            losses.append(net.evaluate(*blobs)["loss"])
        net.set_parameters({name: value})
        numeric = (losses[0] - losses[1]) / 2e-6
        assert gradients[name][index] == pytest.approx(numeric, rel=1e-6, abs=1e-9)


def test_train_on_batch_is_one_step(make_net: Make, blobs: Data) -> None:
    net = make_net(optimizer=dr.SGD(0.1), dtype="float64")
    net.build(5)
    before = net.parameters()
    loss, gradients = net.gradients(*blobs)
    assert net.train_on_batch(*blobs) == pytest.approx(loss, rel=1e-12)
    for name, value in net.parameters().items():
        np.testing.assert_allclose(value, before[name] - 0.1 * gradients[name], rtol=1e-12)


def test_train_on_batch_builds(make_net: Make, blobs: Data) -> None:
    net = make_net()
    assert net.train_on_batch(*blobs) > 0
    assert net.input_shape == (5,)


def test_predict_passes_nan_and_inf_through(make_net: Make, blobs: Data) -> None:
    net = make_net(layers=[dr.Dense(3)])
    net.fit(*blobs)
    x = blobs[0].copy()
    clean = net.predict(x)
    x[2, 1] = np.nan
    x[4, 0] = np.inf
    output = net.predict(x)
    assert np.isnan(output[2]).all()
    assert not np.isfinite(output[4]).any()
    rest = [i for i in range(len(x)) if i not in (2, 4)]
    np.testing.assert_array_equal(output[rest], clean[rest])


def test_predict_shapes(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    assert net.predict(blobs[0][:0]).shape == (0, 3)
    one = net.predict(blobs[0][:1])
    assert one.shape == (1, 3)
    np.testing.assert_array_equal(one, net.predict(blobs[0])[:1])
    read_only = blobs[0].copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(net.predict(read_only), net.predict(blobs[0]))


def test_accuracy_rules(backend: str) -> None:
    x = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    identity = {"0.weight": np.eye(2), "0.bias": np.zeros(2)}
    for loss, last, y, expected in [
        ("binary_cross_entropy", "sigmoid", [[1, 0], [1, 0], [1, 0]], (1 + 0.5 + 0.5) / 3),
        ("binary_cross_entropy", None, [[1, 0], [1, 0], [1, 0]], (1 + 0.5 + 0.5) / 3),
        ("mse", None, [[1, 0], [0, 1], [0.9, 0.1]], 2 / 3),
        ("cross_entropy", None, [0, 1, 0], 2 / 3),
    ]:
        net = dr.Network([dr.Dense(2, last)], loss, metrics=["accuracy"], backend=backend)
        net.build(2)
        net.set_parameters(identity)
        assert net.evaluate(x, y)["accuracy"] == pytest.approx(expected), (loss, last)


# --------------------------------------------------------------------------------- parameters
def test_parameters_are_copies(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    expected = net.predict(blobs[0])
    for value in net.parameters().values():
        value[...] = 0
    weights = {"1.bias": np.array([1.0, 2.0, 3.0], "float32")}
    np.testing.assert_array_equal(net.predict(blobs[0]), expected)
    net.set_parameters(weights)
    weights["1.bias"][:] = 0
    np.testing.assert_array_equal(net.parameters()["1.bias"], [1, 2, 3])
    net.set_parameters({"1.bias": [4, 5, 6], "0.bias": np.arange(14)[::2]})
    np.testing.assert_array_equal(net.parameters()["1.bias"], [4, 5, 6])
    np.testing.assert_array_equal(net.parameters()["0.bias"], np.arange(14)[::2])


def test_n_parameters_summary_repr(make_net: Make) -> None:
    net = make_net()
    net.build(5)
    assert net.n_parameters == 5 * 7 + 7 + 7 * 3 + 3
    text = str(net.summary())
    assert repr(net.summary()) == text
    assert "Dense(7, activation='relu')" in text
    assert "(n, 7)" in text
    assert "66 parameters in float32: 264 B" in text
    assert "792 B" in text
    assert re.search(r"^0 .* 42$", text, re.MULTILINE)
    assert "loss='cross_entropy'" in repr(net)
    net.build((5,))
    assert net.built


def test_dtype_may_be_a_numpy_type(make_net: Make) -> None:
    assert make_net(dtype=np.float64).dtype == "float64"
    assert make_net(dtype=np.dtype("float32")).dtype == "float32"


# ----------------------------------------------------------------------- position in training
class Stops:
    """A run that raises KeyboardInterrupt once a number of batches is done."""

    def __init__(self, run: Run, after: int) -> None:
        self._run = run
        self._after = after

    def __getattr__(self, name: str) -> object:
        return getattr(self._run, name)

    def advance(self, budget: float) -> bool:
        over = self._run.advance(0.0)
        if self._run.batch >= self._after:
            raise KeyboardInterrupt
        return over


class StoppingPlan:
    """A plan whose n-th epoch is interrupted after some batches."""

    def __init__(self, plan: Plan, epoch: int, batches: int) -> None:
        self._plan = plan
        self._left = epoch
        self._batches = batches

    def __getattr__(self, name: str) -> object:
        return getattr(self._plan, name)

    def train(self, *data: object, **how: object) -> object:
        run = self._plan.train(*data, **how)  # type: ignore[arg-type]
        self._left -= 1
        return Stops(run, self._batches) if self._left == 0 else run


def interrupt(net: dr.Network, data: Data, epoch: int, batches: int, **how: object) -> None:
    """A fit that ends in KeyboardInterrupt in its epoch-th epoch."""
    net.build(data[0].shape[1])
    plan = net._plan
    assert plan is not None
    net._plan = StoppingPlan(plan, epoch, batches)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        net.fit(*data, **how)  # type: ignore[arg-type]
    net._plan = plan


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 6, 7])
def test_interrupted_epoch_is_finished(
    make_net: Make, blobs: Data, shuffle: bool, batch: int
) -> None:
    how = {"batch_size": 14, "shuffle": shuffle}  # 7 batches, the last is short
    whole = make_net()
    expected = whole.fit(*blobs, epochs=4, **how)
    net = make_net()
    interrupt(net, blobs, 2, batch, epochs=4, **how)
    left = 4 - 2 + (batch < 7)  # the finished epoch counts as one of the next fit
    assert net._plan is not None
    stopped = net._position.batch
    assert stopped >= batch or (net._position.epoch, stopped) == (2, 0)
    history = net.fit(*blobs, epochs=left if net._position.batch else 2, **how)
    assert_same(net, whole)
    assert history["loss"] == expected["loss"][-history.epochs :]
    assert history["accuracy"] == expected["accuracy"][-history.epochs :]


@pytest.mark.parametrize(
    "other", [{"batch_size": 13}, {"batch_size": 14, "shuffle": False}, {"rows": 90}]
)
def test_another_fit_begins_a_new_epoch(make_net: Make, blobs: Data, other: dict) -> None:
    net = make_net()
    interrupt(net, blobs, 1, 1, batch_size=14)
    epoch = net._position.epoch
    if net._position.batch == 0:
        pytest.skip("the whole epoch was one slice of training")
    how = {"batch_size": 14, **other}
    rows = how.pop("rows", len(blobs[1]))
    net.fit(blobs[0][:rows], blobs[1][:rows], **how)
    assert (net._position.epoch, net._position.batch) == (epoch + 2, 0)


def test_ctrl_c_from_the_real_loop(make_net: Make) -> None:
    """A signal in the middle of fit: the network is as after some whole batch and goes on."""
    import _thread

    x = np.random.default_rng(0).normal(size=(4000, 20)).astype("float32")
    y = np.arange(4000) % 3
    how = {"batch_size": 4}
    net = make_net(layers=[dr.Dense(64, "relu"), dr.Dense(3)])
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=100000, **how)
    timer.join()
    at = net._position
    net.fit(x, y, epochs=1, **how)
    whole = make_net(layers=[dr.Dense(64, "relu"), dr.Dense(3)])
    whole.fit(x, y, epochs=at.epoch + 1, **how)
    assert_same(net, whole)


def test_several_fits_are_one(make_net: Make, blobs: Data) -> None:
    one, many = make_net(), make_net()
    expected = one.fit(*blobs, epochs=5, batch_size=20)
    parts = [many.fit(*blobs, epochs=epochs, batch_size=20) for epochs in (1, 3, 1)]
    assert_same(one, many)
    assert [v for part in parts for v in part["loss"]] == expected["loss"]


def test_batches_larger_than_the_data(make_net: Make, blobs: Data) -> None:
    one, two = make_net(), make_net()
    one.fit(*blobs, batch_size=96)
    two.fit(*blobs, batch_size=10**15)
    assert_same(one, two)


@pytest.mark.parametrize("shuffle", [True, False])
def test_shuffle(make_net: Make, blobs: Data, shuffle: bool) -> None:
    net = make_net(optimizer=dr.SGD(0.1))
    twin = copy.deepcopy(net)
    net.fit(*blobs, batch_size=10, shuffle=shuffle)
    twin.build(5)
    for start in range(0, 96, 10):
        twin.train_on_batch(blobs[0][start : start + 10], blobs[1][start : start + 10])
    same = all(
        np.array_equal(value, twin.parameters()[name]) for name, value in net.parameters().items()
    )
    assert same is not shuffle


# ------------------------------------------------------------------------------------- copies
COPIES: dict[str, Callable[[dr.Network], dr.Network]] = {
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("stage", ["new", "built", "fitted", "interrupted"])
@pytest.mark.parametrize("optimizer", ["adam", dr.SGD(0.1, momentum=0.9)])
def test_copies(make_net: Make, blobs: Data, how: str, stage: str, optimizer: object) -> None:
    net = make_net(optimizer=optimizer)
    if stage == "built":
        net.build(5)
    if stage == "fitted":
        net.fit(*blobs, epochs=2)
    if stage == "interrupted":
        interrupt(net, blobs, 2, 1, epochs=2, batch_size=8)
    twin = COPIES[how](net)
    assert_same(net, twin)
    assert repr(net) == repr(twin)
    assert net.fit(*blobs, epochs=2, batch_size=8) == twin.fit(*blobs, epochs=2, batch_size=8)
    assert_same(net, twin)
    before = twin.predict(blobs[0])
    net.fit(*blobs)  # the copy is on its own
    np.testing.assert_array_equal(twin.predict(blobs[0]), before)


# ----------------------------------------------------------------------------------- progress
def test_progress_bar(make_net: Make, blobs: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

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
            assert "epoch 3/3" in text
            assert "9/9" in text
            assert "val_accuracy=" in text
    monkeypatch.setattr(sys, "stderr", None)
    make_net().fit(*blobs)


# ------------------------------------------------------------------------------------ threads
def test_threads(make_net: Make) -> None:
    """While one thread trains, others may predict; everything else says why it may not."""
    x = np.random.default_rng(0).normal(size=(2000, 20)).astype("float32")
    y = np.arange(2000) % 3
    net = make_net(layers=[dr.Dense(64, "relu"), dr.Dense(3)])
    net.build(20)
    trainer = threading.Thread(target=lambda: net.fit(x, y, epochs=60, batch_size=8))
    trainer.start()
    refused = 0
    calls: list[Callable[[], object]] = [
        lambda: net.fit(x, y),
        lambda: net.train_on_batch(x, y),
        lambda: net.set_parameters({}),
        lambda: net.gradients(x, y),
        lambda: net.evaluate(x, y),
        lambda: net.parameters(),
        lambda: pickle.dumps(net),
    ]
    while trainer.is_alive() and refused < 100:
        assert net.predict(x[:5]).shape == (5, 3)
        with pytest.raises(RuntimeError, match=r"in the middle of fit\(\) in another thread"):
            calls[refused % len(calls)]()
            if not net._gate._trainer:  # it ended just before the call
                raise RuntimeError("in the middle of fit() in another thread")
        refused += 1
    trainer.join()
    assert refused >= len(calls)
    for call in calls:
        call()


def test_readers_do_not_disturb_each_other(make_net: Make, blobs: Data) -> None:
    net = make_net()
    net.fit(*blobs)
    expected = net.evaluate(*blobs)
    failures: list[object] = []

    def read() -> None:
        for _ in range(50):
            if net.evaluate(*blobs) != expected or not net.parameters():
                failures.append("differs")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_labels_changed_by_another_thread(make_net: Make) -> None:
    """Labels that another thread pushes out of range meanwhile: an error or a whole fit."""
    x, y = make_blobs(2000)
    stop = threading.Event()

    def spoil() -> None:
        while not stop.is_set():
            y[1000] = 2**40
            y[1000] = 0

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        net = make_net()
        for _ in range(30):
            try:
                net.fit(x, y, batch_size=100)
            except ValueError as error:
                assert "label 1099511627776 at row 1000" in str(error)
    finally:
        stop.set()
        thread.join()
