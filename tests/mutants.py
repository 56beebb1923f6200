"""Bugs in what `dr.verify` does not look at, each with the test that is to catch it; mutations.py
sows them. (Kernels and formulas: seeded_kernels.py, test_seeded_bugs.py.)"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One change to one file; `old` occurs there once. test: of the folder tests."""

    file: str
    old: str
    new: str
    test: str


SPARSE, CLIP = "csrc/network/sparse.c", "csrc/ops/clip.c"
AVERAGE, RUN = "csrc/network/average.c", "csrc/network/run.c"
SAVING, HEADER = "src/deltarule/_files.py", "src/deltarule/_header.py"
STATE, POSITION = "src/deltarule/_state.py", "src/deltarule/_position.py"
FIT, MEASURE = "src/deltarule/_fit.py", "src/deltarule/_measure.py"
STOPPING = "src/deltarule/callbacks/stopping.py"
RATES = "src/deltarule/callbacks/learning_rate.py"
CLASSES, SCORES = "src/deltarule/metrics/classes.py", "src/deltarule/metrics/scores.py"
STREAM, PARQUET = "src/deltarule/sources/stream.py", "src/deltarule/sources/parquet.py"
FINITE, WORKSPACE, ENTROPY, LOSS = (
    "csrc/finite.c", "csrc/network/workspace.c", "csrc/kernels/cross_entropy.inc",
    "csrc/kernels/loss.inc")
EPOCHS, GATE = "src/deltarule/_fast/run.pxi", "src/deltarule/_fast/gate.pxi"
SCHEDULES, SKLEARN = "src/deltarule/schedules.py", "src/deltarule/sklearn/_problem.py"

