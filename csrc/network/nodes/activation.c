/* y = act(x), where no product is before it. */
#include "network/network.h"

void dr_activation_error(dr_cursor *c, const dr_node *node, size_t row, size_t m, dr_matrix x) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_matrix y = run->values[node->target], dy = run->errors[node->target];
    if (node->activation == DR_IDENTITY && node->target == plan->n_buffers - 1)
        return; /* the loss has flushed */
    if (node->relu_is_behind) return;
    run->kernels->activation_backward[node->activation](node->alpha, m, node->n_out, row, y.stride,
                                                        x.data, y.data, dy.data, dy.data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix x = run->values[node->sources[0].buffer], y = run->values[node->target];
    run->kernels->activation_forward[dr_node_activation(run, node)](node->alpha, m, node->n_out, row,
                                                                    y.stride, x.data, y.data);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    dr_activation_error(c, node, row, m, c->run->values[node->sources[0].buffer]);
    dr_send_error(c, node, 0, 0, row, m);
}

const dr_kind dr_kind_activation = {.forward = forward, .backward = backward};
