"""verify() against bugs sown on purpose: it has to find each of them and to name the place.

Broken formulas are put into the reference; broken kernels are compiled into a copy of the source
tree. A bug that is not found means that verify() looks away somewhere.
"""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from deltarule import losses
from deltarule._graph import KINDS as NODES
from deltarule._operations import COMPARED as OPERATIONS
from deltarule._report import Report
from deltarule.reference import plan as reference_plan
from deltarule.verify import REFERENCE as PLANS
from deltarule.verify import verify

from .network.examples import EXAMPLES, N_IN, N_OUT, example, lowered, network
from .seeded_kernels import KERNELS, ROOT, Tree, change
from .seeded_scenes import SCENES, examine

(
    activation, batch_norm, clip, dense, layer_norm, loss, nodes, noise, normal, optimizer, penalty,
    prelu, random,
) = (
    importlib.import_module(f"deltarule.reference.{name}")
    for name in (
        "activation", "batch_norm", "clip", "dense", "layer_norm", "loss", "nodes", "noise",
        "normal", "optimizer", "penalty", "prelu", "random",
    )
)  # fmt: skip


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_found_where_nothing_is_wrong(scene):
    """Or the tests below would mean nothing."""
    report = examine(scene)
    assert report, report


def assert_found(report: Report, place: str, compared: str) -> None:
    assert not report.ok, "not found"
    verdict = str(report).splitlines()[-1]
    assert verdict.startswith("FAILED: ")
    worst = report.worst
    assert place in worst.place and compared == worst.compared, verdict
    assert worst.place in verdict and worst.compared in verdict


# ---------------------------------------------------------------------------------- broken formulas
class Formula(NamedTuple):
    """What replaces an attribute of a module, or one half of an entry of its table."""

    scene: str
    where: Any
    name: str
    broken: Callable[..., Any]
    place: str
    compared: str = OPERATIONS
    part: int = 0  # of the entry: 0 forward, 1 backward; 0 constants, 1 update


