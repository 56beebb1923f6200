"""fit_many: the same bits as by fit, and every network by itself."""

import signal
import threading

import numpy as np
import pytest

import deltarule as dr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


def networks(dtype="float32", backend="fast"):
    """Of several kinds."""
    made = []
    for seed in range(6):
        hidden = [dr.Dense(4 + seed, ("relu", "tanh")[seed % 2]), *[dr.Dropout(0.2)] * (seed % 3)]
        optimizer = (dr.Adam(0.01), dr.SGD(0.1, momentum=0.9))[seed % 2]
        made.append(
            dr.Network([*hidden, dr.Dense(2, "softmax")], "cross_entropy", optimizer,
                       metrics=["accuracy"], dtype=dtype, backend=backend, seed=seed)
        )
    return made


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def stopping(net):
    return [dr.EarlyStopping("val_loss", patience=1 + net.seed % 2, restore_best_weights=True)]


@pytest.mark.parametrize("backend", ["fast", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_as_by_fit(dtype, backend):
    epochs, sizes = [3, 9, 5, 4, 6, 7], [8, None, 60, 7, 16, 1]
    together, alone = networks(dtype, backend), networks(dtype, backend)
    histories = dr.fit_many(together, X, Y, epochs=epochs, batch_size=sizes,
                            validation_data=(X[:20], Y[:20]), callbacks=stopping)
    for net, other, history, n, size in zip(together, alone, histories, epochs, sizes, strict=True):
        expected = other.fit(X, Y, epochs=n, batch_size=size, validation_data=(X[:20], Y[:20]),
                             callbacks=stopping(other))
        assert history == expected and history.stopped == expected.stopped
        same(net.parameters(), other.parameters())


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_each_has_a_thread_to_itself(threads):
    """Whatever the work, and where exactly so many threads are asked for."""
    seen = []

    class Team(dr.Callback):
        def on_slice(self, training):
            from deltarule import _fast

            seen.append((threading.get_ident(), _fast.last_team()))

    if dr.config()["openmp"]:
        dr.set_num_threads(threads, exact=True)
    try:
        nets = [dr.Network([dr.Dense(64), dr.Dense(2)], "cross_entropy") for _ in range(8)]
        dr.fit_many(nets, X, Y, callbacks=lambda net: [Team()])
    finally:
        dr.set_num_threads(None)
    assert {team for _, team in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}


class Refusing(dr.Callback):
    def on_epoch_end(self, training, values):
        raise OSError("no more")


def test_one_error_does_not_end_the_others():
    nets, alone = networks(), networks()
    with pytest.raises(dr.FitErrors, match="1 of 6 fits failed") as caught:
        dr.fit_many(nets, X, Y, epochs=2, callbacks=lambda n: [Refusing()] if n.seed == 3 else [])
    (error,) = caught.value.exceptions
    assert isinstance(error, OSError) and error.__notes__ == ["in the fit of networks[3]"]
    assert [history is None for history in caught.value.histories] == [i == 3 for i in range(6)]
    assert caught.value.split(OSError)[0].histories is caught.value.histories
    for i, (net, other) in enumerate(zip(nets, alone, strict=True)):
        if i != 3:
            assert caught.value.histories[i] == other.fit(X, Y, epochs=2)
            same(net.parameters(), other.parameters())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"networks": 3}, TypeError, "networks must be a list of networks, got 3"),
        ({"networks": []}, ValueError, "networks must be at least one"),
        ({"networks": ["a"]}, TypeError, r"networks\[0\] must be a Network, got 'a'"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": [1, 2]}, ValueError, "epochs must be one for each of 6 networks, got 2"),
        ({"batch_size": [1]}, ValueError, "batch_size must be one for each of 6 networks, got 1"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"callbacks": [1]}, TypeError, "callbacks must be a function"),
        ({"y": Y[:3]}, ValueError, "X has 60 rows but y has 3"),  # all fail alike: that error
        ({"verbose": "loud"}, ValueError, "verbose"),
    ],
)
def test_bad_arguments(arguments, error, words):
    nets = networks()
    with pytest.raises(error, match=words):
        dr.fit_many(**{"networks": nets, "X": X, "y": Y} | arguments)
    assert not any(net.built for net in nets)


def test_the_same_network_twice():
    nets = networks()
    with pytest.raises(ValueError, match=r"networks\[2\] is networks\[1\] again"):
        dr.fit_many([*nets[:2], nets[1]], X, Y)


def test_progress(capsys):
    dr.fit_many(networks(), X, Y, epochs=2, verbose=True)
    assert "12/12" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals of POSIX")
def test_interrupted():
    """All stop, none is spoilt: each goes on to what it would have become."""
    nets, alone = networks(), networks()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            dr.fit_many(nets, X, Y, epochs=10_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for net, other in zip(nets, alone, strict=True):
        done = net._position.epoch
        if net._position.batch:
            net.fit(X, Y)
            done += 1
        if done:
            other.fit(X, Y, epochs=done)
            same(net.parameters(), other.parameters())
