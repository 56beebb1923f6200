/* y = x with noise in training, y = x otherwise; see ops/noise.c. */
#include "network/network.h"

/* Every node has a stream of its own, every step other numbers; the way back finds those of the way
 * there. A row of the batch has its numbers whatever block or piece it is computed in. */
static dr_noise_args prepare(const dr_cursor *c, const dr_node *node) {
    const dr_plan *plan = c->run->plan;
    const dr_stream stream = {
        .seed = plan->seed, .step = c->step, .layer = (uint32_t)(node - plan->nodes)};
    return dr_noise_prepare(node->noise, node->amount, stream, c->before);
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix x = run->values[node->sources[0].buffer], y = run->values[node->target];
    if (dr_training(run)) {
        const dr_noise_args a = prepare(c, node);
        run->kernels->noise_forward[node->noise](&a, m, y.cols, row, y.stride, x.data, y.data);
    } else {
        run->kernels->activation_forward[DR_IDENTITY](0, m, y.cols, row, y.stride, x.data, y.data);
    }
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_wire x = node->sources[0];
    const dr_matrix dy = run->errors[node->target], dx = run->errors[x.buffer];
    const dr_noise_args a = prepare(c, node);
    void *out = x.first_writer ? dx.data : dy.data;
    run->kernels->noise_backward[node->noise](&a, m, dy.cols, row, dy.stride, dy.data, out);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
    if (!x.first_writer) dr_send_error(c, node, 0, 0, row, m);
}

const dr_kind dr_kind_noise = {.forward = forward, .backward = backward};
