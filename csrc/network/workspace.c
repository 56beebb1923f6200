/* Opening a run: everything that it needs, allocated once. */
#include <string.h>

#include "network/network.h"

/* Rows of a batch where the caller has no wish: enough to share among threads, few enough to keep
 * the activations in cache. */
#define ROWS_AT_ONCE 512

static int keeps_gradients(const dr_run *run) {
    const int fused = dr_fused(run->plan) && !dr_in_pieces(run);
    return run->mode == DR_GRADIENT || (run->mode == DR_TRAIN && !fused);
}

/* Whether a buffer has rows of values: a sparse input only where a node wants it so. */
static int has_values(const dr_run *run, size_t buffer) {
    return buffer || !run->sparse || dr_sparse_wants_panels(run);
}

static void lay_out(dr_run *run, dr_arena *arena) {
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    const size_t size = dr_size(dt), rows = run->capacity;

    run->program.tasks = dr_arena_take(arena, dr_program_tasks(plan, run->mode), sizeof *run->program.tasks);
    run->program.phases = dr_arena_take(arena, dr_program_phases(plan), sizeof *run->program.phases);
    run->values = dr_arena_take(arena, plan->n_buffers, sizeof *run->values);
    run->errors = dr_arena_take(arena, plan->n_buffers, sizeof *run->errors);
    for (size_t i = 0; i < plan->n_buffers; i++) {
        const size_t cols = plan->widths[i], stride = dr_panel_stride(dt, rows);
        const size_t n = dr_matrix_size(dt, rows, cols);
        char *values = has_values(run, i) ? dr_arena_take(arena, n, size) : NULL;
        char *errors = dr_training(run) && i ? dr_arena_take(arena, n, size) : NULL;
        if (!arena->base) continue;
        run->values[i] = (dr_matrix){values, stride, cols};
        run->errors[i] = (dr_matrix){errors, stride, cols};
    }
    run->scratch = dr_arena_take(arena, plan->n_nodes, sizeof *run->scratch);
    for (size_t i = 0; dr_training(run) && i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        const size_t n = node->kind->scratch ? node->kind->scratch(plan, node, rows) : 0;
        char *scratch = n ? dr_arena_take(arena, n, size) : NULL;
        if (arena->base) run->scratch[i] = scratch;
    }
    run->row_loss = dr_arena_take(arena, rows, size);
    run->row_hit = dr_arena_take(arena, rows, size);
    if (run->mode != DR_PREDICT)
        run->penalties = dr_arena_take(arena, plan->n_penalties, sizeof *run->penalties);
    run->gradients = keeps_gradients(run) ? dr_arena_take(arena, plan->n_parameters, size) : NULL;
    for (int norm = 0; norm < N_NORMS; norm++) {
        const int wanted = norm == OF_GRADIENT ? plan->clips_norms : plan->layered;
        run->squares[norm] = dr_arena_take(arena, wanted ? plan->n_chunks : 0, sizeof **run->squares);
    }
    if (run->mode == DR_LINEARIZE) dr_linear_lay_out(run, arena);
    run->shuffle = run->shuffled ? dr_arena_take(arena, run->order_room, sizeof *run->shuffle) : NULL;
    if (!run->sparse) return;
    run->entries.own_starts =
        run->mode == DR_TRAIN ? dr_arena_take(arena, run->order_room + 1, sizeof(int64_t)) : NULL;
    run->entries.column_starts = dr_sparse_wants_columns(run)
                                     ? dr_arena_take(arena, plan->widths[0] + 1, sizeof(int64_t))
                                     : NULL;
}

static dr_run *allocate(const dr_run *wanted) {
    dr_run *run = dr_alloc(1, sizeof *run);
    if (!run) return NULL;
    *run = *wanted;
    dr_arena arena = {NULL, 0, 0};
    lay_out(run, &arena);
    run->bytes = arena.used;
    run->memory = dr_arena_open(&arena);
    if (!run->memory) {
        dr_free(run);
        return NULL;
    }
    lay_out(run, &arena);
    return run;
}

/* What a run leaves behind for the next of its kind, if it is not much: a prediction for one row takes
 * less time than the memory for it, and fresh pages for every epoch cost a tenth of a small one. */
#define SPARE_BYTES ((size_t)32 << 20)

static int fits(const dr_run *run, const dr_run *wanted) {
    return run->capacity >= wanted->capacity && run->shuffled == wanted->shuffled &&
           dr_in_pieces(run) == dr_in_pieces(wanted) &&
           run->sparse == wanted->sparse && run->outputs == wanted->outputs &&
           ((!run->shuffled && !run->sparse) || run->order_room >= wanted->order_room) &&
           (run->gradients == NULL) == !keeps_gradients(wanted);
}

void dr_run_leave(dr_run *run) {
    if (run && run->bytes + run->entries.bytes <= SPARE_BYTES)
        run = atomic_exchange(&run->plan->spare[run->mode], run);
    dr_run_close(run);
}

dr_status dr_run_open(dr_plan *plan, dr_mode mode, const dr_data *data, size_t batch_size,
                      const dr_stream *shuffle, dr_run **out) {
    if (!batch_size) batch_size = ROWS_AT_ONCE;
    const size_t piece = data->piece ? dr_min(data->piece, batch_size) : batch_size;
    const dr_run wanted = {.plan = plan, .mode = mode, .batch_size = batch_size, .piece = piece,
                           .capacity = dr_min(piece, data->n), .shuffled = shuffle != NULL,
                           .order_room = data->n, .outputs = data->y != NULL,
                           .sparse = data->sparse.starts != NULL};
    dr_run *run = atomic_exchange(&plan->spare[mode], NULL);
    if (run && !fits(run, &wanted)) {
        dr_run_close(run);
        run = NULL;
    }
    if (!run) {
        run = allocate(&wanted);
        if (!run) return DR_NO_MEMORY;
        const int columns = run->sparse && dr_sparse_wants_columns(run);
        dr_program_build(plan, mode, !run->gradients, columns, run->outputs, &run->program);
    }
    run->data = *data;
    run->batch_size = batch_size;
    run->piece = piece;
    run->n_batches = data->n / batch_size + (data->n % batch_size != 0);
    dr_run_set_position(run, (dr_position){0});
    run->order = shuffle ? run->shuffle : data->order;
    if (shuffle) dr_random_permutation(*shuffle, data->n, run->shuffle);
    if (run->sparse && !dr_sparse_open(run)) {
        dr_run_close(run);
        return DR_NO_MEMORY;
    }
    *out = run;
    return DR_OK;
}

void dr_run_close(dr_run *run) {
    if (!run) return;
    dr_free(run->entries.memory);
    dr_free(run->memory);
    dr_free(run);
}

int dr_run_finished(const dr_run *run) { return run->position.batch >= run->n_batches; }
size_t dr_run_n_batches(const dr_run *run) { return run->n_batches; }
dr_position dr_run_position(const dr_run *run) { return run->position; }
size_t dr_run_lost_in(const dr_run *run) { return run->lost_in; }

void dr_run_set_position(dr_run *run, dr_position position) {
    run->position = position;
    run->opened_at = run->plan->step;
    run->lost_in = run->plan->n_buffers;
}

void dr_run_gradient(const dr_run *run, size_t node, size_t index, void *out) {
    dr_copy_parameter(run->plan, run->gradients, node, index, out);
}
