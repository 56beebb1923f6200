/* What a step needs norms for: clipping, and LAMB, whose steps are as long as weights. Both need all of an
 * array, or all arrays, so phases of their own come between the gradients and the updates. They go by
 * chunks; each thread adds these up for itself, once an array, which takes less time than a barrier. */
#include "network/network.h"

size_t dr_node_chunks(const dr_node *node) {
    size_t n = 0;
    for (size_t i = 0; i < node->n_parameters; i++) n += node->parameters[i].chunks;
    return n;
}

const dr_parameter *dr_locate_chunk(const dr_node *node, size_t *chunk) {
    const dr_parameter *p = node->parameters;
    for (; *chunk >= p->chunks; p++) *chunk -= p->chunks;
    return p;
}

static void measure(const dr_run *run, dr_norm norm, const dr_parameter *p, const char *area, size_t chunk) {
    run->squares[norm][p->first_chunk + chunk] =
        dr_chunk_squares(run->kernels, p->size, dr_offset(run->plan->dtype, area, p->offset), chunk);
}

static double squares_of(const dr_run *run, dr_norm norm, const dr_parameter *p) {
    return dr_chunk_sum(p->chunks, run->squares[norm] + p->first_chunk);
}

/* -- clipping ---------------------------------------------------------------------------------------- */

void dr_measure_gradient(dr_cursor *c, const dr_node *node, size_t chunk) {
    const dr_parameter *p = dr_locate_chunk(node, &chunk);
    measure(c->run, OF_GRADIENT, p, c->run->gradients, chunk);
}

static double squares_of_all(const dr_run *run) {
    const dr_plan *plan = run->plan;
    double sum = 0;
    for (size_t i = 0; i < plan->n_nodes; i++)
        for (size_t j = 0; plan->nodes[i].learns && j < plan->nodes[i].n_parameters; j++)
            sum += squares_of(run, OF_GRADIENT, &plan->nodes[i].parameters[j]);
    return sum;
}

void dr_clip_gradient(dr_cursor *c, const dr_parameter *p, size_t n, void *gradient) {
    const dr_run *run = c->run;
    const dr_clip clip = run->plan->optimizer.clip;
    const void *whole = clip.kind == DR_CLIP_GLOBAL_NORM ? (const void *)run->plan : p;
    if (clip.kind == DR_CLIP_NONE) return;
    if (run->plan->clips_norms && c->clipped != whole) {
        c->clipped = whole;
        c->factor = dr_clip_factor(clip.limit, whole == p ? squares_of(run, OF_GRADIENT, p) : squares_of_all(run));
    }
    dr_clip_apply(run->kernels, clip, c->factor, n, gradient);
}

/* -- LAMB -------------------------------------------------------------------------------------------- */

void dr_make_direction(dr_cursor *c, const dr_node *node, size_t chunk) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_parameter *p = dr_locate_chunk(node, &chunk);
    const size_t first = chunk * DR_CHUNK, n = dr_min(DR_CHUNK, p->size - first);
    void *gradient = dr_offset(plan->dtype, run->gradients, p->offset + first);
    void *at[1 + DR_MAX_STATES];
    dr_parameters_at(plan, p->offset + first, at);
    dr_clip_gradient(c, p, n, gradient);
    run->kernels->direction(n, dr_constants_of(c, node), gradient, at);
    measure(run, OF_WEIGHTS, p, plan->values, chunk);
    measure(run, OF_DIRECTION, p, run->gradients, chunk);
}

double dr_rate_ratio(dr_cursor *c, const dr_parameter *p) {
    if (c->along != p) {
        c->along = p;
        c->ratio = dr_optimizer_ratio(squares_of(c->run, OF_WEIGHTS, p), squares_of(c->run, OF_DIRECTION, p));
    }
    return c->ratio;
}
