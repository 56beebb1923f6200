"""The plan: gradients, updates, evaluation and state."""

import numpy as np
import pytest

import deltarule as dr
from deltarule import _check, losses, reference
from deltarule._graph import Graph, Node
from deltarule.optimizers import examples
from deltarule.reference.plan import Plan

from ..losses import CASES, LABELS, ROWS, lasts, shown, width
from .plans import SGD, chain, data, epoch_graph, everything, ready, weights


def check_gradients(plan, x, t, w, agree):
    _, gradients = plan.gradients(x, t, w)
    assert list(gradients) == list(plan.graph.parameter_shapes())
    for name, gradient in gradients.items():
        value = plan.get(0, name)

        def loss(array, name=name):
            plan.set(0, name, array)
            return plan.gradients(x, t, w)[0]

        agree(gradient, loss, value)
        plan.set(0, name, value)


# (loss, last activation, kind of targets); every output behind tanh, and the usual ones behind all
OUTPUTS = [
    (loss, last, form)
    for loss, form in CASES
    for last in (_check.ACTIVATIONS if loss.kind == "mse" else lasts(loss))
]
USUAL = [
    (losses.MSE(), "identity", ROWS),
    (losses.CrossEntropy(), "softmax", ROWS),
    (losses.BinaryCrossEntropy(), "sigmoid", ROWS),
]
PAIRS = [("tanh", *output) for output in OUTPUTS]
PAIRS += [(hidden, *o) for hidden in _check.ACTIVATIONS if hidden != "tanh" for o in USUAL]


@pytest.mark.parametrize(("hidden", "loss", "last", "form"), PAIRS, ids=shown)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_gradients_are_central_differences(hidden, loss, last, form, bias, weighted, agree):
    widths = (4, 5, width(loss, 3))
    graph = chain(hidden, last, loss=loss, bias=bias, widths=widths)
    rows = data(graph, labels=form == LABELS)
    check_gradients(ready(graph), *rows, weights() if weighted else None, agree)


@pytest.mark.parametrize("weighted", [True, False])
def test_gradients_with_labels_through_three_layers(weighted, agree):
    widths = (4, 6, 2, 5)
    graph = chain("tanh", "leaky_relu", "softmax", widths=widths, loss="cross_entropy")
    x, t = data(graph, labels=True)
    check_gradients(ready(graph), x, t, weights() if weighted else None, agree)


def branching():
    """0 -> 1 -> 3 -> 4, and 1 -> 2, which nobody reads."""
    nodes = (
        Node("dense", "0", (0,), 1, "tanh", 0.0, True),
        Node("dense", "1", (1,), 2, "relu", 0.0, True),
        Node("dense", "2", (1,), 3, "sigmoid", 0.0, False),
        Node("dense", "3", (3,), 4, "identity", 0.0, True),
    )
    return Graph("float64", (4, 5, 2, 3, 2), nodes, "mse", SGD, "none")


def test_a_node_that_leads_nowhere_has_gradient_zero(agree):
    plan = ready(branching())
    x, t = data(plan.graph)
    _, gradients = plan.gradients(x, t, None)
    assert not gradients["1.weight"].any()
    assert not gradients["1.bias"].any()
    for name in ("0.weight", "0.bias", "2.weight", "3.weight", "3.bias"):
        value = plan.get(0, name)

        def loss(array, name=name):
            plan.set(0, name, array)
            return plan.gradients(x, t, None)[0]

        agree(gradients[name], loss, value)
        plan.set(0, name, value)


def test_errors_of_several_readers_add_up():
    """Only the last node is right of the loss, so two readers are made by hand: the error of
    buffer 1 is the sum of what both nodes would send back alone."""
    nodes = (
        Node("dense", "0", (0,), 1, "identity", 0.0, False),
        Node("dense", "1", (1,), 2, "identity", 0.0, False),
        Node("dense", "2", (1,), 2, "identity", 0.0, False),
    )
    graph = Graph("float64", (2, 3, 2), nodes, "mse", SGD, "none")
    plan = ready(graph)
    rng = np.random.default_rng(3)
    x, hidden, y, dy = (rng.standard_normal((5, n)) for n in (2, 3, 2, 2))
    values = {name: plan.get(0, name) for name in graph.parameter_shapes()}
    gradients = plan._backward(values, [x, hidden, y], [None] * 3, dy)
    back = dy @ values["1.weight"].T + dy @ values["2.weight"].T
    np.testing.assert_allclose(gradients["0.weight"], x.T @ back, rtol=1e-12)


