/* Running a program: batch after batch, without a lock, an allocation or Python between them. */
#include "clock.h"
#include "network/network.h"

/* Rows that go through all tasks of a phase together: their activations stay in L2. */
#define ROW_BLOCK 128
/* Multiply-adds between two looks at the clock: about a tenth of a millisecond or more. */
#define WORK_PER_LOOK 2e6
#define POLL_AFTER 0.05
#define POLL_EVERY 0.02

/* One thread's view of the batch under way. */
typedef struct {
    dr_watch watch;             /* first: tick() gets back to the cursor */
    dr_run *run;
    int thread, team;
    size_t batch, first, m;
    double weight;              /* sum of the batch's weights */
    uint64_t step;              /* the one that this batch makes */
    dr_coefficients coefficients;
    double work;                /* since the last look at the clock */
    double now;                 /* at that look */
} cursor;

/* Thread 0 looks at the clock, and polls when it is time. */
static void look(cursor *c) {
    dr_run *run = c->run;
    c->work = 0;
    c->now = dr_now();
    if (c->now < run->next_poll || !run->poll) return;
    run->next_poll = c->now + POLL_EVERY;
    if (run->poll(run->poll_context)) atomic_store(&run->aborted, 1);
}

static int tick(dr_watch *watch, double multiply_adds) {
    cursor *c = (cursor *)watch;
    if (c->thread == 0 && (c->work += multiply_adds) >= WORK_PER_LOOK) look(c);
    return atomic_load_explicit(&c->run->aborted, memory_order_relaxed);
}

/* -- tasks by rows: rows [row, row + m) of the batch ------------------------------------------- */

static void gather(cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix x = run->values[0];
    run->kernels->gather(m, x.cols, run->data.x, run->order, c->first + row, row, x.stride, x.data);
}

static void forward(cursor *c, const dr_node *node, dr_activation act, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_matrix y = run->values[node->target], before = run->before[node - plan->nodes];
    const int keep = before.data != NULL;
    dr_dense_product(plan->dtype, run->kernels, m, row, node->n_in, run->values[node->source],
                     dr_weight_matrix(plan, plan->values, node), DR_FROM_BIAS,
                     dr_offset(plan->dtype, plan->values, node->bias), keep ? DR_IDENTITY : act,
                     node->alpha, keep ? before : y, &c->watch);
    if (keep)
        run->kernels->activation_forward[act](node->alpha, m, node->n_out, row, y.stride,
                                              before.data, y.data);
}

static void loss(cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const size_t last = plan->n_buffers - 1;
    const dr_matrix y = run->values[last];
    const dr_loss_args args = {
        .m = m, .n_out = y.cols, .stride = y.stride, .y = y.data, .row = row, .rows = run->order,
        .first = c->first + row, .labels = run->data.labels, .dense = run->data.dense,
        .weight = run->data.weight, .total = c->weight > 0 ? c->weight : 1, .hit = plan->hit,
        .dy = run->errors[last].data, .row_loss = dr_offset(plan->dtype, run->row_loss, row),
        .row_hit = dr_offset(plan->dtype, run->row_hit, row),
    };
    run->kernels->loss[plan->loss](&args);
}

/* The error at the node's output becomes the error before its activation, in place; then the error
 * at its input. */
static void backward(cursor *c, const dr_node *node, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_matrix y = run->values[node->target], dy = run->errors[node->target];
    const dr_matrix before = run->before[node - plan->nodes], x = before.data ? before : y;
    if (node->activation != DR_IDENTITY || node->target != plan->n_buffers - 1) /* loss has flushed */
        run->kernels->activation_backward[node->activation](node->alpha, m, node->n_out, row,
                                                            y.stride, x.data, y.data, dy.data,
                                                            dy.data);
    if (node->input_error)
        dr_dense_product(plan->dtype, run->kernels, m, row, node->n_out, dy,
                         dr_shadow_matrix(plan, node), node->first_writer ? DR_FROM_ZERO : DR_FROM_C,
                         NULL, DR_IDENTITY, 0, run->errors[node->source], &c->watch);
}

static void output(cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix y = run->values[run->plan->n_buffers - 1];
    run->kernels->scatter(m, y.cols, y.data, row, y.stride,
                          dr_offset(run->plan->dtype, run->data.y, (c->first + row) * y.cols));
}