def flush_below(limit: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda v: np.where(np.abs(v) < limit, v.dtype.type(0), v)


def with_numbers(rule: str, change: Callable[..., Any]) -> Callable[..., Any]:
    """The rule's update, with other constants than those it is given."""
    right = optimizer.TABLE[rule].update

    def broken(w, g, state, rate, c):
        return right(w, g, state, *change(rate, c))

    return broken


def adam_without_square(w, g, state, rate, c):
    _, m, v = optimizer._adam(w, g, state, rate, (*c[:3], 0.0, *c[4:]))
    v = v + c[3] * np.abs(g)
    return w - rate * (m / (np.sqrt(v) * c[4] + c[5])), m, v


def no_decay(given, *arguments):
    return RIGHT_UPDATE(dataclasses.replace(given, weight_decay=0.0), *arguments)


RULES, RIGHT_UPDATE = optimizer.TABLE, optimizer.place_by_place
RIGHT_PRELU = prelu.backward
RIGHT_PERMUTATION = random.permutation
RIGHT_BACKWARD, RIGHT_CONCAT = reference_plan.Plan._backward, nodes.Concat.backward
RIGHT_NOISE, RIGHT_NOISE_BACKWARD = noise.forward, noise.backward
RIGHT_NOISE_NODE = nodes.Noise.forward
RIGHT_RUNNING, RIGHT_BATCH_NORM = batch_norm.running, nodes.BatchNorm.forward
ACTIVATIONS, LOSSES = activation._TABLE, loss._TABLE

FORMULAS = {
    "the slope of tanh has the wrong sign": Formula(
        "classes", ACTIVATIONS, "tanh", lambda x, y, dy, alpha: dy * (y * y - 1),
        "0.error before tanh", part=1),
    "the slope of sigmoid lacks a factor": Formula(
        "numbers", ACTIVATIONS, "sigmoid", lambda x, y, dy, alpha: dy * y,
        "0.error before sigmoid", part=1),
    "relu lets every error through": Formula(
        "classes", ACTIVATIONS, "relu", lambda x, y, dy, alpha: dy, "1.error before relu", part=1),
    "leaky_relu forgets its slope": Formula(
        "momentum", ACTIVATIONS, "leaky_relu", lambda x, alpha: np.maximum(x, 0), "0.output"),
    "softmax is not normalised": Formula(
        "bits", ACTIVATIONS, "softmax", lambda x, alpha: np.exp(x), "0.output"),
    "softmax has the slope of sigmoid": Formula(
        "bits", ACTIVATIONS, "softmax", lambda x, y, dy, alpha: dy * y * (1 - y),
        "0.error before softmax", part=1),
    "gelu forgets what x itself adds to its slope": Formula(
        "shares", ACTIVATIONS, "gelu", lambda x, y, dy, alpha: dy * activation.normal.below(x),
        "0.error before gelu", part=1),
    "erf loses its series": Formula(
        "shares", normal, "_erf_series", lambda z: z, "0.output"),
    "silu is a sigmoid": Formula(
        "shares", ACTIVATIONS, "silu", lambda x, alpha: activation._sigmoid(x), "1.output"),
    "softplus has the slope of relu": Formula(
        "lines", ACTIVATIONS, "softplus", lambda x, y, dy, alpha: dy * (y > np.log(2)),
        "1.error before softplus", part=1),
    "elu forgets alpha in its slope": Formula(
        "lines", ACTIVATIONS, "elu", lambda x, y, dy, alpha: np.where(y > 0, dy, dy * y),
        "0.error before elu", part=1),
    "log_softmax is not normalised": Formula(
        "lines", ACTIVATIONS, "log_softmax", lambda x, alpha: x - x.max(-1, keepdims=True),
        "2.output"),
    "the plan gives gelu its output for its input": Formula(
        "shares", reference_plan.Plan, "_backward",
        lambda plan, values, buffers, kept, *rest: RIGHT_BACKWARD(
            plan, values, buffers, [None] * len(kept), *rest),
        "gradient", PLANS),
    "the bias is missing": Formula(
        "classes", dense, "forward", lambda x, w, b: x @ w, ".output"),
    "the error at the input is not transposed": Formula(
        "numbers", dense, "backward",
        lambda x, w, dz: (dz @ (w if w.shape[0] == w.shape[1] else w.T), x.T @ dz, dz.sum(axis=0)),
        "1.error at the input"),
    "the weight gradient is a mean": Formula(
        "classes", dense, "backward",
        lambda x, w, dz: (dz @ w.T, x.T @ dz / len(x), dz.sum(axis=0)), "weight gradient"),
    "the bias gradient forgets the first row": Formula(
        "classes", dense, "backward",
        lambda x, w, dz: (dz @ w.T, x.T @ dz, dz[1:].sum(axis=0)), "bias gradient"),
    "mse is a sum": Formula(
        "numbers", LOSSES, "mse", lambda y, t, p: np.sum((y - t) ** 2, axis=1), "loss"),
    "the gradient of mse lacks the 2": Formula(
        "numbers", LOSSES, "mse", lambda y, t, p: (y - t) / y.shape[1], "loss gradient",
        part=1),
    "the gradient of cross_entropy has the wrong sign": Formula(
        "classes", LOSSES, "cross_entropy",
        lambda y, t, p: loss._one_hot(y, t) - loss._softmax(y), "loss gradient", part=1),
    "binary_cross_entropy forgets the targets": Formula(
        "bits", LOSSES, "binary_cross_entropy",
        lambda y, t, p: np.mean(np.logaddexp(0, y), axis=1), "loss"),
    "weights of samples are ignored": Formula(
        "classes", loss, "weights", lambda y, w: np.ones(len(y)), "loss"),
    "momentum has the wrong sign": Formula(
        "momentum", RULES, "momentum", with_numbers("momentum", lambda rate, c: (rate, (-c[0],))),
        " step", part=1),
    "nesterov is forgotten": Formula(
        "classes", RULES, "nesterov", optimizer._momentum, " step", part=1),
    "weight decay is forgotten": Formula(
        "classes", optimizer, "place_by_place", no_decay, " step"),
    "adam does not correct its means": Formula(
        "numbers", RULES, "adam", lambda rate, h, t: optimizer._of_adam(rate, h, 10**6), " step"),
    "adam takes the mean of |g|": Formula(
        "bits", RULES, "adam", adam_without_square, " step", part=1),
    "errors are flushed too early": Formula(
        "classes", activation, "flush", flush_below(1e-3), "before"),
    "errors are never flushed": Formula(
        "classes", activation, "flush", lambda v: v, ".flush before"),
    "state is flushed too early": Formula(
        "momentum", optimizer, "flush", flush_below(1e-15), " state flush"),
    "the gradient of the loss is flushed too early": Formula(
        "classes", loss, "flush", flush_below(1e-3), "loss gradient"),
    "the order of an epoch is backwards": Formula(
        "classes", random, "permutation", lambda *key: RIGHT_PERMUTATION(*key)[::-1].copy(),
        "order of an epoch"),
    "the plan forgets the last batch": Formula(
        "classes", reference_plan.Run, "n_batches", property(lambda run: 1),
        "after an epoch", PLANS),
    "the plan takes the loss of the activated output": Formula(
        "bits", reference_plan.Plan, "_activation", lambda plan, node, mode: node.activation,
        "loss", PLANS),
    "the plan counts hits wrongly": Formula(
        "classes", reference_plan.loss, "hits", lambda accuracy, loss, y, t: np.ones(len(y)),
        "sums", PLANS),
    "an addition forgets its last source": Formula(
        "branches", nodes.Add, "forward", lambda call, inputs: (sum(inputs[:-1]), None),
        "output", PLANS),
    "the error of an addition reaches its first source alone": Formula(
        "branches", nodes.Add, "backward",
        lambda call, inputs, y, kept, dy: ([dy, *([0 * dy] * (len(inputs) - 1))], {}),
        "gradient", PLANS),
    "a concatenation sends errors to the wrong columns": Formula(
        "branches", nodes.Concat, "backward",
        lambda call, inputs, y, kept, dy: RIGHT_CONCAT(call, inputs, y, kept, dy[:, ::-1]),
        "gradient", PLANS),
    "lamb goes one step for all": Formula(
        "lamb", optimizer, "along", lambda w, direction, rate: w - w.dtype.type(rate) * direction,
        " step"),
    "clipping makes units of all arrays": Formula(
        "clipped", clip, "_shorter", lambda g, limit, squares: g * (limit / np.sqrt(squares + 1)),
        "gradient clipped"),
    "clipping looks at one side": Formula(
        "held", clip, "_held", lambda g, limit: np.minimum(g, limit), "gradient clipped"),
    "nothing is clipped": Formula(
        "clipped", clip, "clip", lambda gradients, given: gradients,
        "gradient clipped"),
    "penalties grow with the length of weights alone": Formula(
        "weights", penalty, "value", lambda w, l1, l2: l2 * float(np.sum(w * w)),
        "0.weight penalty"),
    "the gradient of a penalty lacks the 2": Formula(
        "weights", penalty, "gradient", lambda w, l1, l2: l1 * np.sign(w) + l2 * w,
        "gradient with penalty"),
    "prelu has the slope of relu": Formula(
        "weights", prelu, "backward", lambda x, slope, dy: RIGHT_PRELU(x, 0 * slope, dy),
        ".error at the input"),
    "dropout forgets to scale": Formula(
        "branches", noise, "forward",
        lambda kind, x, amount, stream: RIGHT_NOISE(kind, x, amount, stream) * (1 - amount),
        "1.1.1.output"),
    "dropout drops others on the way back": Formula(
        "branches", noise, "backward",
        lambda kind, dy, amount, stream: RIGHT_NOISE_BACKWARD(kind, dy[::-1], amount, stream)[::-1],
        "1.1.1.error at the input"),
    "batch_norm forgets that its mean moves": Formula(
        "norms", batch_norm, "normal_backward",
        lambda x_hat, inverse, g, axis: inverse * (g - x_hat * np.mean(g * x_hat, axis)),
        "1.error at the input"),
    "the running variance is that of the batch": Formula(
        "norms", batch_norm, "running",
        lambda mean, var, new, of_new, n, momentum: RIGHT_RUNNING(
            mean, var, new, of_new, 10**9, momentum),
        "1.running_var step"),
    "layer_norm takes the mean square for the variance": Formula(
        "norms", layer_norm, "_layer_normal", layer_norm._rms_normal, "3.output"),
    "rms_norm takes the mean out": Formula(
        "norms", layer_norm, "_rms_normal", layer_norm._layer_normal, "4.0.output"),
    "the plan predicts with the statistics of the batch": Formula(
        "norms", nodes.BatchNorm, "forward",
        lambda call, inputs: RIGHT_BATCH_NORM(call._replace(training=True), inputs),
        "output", PLANS),
    "the plan's running statistics stand still": Formula(
        "norms", nodes.BatchNorm, "measured", lambda call, inputs, kept: {},
        "1.running_", PLANS),
    "the plan takes the random numbers of the next step": Formula(
        "branches", nodes.Noise, "forward",
        lambda call, inputs: RIGHT_NOISE_NODE(
            call._replace(stream=(*call.stream[:2], call.stream[2] + 1, call.stream[3])), inputs),
        "loss", PLANS),
}  # fmt: skip


@pytest.mark.parametrize("bug", FORMULAS)
def test_broken_formula_is_found(bug, monkeypatch):
    formula = FORMULAS[bug]
    if isinstance(formula.where, dict):
        right = formula.where[formula.name]
        entry = list(right)
        entry[formula.part] = formula.broken
        make = getattr(type(right), "_make", tuple)  # entries are plain or named tuples
        monkeypatch.setitem(formula.where, formula.name, make(entry))
    else:
        plain = formula.where in nodes.TABLE.values()
        broken = staticmethod(formula.broken) if plain else formula.broken
        monkeypatch.setattr(formula.where, formula.name, broken)
    assert_found(examine(formula.scene, n=20), formula.place, formula.compared)


@pytest.mark.parametrize("way", ["forward", "backward", "measured"])
@pytest.mark.parametrize("kind", nodes.TABLE)
@pytest.mark.filterwarnings("ignore::deltarule.SlowWarning")
def test_every_kind_of_node_is_looked_at(kind, way, monkeypatch):
    """A thousandth more of what it puts out, of the errors that it sends back, of what it measures;
    of what is in Python, only central differences tell."""
    stacks = [stack for stack in (example(name, 7) for name in EXAMPLES)
              if any(node.kind == kind for node in lowered(stack).nodes)]  # fmt: skip
    if way == "measured" and not NODES[kind].fixed:
        return
    right = getattr(nodes.TABLE[kind], way)

    def more(found):
        if isinstance(found, list):
            return [more(dx) for dx in found]
        return found * found.dtype.type(1.001)

    def broken(call, inputs, *rest):
        found = right(call, inputs, *rest)
        if way == "measured":
            return {part: more(value) for part, value in found.items()}
        return more(found[0]), found[1]

    monkeypatch.setattr(nodes.TABLE[kind], way, staticmethod(broken))
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, N_IN)), rng.normal(size=(20, N_OUT))
    reports = (verify(network(stack, "mse", dtype="float64"), X, y) for stack in stacks)
    compared = "reference in float64 against central differences" if kind == "custom" else PLANS
    assert_found(next(report for report in reports if not report.ok), "", compared)


