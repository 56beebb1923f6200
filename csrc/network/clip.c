/* Clipping in a step. Norms need all gradients of an array, or of all arrays, so a phase of its own sums
 * their squares, chunk by chunk, between the gradients and the updates. */
#include "network/network.h"

int dr_clips_norms(const dr_plan *plan) { return plan->optimizer.clip.kind >= DR_CLIP_NORM; }

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

void dr_clip_measure(dr_cursor *c, const dr_node *node, size_t chunk) {
    const dr_run *run = c->run;
    const dr_parameter *p = dr_locate_chunk(node, &chunk);
    const void *gradients = dr_offset(run->plan->dtype, run->gradients, p->offset);
    run->squares[p->first_chunk + chunk] = dr_clip_squares(run->kernels, p->size, gradients, chunk);
}

static double squares_of(const dr_run *run, const dr_parameter *p) {
    return dr_clip_sum(p->chunks, run->squares + p->first_chunk);
}

static double squares_of_all(const dr_run *run) {
    const dr_plan *plan = run->plan;
    double sum = 0;
    for (size_t i = 0; i < plan->n_nodes; i++)
        for (size_t j = 0; plan->nodes[i].learns && j < plan->nodes[i].n_parameters; j++)
            sum += squares_of(run, &plan->nodes[i].parameters[j]);
    return sum;
}

/* Each thread adds up for itself, once an array or a batch: that takes less time than a barrier. */
void dr_clip_gradient(dr_cursor *c, const dr_parameter *p, size_t n, void *gradient) {
    const dr_run *run = c->run;
    const dr_clip clip = run->plan->optimizer.clip;
    const void *whole = clip.kind == DR_CLIP_GLOBAL_NORM ? (const void *)run->plan : p;
    if (dr_clips_norms(run->plan) && c->clipped != whole) {
        c->clipped = whole;
        c->factor = dr_clip_factor(clip.limit, whole == p ? squares_of(run, p) : squares_of_all(run));
    }
    dr_clip_apply(run->kernels, clip, c->factor, n, gradient);
}
