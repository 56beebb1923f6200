/* y = act(x w + b): see ops/dense.c for the products. */
#include "network/network.h"

enum { WEIGHT, BIAS };

static dr_matrix weight_in(const dr_plan *plan, const char *area, const dr_node *node) {
    return dr_parameter_matrix(plan, area, node, WEIGHT);
}

static dr_matrix shadow_of(const dr_plan *plan, const dr_node *node) {
    return (dr_matrix){dr_offset(plan->dtype, plan->shadow, node->shadow),
                       dr_panel_stride(plan->dtype, node->n_out), node->n_in};
}

static void lay_out(dr_plan *plan, dr_node *node) {
    dr_add_parameter(plan, node, node->n_in, node->n_out, 1);
    /* zeros where there is no bias: one product for both */
    dr_add_parameter(plan, node, 0, node->n_out, node->has_bias);
    node->shadow = plan->n_shadow;
    if (node->sources[0].error) plan->n_shadow += dr_matrix_size(plan->dtype, node->n_out, node->n_in);
    plan->multiply_adds += (double)node->n_in * (double)node->n_out;
}

/* What the activation acts on, where backward needs it. */
static int keeps_input(const dr_node *node) { return dr_activation_needs_input(node->activation); }

static size_t scratch(const dr_plan *plan, const dr_node *node, size_t rows) {
    return keeps_input(node) ? dr_matrix_size(plan->dtype, rows, node->n_out) : 0;
}

static dr_matrix before_activation(const dr_run *run, const dr_node *node) {
    const dr_matrix y = run->values[node->target];
    char *kept = run->scratch[node - run->plan->nodes];
    return kept ? (dr_matrix){kept, y.stride, y.cols} : y;
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_activation act = dr_node_activation(run, node);
    const dr_matrix y = run->values[node->target], z = before_activation(run, node);
    const int keep = z.data != y.data;
    const dr_matrix w = weight_in(plan, plan->values, node);
    const void *bias = dr_offset(plan->dtype, plan->values, node->parameters[BIAS].offset);
    const dr_activation first = keep ? DR_IDENTITY : act;
    if (dr_reads_entries(run, node)) {
        const dr_entries x = dr_rows_of_batch(c);
        dr_dense_sparse_product(plan->dtype, run->kernels, m, row, node->n_in, &x, w, bias, first,
                                node->alpha, z, &c->watch);
    } else {
        dr_dense_product(plan->dtype, run->kernels, m, row, node->n_in,
                         run->values[node->sources[0].buffer], w, bias, first, node->alpha, z, &c->watch);
    }
    if (!keep) return;
    run->kernels->activation_forward[act](node->alpha, m, node->n_out, row, y.stride, z.data, y.data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_wire x = node->sources[0];
    dr_activation_error(c, node, row, m, before_activation(run, node));
    if (x.error)
        dr_dense_error(plan->dtype, run->kernels, m, row, node->n_out, run->errors[node->target],
                       shadow_of(plan, node), !x.first_writer, x.relu ? &run->values[x.buffer] : NULL,
                       run->errors[x.buffer], &c->watch);
}

/* -- tiles: a panel's rows x a panel's columns of the weights, and the bias of the columns with the
 *    first rows ------------------------------------------------------------------------------- */

/* Tiles that share a panel of inputs and go together: its rows come from far once for all of them. */
#define GROUP 4

static size_t tiles(const dr_plan *plan, const dr_node *node) {
    return dr_panels(plan->dtype, node->n_in) * dr_panels(plan->dtype, node->n_out);
}

/* Panels of tile number `tile`. A group's columns come first, then the rows, then other groups.
 * Returns how many tiles of the group there are from here on. */
static size_t locate(const dr_plan *plan, const dr_node *node, size_t tile, size_t *p_in,
                     size_t *p_out) {
    const size_t ins = dr_panels(plan->dtype, node->n_in), outs = dr_panels(plan->dtype, node->n_out);
    const size_t first = tile / (ins * GROUP) * GROUP, size = dr_min(GROUP, outs - first);
    const size_t within = tile - first * ins;
    *p_in = within / size;
    *p_out = first + within % size;
    return size - within % size;
}

static void refresh_tile(const dr_plan *plan, const dr_kernels *k, const dr_node *node, size_t p_in,
                         size_t p_out) {
    dr_dense_transpose(plan->dtype, k, weight_in(plan, plan->values, node), p_in, p_out,
                       shadow_of(plan, node));
}

static void refresh(const dr_plan *plan, const dr_node *node, size_t index) {
    if (index != WEIGHT || !node->sources[0].error) return;
    for (size_t p = 0; p < dr_panels(plan->dtype, node->n_in); p++)
        for (size_t q = 0; q < dr_panels(plan->dtype, node->n_out); q++)
            refresh_tile(plan, dr_kernels_for(plan->dtype), node, p, q);
}

static size_t jacobian(dr_cursor *c, const dr_node *node, size_t row, size_t m, double *out, size_t apart) {
    const size_t weights = node->n_in * node->n_out, biases = node->has_bias ? node->n_out : 0;
    if (!m) return weights + biases;
    const dr_run *run = c->run;
    const dr_matrix x = run->values[node->sources[0].buffer], dy = run->errors[node->target];
    run->kernels->outer(m, x.cols, dy.cols, row, x.data, x.stride, dy.data, dy.stride, out, apart);
    if (biases)
        run->kernels->outer(m, 1, dy.cols, row, NULL, 0, dy.data, dy.stride, out + weights, apart);
    return weights + biases;
}

static void bias_task(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t p_out) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const size_t at = node->parameters[BIAS].offset + p_out * dr_panel(dt);
    _Alignas(64) char buffer[128];
    void *g = task == TASK_UPDATE ? (void *)buffer : dr_offset(dt, run->gradients, at);
    if (task != TASK_APPLY) {
        dr_lap(&c->watch.ledger, DR_UPDATES); /* of the weights before */
        dr_dense_bias_gradient(dt, run->kernels, c->m, run->errors[node->target], p_out, dr_adding(c), g);
        dr_lap(&c->watch.ledger, DR_PRODUCTS);
    }
    if (task != TASK_GRADIENT) dr_apply(c, node, BIAS, at, dr_panel_width(dt, node->n_out, p_out), g);
}

