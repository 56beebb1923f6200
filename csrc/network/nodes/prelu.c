/* y = x where x > 0, else slope x; the slope is learnt: one for all columns, or one for each. */
#include <string.h>

#include "network/network.h"

enum { SLOPE };

static size_t slopes(const dr_node *node) { return node->shared ? 1 : node->n_out; }

static void lay_out(dr_plan *plan, dr_node *node) { dr_add_parameter(plan, node, 0, slopes(node), 1); }

/* The sums of all columns, before they are added up; those of earlier pieces of the batch are in them. */
static size_t scratch(const dr_plan *plan, const dr_node *node, size_t rows) {
    (void)rows;
    return node->shared ? dr_vector_size(plan->dtype, node->n_out) : 0;
}

static const void *slope_of(const dr_plan *plan, const dr_node *node) {
    return dr_offset(plan->dtype, plan->values, node->parameters[SLOPE].offset);
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix x = run->values[node->sources[0].buffer], y = run->values[node->target];
    run->kernels->prelu_forward(m, node->n_out, row, x.stride, x.data, slope_of(run->plan, node),
                                node->shared, y.data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

/* The error at the target stays: the gradient of the slope will want it. */
static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_wire source = node->sources[0];
    const dr_matrix x = run->values[source.buffer], dy = run->errors[node->target];
    if (!source.error) return;
    run->kernels->prelu_backward(!source.first_writer, m, node->n_out, row, x.stride, x.data,
                                 slope_of(run->plan, node), node->shared, dy.data,
                                 run->errors[source.buffer].data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

/* -- tiles: panels of slopes ------------------------------------------------------------------- */

static size_t tiles(const dr_plan *plan, const dr_node *node) {
    return dr_panels(plan->dtype, slopes(node));
}

static size_t on_tiles(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t tile, size_t most) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const dr_matrix x = run->values[node->sources[0].buffer], dy = run->errors[node->target];
    const size_t at = node->parameters[SLOPE].offset + tile * dr_panel(dt);
    _Alignas(64) char buffer[128] = {0};
    void *g = task == TASK_UPDATE ? (void *)buffer : dr_offset(dt, run->gradients, at);
    (void)most;
    if (task != TASK_APPLY) {
        if (node->shared)
            dr_prelu_shared_slope(dt, run->kernels, c->m, x, dy, dr_adding(c),
                                  run->scratch[node - run->plan->nodes], g);
        else
            dr_prelu_slope_panel(dt, run->kernels, c->m, x, dy, tile, dr_adding(c), g);
        dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
    }
    if (task != TASK_GRADIENT) dr_apply(c, node, SLOPE, at, dr_panel_width(dt, slopes(node), tile), g);
    dr_lap(&c->watch.ledger, DR_UPDATES);
    return 1;
}

const dr_kind dr_kind_prelu = {
    .lay_out = lay_out, .scratch = scratch, .forward = forward, .backward = backward,
    .tiles = tiles, .on_tiles = on_tiles,
};
