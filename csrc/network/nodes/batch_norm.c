/* batch_norm: training takes the statistics of the batch, and running ones follow them; everything else
 * takes the running ones, and so does training where the node does not learn. */
#include <string.h>

#include "network/network.h"

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, N_PARAMETERS };

/* What a training run keeps, vectors over the columns: of dr_batch_norm; the gradients; and where they have a
 * place among all gradients until the step is made, what the running statistics will be. */
enum { MEAN, VAR, SCALE, SLOPE, LEVEL, GRADIENTS, RUNNING = GRADIENTS + 2, N_VECTORS = RUNNING + 2 };

static void lay_out(dr_plan *plan, dr_node *node) {
    const int learnt[N_PARAMETERS] = {[WEIGHT] = node->has_weight, [BIAS] = node->has_bias};
    for (size_t i = 0; i < N_PARAMETERS; i++) dr_add_parameter(plan, node, 0, node->n_out, learnt[i]);
}

static size_t scratch(const dr_plan *plan, const dr_node *node, size_t rows) {
    (void)rows;
    return node->learns ? N_VECTORS * dr_vector_size(plan->dtype, node->n_out) : 0;
}

static void *kept(const dr_run *run, const dr_node *node, size_t vector) {
    const dr_plan *plan = run->plan;
    return dr_offset(plan->dtype, run->scratch[node - plan->nodes],
                     vector * dr_vector_size(plan->dtype, node->n_out));
}

static void *value(const dr_plan *plan, const dr_node *node, size_t index) {
    return dr_parameter_matrix(plan, plan->values, node, index).data;
}

static dr_batch_norm vectors(const dr_run *run, const dr_node *node) {
    const dr_plan *plan = run->plan;
    const void *w = node->has_weight ? value(plan, node, WEIGHT) : NULL;
    const void *b = node->has_bias ? value(plan, node, BIAS) : NULL;
    if (!dr_training(run) || !node->learns)
        return (dr_batch_norm){.eps = node->eps, .w = w, .b = b, .mean = value(plan, node, RUNNING_MEAN),
                               .var = value(plan, node, RUNNING_VAR)};
    return (dr_batch_norm){
        .eps = node->eps, .w = w, .b = b, .mean = kept(run, node, MEAN), .var = kept(run, node, VAR),
        .scale = kept(run, node, SCALE), .slope = kept(run, node, SLOPE), .level = kept(run, node, LEVEL)};
}

/* Panel p of the gradient of a parameter. */
static void *gradient(const dr_run *run, const dr_node *node, size_t index, size_t p) {
    const dr_dtype dt = run->plan->dtype;
    return dr_offset(dt, kept(run, node, GRADIENTS + index), p * dr_panel(dt));
}

static void statistics(dr_cursor *c, const dr_node *node, size_t p) {
    const dr_run *run = c->run;
    const dr_batch_norm a = vectors(run, node);
    dr_batch_norm_statistics(run->plan->dtype, run->kernels, &a, c->m,
                             run->values[node->sources[0].buffer], p);
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_batch_norm a = vectors(run, node);
    dr_batch_norm_apply(run->plan->dtype, run->kernels, &a, m, row, run->values[node->sources[0].buffer],
                        run->values[node->target]);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void error_sums(dr_cursor *c, const dr_node *node, size_t p) {
    const dr_run *run = c->run;
    const dr_batch_norm a = vectors(run, node);
    dr_batch_norm_gradient(run->plan->dtype, run->kernels, &a, c->m,
                           run->values[node->sources[0].buffer], run->errors[node->target], p,
                           gradient(run, node, WEIGHT, p), gradient(run, node, BIAS, p));
}

static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_wire x = node->sources[0];
    const dr_batch_norm a = vectors(run, node);
    if (!x.error) return;
    dr_batch_norm_errors(run->plan->dtype, run->kernels, &a, m, row, run->values[x.buffer],
                         run->errors[node->target], !x.first_writer, run->errors[x.buffer]);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static size_t tiles(const dr_plan *plan, const dr_node *node) {
    return dr_panels(plan->dtype, node->n_out);
}

/* Running statistics follow those of the rows at hand. */
static void track(const dr_cursor *c, const dr_node *node, size_t p, void *mean, void *var) {
    const dr_run *run = c->run;
    const dr_batch_norm a = vectors(run, node);
    dr_batch_norm_track(run->plan->dtype, run->kernels, &a, c->m, node->momentum, node->n_out, p, mean, var);
}

/* Of a piece of a batch: its gradients to those of the pieces before; and so with the running statistics,
 * beside the real ones, which have to stay until the batch is done. */
static void collect(const dr_cursor *c, const dr_node *node, size_t p) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const size_t first = p * dr_panel(dt), width = dr_panel_width(dt, node->n_out, p);
    for (size_t i = WEIGHT; i <= BIAS; i++)
        (dr_adding(c) ? run->kernels->add : run->kernels->copy)(
            1, width, gradient(run, node, i, p), width,
            dr_offset(dt, run->gradients, node->parameters[i].offset + first), width);
    for (size_t i = 0; !dr_adding(c) && i < 2; i++)
        memcpy(dr_offset(dt, kept(run, node, RUNNING + i), first),
               dr_offset(dt, value(run->plan, node, RUNNING_MEAN + i), first), width * dr_size(dt));
    track(c, node, p, kept(run, node, RUNNING), kept(run, node, RUNNING + 1));
}

static size_t on_tiles(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t p, size_t most) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    const size_t first = p * dr_panel(dt), width = dr_panel_width(dt, node->n_out, p);
    const int has[] = {[WEIGHT] = node->has_weight, [BIAS] = node->has_bias};
    (void)most;
    if (task == TASK_GRADIENT) {
        collect(c, node, p);
        return 1;
    }
    for (size_t i = WEIGHT; i <= BIAS; i++) {
        const size_t at = node->parameters[i].offset + first;
        void *g = run->gradients ? dr_offset(dt, run->gradients, at) : gradient(run, node, i, p);
        if (has[i]) dr_apply(c, node, i, at, width, g);
    }
    if (task == TASK_UPDATE)
        track(c, node, p, value(plan, node, RUNNING_MEAN), value(plan, node, RUNNING_VAR));
    for (size_t i = 0; task == TASK_APPLY && i < 2; i++)
        memcpy(dr_offset(dt, value(plan, node, RUNNING_MEAN + i), first),
               dr_offset(dt, kept(run, node, RUNNING + i), first), width * dr_size(dt));
    dr_lap(&c->watch.ledger, DR_UPDATES);
    return 1;
}

const dr_kind dr_kind_batch_norm = {
    .lay_out = lay_out, .scratch = scratch, .forward = forward, .backward = backward, .tiles = tiles,
    .on_tiles = on_tiles, .statistics = statistics, .error_sums = error_sums,
};