# ------------------------------------------------------------------------- against the functions
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", examples().values(), ids=examples())
def test_training_is_the_single_functions_composed(optimizer, dtype):
    graph = chain("tanh", "softmax", loss="cross_entropy", optimizer=optimizer, dtype=dtype)
    plan = ready(graph)
    x, t = data(graph, labels=True)
    w = weights(dtype=dtype)
    names = list(graph.parameter_shapes())
    value = {name: plan.get(0, name) for name in names}
    state = {name: [np.zeros_like(value[name])] * (plan.n_slots - 1) for name in names}
    for step in range(1, 4):
        hidden = reference.dense_forward(x, value["0.weight"], value["0.bias"], activation="tanh")
        logits = reference.dense_forward(hidden, value["1.weight"], value["1.bias"])
        loss = reference.loss_forward("cross_entropy", logits, t, sample_weight=w)
        dy = reference.loss_backward("cross_entropy", logits, t, sample_weight=w)
        g = {}
        dx, g["1.weight"], g["1.bias"] = reference.dense_backward(
            hidden, value["1.weight"], logits, dy
        )
        _, g["0.weight"], g["0.bias"] = reference.dense_backward(
            x, value["0.weight"], hidden, dx, activation="tanh"
        )
        for name in names:
            value[name], *state[name] = reference.optimizer_step(
                optimizer, value[name], g[name], *state[name], step=step
            )
        assert plan.train_batch(x, t, w) == loss
        assert plan.step == step
        for name in names:
            assert plan.get(0, name).dtype == dtype
            np.testing.assert_array_equal(plan.get(0, name), value[name])
            for slot, array in enumerate(state[name], start=1):
                np.testing.assert_array_equal(plan.get(slot, name), array)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_predict_applies_the_last_activation_and_the_loss_does_not(loss):
    last = "softmax" if loss == "cross_entropy" else "sigmoid"
    fused, plain = chain("tanh", last, loss=loss), chain("tanh", "identity", loss=loss)
    x, t = data(fused)
    one, two = ready(fused), ready(plain)
    np.testing.assert_array_equal(
        one.predict(x), reference.activation_forward(last, two.predict(x))
    )
    assert one.evaluate(x, t, None) == two.evaluate(x, t, None)
    assert one.gradients(x, t, None)[0] == reference.loss_forward(loss, two.predict(x), t)


def test_training_learns():
    graph = chain("tanh", "sigmoid", widths=(2, 8, 1), loss="binary_cross_entropy",
                  optimizer=dr.Adam(0.05), accuracy="threshold")  # fmt: skip
    plan = ready(graph)
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = np.array([[0.0], [1.0], [1.0], [0.0]])
    for _ in range(300):
        plan.train_batch(x, t, None)
    loss, total, hits = plan.evaluate(x, t, None)
    assert loss / total < 0.05
    assert hits == 4


# --------------------------------------------------------------------------------------- evaluate
def linear(loss, accuracy, n_out):
    """A plan whose output is its input."""
    last = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "identity")
    plan = Plan(chain(last, widths=(n_out, n_out), loss=loss, bias=False, accuracy=accuracy))
    plan.set(0, "0.weight", np.eye(n_out))
    return plan


def test_hits_by_argmax():
    plan = linear("cross_entropy", "argmax", 3)
    x = np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    # first maxima: 1, 0, 1, 2
    assert plan.evaluate(x, np.array([1, 0, 2, 2]), None)[2] == 3
    assert plan.evaluate(x, np.array([1, 0, 2, 2]), np.array([1.0, 2.0, 4.0, 8.0]))[2] == 11
    t = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert plan.evaluate(x, t, None)[2] == 2


@pytest.mark.parametrize(("loss", "half"), [("binary_cross_entropy", 0.0), ("mse", 0.5)])
def test_hits_by_threshold(loss, half):
    plan = linear(loss, "threshold", 2)
    x = half + np.array([[0.1, -0.1], [0.1, 0.1], [0.0, -3.0]])
    t = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # rows: both right, one of two, none (exactly half way counts as below)
    assert plan.evaluate(x, t, np.array([1.0, 2.0, 4.0]))[2] == 2.0