OF_LOSSES = {losses.get(parts["loss"]).kind: scene for scene, parts in SCENES.items()}


@pytest.mark.parametrize("part", ["loss", "loss gradient"])
@pytest.mark.parametrize("kind", losses.TABLE)
def test_every_loss_is_looked_at(kind, part, monkeypatch):
    """A thousandth more of it, or of its slope."""
    entry = list(LOSSES[kind])
    right = entry[part != "loss"]
    entry[part != "loss"] = lambda y, t, p: right(y, t, p) * y.dtype.type(1.001)
    monkeypatch.setitem(LOSSES, kind, tuple(entry))
    assert_found(examine(OF_LOSSES[kind], n=20), part, OPERATIONS)


def test_central_differences_tell_who_is_wrong(monkeypatch):
    """A wrong slope in the reference: its gradients fail, the fast ones do not."""
    entry = ACTIVATIONS["tanh"][0], lambda x, y, dy, alpha: dy * (1 - y)
    monkeypatch.setitem(ACTIVATIONS, "tanh", entry)
    report = examine("classes", backend="fast")
    engines = {
        engine: [c for c in report.checks if c.compared.startswith(f"{engine} in float64")]
        for engine in ("fast", "reference")
    }
    wrong = {engine: [c.place for c in checks if not c.ok] for engine, checks in engines.items()}
    # the noise of the loss comes from the reference's slopes, but has to stay small
    assert wrong == {"fast": [], "reference": ["0.weight gradient", "0.bias gradient"]}


