/* The program of a step: which tasks run in which phase. Rows of a batch are independent of each
 * other until the weight gradients, which sum over all of them: hence one phase by rows, then one by
 * tiles of parameters, and a barrier after each. */
#include "network/network.h"

size_t dr_program_size(const dr_plan *plan) { return 4 * plan->n_nodes + 3; }

static void add(dr_program *program, dr_task_kind kind, size_t node) {
    dr_phase *phase = &program->phases[program->n_phases - 1];
    program->tasks[phase->end++] = (dr_step_task){kind, node};
}

static void begin(dr_program *program, int by_tiles) {
    const size_t first = program->n_phases ? program->phases[program->n_phases - 1].end : 0;
    program->phases[program->n_phases++] = (dr_phase){by_tiles, first, first};
}

void dr_program_build(const dr_plan *plan, dr_mode mode, dr_program *program) {
    const size_t n = plan->n_nodes;
    const int backward = mode == DR_TRAIN || mode == DR_GRADIENT;

    begin(program, 0);
    add(program, TASK_GATHER, 0);
    for (size_t i = 0; i < n; i++) add(program, mode == DR_PREDICT ? TASK_PREDICT : TASK_FORWARD, i);
    if (mode == DR_PREDICT) {
        add(program, TASK_OUTPUT, 0);
        return;
    }
    add(program, TASK_LOSS, 0);
    if (backward)
        for (size_t i = n; i-- > 0;) add(program, TASK_BACKWARD, i);

    begin(program, 1);
    if (!backward) return;
    /* An update may be fused into the gradient only when nothing else reads the weights any more:
     * so it is here, behind the barrier. */
    const int fused = mode == DR_TRAIN && plan->fused;
    for (size_t i = 0; i < n; i++) add(program, fused ? TASK_UPDATE : TASK_GRADIENT, i);
    if (mode == DR_GRADIENT || fused) return;
    begin(program, 1);
    for (size_t i = 0; i < n; i++) add(program, TASK_APPLY, i);
}
