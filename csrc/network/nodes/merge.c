/* Several buffers become one: their sum, or their columns side by side. */
#include "network/network.h"

/* dst columns [into, ...) = or += the n columns of src from `from` on, in rows [row, row + m). */
static void move(const dr_run *run, int adding, size_t m, size_t row, size_t n, dr_matrix src, size_t from,
                 dr_matrix dst, size_t into) {
    const dr_dtype dt = run->plan->dtype;
    for (size_t done = 0, length; done < n; done += length) { /* runs of columns in one panel of both */
        const size_t i = from + done, j = into + done, panel = dr_panel(dt);
        const size_t p = i / panel, q = j / panel;
        length = dr_min(n - done, dr_min(panel - i % panel, panel - j % panel));
        (adding ? run->kernels->add : run->kernels->copy)(
            m, length, dr_offset(dt, dr_at(dt, src, p, row), i % panel), dr_panel_width(dt, src.cols, p),
            dr_offset(dt, dr_at(dt, dst, q, row), j % panel), dr_panel_width(dt, dst.cols, q));
    }
}

void dr_send_error(dr_cursor *c, const dr_node *node, size_t source, size_t from, size_t row, size_t m) {
    const dr_wire wire = node->sources[source];
    if (!wire.error) return;
    const dr_matrix dx = c->run->errors[wire.buffer];
    move(c->run, !wire.first_writer, m, row, dx.cols, c->run->errors[node->target], from, dx, 0);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void add_forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    for (size_t i = 0; i < node->n_sources; i++)
        move(run, i > 0, m, row, node->n_out, run->values[node->sources[i].buffer], 0,
             run->values[node->target], 0);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void add_backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    for (size_t i = 0; i < node->n_sources; i++) dr_send_error(c, node, i, 0, row, m);
}

static void concat_forward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    for (size_t i = 0, at = 0; i < node->n_sources; i++) {
        const dr_matrix x = run->values[node->sources[i].buffer];
        move(run, 0, m, row, x.cols, x, 0, run->values[node->target], at);
        at += x.cols;
    }
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void concat_backward(dr_cursor *c, const dr_node *node, size_t row, size_t m) {
    for (size_t i = 0, at = 0; i < node->n_sources; i++) {
        dr_send_error(c, node, i, at, row, m);
        at += c->run->values[node->sources[i].buffer].cols;
    }
}

const dr_kind dr_kind_add = {.forward = add_forward, .backward = add_backward};
const dr_kind dr_kind_concat = {.forward = concat_forward, .backward = concat_backward};