def test_broken_network_is_found(monkeypatch):
    """On the reference backend, in the network itself and nowhere else."""
    right = reference_plan.Plan.predict
    monkeypatch.setattr(
        reference_plan.Plan,
        "predict",
        lambda plan, x: right(plan, x) * (1 + 1e-3 * (plan.graph.dtype == "float32")),
    )
    report = examine("classes", backend="reference")
    assert_found(report, "output", "the network in float32 against float64")


# ----------------------------------------------------------------------------------- broken kernels
@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    return Tree(tmp_path_factory.mktemp("seeded"))


@pytest.mark.parametrize("bug", KERNELS)
def test_there_is_something_to_break(bug, tmp_path):
    """Each change still has its place in the sources."""
    kernel = KERNELS[bug]
    (tmp_path / "csrc" / kernel.file).parent.mkdir(parents=True)
    shutil.copy(ROOT / "csrc" / kernel.file, tmp_path / "csrc" / kernel.file)
    assert kernel.new in change(tmp_path, kernel).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_copy_is_right_before_it_is_broken(tree):
    tree.build()
    assert all(ok for ok, *_ in tree.examine(*SCENES))


@pytest.mark.slow
@pytest.mark.parametrize("bug", KERNELS)
def test_broken_kernel_is_found(bug, tree):
    kernel = KERNELS[bug]
    path = change(tree.root, kernel)
    try:
        tree.build()
        ((ok, text, place, compared),) = tree.examine(kernel.scene)
    finally:
        shutil.copy(ROOT / "csrc" / kernel.file, path)
    verdict = text.splitlines()[-1]
    assert not ok, "not found"
    assert verdict.startswith("FAILED: ") and place in verdict
    assert kernel.place in place and compared == kernel.compared, verdict
