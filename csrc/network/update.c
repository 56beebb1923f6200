/* What an update does to a piece of the parameters. */
#include "network/network.h"

void dr_parameters_at(const dr_plan *plan, size_t offset, void *at[1 + DR_MAX_STATES]) {
    at[0] = dr_offset(plan->dtype, plan->values, offset);
    for (size_t s = 0; s < DR_MAX_STATES; s++)
        at[1 + s] = s < plan->n_states ? dr_offset(plan->dtype, plan->states[s], offset) : NULL;
}

/* Nodes that share a factor follow each other, as a rule: it is prepared anew where it changes. */
const dr_constants *dr_constants_of(dr_cursor *c, const dr_node *node) {
    if (node->rate_factor == 1) return &c->constants;
    if (node->rate_factor != c->rate_factor) {
        c->rate_factor = node->rate_factor;
        c->others = c->constants; /* what is carried on from step to step */
        dr_optimizer_prepare(&c->run->plan->optimizer, c->rate * c->rate_factor, c->step + 1, &c->others);
    }
    return &c->others;
}

void dr_apply(dr_cursor *c, const dr_node *node, size_t index, size_t offset, size_t n, void *gradient) {
    const dr_plan *plan = c->run->plan;
    void *at[1 + DR_MAX_STATES];
    dr_parameters_at(plan, offset, at);
    const dr_parameter *p = &node->parameters[index];
    const dr_constants *k = dr_constants_of(c, node);
    dr_constants along;
    if (plan->layered) {
        along = *k;
        along.rate *= dr_rate_ratio(c, p);
        along.decay = 0; /* it is in the direction */
        k = &along;
    } else if (plan->optimizer.clip.kind != DR_CLIP_NONE) {
        dr_clip_gradient(c, p, n, gradient);
    }
    c->run->kernels->step[plan->optimizer.rule](n, k, gradient, at);
}
