/* A plan: the graph, and the parameters with their state in panels. */
#include <string.h>

#include "network/network.h"

static const dr_kind *const KINDS[DR_N_NODES] = {
    [DR_NODE_DENSE] = &dr_kind_dense,
    [DR_NODE_ACTIVATION] = &dr_kind_activation,
    [DR_NODE_ADD] = &dr_kind_add,
    [DR_NODE_CONCAT] = &dr_kind_concat,
    [DR_NODE_NOISE] = &dr_kind_noise,
    [DR_NODE_CUSTOM] = &dr_kind_custom,
    [DR_NODE_BATCH_NORM] = &dr_kind_batch_norm,
    [DR_NODE_LAYER_NORM] = &dr_kind_layer_norm,
    [DR_NODE_RMS_NORM] = &dr_kind_rms_norm,
    [DR_NODE_PRELU] = &dr_kind_prelu,
};

void dr_add_parameter(dr_plan *plan, dr_node *node, size_t rows, size_t cols, int learnt) {
    const size_t size = dr_array_size(plan->dtype, (dr_shape){rows, cols});
    const dr_parameter p = {.rows = rows, .cols = cols, .offset = plan->n_parameters, .size = size,
                            .chunks = learnt ? dr_chunks(size) : 0, .first_chunk = plan->n_chunks};
    node->parameters[node->n_parameters++] = p;
    plan->n_parameters += p.size;
    plan->n_chunks += p.chunks;
}

dr_matrix dr_parameter_matrix(const dr_plan *plan, const char *area, const dr_node *node, size_t index) {
    const dr_parameter p = node->parameters[index];
    return (dr_matrix){dr_offset(plan->dtype, area, p.offset), dr_panel_stride(plan->dtype, p.rows), p.cols};
}

/* Whether what buffer `b` holds depends on parameters that training changes. */
static int buffer_learns(const dr_plan *plan, size_t b, size_t before) {
    for (size_t i = 0; i < before; i++)
        if (plan->nodes[i].target == b) return plan->nodes[i].error;
    return 0;
}

/* Whether the first of all to send an error to what `source` of node i reads is this one: backward
 * comes to later nodes before, and to a node's sources in their order. */
static int writes_first(const dr_plan *plan, size_t i, size_t source) {
    const size_t buffer = plan->nodes[i].sources[source].buffer;
    for (size_t j = i; j < plan->n_nodes; j++)
        for (size_t k = 0; k < (j == i ? source : plan->nodes[j].n_sources); k++)
            if (plan->nodes[j].sources[k].buffer == buffer) return 0;
    return 1;
}

/* Where the one reader of a relu is a product, that takes errors back through the relu on the way: they are
 * in registers there. 2 % of a small network's step. */
static void hand_over_relu(dr_plan *plan, dr_node *producer) {
    dr_node *reader = NULL;
    size_t readers = 0;
    for (dr_node *node = producer + 1; node < plan->nodes + plan->n_nodes; node++)
        for (size_t j = 0; j < node->n_sources; j++)
            if (node->sources[j].buffer == producer->target) readers++, reader = node;
    const int has_relu = producer->activation == DR_RELU &&
                         (producer->kind == &dr_kind_dense || producer->kind == &dr_kind_activation);
    if (!has_relu || readers != 1 || reader->kind != &dr_kind_dense) return;
    producer->relu_is_behind = reader->sources[0].relu = reader->sources[0].error;
}

/* Nodes with their shapes and wires, and offsets into the areas. */
static void lay_out(dr_plan *plan, const dr_graph *graph) {
    dr_wire *wires = plan->wires;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const dr_node_spec *spec = &graph->nodes[i];
        dr_node *node = &plan->nodes[i];
        const int last = spec->target == graph->n_buffers - 1;
        *node = (dr_node){
            .kind = KINDS[spec->kind], .n_sources = spec->n_sources, .target = spec->target,
            .n_in = graph->widths[spec->sources[0]], .n_out = graph->widths[spec->target],
            .sources = wires,
            .activation = last && graph->logits ? DR_IDENTITY : spec->activation,
            .output = spec->activation, .alpha = spec->alpha, .eps = spec->eps,
            .rate_factor = spec->learning_rate_factor,
            .momentum = spec->momentum, .has_weight = spec->weight,
            .has_bias = spec->bias && spec->kind != DR_NODE_RMS_NORM, /* which has none */
            .noise = spec->noise, .amount = spec->amount, .shared = spec->shared,
        };
        wires += spec->n_sources;
        for (size_t j = 0; j < spec->n_parameters; j++)
            dr_add_parameter(plan, node, spec->parameters[j].rows, spec->parameters[j].cols, 1);
        node->learns = node->error =
            spec->trainable && node->kind->tiles && node->kind->tiles(plan, node);
        for (size_t j = 0; j < spec->n_sources; j++) {
            node->sources[j] = (dr_wire){.buffer = spec->sources[j],
                                         .error = buffer_learns(plan, spec->sources[j], i)};
            node->error |= node->sources[j].error;
        }
        if (node->learns && node->kind->penalties) node->penalty = spec->penalty;
        node->constrained = node->learns && node->kind->constrain && spec->constrained;
        node->constraint = spec->constraint;
        node->limit = spec->limit;
        if (node->kind->lay_out) node->kind->lay_out(plan, node);
        if (dr_penalised(node)) {
            node->first_penalty = plan->n_penalties;
            plan->n_penalties += node->kind->tiles(plan, node);
        }
    }
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (size_t j = 0; j < plan->nodes[i].n_sources; j++)
            plan->nodes[i].sources[j].first_writer = writes_first(plan, i, j);
    for (size_t i = 0; i < graph->n_nodes; i++) hand_over_relu(plan, &plan->nodes[i]);
}