static void task_on_rows(cursor *c, dr_step_task task, size_t row, size_t m) {
    const dr_node *node = &c->run->plan->nodes[task.node];
    switch (task.kind) {
    case TASK_GATHER: gather(c, row, m); break;
    case TASK_FORWARD: forward(c, node, node->activation, row, m); break;
    case TASK_PREDICT: forward(c, node, node->output, row, m); break;
    case TASK_LOSS: loss(c, row, m); break;
    case TASK_BACKWARD: backward(c, node, row, m); break;
    default: output(c, row, m);
    }
}

static void phase_by_rows(cursor *c, dr_phase phase) {
    const dr_run *run = c->run;
    size_t begin, end;
    dr_share(c->m, c->thread, c->team, &begin, &end);
    for (size_t row = begin; row < end;) {
        /* blocks of equal size, so that none is a sliver */
        const size_t blocks = (end - row + ROW_BLOCK - 1) / ROW_BLOCK;
        const size_t m = (end - row + blocks - 1) / blocks;
        for (size_t t = phase.first; t < phase.end; t++) {
            task_on_rows(c, run->program.tasks[t], row, m);
            if (atomic_load_explicit(&run->aborted, memory_order_relaxed)) return;
        }
        row += m;
    }
}

/* -- tasks by tiles: a panel's rows x a panel's columns of one node's weights, and the bias of the
 *    columns with the first rows ---------------------------------------------------------------- */

static size_t tiles_of(const dr_plan *plan, const dr_node *node) {
    return dr_panels(plan->dtype, node->n_in) * dr_panels(plan->dtype, node->n_out);
}

/* Applies n gradient elements to the parameters at `offset` of the plan's areas. */
static void apply(cursor *c, size_t offset, size_t n, const void *gradient) {
    const dr_plan *plan = c->run->plan;
    void *state[DR_MAX_STATES] = {NULL};
    for (size_t s = 0; s < plan->n_states; s++)
        state[s] = dr_offset(plan->dtype, plan->states[s], offset);
    c->run->kernels->step[plan->optimizer](n, c->coefficients.c, gradient,
                                           dr_offset(plan->dtype, plan->values, offset), state[0],
                                           state[1]);
}

static void task_on_tile(cursor *c, dr_task_kind kind, const dr_node *node, size_t tile) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const dr_dtype dt = plan->dtype;
    const size_t p_in = tile % dr_panels(dt, node->n_in), p_out = tile / dr_panels(dt, node->n_in);
    const size_t width = dr_panel_width(dt, node->n_out, p_out);
    const size_t n = dr_panel_cols(dt, node->n_in, p_in) * width;
    const size_t weight = node->weight + p_out * dr_panel_stride(dt, node->n_in) +
                          p_in * dr_panel(dt) * width;
    const size_t bias = node->bias + p_out * dr_panel(dt);
    const int with_bias = p_in == 0 && node->has_bias;
    const dr_matrix x = run->values[node->source], dy = run->errors[node->target];
    _Alignas(64) char buffer[32 * 128]; /* a tile of gradients: it never leaves L1 */
    void *g = kind == TASK_UPDATE ? (void *)buffer : dr_offset(dt, run->gradients, weight);

    if (kind != TASK_APPLY) dr_dense_weight_gradient(dt, run->kernels, c->m, x, p_in, dy, p_out, g);
    if (kind != TASK_GRADIENT) {
        apply(c, weight, n, g);
        if (node->input_error) dr_refresh_shadow(plan, run->kernels, node, p_in, p_out);
    }
    if (!with_bias) return;
    g = kind == TASK_UPDATE ? (void *)buffer : dr_offset(dt, run->gradients, bias);
    if (kind != TASK_APPLY) dr_dense_bias_gradient(dt, run->kernels, c->m, dy, p_out, g);
    if (kind != TASK_GRADIENT) apply(c, bias, width, g);
}

