/* The program of a step: which tasks run in which phase. Rows of a batch are independent of each
 * other until the weight gradients, which sum over all of them: hence one phase by rows, then one by
 * tiles of parameters, and a barrier after each. Nodes that sum over the rows in between, or that want
 * all of them at once, cut the first. */
#include "network/network.h"

size_t dr_program_tasks(const dr_plan *plan, dr_mode mode) {
    const size_t outputs = mode == DR_LINEARIZE ? plan->widths[plan->n_buffers - 1] : 0;
    return 11 * plan->n_nodes + 4 + outputs * (plan->n_nodes + 2);
}

size_t dr_program_phases(const dr_plan *plan) { return 8 * plan->n_nodes + 9; }

static void add(dr_program *program, dr_task_kind kind, size_t node) {
    dr_phase *phase = &program->phases[program->n_phases - 1];
    program->tasks[phase->end++] = (dr_step_task){kind, node};
}

static void begin(dr_program *program, int by_tiles) {
    const size_t first = program->n_phases ? program->phases[program->n_phases - 1].end : 0;
    program->phases[program->n_phases++] = (dr_phase){by_tiles, first, first};
}

/* A phase of its own between two by rows. */
static void interpose(dr_program *program, dr_task_kind kind, size_t node) {
    begin(program, 1);
    add(program, kind, node);
    begin(program, 0);
}

static void add_learning(const dr_plan *plan, dr_program *program, dr_task_kind kind) {
    begin(program, 1);
    for (size_t i = 0; i < plan->n_nodes; i++)
        if (plan->nodes[i].learns) add(program, kind, i);
}

/* Constraints, which need whole columns of weights; and end_batch sums what all tiles cost. Averages, of what
 * weights are then. */
static void end_step(const dr_plan *plan, dr_program *program, dr_mode mode) {
    size_t constrained = 0;
    for (size_t i = 0; i < plan->n_nodes; i++) constrained += mode == DR_TRAIN && plan->nodes[i].constrained;
    if (constrained || plan->n_penalties) begin(program, 1);
    for (size_t i = 0; constrained && i < plan->n_nodes; i++)
        if (plan->nodes[i].constrained) add(program, TASK_CONSTRAIN, i);
    if (mode != DR_TRAIN || !plan->averaging.on) return;
    begin(program, 1);
    add(program, TASK_AVERAGE, 0);
}

static void add_backward(const dr_plan *plan, dr_program *program) {
    for (size_t i = plan->n_nodes; i-- > 0;) {
        const dr_node *node = &plan->nodes[i];
        const dr_kind *kind = node->kind;
        if (!node->error) continue;
        if (node->learns && kind->error_sums) interpose(program, TASK_ERROR_SUMS, i);
        if (kind->whole_backward) interpose(program, TASK_WHOLE_BACKWARD, i);
        if (kind->backward) add(program, TASK_BACKWARD, i);
    }
}

/* Every output goes back through the network by itself. */
static void add_linearizing(const dr_plan *plan, dr_program *program) {
    for (size_t output = 0; output < plan->widths[plan->n_buffers - 1]; output++) {
        add(program, TASK_SEED, output);
        add_backward(plan, program);
        add(program, TASK_JACOBIAN, output);
    }
    begin(program, 1);
    add(program, TASK_PRODUCTS, 0);
}

void dr_program_build(const dr_plan *plan, dr_mode mode, int fused, int columns, int outputs,
                      dr_program *program) {
    const size_t n = plan->n_nodes;
    const int training = mode == DR_TRAIN || mode == DR_GRADIENT || mode == DR_LINEARIZE;

    program->n_phases = program->n_finishing = 0;
    begin(program, 0);
    add(program, TASK_GATHER, 0);
    for (size_t i = 0; i < n; i++) {
        const dr_node *node = &plan->nodes[i];
        const dr_kind *kind = node->kind;
        if (training && node->learns && kind->statistics) interpose(program, TASK_STATISTICS, i);
        if (kind->whole_forward) interpose(program, TASK_WHOLE_FORWARD, i);
        if (kind->forward) add(program, TASK_FORWARD, i);
    }
    if (mode == DR_PREDICT) {
        add(program, TASK_OUTPUT, 0);
        return;
    }
    if (plan->custom_loss)
        interpose(program, TASK_WHOLE_LOSS, 0);
    else
        add(program, TASK_LOSS, 0);
    if (outputs) add(program, TASK_OUTPUT, 0);
    if (!training) {
        begin(program, 1); /* end_batch sums the losses of all rows */
        return;
    }
    if (mode == DR_LINEARIZE) {
        add_linearizing(plan, program);
        return;
    }
    add_backward(plan, program);
    if (columns) {
        begin(program, 1);
        add(program, TASK_COLUMNS, 0);
    }
    /* An update may be fused into the gradient only when nothing else reads the weights any more:
     * so it is here, behind the barrier. */
    add_learning(plan, program, fused ? TASK_UPDATE : TASK_GRADIENT);
    const size_t each_piece = program->n_phases;
    if (mode == DR_TRAIN && plan->clips_norms) add_learning(plan, program, TASK_MEASURE);
    if (mode == DR_TRAIN && plan->layered) add_learning(plan, program, TASK_DIRECTION);
    if (mode == DR_TRAIN && !fused) add_learning(plan, program, TASK_APPLY);
    end_step(plan, program, mode);
    if (!fused) program->n_finishing = program->n_phases - each_piece;
}
