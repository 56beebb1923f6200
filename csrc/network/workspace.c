/* Opening a run: everything that it needs, allocated once. */
#include <string.h>

#include "network/network.h"

/* Rows of a batch where the caller has no wish: enough to share among threads, few enough to keep
 * the activations in cache. */
#define ROWS_AT_ONCE 512

static void lay_out(dr_run *run, dr_arena *arena) {
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    const size_t size = dr_size(dt), rows = run->capacity;
    const int backward = run->mode == DR_TRAIN || run->mode == DR_GRADIENT;
    const int gradients = run->mode == DR_GRADIENT || (run->mode == DR_TRAIN && !plan->fused);

    run->program.tasks = dr_arena_take(arena, dr_program_size(plan), sizeof *run->program.tasks);
    run->values = dr_arena_take(arena, plan->n_buffers, sizeof *run->values);
    run->errors = dr_arena_take(arena, plan->n_buffers, sizeof *run->errors);
    for (size_t i = 0; i < plan->n_buffers; i++) {
        const size_t cols = plan->widths[i], stride = dr_panel_stride(dt, rows);
        const size_t n = dr_matrix_size(dt, rows, cols);
        char *values = dr_arena_take(arena, n, size);
        char *errors = backward && i ? dr_arena_take(arena, n, size) : NULL;
        if (!arena->base) continue;
        run->values[i] = (dr_matrix){values, stride, cols};
        run->errors[i] = (dr_matrix){errors, stride, cols};
    }
    run->before = dr_arena_take(arena, plan->n_nodes, sizeof *run->before);
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (!backward || !dr_activation_needs_input(node->activation)) continue;
        char *before = dr_arena_take(arena, dr_matrix_size(dt, rows, node->n_out), size);
        if (arena->base)
            run->before[i] = (dr_matrix){before, dr_panel_stride(dt, rows), node->n_out};
    }
    run->row_loss = dr_arena_take(arena, rows, size);
    run->row_hit = dr_arena_take(arena, rows, size);
    run->gradients = gradients ? dr_arena_take(arena, plan->n_parameters, size) : NULL;
    run->order = run->shuffled ? dr_arena_take(arena, run->data.n, sizeof *run->order) : NULL;
}

dr_status dr_run_open(dr_plan *plan, dr_mode mode, const dr_data *data, size_t batch_size,
                      const dr_stream *shuffle, dr_run **out) {
    dr_run *run = dr_alloc(1, sizeof *run);
    if (!run) return DR_NO_MEMORY;
    run->plan = plan;
    run->mode = mode;
    run->data = *data;
    run->batch_size = batch_size ? batch_size : ROWS_AT_ONCE;
    run->n_batches = data->n / run->batch_size + (data->n % run->batch_size != 0);
    run->capacity = dr_min(run->batch_size, data->n);
    run->shuffled = shuffle != NULL;

    dr_arena arena = {NULL, 0, 0};
    lay_out(run, &arena);
    run->memory = arena.overflow ? NULL : dr_alloc(arena.used, 1);
    if (!run->memory) {
        dr_free(run);
        return DR_NO_MEMORY;
    }
    arena = (dr_arena){run->memory, 0, 0};
    lay_out(run, &arena);
    if (shuffle) dr_random_permutation(*shuffle, data->n, run->order);
    dr_program_build(plan, mode, &run->program);
    *out = run;
    return DR_OK;
}

void dr_run_close(dr_run *run) {
    if (!run) return;
    dr_free(run->memory);
    dr_free(run);
}

int dr_run_finished(const dr_run *run) { return run->position.batch >= run->n_batches; }
size_t dr_run_n_batches(const dr_run *run) { return run->n_batches; }
dr_position dr_run_position(const dr_run *run) { return run->position; }
void dr_run_set_position(dr_run *run, dr_position position) { run->position = position; }

void dr_run_gradient(const dr_run *run, size_t node, int bias, void *out) {
    dr_copy_parameter(run->plan, run->gradients, node, bias, out);
}
