/* Computed by a function that the graph brings along: see dr_custom in deltarule.h. It leaves gradients
 * in the node's scratch, which mirrors the part of an area that its parameters take. */
#include <string.h>

#include "network/network.h"

static size_t begin(const dr_node *node) { return node->n_parameters ? node->parameters[0].offset : 0; }

static size_t scratch(const dr_plan *plan, const dr_node *node, size_t rows) {
    (void)plan, (void)rows;
    if (!node->n_parameters) return 0;
    const dr_parameter last = node->parameters[node->n_parameters - 1];
    return last.offset + last.size - begin(node);
}

static void *gradient_at(const dr_run *run, const dr_node *node, size_t offset) {
    return dr_offset(run->plan->dtype, run->scratch[node - run->plan->nodes], offset - begin(node));
}

static void call(dr_cursor *c, size_t node, int backward) {
    dr_run *run = c->run;
    const dr_custom_call it = {.node = node, .rows = c->m, .backward = backward,
                               .training = dr_training(run),
                               .total = c->m < c->rows ? c->weight : 0, .cursor = c};
    if (run->plan->custom(run->poll_context, &it)) atomic_store(&run->aborted, 1);
    dr_lap(&c->watch.ledger, DR_OUTSIDE);
}

static void forward(dr_cursor *c, const dr_node *node) { call(c, (size_t)(node - c->run->plan->nodes), 0); }
static void backward(dr_cursor *c, const dr_node *node) { call(c, (size_t)(node - c->run->plan->nodes), 1); }
void dr_custom_loss(dr_cursor *c) { call(c, c->run->plan->n_nodes, 0); }

/* Chunks of parameters: of a gradient, these stay in L2. */
static size_t tiles(const dr_plan *plan, const dr_node *node) {
    (void)plan;
    return dr_node_chunks(node);
}

static size_t on_tiles(dr_cursor *c, dr_task_kind task, const dr_node *node, size_t tile, size_t most) {
    const dr_run *run = c->run;
    const dr_dtype dt = run->plan->dtype;
    const dr_parameter *p = dr_locate_chunk(node, &tile);
    const size_t at = p->offset + tile * DR_CHUNK, n = dr_min(DR_CHUNK, p->size - tile * DR_CHUNK);
    void *own = gradient_at(run, node, at);
    void *common = task == TASK_UPDATE ? NULL : dr_offset(dt, run->gradients, at);
    (void)most;
    if (task == TASK_GRADIENT)
        (dr_adding(c) ? run->kernels->add : run->kernels->copy)(1, n, own, n, common, n);
    else
        dr_apply(c, node, (size_t)(p - node->parameters), at, n, common ? common : own);
    dr_lap(&c->watch.ledger, DR_UPDATES);
    return 1;
}

/* -- what the function may do ---------------------------------------------------------------------- */

static const dr_node *node_of(const dr_custom_call *it) {
    return &((dr_cursor *)it->cursor)->run->plan->nodes[it->node];
}

static dr_matrix given(const dr_custom_call *it, const dr_run *run) {
    if (it->node == run->plan->n_nodes) return run->values[run->plan->n_buffers - 1];
    const dr_node *node = node_of(it);
    return it->backward ? run->errors[node->target] : run->values[node->sources[0].buffer];
}

void dr_custom_get(const dr_custom_call *it, void *out) {
    const dr_run *run = ((dr_cursor *)it->cursor)->run;
    dr_from_panels(run->kernels, it->rows, given(it, run), out);
}

static void take_rows(const dr_custom_call *it, const void *rows, size_t size, void *out) {
    const dr_cursor *c = it->cursor;
    const int64_t *order = c->run->order;
    for (size_t i = 0; i < it->rows; i++) {
        const size_t row = order ? (size_t)order[c->first + i] : c->first + i;
        memcpy((char *)out + i * size, (const char *)rows + row * size, size);
    }
}

void dr_custom_get_targets(const dr_custom_call *it, void *targets, void *weights) {
    const dr_run *run = ((dr_cursor *)it->cursor)->run;
    const size_t size = dr_size(run->plan->dtype), n_out = run->values[run->plan->n_buffers - 1].cols;
    if (run->data.labels)
        take_rows(it, run->data.labels, sizeof *run->data.labels, targets);
    else
        take_rows(it, run->data.dense, n_out * size, targets);
    if (run->data.weight) take_rows(it, run->data.weight, size, weights);
}

void dr_custom_set_loss(const dr_custom_call *it, const void *loss, const void *hit, const void *error) {
    const dr_run *run = ((dr_cursor *)it->cursor)->run;
    const size_t bytes = it->rows * dr_size(run->plan->dtype);
    memcpy(run->row_loss, loss, bytes);
    memcpy(run->row_hit, hit, bytes);
    if (error) dr_to_panels(run->kernels, it->rows, error, run->errors[run->plan->n_buffers - 1]);
}

static void add(const dr_run *run, size_t rows, const void *in, dr_matrix to) {
    const dr_dtype dt = run->plan->dtype;
    for (size_t p = 0; p < dr_panels(dt, to.cols); p++)
        run->kernels->add(rows, dr_panel_cols(dt, to.cols, p), dr_offset(dt, in, p * dr_panel(dt)), to.cols,
                          dr_at(dt, to, p, 0), dr_panel_width(dt, to.cols, p));
}

void dr_custom_set(const dr_custom_call *it, const void *in) {
    const dr_run *run = ((dr_cursor *)it->cursor)->run;
    const dr_node *node = node_of(it);
    const dr_wire source = node->sources[0];
    if (!it->backward)
        dr_to_panels(run->kernels, it->rows, in, run->values[node->target]);
    else if (source.error && source.first_writer)
        dr_to_panels(run->kernels, it->rows, in, run->errors[source.buffer]);
    else if (source.error)
        add(run, it->rows, in, run->errors[source.buffer]);
}

void dr_custom_set_gradient(const dr_custom_call *it, size_t index, const void *in) {
    const dr_run *run = ((dr_cursor *)it->cursor)->run;
    const dr_node *node = node_of(it);
    const dr_parameter p = node->parameters[index];
    const dr_dtype dt = run->plan->dtype;
    void *out = gradient_at(run, node, p.offset);
    if (p.rows)
        dr_to_panels(run->kernels, p.rows, in, (dr_matrix){out, dr_panel_stride(dt, p.rows), p.cols});
    else
        memcpy(out, in, p.cols * dr_size(dt));
}

const dr_kind dr_kind_custom = {
    .scratch = scratch, .whole_forward = forward, .whole_backward = backward, .tiles = tiles,
    .on_tiles = on_tiles,
};
