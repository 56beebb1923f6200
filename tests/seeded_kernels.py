"""Bugs in csrc/, and a copy of the source tree to build them in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from deltarule import config
from deltarule._operations import COMPARED as OPERATIONS
from deltarule.verify import LAYERS
from deltarule.verify import REFERENCE as PLANS

from . import seeded_scenes

ROOT = Path(__file__).resolve().parents[1]


class Kernel(NamedTuple):
    """One change to one file of csrc/; `old` occurs there once."""

    scene: str
    file: str
    old: str
    new: str
    place: str
    compared: str = OPERATIONS


KERNELS = {
    "Jacobians lack the biases": Kernel(
        "squares", "network/nodes/dense.c", "    if (biases)\n", "    if (!weights)\n",
        "linearised", PLANS),
    "a batch of a Jacobian forgets the one before": Kernel(
        "squares", "network/linearize.c", "c->batch ? sums : zeros", "zeros",
        "linearised", PLANS),
    "products drop the last k": Kernel(
        "classes", "kernels/dense.inc", "for (; n; n--, p +=", "for (; n > !k; n--, p +=",
        "output"),
    "weight gradients drop rows beyond the first block": Kernel(
        "classes", "ops/dense.c", "b < blocks; b++, r += n)", "b < !!blocks; b++, r += n)",
        "weight gradient"),
    "bias gradients drop the last row": Kernel(
        "classes", "kernels/dense.inc", "for (size_t r = 0; r < m; r++)",
        "for (size_t r = 0; r + 1 < m; r++)", "bias gradient"),
    "the transposed weights lack a row": Kernel(
        "classes", "kernels/panels.inc", "square[l] = l < rows - i ?",
        "square[l] = l + 1 < rows - i ?", "error at the input"),
    "the plan swaps n_in and n_out on the way back": Kernel(
        "classes", "network/nodes/dense.c", "row, node->n_out, run->errors",
        "row, node->n_in, run->errors", "weight gradient", LAYERS),
    "the plan takes weights for the bias": Kernel(
        "classes", "network/nodes/dense.c", "plan->values, node->parameters[BIAS]",
        "plan->values, node->parameters[WEIGHT]", "output", LAYERS),
    "the slope of sigmoid has a wrong sign": Kernel(
        "numbers", "kernels/activation.inc", "p.dy * (p.y * (vset(1) - p.y))",
        "p.dy * (p.y * (vset(1) + p.y))",
        "0.error before sigmoid"),
    "the slope of tanh has a wrong sign": Kernel(
        "numbers", "kernels/activation.inc", "vfma(-p.y, p.y, vset(1))",
        "vfma(p.y, p.y, vset(1))",
        "1.error before tanh"),
    "relu passes the error on the wrong side": Kernel(
        "classes", "kernels/dense.inc",
        "vselect(vgt(y, vset(0)), dy, vset(0))", "vselect(vgt(y, vset(0)), vset(0), dy)",
        "1.error before relu"),
    "a constant of exp is off": Kernel(
        "numbers", "kernels/math.inc", "(real)(1.0 / 24)", "(real)(1.0 / 25)", "output"),
    "tanh saturates too early": Kernel(
        "numbers", "kernels/math.inc", "vset(DR_REAL_BITS == 32 ? (real)10 : (real)20), a)",
        "vset(DR_REAL_BITS == 32 ? (real)1 : (real)2), a)", "1.output"),
    "the normal distribution has no tail": Kernel(
        "shares", "kernels/normal.inc", "vselect(below, *e, one)", "vselect(below, one, one)",
        "0.output"),
    "the slope of gelu reads y": Kernel(
        "shares", "network/nodes/dense.c", "row, m, before_activation(run, node));",
        "row, m, run->values[node->target]);", "gradient", LAYERS),
    "the plan keeps what follows the activation": Kernel(
        "shares", "network/nodes/dense.c", "z.data, y.data);\n    dr_lap(",
        "z.data, z.data);\n    dr_lap(", "loss", LAYERS),
    "log_softmax forgets the sum of the errors": Kernel(
        "lines", "kernels/softmax.inc", "vfma(-vexp(vload(out + i)), total, vload(dout + i))",
        "vload(dout + i) - vexp(vload(out + i))", "2.error before log_softmax"),
    "the way back of dropout drops nothing": Kernel(
        "noise", "kernels/noise.inc", "vselect(is_dropped(c, p), vset(0), c->kept * p.x)",
        "c->kept * p.x", "error at the input"),
    "a cosine of noise has a wrong sign": Kernel(
        "noise", "kernels/noise.inc", "((quarters + 1) & 2)", "(quarters & 2)", "0.output"),
    "noise is the same at every step": Kernel(
        "noise", "network/nodes/noise.c", ".step = c->step", ".step = 0", "loss", LAYERS),
    "the variance of a batch is another one": Kernel(
        "norms", "kernels/batch_norm.inc", "correction, square[v]) / count",
        "correction, square[v]) / (count - vset(1))", "1."),
    "the way back of batch_norm forgets the mean error": Kernel(
        "norms", "kernels/batch_norm.inc", "error = vload(dy + i) - level[v];",
        "error = vload(dy + i);", "1.error at the input"),
    "the way back of layer_norm has a wrong sign": Kernel(
        "norms", "kernels/layer_norm.inc", "vfma(vset(-slope[i]), d,", "vfma(vset(slope[i]), d,",
        "error at the input"),
    "rows of layer_norm lose their last column": Kernel(
        "norms", "kernels/layer_norm.inc", "vselect(columns_in(n, u, v), x, vset(0))",
        "vselect(columns_in(n - 1, u, v), x, vset(0))", "output"),
    "running statistics stand still": Kernel(
        "norms", "network/nodes/batch_norm.c", "    dr_batch_norm_track(",
        "    if (0) dr_batch_norm_track(", "1.running_", LAYERS),
    "the gradients of batch_norm are exchanged": Kernel(
        "norms", "network/nodes/batch_norm.c",
        "gradient(run, node, WEIGHT, p), gradient(run, node, BIAS, p)",
        "gradient(run, node, BIAS, p), gradient(run, node, WEIGHT, p)", "1.", LAYERS),
    "layer_norm overwrites the error that others sent": Kernel(
        "norms", "network/nodes/layer_norm.c", "!x.first_writer", "0", "gradient", LAYERS),
    "weight gradients add to what was there": Kernel(
        "classes", "ops/dense.c", "on ? tiles[i].gradient : zeros, on ? width : 0,",
        "tiles[i].gradient, width,", "after a step", LAYERS),
    "the shadow is not refreshed": Kernel(
        "classes", "network/nodes/dense.c", "if (node->sources[0].error) refresh_tile(",
        "if (0) refresh_tile(", "after an epoch", LAYERS),
    "the gather ignores the order": Kernel(
        "classes", "network/run.c", "run->data.x, run->order, c->first + row, row,",
        "run->data.x, NULL, c->first + row, row,", "after an epoch", LAYERS),
    "labels ignore the order": Kernel(
        "classes", "kernels/loss.inc", "return a->rows ? (size_t)a->rows[a->first + r]",
        "return 0 ? (size_t)a->rows[a->first + r]", "after an epoch", LAYERS),
    "the last batch is a row short": Kernel(
        "classes", "network/run.c", "c->rows = dr_min(run->batch_size, run->data.n - first);",
        "c->rows = dr_min(run->batch_size, run->data.n - first) - (c->batch > 0);",
        "an epoch", LAYERS),
    "velocity has the wrong sign": Kernel(
        "momentum", "kernels/optimizer.inc", "vfma(p->c[0], p->s[0], p->g)",
        "vfma(-p->c[0], p->s[0], p->g)", " step"),
    "weight decay is dropped": Kernel(
        "classes", "kernels/optimizer.inc", "p.g = decays ? vfma(decay, wi, vload(g + i)) :",
        "p.g = decays ? vload(g + i) + wi * (decay - decay) :", " step"),
    "decoupled weight decay is dropped": Kernel(
        "lines", "kernels/optimizer.inc", "p.w = decays ? left * wi :",
        "p.w = decays ? wi + (left - left) :", " step"),
    "adam does not correct its second mean": Kernel(
        "numbers", "ops/optimizer.c",
        "k->c[4] = 1 / sqrt(1 - dr_power(h[1], t));\n    k->c[5] = h[3]",
        "k->c[4] = 1;\n    k->c[5] = h[3]", " step"),
    "the gradient of mse is no mean": Kernel(
        "numbers", "kernels/loss.inc", "vset(row_scale(a, source) / slope_over)",
        "vset(row_scale(a, source))", "loss gradient"),
    "too much is flushed": Kernel(
        "numbers", "simd.h", "vlt(vabs(v), vset(DR_TINY))", "vlt(vabs(v), vset(DR_TINY * 16))",
        "flush"),
    "quantiles have one level": Kernel(
        "quantile", "kernels/loss.inc", "* VL) % turn);", "* VL) % 1);", "loss"),
    "huber does not bend": Kernel(
        "huber", "kernels/loss.inc", "c * vfma(vset((real)-0.5), c, d)", "vset((real)0.5) * d * d",
        "loss"),
    "a logarithm of cosh has lost its other half": Kernel(
        "log_cosh", "kernels/loss.inc", "return vselect(vlt(a, vset((real)0.6)), near, far);",
        "return near;", "loss"),
    "the variance has the slope of the mean": Kernel(
        "gaussian_nll", "kernels/loss.inc",
        "valternate((d + d) * inverse, e * inverse * (vset(1) - square))", "(d + d) * inverse",
        "loss gradient"),
    "all questions are answered by yes": Kernel(
        "binary_focal", "kernels/loss.inc", "*slope = vselect(one, vnegative(by_x), by_x);",
        "*slope = vnegative(by_x);", "loss gradient"),
    "the factor of focal has no slope": Kernel(
        "focal", "kernels/cross_entropy.inc", "vfma(gamma * p, lost / q, one)", "one",
        "loss gradient"),
    "all that is smoothed is the label": Kernel(
        "cross_entropy", "kernels/cross_entropy.inc",
        "s.keep * shifted + mean", "s.keep * shifted", "loss"),
    "the entropy of targets is forgotten": Kernel(
        "kl_divergence", "kernels/cross_entropy.inc", "sum[v] = sum[v] + t_log_t(tv);", ";",
        "loss"),
    "the label is its own rival": Kernel(
        "categorical_hinge", "kernels/loss.inc", "first_max(a, y, r, label, &most)",
        "first_max(a, y, r, NO_COLUMN, &most)", "loss"),
    "lengths of outputs count": Kernel(
        "cosine", "kernels/loss.inc", "slope = likeness * (vload(y + i) / length) -",
        "slope = vset(0) * vload(y + i) -", "loss gradient"),
    "the most likely class is the least likely": Kernel(
        "chances", "kernels/cross_entropy.inc", "vgt(columns[j], most)", "vlt(columns[j], most)",
        "sums", PLANS),
    "an addition forgets its last source": Kernel(
        "branches", "network/nodes/merge.c", "i < node->n_sources; i++)\n        move(run, i > 0,",
        "i + 1 < node->n_sources; i++)\n        move(run, i > 0,", "output", LAYERS),
    "a concatenation sends errors to the wrong columns": Kernel(
        "branches", "network/nodes/merge.c", "dr_send_error(c, node, i, at, row, m);",
        "dr_send_error(c, node, i, 0, row, m);", "gradient", LAYERS),
    "errors of an earlier reader are overwritten": Kernel(
        "branches", "network/nodes/merge.c", "move(c->run, !wire.first_writer,", "move(c->run, 0,",
        "gradient", LAYERS),
    "products overwrite errors of an earlier reader": Kernel(
        "branches", "network/nodes/dense.c", "!x.first_writer, x.relu", "0, x.relu",
        "gradient", LAYERS),
    "one of two readers of a relu takes the error back through it": Kernel(
        "branches", "network/plan.c", "|| readers != 1 ||", "||", "gradient", LAYERS),
    "the error does not come back through relu": Kernel(
        "classes", "kernels/dense.inc", "vflush(vrelu_slope(yi, acc[i][v]))", "acc[i][v]",
        "gradient", LAYERS),
    "squares of a norm lack a number": Kernel(
        "clipped", "kernels/clip.inc", "for (size_t i = 0; i < n; i += UNIT)",
        "for (size_t i = UNIT; i < n; i += UNIT)", "gradient clipped"),
    "numbers are held from above alone": Kernel(
        "held", "kernels/clip.inc", "vmax(-most, vload(g + i))", "vload(g + i)",
        "gradient clipped"),
    "a norm is of the first array": Kernel(
        "clipped", "network/norms.c", "sum += squares_of(", "sum = squares_of(", "after a step",
        LAYERS),
    "lamb forgets the weights in its direction": Kernel(
        "lamb", "kernels/optimizer.inc", "vfma(p.c[6], p.w, p.c[7] * adam)", "p.c[7] * adam",
        " step"),
    "the plan goes as far in all arrays": Kernel(
        "lamb", "network/norms.c", "    if (c->along != p) {", "    if (!c->along) {",
        "after a step", LAYERS),
    "the plan makes directions of gradients that are not clipped": Kernel(
        "lamb", "network/norms.c", "    dr_clip_gradient(c, p, n, gradient);\n", "",
        "after an epoch", LAYERS),
    "all layers have one learning rate": Kernel(
        "branches", "network/update.c", "if (node->rate_factor == 1)", "if (1)", "after a step",
        LAYERS),
    "gradients are clipped by the norm of the batch before": Kernel(
        "clipped", "network/run.c", "    c->clipped = c->along = NULL;\n", "",
        "after an epoch", LAYERS),
    "what is frozen learns": Kernel(
        "branches", "network/plan.c", "spec->trainable && node->kind->tiles", "!!node->kind->tiles",
        "4.weight after a step", LAYERS),
    "penalties have no sign": Kernel(
        "weights", "kernels/penalty.inc", "vselect(vlt(wi, zero), -l1, zero)", "zero",
        "gradient with penalty"),
    "a penalty counts twice": Kernel(
        "weights", "network/sums.c", "weight_of_penalties(c) *", "2 * weight_of_penalties(c) *",
        "loss", LAYERS),
    "evaluate forgets the penalties": Kernel(
        "weights", "network/run.c", "if (run->mode == DR_EVALUATE || run", "if (run",
        "sums", PLANS),
    "max_norm forgets a row": Kernel(
        "weights", "kernels/constraint.inc", "i < rows * width; i += width) {",
        "i + width < rows * width; i += width) {", "1.weight max_norm"),
    "the shadow is not refreshed after a constraint": Kernel(
        "weights", "network/nodes/dense.c", "        refresh_tile(plan, k, node, p, p_out);\n}",
        "        (void)p;\n}", "after an epoch", LAYERS),
    "an average moves away from the weights": Kernel(
        "weights", "kernels/average.inc", "vfma(share, vload(b + i) - ai, ai)",
        "vfma(share, ai - vload(b + i), ai)", "average"),
    "an average lacks its last tile": Kernel(
        "weights", "network/average.c", "return (plan->n_parameters + TILE - 1) / TILE;",
        "return (plan->n_parameters - 1) / TILE;", "after", LAYERS),
    "the slope of prelu sees the positive side": Kernel(
        "weights", "kernels/prelu.inc", "vselect(vgt(xi, vset(0)), sum, vfma(",
        "vselect(vgt(vset(0), vset(0)), sum, vfma(", "slope gradient"),
    "prelu has one slope where it has many": Kernel(
        "weights", "kernels/prelu.inc", "shared ? vset(slope[0])", "1 ? vset(slope[0])", "0."),
    "dropout drops others on the way back": Kernel(
        "branches", "network/nodes/noise.c", "&a, m, dy.cols, row,", "&a, m, dy.cols, row + 1,",
        "gradient", LAYERS),
}  # fmt: skip

EXAMINE = """
import importlib.util, json, sys
import deltarule
spec = importlib.util.spec_from_file_location("scenes", sys.argv[1])
scenes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scenes)
reports = [scenes.examine(scene, 150) for scene in sys.argv[2:]]
print(json.dumps([[deltarule.__file__, bool(r), str(r), r.worst.place, r.worst.compared]
                  for r in reports]))