def test_no_hits():
    assert linear("mse", "none", 2).evaluate(np.eye(2), np.eye(2), None)[1:] == (2.0, 0.0)


def test_evaluate_in_any_chunks():
    graph = chain("tanh", "softmax", loss="cross_entropy", accuracy="argmax")
    plan, n = ready(graph), 23
    x, t = data(graph, n, labels=True)
    w = weights(n)
    whole = plan.evaluate(x, t, w)
    assert all(type(value) is float for value in whole)
    for size in (1, 4, 22):
        parts = [slice(i, i + size) for i in range(0, n, size)]
        sums = np.sum([plan.evaluate(x[p], t[p], w[p]) for p in parts], axis=0)
        np.testing.assert_allclose(sums, whole, rtol=1e-13)
    assert plan.evaluate(x[:0], t[:0], w[:0]) == (0.0, 0.0, 0.0)
    assert plan.predict(x[:0]).shape == (0, 3)


# ------------------------------------------------------------------------------------------ state
def test_a_new_plan_is_zero():
    graph = epoch_graph()
    plan = Plan(graph)
    assert plan.graph is graph
    assert plan.step == 0
    assert plan.n_slots == 3
    assert Plan(epoch_graph(SGD)).n_slots == 2
    for slot in range(3):
        for name, shape in graph.parameter_shapes().items():
            array = plan.get(slot, name)
            assert array.shape == shape
            assert not array.any()


def test_get_and_set_copy():
    plan = Plan(epoch_graph())
    given = np.arange(20.0).reshape(4, 5)
    plan.set(0, "0.weight", np.asfortranarray(given))
    plan.set(2, "0.weight", given)
    given[...] = -1
    plan.get(0, "0.weight")[...] = -2
    for slot in (0, 2):
        assert plan.get(slot, "0.weight").tolist() == np.arange(20.0).reshape(4, 5).tolist()
    assert not plan.get(1, "0.weight").any()


def test_float32_stays_float32():
    graph = chain("tanh", "sigmoid", loss="binary_cross_entropy", dtype="float32")
    plan = ready(graph)
    x, t = data(graph)
    plan.train_batch(x, t, weights(dtype="float32"))
    assert plan.predict(x).dtype == np.float32
    assert all(g.dtype == np.float32 for g in plan.gradients(x, t, None)[1].values())
    assert all(plan.get(1, name).dtype == np.float32 for name in graph.parameter_shapes())


def test_bad_calls():
    plan = ready(epoch_graph())
    x, t = data(plan.graph, labels=True)
    before = everything(plan)
    for wrong in ("f2", "i8", ">f8", "?"):
        with pytest.raises(TypeError, match="x must be one of float32, float64, uint8; got dtype"):
            plan.predict(x.astype(wrong))
    with pytest.raises(ValueError, match=r"x must have shape \(any, 4\)"):
        plan.predict(x[:, :3])
    with pytest.raises(ValueError, match=r"t must have shape \(7,\), got \(6,\)"):
        plan.train_batch(x, t[:6], None)
    with pytest.raises(TypeError, match="t must be int64 labels"):
        plan.train_batch(x, t.astype("i4"), None)
    with pytest.raises(ValueError, match=r"t must have shape \(7, 3\)"):
        plan.evaluate(x, np.ones((7, 2)), None)
    with pytest.raises(TypeError, match="w must be float64"):
        plan.gradients(x, t, np.ones(7, "f4"))
    with pytest.raises(ValueError, match=r"name must be one of '0.weight'"):
        plan.get(0, "2.weight")
    with pytest.raises(ValueError, match="slot must be >= 0 and < 3"):
        plan.set(3, "0.weight", np.ones((4, 5)))
    with pytest.raises(ValueError, match=r"0.weight must have shape \(4, 5\)"):
        plan.set(0, "0.weight", np.ones((5, 4)))
    with pytest.raises(ValueError, match="step must be >= 0"):
        plan.step = -1
    options = {"batch_size": 4, "shuffle": True, "seed": 0, "epoch": 0}
    for name, bad in [("batch_size", 0), ("batch", 3), ("epoch", -1), ("seed", -1)]:
        with pytest.raises(ValueError, match=f"{name} must be >="):
            plan.train(x, t, None, **{**options, name: bad})
    assert everything(plan) == before
