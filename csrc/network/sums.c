/* What batches add to the sums of a run, and where these stop being numbers. */
#include "network/network.h"

static int is_finite(double x) { return x - x == 0; }

/* -- what weights cost ---------------------------------------------------------------------------------- */

void dr_measure_penalties(const dr_run *run) {
    const dr_plan *plan = run->plan;
    for (size_t i = 0; plan->n_penalties && i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (dr_penalised(node)) node->kind->penalties(plan, node, run->penalties + node->first_penalty);
    }
}

/* What the weights cost that this batch has met. */
static double penalty(const dr_run *run) {
    const dr_plan *plan = run->plan;
    double sum = 0;
    for (size_t i = 0; plan->n_penalties && i < plan->n_nodes; i++) {
        const dr_node *node = &plan->nodes[i];
        if (dr_penalised(node))
            sum += dr_penalty_sum(node->kind->tiles(plan, node), run->penalties + node->first_penalty);
    }
    return sum;
}

/* How often the sums count them. All rows together are one batch, cut up only to be evaluated. */
static double weight_of_penalties(const dr_cursor *c) {
    const int evaluating = c->run->mode == DR_EVALUATE;
    return c->run->plan->by_batch && evaluating ? c->batch == 0 : c->weight;
}

/* -- what is no number ---------------------------------------------------------------------------------- */

/* Whether all of a buffer is finite that rows of the piece at hand have; a sparse input may have none. */
static int all_finite(const dr_cursor *c, size_t buffer) {
    const dr_dtype dt = c->run->plan->dtype;
    const dr_matrix x = c->run->values[buffer];
    for (size_t p = 0; x.data && p < dr_panels(dt, x.cols); p++)
        for (size_t r = 0; r < c->m; r++) {
            const void *at = dr_at(dt, x, p, r);
            for (size_t j = 0; j < dr_panel_cols(dt, x.cols, p); j++)
                if (!is_finite(dt == DR_F32 ? (double)((const float *)at)[j] : ((const double *)at)[j]))
                    return 0;
        }
    return 1;
}

/* The first buffer with something that is not; n_buffers: there is none. They are as they were when the loss
 * was computed: nodes send back errors, not values. */
static size_t first_lost(const dr_cursor *c) {
    size_t buffer = 0;
    while (buffer < c->run->plan->n_buffers && all_finite(c, buffer)) buffer++;
    return buffer;
}

/* -- sums ----------------------------------------------------------------------------------------------- */

/* Whether every batch until this one has left a finite sum of losses behind. */
static int was_finite(const dr_cursor *c) { return c->run->position.finite == c->batch; }

void dr_sum_piece(dr_cursor *c) {
    dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    if (!c->before) run->loss_sum = run->hit_sum = 0;
    if (run->mode == DR_PREDICT) return;
    const int finite = is_finite(run->loss_sum);
    run->loss_sum += dr_weighted_sum(plan->dtype, c->m, run->row_loss, run->data.weight, run->order, c->first);
    if (plan->hit != DR_HIT_NONE)
        run->hit_sum += dr_weighted_sum(plan->dtype, c->m, run->row_hit, run->data.weight, run->order, c->first);
    if (run->mode == DR_TRAIN && finite && !is_finite(run->loss_sum) && was_finite(c))
        run->lost_in = first_lost(c);
}

void dr_sum_batch(dr_cursor *c) {
    dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    dr_position *position = &run->position;
    if (run->mode != DR_PREDICT && c->weight > 0) {
        const int by_rows = plan->by_batch && run->mode == DR_TRAIN;
        const double counts = by_rows ? (double)c->rows / c->weight : 1;
        position->weight_sum += counts * c->weight;
        position->loss_sum += counts * run->loss_sum;
        position->loss_sum += counts * weight_of_penalties(c) * penalty(run);
        position->hit_sum += counts * run->hit_sum;
    }
    position->batch = c->batch + 1;
    if (is_finite(position->loss_sum))
        position->finite = c->batch + 1;
    else if (run->mode == DR_TRAIN && was_finite(c))
        run->lost = 1;
}