"""


class Tree:
    """A copy of the sources, changed and built in place again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("csrc", "src", "setup.py", "pyproject.toml", "README.md", "LICENSE",
                     "MANIFEST.in"):  # fmt: skip
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
                shutil.copytree(source, root / name, ignore=ignored)
            else:
                shutil.copy2(source, root / name)

    def run(self, *arguments: str, **variables: str) -> str:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        done = subprocess.run([sys.executable, *arguments], cwd=self.root, env=environment,
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self) -> None:
        self.run("setup.py", "-q", "build_ext", "--inplace", DELTARULE_DEBUG="1")

    def examine(self, *scenes: str) -> list[tuple[bool, str, str, str]]:
        """(ok, text, worst place, what was compared there) of each scene. The number of threads is
        given: contests for it would end a run where the clock says, maybe after each batch, and
        what a batch wrongly takes over from the one before it would not be seen."""
        given = {
            "PYTHONPATH": str(self.root / "src"),
            "DELTARULE_NUM_THREADS": "2" if config()["openmp"] else "1",
            "DELTARULE_EXACT_THREADS": "1",
        }
        text = self.run("-c", EXAMINE, seeded_scenes.__file__, *scenes, **given)
        results = json.loads(text.splitlines()[-1])
        assert all(Path(file).is_relative_to(self.root) for file, *_ in results)
        return [tuple(result) for _, *result in results]


def change(root: Path, kernel: Kernel) -> Path:
    path = root / "csrc" / kernel.file
    text = path.read_text(encoding="utf-8")
    count = text.count(kernel.old)
    assert count == 1, f"{kernel.file} has {kernel.old!r} {count} times"
    path.write_text(text.replace(kernel.old, kernel.new), encoding="utf-8")
    return path
