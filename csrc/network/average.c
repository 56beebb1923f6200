/* An average of the weights, beside them in an area of its own: running statistics and all. */
#include <string.h>

#include "network/network.h"

#define TILE 2048 /* weights: these and their average stay in L1 */

/* Of the weights behind this batch in their average. */
double dr_average_share(const dr_cursor *c) {
    const dr_run *run = c->run;
    const dr_averaging *a = &run->plan->averaging;
    const uint64_t taken = run->plan->averaged;
    if (!a->on) return 0;
    const int due = a->every ? c->weight > 0 && (c->step + 1) % a->every == 0
                             : run->data.averages && c->batch + 1 == run->n_batches;
    if (!due) return 0;
    return taken && a->share > 0 ? a->share : 1 / ((double)taken + 1);
}

size_t dr_average_tiles(const dr_plan *plan) { return (plan->n_parameters + TILE - 1) / TILE; }

void dr_average_tile(dr_cursor *c, size_t tile) {
    const dr_plan *plan = c->run->plan;
    const size_t at = tile * TILE, n = dr_min(TILE, plan->n_parameters - at);
    dr_average_units(c->run->kernels, n, c->share, dr_offset(plan->dtype, plan->values, at),
                     dr_offset(plan->dtype, plan->average, at));
    dr_lap(&c->watch.ledger, DR_UPDATES);
}

uint64_t dr_plan_averaged(const dr_plan *plan) { return plan->averaged; }
void dr_plan_set_averaged(dr_plan *plan, uint64_t averaged) { plan->averaged = averaged; }

void dr_plan_take_average(dr_plan *plan, const dr_plan *from) {
    memcpy(plan->values, from->average, plan->n_parameters * dr_size(plan->dtype));
    for (size_t i = 0; i < plan->n_nodes; i++)
        for (size_t j = 0; j < plan->nodes[i].n_parameters; j++)
            if (plan->nodes[i].kind->refresh) plan->nodes[i].kind->refresh(plan, &plan->nodes[i], j);
}