static void constrain(dr_cursor *c, const dr_node *node, size_t p_out) {
    const dr_plan *plan = c->run->plan;
    const dr_kernels *k = c->run->kernels;
    dr_constrain_panel(plan->dtype, k, node->constraint, node->limit, node->n_in,
                       weight_in(plan, plan->values, node), p_out);
    for (size_t p = 0; node->sources[0].error && p < dr_panels(plan->dtype, node->n_in); p++)
        refresh_tile(plan, k, node, p, p_out);
}

static void penalties(const dr_plan *plan, const dr_node *node, double *parts) {
    dr_penalty_parts(plan->dtype, dr_kernels_for(plan->dtype), node->penalty, node->n_in,
                     weight_in(plan, plan->values, node), parts);
}

static void weight_gradient(dr_cursor *c, const dr_node *node, size_t p_in, size_t p_out, size_t count,
                            const dr_tile *tiles) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const dr_matrix dy = run->errors[node->target];
    if (dr_reads_entries(run, node)) {
        const dr_entries x = dr_columns_of_batch(c);
        dr_dense_sparse_gradient(dt, run->kernels, c->m, &x, node->n_in, p_in, dy, p_out, count, tiles);
    } else {
        dr_dense_weight_gradient(dt, run->kernels, c->m, run->values[node->sources[0].buffer], p_in, dy,
                                 p_out, count, dr_adding(c), tiles);
    }
}

static size_t on_tiles(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t tile, size_t most) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    size_t p_in, p_out;
    const size_t count = dr_min(locate(plan, node, tile, &p_in, &p_out), most);
    const size_t rows = dr_panel_cols(dt, node->n_in, p_in), stride = dr_panel_stride(dt, node->n_in);
    _Alignas(64) char buffer[GROUP][32 * 128]; /* gradients: they stay in cache */
    size_t at[GROUP], n[GROUP];
    dr_tile wanted[GROUP] = {{0}};
    for (size_t i = 0; i < count; i++) {
        const size_t width = dr_panel_width(dt, node->n_out, p_out + i);
        void *arrays[1 + DR_MAX_STATES];
        at[i] = node->parameters[WEIGHT].offset + (p_out + i) * stride + p_in * dr_panel(dt) * width;
        n[i] = rows * width;
        wanted[i].gradient = task == TASK_UPDATE ? (void *)buffer[i] : dr_offset(dt, run->gradients, at[i]);
        dr_parameters_at(plan, at[i], arrays);
        for (size_t s = 0; s < DR_AHEAD; s++) wanted[i].ahead[s] = arrays[s];
    }
    if (task != TASK_APPLY) weight_gradient(c, node, p_in, p_out, count, wanted);
    dr_lap(&c->watch.ledger, DR_PRODUCTS);
    const int penalised = dr_penalised(node) && c->weight > 0 && c->last && task != TASK_APPLY;
    const dr_penalty penalty = dr_penalty_of(c, node);
    for (size_t i = 0; i < count; i++) {
        if (penalised)
            run->penalties[node->first_penalty + (p_out + i) * dr_panels(dt, node->n_in) + p_in] =
                run->kernels->penalty(n[i], penalty, dr_offset(dt, plan->values, at[i]),
                                      wanted[i].gradient);
        if (task != TASK_GRADIENT) {
            dr_apply(c, node, WEIGHT, at[i], n[i], wanted[i].gradient);
            if (node->sources[0].error) refresh_tile(plan, run->kernels, node, p_in, p_out + i);
        }
        if (p_in == 0 && node->has_bias) bias_task(c, task, node, p_out + i);
    }
    dr_lap(&c->watch.ledger, DR_UPDATES);
    return count;
}

const dr_kind dr_kind_dense = {
    .lay_out = lay_out, .scratch = scratch, .forward = forward, .backward = backward,
    .tiles = tiles, .on_tiles = on_tiles, .constrain = constrain, .penalties = penalties,
    .jacobian = jacobian, .refresh = refresh,
};