MUTANTS = {
    # ------------------------------------------------------------------------------------------ C
    "columns of a sparse batch forget the row": Mutant(
        SPARSE, "s->rows[to] = (int64_t)r;", "s->rows[to] = 0;",
        "network/test_sparse.py::test_one_hash"),
    "columns of a sparse batch begin too late": Mutant(
        SPARSE, "begin += k < low;", "begin += k <= low;", "network/test_sparse.py::test_one_hash"),
    "sparse rows ignore the order": Mutant(
        SPARSE, "run->order ? run->order[c->first + r] : (int64_t)(c->first + r);",
        "(int64_t)(c->first + r);", "network/test_sparse.py::test_zeros_may_be_left_out"),
    "a column outside is believed": Mutant(
        SPARSE, "const int inside = (uint64_t)column < n_in;", "const int inside = 1; (void)n_in;",
        "network/test_sparse.py::test_columns_that_another_thread_has_written"),
    "sums of sparse rows are never -0": Mutant(
        "csrc/kernels/sparse.inc", "if (has_minus_zero(NV, c))", "if (0)",
        "network/test_sparse.py::test_zeros_have_the_same_sign"),
    "what is short is made longer": Mutant(
        CLIP, "return factor >= 1 ? 1 : factor;", "return factor;",
        "network/test_clip.py::test_limits_that_are_never_reached"),
    "a norm lacks PyTorch's 1e-6": Mutant(
        CLIP, "limit / (sqrt(squares) + 1e-6)", "limit / sqrt(squares)", "ops/test_clip.py"),
    "arrays are clipped by the norm of the first": Mutant(
        "csrc/network/norms.c", "c->clipped != whole", "!c->clipped",
        "network/test_clip.py::test_a_step_is_made_of_operations"),
    "the first average is no copy": Mutant(
        AVERAGE, "taken && a->share > 0", "a->share > 0",
        "network/test_average.py::test_what_is_taken"),
    "an average is a step late": Mutant(
        AVERAGE, "(c->step + 1) % a->every == 0", "c->step % a->every == 0",
        "network/test_average.py::test_what_is_taken"),
    "an average is not counted": Mutant(
        RUN, "if (c->share > 0) run->plan->averaged++;", "",
        "network/test_average.py::test_what_is_taken"),
    "the loss of a batch is that of its last piece": Mutant(
        "csrc/network/sums.c", "if (!c->before) run->loss_sum", "run->loss_sum",
        "network/test_accumulation.py::test_parity"),
    "each piece is an update": Mutant(
        "csrc/network/lower.c", "if (!fused) program->n_finishing", "if (0) program->n_finishing",
        "network/test_accumulation.py::test_the_bits_of_the_whole_batch"),
    "gradients of a piece replace those before": Mutant(
        "csrc/network/network.h", "return c->before > 0;", "return 0 * (c->before > 0);",
        "network/test_accumulation.py::test_the_bits_of_the_whole_batch"),
    "learning rates begin anew where a fit goes on": Mutant(
        "csrc/network/workspace.c", "run->opened_at = run->plan->step;", "run->opened_at = 0;",
        "network/test_rates.py"),
    "memory of a run without outputs serves one with them": Mutant(
        "csrc/network/workspace.c", " && run->outputs == wanted->outputs", "",
        "test_measure.py::test_a_batch_before_a_fit_and_after"),
    "a thread leaves its last row to nobody": Mutant(
        RUN, "dr_share(c->m, c->thread, c->team, &begin, &end);",
        "dr_share(c->m, c->thread, c->team, &begin, &end); end -= c->team > 1 && end > begin;",
        "network/test_bits.py::test_one_hash"),
    "an update is counted before it is made": Mutant(
        RUN, "run->plan->step = c->step + 1;", "run->plan->step = c->step + 2;",
        "network/test_bits.py::test_resuming_at_every_batch"),
    "a batch without weight is one all the same": Mutant(
        RUN, "c->run->mode == DR_TRAIN && !(c->weight > 0);", "0;",
        "test_network.py::test_weights_that_sum_to_zero_change_nothing"),
    "Ctrl-C is not looked for": Mutant(
        RUN, "if (run->poll(run->poll_context))", "if (0)",
        "network/test_interrupt.py::test_reading_many_rows"),
    "workers are kept through a fork": Mutant(
        "csrc/threads.c", "if (has_pool && omp", "if (0 && omp",
        "network/test_processes.py::test_forking_in_c"),
    "the slower team wins": Mutant(
        "csrc/network/team.c", "> CLEARLY * team->best[0]", "< CLEARLY * team->best[0]",
        "harness/test_team.py::test_the_quicker_of_two"),
    "a forked child waits for readers of the parent": Mutant(
        "src/deltarule/_fast/gate.pxi", "[reader for reader in self.readers if reader == here]",
        "self.readers", "network/test_processes.py::test_forking_while_others_use_networks"),
    "a training does not wait for readers": Mutant(
        "src/deltarule/_fast/gate.pxi", "while gate.readers:", "while False:",
        "test_network_use.py::test_training_waits_for_readers"),
    "of two threads that find a NaN the last one is believed": Mutant(
        FINITE, "while (place + at < first &&", "while (place + at != first &&",
        "test_inputs.py::test_nonfinite_is_found_in_every_chunk"),
    "each thread counts rows from its first": Mutant(
        FINITE, "(end - row) * s->cols, row * s->cols)", "(end - row) * s->cols, 0)",
        "test_inputs.py::test_nonfinite_is_found_in_every_chunk"),
    "what rounds to infinity is let in": Mutant(
        FINITE, "0x47effffff0000000u /*", "0x47f0000000000000u /*",
        "test_inputs.py::test_nonfinite_is_what_numpy_says"),
    "a contest is for more threads than there may be": Mutant(
        "csrc/network/team.c", "team->size * 2 < team->most ? team->size * 2 : team->most",
        "team->size * 2", "harness/test_team.py"),
    "a run that memory was too short for is forgotten": Mutant(
        WORKSPACE, "    if (!run->memory) {\n        dr_free(run);", "    if (!run->memory) {",
        "test_out_of_memory.py::test_memory_runs_out"),
    "a run that there is no memory for is used": Mutant(
        WORKSPACE, "        if (!run) return DR_NO_MEMORY;\n", "",
        "test_out_of_memory.py::test_memory_runs_out"),
    "smoothing overflows in rows of many classes": Mutant(
        ENTROPY, "if (mean == (real)-INFINITY) mean", "if (0) mean",
        "ops/test_loss.py::test_smoothing_of_the_largest_number"),
    "a row that overflows changes those beside it": Mutant(
        ENTROPY, "mean = vselect(veq(mean, vset((real)-INFINITY)), fold(units, part), mean);",
        "mean = fold(units, part);", "ops/test_loss.py::test_smoothing_of_the_largest_number"),
    "of two units the first counts": Mutant(
        "csrc/kernels/softmax.inc", "units == 2 ? columns[j] + columns[UNIT + j] : columns[j]",
        "columns[j]", "ops/test_activation.py"),
    "targets sum to 1": Mutant(
        ENTROPY, "z[j] / sum * mass - t[j]", "z[j] / sum - t[j]",
        "ops/test_loss.py::test_against_reference"),
    "lanes to spare have rows of their own": Mutant(
        "csrc/kernels/softmax.inc", "at[l] = r + smaller(l, count - 1);", "at[l] = r + l;",
        "ops/test_activation.py"),
    "a NaN is no answer": Mutant(
        ENTROPY, "vselect(number, larger, here)", "larger",
        "network/test_parity.py::test_the_first_is_the_answer"),
    "rows of one output weigh the same": Mutant(
        LOSS, "scales[l] = a->weight ? row_scale(a, source) : even;", "scales[l] = even;",
        "ops/test_loss.py::test_against_reference"),
    "a single no is no hit": Mutant(
        LOSS, "vselect(vgt(o.y, vset(threshold)), hit, miss)",
        "vselect(vgt(o.y, vset(threshold)), hit, vset(0))",
        "network/test_parity.py::test_hits_of_one_output"),
    "of equal outputs the last is the answer": Mutant(
        LOSS, "(p[j] > *most ||", "(p[j] >= *most ||",
        "network/test_parity.py::test_the_first_is_the_answer"),
    "several epochs at once have one order": Mutant(
        EPOCHS, "                shuffle.shuffle()\n", "                pass\n",
        "scikit/test_parity.py::test_the_same_numbers"),
    "several epochs at once are one": Mutant(
        EPOCHS, "            self.rewind()\n", "", "scikit/test_parity.py::test_the_same_numbers"),
    "two trainings at once": Mutant(
        GATE, "            gate.refuse_while_training(self.what, me)\n            if me in",
        "            if me in", "test_network_use.py::test_threads"),
    "anybody reads between two batches": Mutant(
        GATE, "if not (gate.rests and gate.trainer == me):", "if not gate.rests:",
        "test_network_use.py::test_threads"),
    "trainings are not counted": Mutant(
        GATE, "gate.trainings += 1", "pass",
        "network/test_average.py::test_setting_parameters_sets_the_average"),
    # -------------------------------------------------------------------------------- model files
    "what Python holds back is not synced": Mutant(
        SAVING, "        file.flush()\n", "", "checkpoints/test_faults.py::test_power_failures"),
    "the old file is taken away to be kept": Mutant(
        SAVING, "_link(path, old)", "os.rename(path, old)",
        "checkpoints/test_faults.py::test_each_call_fails"),
    "headers are not filled up": Mutant(
        HEADER, '    text += b" " * (-len(text) % 8)\n', "",
        "test_serialization.py::test_headers_are_those_of_safetensors"),
    "arrays are written in no order": Mutant(
        STATE, "in sorted(names.items())", "in reversed(names.items())",
        "test_serialization.py::test_files_are_plain_safetensors"),
    "arrays have no checksum": Mutant(
        "src/deltarule/serialization.py", "            digest.update(array)\n",
        "            pass\n", "test_hostile_bytes.py::test_single_bit_flips"),
    "OpenSSL without memory is a damaged file": Mutant(
        "src/deltarule/serialization.py", "raise MemoryError(", "raise ValueError(",
        "test_serialization.py::test_a_checksum_without_memory"),
    "a file is not synced": Mutant(
        SAVING, "        os.fsync(handle)\n", "",
        "checkpoints/test_faults.py::test_power_failures"),
    "a folder is not synced": Mutant(
        SAVING, "os.fsync(folder)", "pass", "checkpoints/test_faults.py::test_power_failures"),
    "what could not be saved is left behind": Mutant(
        SAVING, "    finally:\n        with contextlib.suppress(OSError):",
        "    finally:\n        if False:",
        "checkpoints/test_faults.py::test_each_call_fails"),
    "saving replaces a link": Mutant(
        SAVING, "os.path.realpath(path)", "os.path.abspath(path)",
        "test_serialization.py::test_modes_and_links"),
    "a key may come twice": Mutant(
        HEADER, "if key in content:", "if False:", "test_hostile_files.py::test_broken_files"),
    "arrays may overlap": Mutant(
        HEADER, "if entry.begin != position:", "if entry.begin > position:",
        "test_hostile_files.py::test_arrays_may_not_overlap"),
    "bytes may follow the arrays": Mutant(
        HEADER, "if position != payload:", "if position > payload:",
        "test_hostile_files.py::test_broken_files"),
    "JSON may be as deep as it likes": Mutant(
        HEADER, "if depth > MAX_DEPTH:", "if False:",
        "test_hostile_files.py::test_quotes_do_not_hide_nesting"),
    "brackets in texts count": Mutant(
        HEADER, '_TEXT.subn("", text)', "text, 0",
        "test_hostile_files.py::test_quotes_do_not_hide_nesting"),
    "numbers of a file may be NaN": Mutant(
        HEADER, "            parse_constant=_constant,\n", "",
        "test_hostile_files.py::test_broken_files"),
    "arrays that nobody knows are let in": Mutant(
        STATE, "if name not in wanted:", "if False:", "test_hostile_files.py::test_edited_files"),
    "files of later versions are read": Mutant(
        STATE, "if version > FORMAT:", "if False:", "test_hostile_files.py::test_edited_files"),
    "a position may be behind its epoch": Mutant(
        POSITION, "if rows and batch > -(-rows // batch_size):", "if False:",
        "test_hostile_files.py::test_edited_files"),
    # ------------------------------------------------------------------------------- fit, position
    "any fit goes on with any epoch": Mutant(
        POSITION, "self.batch and again and way ==", "self.batch and again or way ==",
        "test_position.py::test_another_fit_begins_a_new_epoch"),
    "an epoch given up comes again": Mutant(
        POSITION, "self.epoch + (self.batch > 0)", "self.epoch",
        "test_position.py::test_another_fit_begins_a_new_epoch"),
    "all epochs have one order": Mutant(
        FIT, "Position(at.epoch + 1))", "Position(at.epoch))",
        "test_position.py::test_the_order_of_the_rows"),
    "the position follows the weights late": Mutant(
        FIT, "net._standing = UnderWay(partial(samples.after, at, run, self._meter))", "pass",
        "test_interrupted_anywhere.py::test_goes_on_to_the_same_bits"),
    "an epoch counts before there is memory for it": Mutant(
        FIT, "net._standing, self._outputs = at,", "net._standing, self._outputs = Position(9),",
        "test_out_of_memory.py::test_memory_runs_out"),
    "the best weights are not put in place": Mutant(
        FIT, "net._best.put(self._plan)", "pass",
        "callbacks/test_stopping.py::test_the_best_weights_are_put_in_place"),
    "parameters are set in the raw weights alone": Mutant(
        "src/deltarule/_averaged.py", "(0, slot(plan)) if plan.averaged else (0,)", "(0,)",
        "network/test_average.py::test_setting_parameters_sets_the_average"),
    "the first average predicts for ever": Mutant(
        "src/deltarule/_averaged.py", "if made is None or made[0] != now:", "if made is None:",
        "network/test_average.py::test_what_predicts"),
    "Ctrl-C reaches no other fit": Mutant(
        "src/deltarule/_many.py", "            interrupted.set()\n", "",
        "test_many.py::test_interrupted"),
    "Levenberg-Marquardt forgets its damping": Mutant(
        "src/deltarule/_full_batch.py", ".epoch + 1, damping=self.damping)", ".epoch + 1)",
        "test_full_batch.py::test_going_on"),
    "averages begin an epoch late": Mutant(
        "src/deltarule/averages.py", "epoch >= self.start_epoch", "epoch > self.start_epoch",
        "network/test_average.py::test_swa_begins_late"),
    "most is held out of the smallest classes": Mutant(
        "src/deltarule/_split.py", "np.argsort(-remainders", "np.argsort(remainders",
        "test_measure.py::test_classes_in_equal_shares"),
    # ---------------------------------------------------------------------------------- callbacks
    "EarlyStopping has patience for one more": Mutant(
        STOPPING, "elif self._wait >= self._patience", "elif self._wait > self._patience",
        "callbacks/test_stopping.py::test_early_stopping"),
    "a divergence is said to be a batch earlier": Mutant(
        "src/deltarule/callbacks/training.py", "run.finite + 1", "run.finite",
        "test_divergence.py::test_the_place_is_named"),
    "ReduceLROnPlateau is an epoch early": Mutant(
        RATES, "if self._wait > self._patience:", "if self._wait >= self._patience:",
        "callbacks/test_learning_rate.py::test_plateau"),
    "epochs of cooling down count": Mutant(
        RATES, "self._cooling, self._wait = self._cooling - 1, 0", "self._cooling -= 1",
        "callbacks/test_learning_rate.py::test_plateau"),
    "checkpoints come an epoch late": Mutant(
        "src/deltarule/callbacks/checkpoint.py", "(training.epoch + 1) % self._every",
        "training.epoch % self._every", "callbacks/test_checkpoint.py::test_checkpoints"),
    "every checkpoint is the best": Mutant(
        "src/deltarule/callbacks/checkpoint.py", "            self._best = value\n", "",
        "callbacks/test_checkpoint.py::test_only_the_best"),
    "a log that goes on keeps a row too few": Mutant(
        "src/deltarule/callbacks/logs.py", "range(1 + self._rows)", "range(self._rows)",
        "callbacks/test_files.py"),
    "a log that goes on begins anew": Mutant(
        "src/deltarule/callbacks/logs.py", "self._append or self._rows else", "self._append else",
        "callbacks/test_files.py"),
    # ------------------------------------------------------------------------------------ metrics
    "F1 is half of it": Mutant(
        CLASSES, "_ratio(2 * right, predicted + true)", "_ratio(right, predicted + true)",
        "test_metrics.py::test_as_scikit_learn"),
    "the mean counts classes that there are not": Mutant(
        CLASSES, "seen = (predicted + true > 0)", "seen = (predicted + true >= 0)",
        "test_metrics.py::test_classes_that_do_not_occur"),
    "of equal outputs the first is larger": Mutant(
        CLASSES, "(y == own) & later", "(y == own) & ~later",
        "test_metrics.py::test_as_scikit_learn"),
    "equal scores count whole": Mutant(
        SCORES, "below[1] - no / 2", "below[1] - no", "test_metrics.py::test_as_scikit_learn"),
    "R2 forgets how far chunks are apart": Mutant(
        "src/deltarule/metrics/numbers.py", "+ np.square(shift) *", "+ 0 * np.square(shift) *",
        "test_metrics.py::test_as_scikit_learn"),
    "rows without weight are seen": Mutant(
        MEASURE, "counts = weight > 0", "counts = weight >= 0",
        "test_measure.py::test_ignored_labels_are_left_out"),
    "sums of chunks are not carried on": Mutant(
        MEASURE, "plan.evaluate(*part, y=y, sums=sums)", "plan.evaluate(*part, y=y)",
        "test_measure.py::test_loss_and_accuracy_do_not_depend_on_others"),
    # ------------------------------------------------------------------------------------ sources
    "each piece begins with sums of its own": Mutant(
        STREAM, "            sums=sums,\n", "", "test_streams.py::test_the_same_bits_as_arrays"),
    "each window goes on at its begin": Mutant(
        STREAM, "batch=batch - piece.batch,", "batch=0,",
        "test_parquet.py::test_an_interrupted_epoch_is_finished"),
    "all windows have one order": Mutant(
        STREAM, "            window=piece.window,\n", "",
        "test_parquet.py::test_windows_are_shuffled"),
    "what a window leaves is lost": Mutant(
        PARQUET, "[last.slice(fits)] if fits < len(last) else []", "[]",
        "test_parquet.py::test_the_same_bits_as_arrays"),
    # ---------------------------------------------------------------------------------- schedules
    "half a cosine is a whole one": Mutant(
        SCHEDULES, "return (1 + cosine) / 2", "return cosine", "test_schedules.py"),
    "a milestone counts behind it": Mutant(
        SCHEDULES, 'side="right")\n        rates: F64', 'side="left")\n        rates: F64',
        "test_schedules.py"),
    "a warm-up takes a step of what follows": Mutant(
        SCHEDULES, "behind = np.maximum(t - self.steps, 0)",
        "behind = np.maximum(t - self.steps + 1, 0)", "test_schedules.py"),
    # ------------------------------------------------------------------------------- scikit-learn
    "velocities keep an old rate": Mutant(
        SKLEARN, "factor = self._rate / rate if rate else 0.0", "factor = 1.0",
        "scikit/test_parity.py::test_the_same_numbers"),
    "alpha counts twice": Mutant(
        SKLEARN, "float(mlp.alpha) / 2", "float(mlp.alpha)",
        "scikit/test_parity.py::test_the_same_numbers"),
    "eps of Adam is where PyTorch has it": Mutant(
        SKLEARN, "(*self.betas, self.eps, 1.0)", "(*self.betas, self.eps, 0.0)",
        "scikit/test_parity.py::test_the_same_numbers"),
}  # fmt: skip


def change(root: Path, mutant: Mutant) -> str:
    """Sows it; returns the text as it was."""
    path = root / mutant.file
    text = path.read_text(encoding="utf-8")
    count = text.count(mutant.old)
    assert count == 1, f"{mutant.file} has {mutant.old!r} {count} times"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return text
