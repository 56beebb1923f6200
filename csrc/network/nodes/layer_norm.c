/* layer_norm and rms_norm. Training keeps mean and 1 / deviation of every row for the way back. */
#include "network/network.h"

enum { WEIGHT, BIAS };

static void lay_out(dr_plan *plan, dr_node *node) {
    dr_add_parameter(plan, node, 0, node->n_out, node->has_weight);
    if (node->kind == &dr_kind_layer_norm) dr_add_parameter(plan, node, 0, node->n_out, node->has_bias);
}

static size_t scratch(const dr_plan *plan, const dr_node *node, size_t rows) {
    (void)node;
    return 2 * dr_vector_size(plan->dtype, rows);
}

static dr_layer_norm vectors(const dr_run *run, const dr_node *node) {
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    char *kept = run->scratch[node - plan->nodes];
    dr_layer_norm a = {.n = node->n_out, .stride = run->values[node->target].stride, .eps = node->eps,
                       .centred = node->kind == &dr_kind_layer_norm};
    if (node->has_weight) a.w = dr_parameter_matrix(plan, plan->values, node, WEIGHT).data;
    if (node->has_bias) a.b = dr_parameter_matrix(plan, plan->values, node, BIAS).data;
    if (!kept) return a;
    a.mean = kept;
    a.rstd = dr_offset(dt, kept, dr_vector_size(dt, run->capacity));
    return a;
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_layer_norm a = vectors(run, node);
    run->kernels->layer_norm_forward(m, row, &a, run->values[node->sources[0].buffer].data,
                                     run->values[node->target].data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_wire x = node->sources[0];
    const dr_layer_norm a = vectors(run, node);
    if (!x.error) return;
    run->kernels->layer_norm_backward(m, row, &a, run->values[x.buffer].data,
                                      run->errors[node->target].data, !x.first_writer,
                                      run->errors[x.buffer].data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static size_t tiles(const dr_plan *plan, const dr_node *node) {
    return node->has_weight || node->has_bias ? dr_panels(plan->dtype, node->n_out) : 0;
}

static size_t on_tiles(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t p, size_t most) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const int has[] = {[WEIGHT] = node->has_weight, [BIAS] = node->has_bias};
    _Alignas(64) char buffer[2][128] = {{0}};
    void *gradients[] = {buffer[WEIGHT], buffer[BIAS]};
    (void)most;
    for (size_t i = WEIGHT; i <= BIAS; i++)
        if (has[i] && task != TASK_UPDATE)
            gradients[i] = dr_offset(dt, run->gradients, node->parameters[i].offset + p * dr_panel(dt));
    if (task != TASK_APPLY) {
        const dr_layer_norm a = vectors(run, node);
        dr_layer_norm_gradient(dt, run->kernels, &a, c->m, run->values[node->sources[0].buffer],
                               run->errors[node->target], p, dr_adding(c), gradients[WEIGHT],
                               gradients[BIAS]);
        dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
    }
    for (size_t i = WEIGHT; i <= BIAS; i++)
        if (has[i] && task != TASK_GRADIENT)
            dr_apply(c, node, i, node->parameters[i].offset + p * dr_panel(dt),
                     dr_panel_width(dt, node->n_out, p), gradients[i]);
    dr_lap(&c->watch.ledger, DR_UPDATES);
    return 1;
}

const dr_kind dr_kind_layer_norm = {
    .lay_out = lay_out, .scratch = scratch, .forward = forward, .backward = backward, .tiles = tiles,
    .on_tiles = on_tiles,
};
const dr_kind dr_kind_rms_norm = {
    .lay_out = lay_out, .scratch = scratch, .forward = forward, .backward = backward, .tiles = tiles,
    .on_tiles = on_tiles,
};