dr_status dr_plan_create(const dr_graph *graph, dr_plan **out) {
    dr_plan *plan = dr_alloc(1, sizeof *plan);
    if (!plan) return DR_NO_MEMORY;
    const dr_dtype dt = plan->dtype = graph->dtype;
    plan->n_buffers = graph->n_buffers;
    plan->n_nodes = graph->n_nodes;
    plan->loss = graph->loss;
    plan->optimizer = graph->optimizer;
    plan->averaging = graph->averaging;
    plan->hit = graph->hit;
    plan->seed = graph->seed;
    plan->custom = graph->custom;
    plan->custom_loss = graph->custom_loss;
    plan->by_batch = graph->by_batch;
    plan->fused = 1;
    dr_ledger_restart(&plan->ledger);
    plan->n_states = (size_t)dr_rule_states(graph->optimizer.rule);
    plan->clips_norms = graph->optimizer.clip.kind >= DR_CLIP_NORM;
    plan->layered = dr_rule_layered(graph->optimizer.rule);
    plan->widths = dr_alloc(graph->n_buffers, sizeof *plan->widths);
    plan->nodes = dr_alloc(graph->n_nodes, sizeof *plan->nodes);
    size_t n_wires = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) n_wires += graph->nodes[i].n_sources;
    plan->wires = dr_alloc(n_wires, sizeof *plan->wires);
    if (!plan->widths || !plan->nodes || !plan->wires) goto no_memory;
    memcpy(plan->widths, graph->widths, graph->n_buffers * sizeof *plan->widths);

    lay_out(plan, graph);
    dr_arena arena = {NULL, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        plan->values = dr_arena_take(&arena, plan->n_parameters, dr_size(dt));
        for (size_t s = 0; s < plan->n_states; s++)
            plan->states[s] = dr_arena_take(&arena, plan->n_parameters, dr_size(dt));
        if (plan->averaging.on) plan->average = dr_arena_take(&arena, plan->n_parameters, dr_size(dt));
        plan->shadow = dr_arena_take(&arena, plan->n_shadow, dr_size(dt));
        if (pass == 0) {
            plan->memory = dr_arena_open(&arena);
            if (!plan->memory) goto no_memory;
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
    dr_free(plan->wires);
    dr_free(plan->nodes);
    dr_free(plan->widths);
    dr_free(plan);
}

void dr_copy_parameter(const dr_plan *plan, const char *area, size_t node_index, size_t index, void *out) {
    const dr_node *node = &plan->nodes[node_index];
    const dr_matrix from = dr_parameter_matrix(plan, area, node, index);
    if (node->parameters[index].rows)
        dr_from_panels(dr_kernels_for(plan->dtype), node->parameters[index].rows, from, out);
    else
        memcpy(out, from.data, from.cols * dr_size(plan->dtype));
}

static char *area(const dr_plan *plan, int slot) {
    if (!slot) return plan->values;
    return (size_t)slot <= plan->n_states ? plan->states[slot - 1] : plan->average;
}

void dr_plan_get(const dr_plan *plan, size_t node, size_t index, int slot, void *out) {
    dr_copy_parameter(plan, area(plan, slot), node, index, out);
}

void dr_plan_set(dr_plan *plan, size_t node_index, size_t index, int slot, const void *in) {
    const dr_node *node = &plan->nodes[node_index];
    const dr_matrix to = dr_parameter_matrix(plan, area(plan, slot), node, index);
    if (node->parameters[index].rows)
        dr_to_panels(dr_kernels_for(plan->dtype), node->parameters[index].rows, in, to);
    else
        memcpy(to.data, in, to.cols * dr_size(plan->dtype));
    if (!slot && node->kind->refresh) node->kind->refresh(plan, node, index);
}

void dr_plan_set_fused(dr_plan *plan, int fused) { plan->fused = fused; }
uint64_t dr_plan_step(const dr_plan *plan) { return plan->step; }
void dr_plan_set_step(dr_plan *plan, uint64_t step) { plan->step = step; }

void dr_plan_restart_ledger(dr_plan *plan) { dr_ledger_restart(&plan->ledger); }
dr_performance dr_plan_performance(const dr_plan *plan) { return dr_ledger_read(&plan->ledger); }