static void phase_by_tiles(cursor *c, dr_phase phase) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    size_t total = 0, begin, end;
    for (size_t t = phase.first; t < phase.end; t++)
        total += tiles_of(plan, &plan->nodes[run->program.tasks[t].node]);
    dr_share(total, c->thread, c->team, &begin, &end);
    size_t base = 0;
    for (size_t t = phase.first; t < phase.end && base < end; t++) {
        const dr_node *node = &plan->nodes[run->program.tasks[t].node];
        const size_t count = tiles_of(plan, node);
        for (size_t i = begin > base ? begin - base : 0; i < count && base + i < end; i++)
            task_on_tile(c, run->program.tasks[t].kind, node, i);
        base += count;
    }
}

/* -- batches ----------------------------------------------------------------------------------- */

static void begin_batch(cursor *c) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    c->first = c->batch * run->batch_size;
    c->m = dr_min(run->batch_size, run->data.n - c->first);
    c->weight = run->data.weight ? dr_weighted_sum(plan->dtype, c->m, NULL, run->data.weight,
                                                   run->order, c->first)
                                 : (double)c->m;
    if (run->mode == DR_TRAIN)
        c->coefficients = dr_optimizer_coefficients(plan->optimizer, plan->hyper, c->step + 1);
}

/* By thread 0, before the batch's last barrier: what the batch adds to the position. Returns whether
 * it was the last one of this call. A poll that says stop here finds the batch whole. */
static int end_batch(cursor *c, int idle) {
    dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    if (run->mode != DR_PREDICT && c->weight > 0) {
        run->position.weight_sum += c->weight;
        run->position.loss_sum += dr_weighted_sum(plan->dtype, c->m, run->row_loss,
                                                  run->data.weight, run->order, c->first);
        if (plan->hit != DR_HIT_NONE)
            run->position.hit_sum += dr_weighted_sum(plan->dtype, c->m, run->row_hit,
                                                     run->data.weight, run->order, c->first);
    }
    run->position.batch = c->batch + 1;
    if (run->mode == DR_TRAIN) run->plan->step = c->step + !idle;
    c->work += plan->multiply_adds * (double)c->m * 3;
    if (c->work >= WORK_PER_LOOK / 20) look(c);
    return dr_run_finished(run) || c->now - run->started >= run->budget ||
           atomic_load(&run->aborted);
}

static void run_batches(void *context, int thread, int team) {
    dr_run *run = context;
    cursor c = {.watch = {tick}, .run = run, .thread = thread, .team = team,
                .batch = run->first_batch, .step = run->first_step, .now = run->started};
    const dr_program *program = &run->program;
    for (int slot = 0;; c.batch++) {
        begin_batch(&c);
        /* without weight there is nothing to learn, and nothing changes */
        const int idle = run->mode == DR_TRAIN && !(c.weight > 0);
        for (size_t p = 0; p < program->n_phases; p++, slot = !slot) {
            const dr_phase phase = program->phases[p];
            if (!phase.by_tiles)
                phase_by_rows(&c, phase);
            else if (!idle)
                phase_by_tiles(&c, phase);
            if (thread == 0)
                run->leave[slot] = atomic_load(&run->aborted) ||
                                   (p + 1 == program->n_phases && end_batch(&c, idle));
            dr_barrier_wait(&run->barrier, team);
            if (run->leave[slot]) return;
        }
        c.step += !idle;
    }
}

dr_status dr_plan_run(dr_run *run, double budget, dr_poll poll, void *context) {
    const dr_plan *plan = run->plan;
    if (dr_run_finished(run)) return DR_OK;
    const double work = plan->multiply_adds * (double)run->capacity *
                        (run->mode == DR_TRAIN || run->mode == DR_GRADIENT ? 3 : 1);
    run->kernels = dr_kernels_for(plan->dtype);
    run->poll = poll;
    run->poll_context = context;
    run->started = dr_now();
    run->budget = budget;
    run->next_poll = run->started + POLL_AFTER;
    run->first_batch = run->position.batch;
    run->first_step = plan->step;
    atomic_store(&run->aborted, 0);
    const int threads = dr_threads_for(work, run->capacity);
    dr_barrier_open(&run->barrier, threads);
    const dr_status status = dr_parallel_run(threads, run_batches, run);
    if (status != DR_OK) return status;
    return atomic_load(&run->aborted) ? DR_ABORTED : DR_OK;
}
