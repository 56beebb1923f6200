/* A plan: the graph, and the parameters with their state in panels. */
#include <string.h>

#include "network/network.h"

dr_matrix dr_weight_matrix(const dr_plan *plan, const char *area, const dr_node *node) {
    return (dr_matrix){dr_offset(plan->dtype, area, node->weight),
                       dr_panel_stride(plan->dtype, node->n_in), node->n_out};
}

dr_matrix dr_shadow_matrix(const dr_plan *plan, const dr_node *node) {
    return (dr_matrix){dr_offset(plan->dtype, plan->shadow, node->shadow),
                       dr_panel_stride(plan->dtype, node->n_out), node->n_in};
}

static int takes_logits(dr_loss loss) {
    return loss == DR_CROSS_ENTROPY || loss == DR_BINARY_CROSS_ENTROPY;
}

/* Nodes with their shapes, and offsets into the areas. Returns the elements of the shadow. */
static size_t lay_out(dr_plan *plan, const dr_graph *graph) {
    const dr_dtype dt = graph->dtype;
    size_t shadow = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const dr_node_spec *spec = &graph->nodes[i];
        dr_node *node = &plan->nodes[i];
        const int last = spec->target == graph->n_buffers - 1;
        *node = (dr_node){
            .source = spec->source, .target = spec->target,
            .n_in = graph->widths[spec->source], .n_out = graph->widths[spec->target],
            .activation = last && takes_logits(graph->loss) ? DR_IDENTITY : spec->activation,
            .output = spec->activation, .alpha = spec->alpha, .has_bias = spec->bias,
            .input_error = spec->source != 0,
        };
        node->weight = plan->n_parameters;
        plan->n_parameters += dr_matrix_size(dt, node->n_in, node->n_out);
        node->bias = plan->n_parameters;
        plan->n_parameters += dr_vector_size(dt, node->n_out);
        node->shadow = shadow;
        if (node->input_error) shadow += dr_matrix_size(dt, node->n_out, node->n_in);
        plan->multiply_adds += (double)node->n_in * (double)node->n_out;
    }
    for (size_t i = graph->n_nodes; i-- > 0;) { /* backward order: who reaches a buffer first */
        dr_node *node = &plan->nodes[i];
        node->first_writer = 1;
        for (size_t j = i + 1; j < graph->n_nodes; j++)
            if (plan->nodes[j].source == node->source) node->first_writer = 0;
    }
    return shadow;
}

dr_status dr_plan_create(const dr_graph *graph, dr_plan **out) {
    dr_plan *plan = dr_alloc(1, sizeof *plan);
    if (!plan) return DR_NO_MEMORY;
    const dr_dtype dt = plan->dtype = graph->dtype;
    plan->n_buffers = graph->n_buffers;
    plan->n_nodes = graph->n_nodes;
    plan->loss = graph->loss;
    plan->optimizer = graph->optimizer;
    plan->hit = graph->hit;
    plan->fused = 1;
    dr_ledger_restart(&plan->ledger);
    plan->n_states = (size_t)dr_rule_states(graph->optimizer.rule);
    plan->widths = dr_alloc(graph->n_buffers, sizeof *plan->widths);
    plan->nodes = dr_alloc(graph->n_nodes, sizeof *plan->nodes);
    if (!plan->widths || !plan->nodes) goto no_memory;
    memcpy(plan->widths, graph->widths, graph->n_buffers * sizeof *plan->widths);

    const size_t shadow = lay_out(plan, graph);
    dr_arena arena = {NULL, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        plan->values = dr_arena_take(&arena, plan->n_parameters, dr_size(dt));
        for (size_t s = 0; s < plan->n_states; s++)
            plan->states[s] = dr_arena_take(&arena, plan->n_parameters, dr_size(dt));
        plan->shadow = dr_arena_take(&arena, shadow, dr_size(dt));
        if (pass == 0) {
            plan->memory = arena.overflow ? NULL : dr_alloc(arena.used, 1);
            if (!plan->memory) goto no_memory;
            arena = (dr_arena){plan->memory, 0, 0};
        }
    }
    *out = plan;
    return DR_OK;

no_memory:
    dr_plan_destroy(plan);
    return DR_NO_MEMORY;
}

void dr_plan_destroy(dr_plan *plan) {
    if (!plan) return;
    for (int mode = 0; mode < DR_N_MODES; mode++) dr_run_close(plan->spare[mode]);
    dr_free(plan->memory);
    dr_free(plan->nodes);
    dr_free(plan->widths);
    dr_free(plan);
}

void dr_copy_parameter(const dr_plan *plan, const char *area, size_t node_index, int bias,
                       void *out) {
    const dr_dtype dt = plan->dtype;
    const dr_node *node = &plan->nodes[node_index];
    if (bias)
        memcpy(out, dr_offset(dt, area, node->bias), node->n_out * dr_size(dt));
    else
        dr_from_panels(dr_kernels_for(dt), node->n_in, dr_weight_matrix(plan, area, node), out);
}

void dr_plan_get(const dr_plan *plan, size_t node, int bias, int slot, void *out) {
    dr_copy_parameter(plan, slot ? plan->states[slot - 1] : plan->values, node, bias, out);
}

void dr_plan_set(dr_plan *plan, size_t node_index, int bias, int slot, const void *in) {
    const dr_dtype dt = plan->dtype;
    const dr_kernels *k = dr_kernels_for(dt);
    const dr_node *node = &plan->nodes[node_index];
    char *area = slot ? plan->states[slot - 1] : plan->values;
    if (bias) {
        memcpy(dr_offset(dt, area, node->bias), in, node->n_out * dr_size(dt));
        return;
    }
    dr_to_panels(k, node->n_in, in, dr_weight_matrix(plan, area, node));
    if (slot || !node->input_error) return;
    for (size_t p = 0; p < dr_panels(dt, node->n_in); p++)
        for (size_t q = 0; q < dr_panels(dt, node->n_out); q++)
            dr_refresh_shadow(plan, k, node, p, q);
}

void dr_refresh_shadow(const dr_plan *plan, const dr_kernels *k, const dr_node *node, size_t p_in,
                       size_t p_out) {
    dr_dense_transpose(plan->dtype, k, dr_weight_matrix(plan, plan->values, node), p_in, p_out,
                       dr_shadow_matrix(plan, node));
}

void dr_plan_set_fused(dr_plan *plan, int fused) { plan->fused = fused; }
uint64_t dr_plan_step(const dr_plan *plan) { return plan->step; }
void dr_plan_set_step(dr_plan *plan, uint64_t step) { plan->step = step; }

void dr_plan_restart_ledger(dr_plan *plan) { dr_ledger_restart(&plan->ledger); }
dr_performance dr_plan_performance(const dr_plan *plan) { return dr_ledger_read(&plan->ledger); }
