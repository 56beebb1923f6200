/* Running a program: batch after batch, without a lock, an allocation or Python between them. */
#include <math.h>

#include "clock.h"
#include "network/network.h"

/* Rows that go through all tasks of a phase together: their activations stay in L2. */
#define ROW_BLOCK 256
/* Multiply-adds between two looks at the clock: about a tenth of a millisecond or more. */
#define WORK_PER_LOOK 2e6
#define FETCH_BYTES ((size_t)1 << 20)
#define POLL_AFTER 0.05
#define POLL_EVERY 0.02

/* Thread 0 looks at the clock, and polls when it is time. */
static void look(dr_cursor *c) {
    dr_run *run = c->run;
    c->work = 0;
    c->now = dr_now();
    if (c->now < run->next_poll || !run->poll) return;
    run->next_poll = c->now + POLL_EVERY;
    if (run->poll(run->poll_context)) atomic_store(&run->aborted, 1);
}

static int tick(dr_watch *watch, double multiply_adds) {
    dr_cursor *c = (dr_cursor *)watch;
    if (c->thread == 0 && (c->work += multiply_adds) >= WORK_PER_LOOK) look(c);
    return atomic_load_explicit(&c->run->aborted, memory_order_relaxed);
}

/* -- tasks by rows: rows [row, row + m) of the batch ------------------------------------------- */

static void gather(dr_cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix x = run->values[0];
    if (run->sparse)
        dr_sparse_gather(c, row, m);
    else
        run->kernels->gather[run->data.x.element](m, x.cols, run->data.x, run->order, c->first + row, row,
                                                  x.stride, x.data);
    dr_lap(&c->watch.ledger, DR_DATA);
}

static void loss(dr_cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const size_t last = plan->n_buffers - 1;
    const dr_matrix y = run->values[last];
    const dr_loss_args args = {
        .loss = &plan->loss, .m = m, .n_out = y.cols, .stride = y.stride, .y = y.data, .row = row,
        .rows = run->order, .first = c->first + row, .labels = run->data.labels, .dense = run->data.dense,
        .weight = run->data.weight, .total = c->weight > 0 ? c->weight : 1, .hit = plan->hit,
        .dy = run->errors[last].data, .row_loss = dr_offset(plan->dtype, run->row_loss, row),
        .row_hit = dr_offset(plan->dtype, run->row_hit, row),
    };
    run->kernels->loss[plan->loss.kind](&args);
    dr_lap(&c->watch.ledger, DR_ACTIVATIONS);
}

static void output(dr_cursor *c, size_t row, size_t m) {
    const dr_run *run = c->run;
    const dr_matrix y = run->values[run->plan->n_buffers - 1];
    const size_t first = c->first + row, at_once = run->order ? 1 : m;
    for (size_t r = 0; r < m; r += at_once) {
        const size_t to = run->order ? (size_t)run->order[first + r] : first + r;
        run->kernels->scatter(at_once, y.cols, y.data, row + r, y.stride,
                              dr_offset(run->plan->dtype, run->data.y, to * y.cols));
    }
    dr_lap(&c->watch.ledger, DR_DATA);
}

static void task_on_rows(dr_cursor *c, dr_step_task task, size_t row, size_t m) {
    const dr_node *node = &c->run->plan->nodes[task.node];
    switch (task.kind) {
    case TASK_GATHER: gather(c, row, m); break;
    case TASK_FORWARD: node->kind->forward(c, node, row, m); break;
    case TASK_LOSS: loss(c, row, m); break;
    case TASK_BACKWARD: node->kind->backward(c, node, row, m); break;
    case TASK_SEED: dr_linear_seed(c, task.node, row, m); break;
    case TASK_JACOBIAN: dr_linear_rows(c, task.node, row, m); break;
    default: output(c, row, m);
    }
}

static void phase_by_rows(dr_cursor *c, dr_phase phase) {
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

/* -- tasks by tiles ------------------------------------------------------------------------------- */

static int by_panels(dr_task_kind task) {
    return task == TASK_STATISTICS || task == TASK_ERROR_SUMS || task == TASK_CONSTRAIN;
}

static int takes_all(dr_task_kind task) { return task >= TASK_WHOLE_FORWARD && task <= TASK_WHOLE_BACKWARD; }

static void task_on_all(dr_cursor *c, dr_step_task task) {
    const dr_node *node = &c->run->plan->nodes[task.node];
    if (task.kind == TASK_WHOLE_LOSS)
        dr_custom_loss(c);
    else
        (task.kind == TASK_WHOLE_FORWARD ? node->kind->whole_forward : node->kind->whole_backward)(c, node);
    look(c); /* it may have taken any time */
}

static size_t tiles_of(const dr_run *run, dr_step_task task) {
    const dr_plan *plan = run->plan;
    const dr_node *node = &plan->nodes[task.node];
    if (takes_all(task.kind)) return 1; /* and so it is thread 0's */
    if (task.kind == TASK_PRODUCTS) return dr_linear_tiles(run);
    if (task.kind == TASK_AVERAGE) return dr_average_tiles(plan);
    if (task.kind == TASK_COLUMNS) return dr_panels(plan->dtype, plan->widths[0]);
    if (task.kind == TASK_MEASURE || task.kind == TASK_DIRECTION) return dr_node_chunks(node);
    return by_panels(task.kind) ? dr_panels(plan->dtype, node->n_out) : node->kind->tiles(plan, node);
}

/* Returns how many of tiles [tile, tile + most) are done. */
static size_t task_on_tiles(dr_cursor *c, dr_step_task task, size_t tile, size_t most) {
    const dr_node *node = &c->run->plan->nodes[task.node];
    if (takes_all(task.kind)) {
        task_on_all(c, task);
        return 1;
    }
    switch (task.kind) {
    case TASK_PRODUCTS: dr_linear_products(c, tile); return 1;
    case TASK_COLUMNS: dr_sparse_columns(c, tile, most); return most;
    case TASK_AVERAGE: dr_average_tile(c, tile); return 1;
    case TASK_STATISTICS: node->kind->statistics(c, node, tile); break;
    case TASK_ERROR_SUMS: node->kind->error_sums(c, node, tile); break;
    case TASK_MEASURE: dr_measure_gradient(c, node, tile); break;
    case TASK_DIRECTION: dr_make_direction(c, node, tile); break;
    case TASK_CONSTRAIN: node->kind->constrain(c, node, tile); break;
    default: return node->kind->on_tiles(c, task.kind, node, tile, most);
    }
    dr_lap(&c->watch.ledger, task.kind >= TASK_MEASURE ? DR_UPDATES : DR_ACTIVATIONS);
    return 1;
}

/* Rows of data lie at random places, far from the processor: those that this thread will gather for the
 * next piece set out while it is at the tiles of this one. Not more than the cache has room for. */
static void plan_fetching(dr_cursor *c, dr_phase phase) {
    const dr_run *run = c->run;
    const dr_task_kind task = phase.first < phase.end ? run->program.tasks[phase.first].kind : TASK_APPLY;
    const size_t bytes = run->values[0].cols * dr_element_size(run->data.x.element);
    const size_t first = c->first + c->m, left = run->data.n - first;
    size_t begin, end;
    dr_share(dr_min(run->piece, left), c->thread, c->team, &begin, &end);
    if (run->sparse || run->data.n * bytes <= FETCH_BYTES || (task != TASK_UPDATE && task != TASK_GRADIENT))
        end = begin; /* all of it stays in the cache, or there is another phase for it */
    c->fetched = first + begin;
    c->fetch_end = first + dr_min(end, begin + FETCH_BYTES / bytes);
}

static void fetch(dr_cursor *c, size_t rows) {
    const dr_run *run = c->run;
    const size_t bytes = run->values[0].cols * dr_element_size(run->data.x.element);
    for (const size_t end = dr_min(c->fetch_end, c->fetched + rows); c->fetched < end; c->fetched++) {
        const ptrdiff_t row = (ptrdiff_t)(run->order ? (size_t)run->order[c->fetched] : c->fetched);
        const char *line = (const char *)run->data.x.data + row * run->data.x.stride;
        for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch(line + b, 0, 2);
    }
}

static void phase_by_tiles(dr_cursor *c, dr_phase phase) {
    const dr_run *run = c->run;
    const dr_step_task *tasks = run->program.tasks;
    size_t total = 0, begin, end;
    for (size_t t = phase.first; t < phase.end; t++) total += tiles_of(run, tasks[t]);
    dr_share(total, c->thread, c->team, &begin, &end);
    plan_fetching(c, phase);
    const size_t rows = c->fetch_end - c->fetched, tiles = end - begin;
    size_t base = 0;
    for (size_t t = phase.first; t < phase.end && base < end; t++) {
        const size_t count = tiles_of(run, tasks[t]), last = dr_min(count, end - base);
        for (size_t i = begin > base ? begin - base : 0, done; i < last; i += done) {
            done = task_on_tiles(c, tasks[t], i, last - i);
            fetch(c, (rows * done + tiles - 1) / tiles);
            dr_lap(&c->watch.ledger, DR_DATA);
        }
        base += count;
    }
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Of the update that the batch is to make. */
static double learning_rate(const dr_cursor *c) {
    const dr_run *run = c->run;
    if (!run->data.rates) return run->plan->optimizer.learning_rate;
    return run->data.rates[dr_min(c->step - run->opened_at, run->n_batches - 1)];
}

static void begin_batch(dr_cursor *c) {
    const dr_run *run = c->run;
    const dr_plan *plan = run->plan;
    const size_t first = c->batch * run->batch_size;
    c->rows = dr_min(run->batch_size, run->data.n - first);
    c->weight = run->data.weight ? dr_weighted_sum(plan->dtype, c->rows, NULL, run->data.weight,
                                                   run->order, first)
                                 : (double)c->rows;
    if (run->mode != DR_TRAIN) return;
    c->clipped = c->along = NULL;
    c->rate = learning_rate(c);
    c->rate_factor = 0;
    dr_optimizer_prepare(&plan->optimizer, c->rate, c->step + 1, &c->constants);
    c->share = dr_average_share(c);
}

/* The rows of a batch that are computed next, `before` having been. */
static void begin_piece(dr_cursor *c, size_t before) {
    const dr_run *run = c->run;
    c->before = before;
    c->first = c->batch * run->batch_size + before;
    c->m = dr_min(run->piece, c->rows - before);
    c->last = before + c->m == c->rows;
}

/* By thread 0, before a barrier behind the last task by rows. */
static void end_piece(dr_cursor *c) {
    dr_sum_piece(c);
    c->work += c->run->plan->multiply_adds * (double)c->m * 3;
    if (!c->last && c->work >= WORK_PER_LOOK / 20) look(c); /* the last one has updates behind it, or before */
}

/* A loss that is not finite any more is to be known at once, by who does not want to go on for ever. */
static int leaves_lost(const dr_run *run) { return run->lost && run->ends; }

/* By thread 0, before the batch's last barrier: what the batch adds to the position. Returns whether
 * it was the last one of this call. A poll that says stop here finds the batch whole. */
static int end_batch(dr_cursor *c, int idle) {
    dr_run *run = c->run;
    dr_sum_batch(c);
    if (c->share > 0) run->plan->averaged++;
    if (run->mode == DR_TRAIN && !idle) {
        run->plan->step = c->step + 1;
        c->watch.ledger.sum.steps++;
        c->watch.ledger.sum.rows += c->rows;
    }
    if (c->work >= WORK_PER_LOOK / 20) look(c);
    return dr_run_finished(run) || c->now >= run->deadline || leaves_lost(run) || atomic_load(&run->aborted);
}

/* Without weight there is nothing to learn; and an average takes the weights now and then. */
static int skips(const dr_cursor *c, dr_phase phase, int idle) {
    const dr_step_task *first = &c->run->program.tasks[phase.first];
    return phase.first < phase.end && first->kind == TASK_AVERAGE ? !(c->share > 0) : idle;
}

/* The first `end` phases. Returns whether the call is over. */
static int run_phases(dr_cursor *c, int idle, size_t end, int *slot) {
    dr_run *run = c->run;
    const dr_program *program = &run->program;
    for (size_t p = 0; p < end; p++, *slot = !*slot) {
        const dr_phase phase = program->phases[p];
        if (!phase.by_tiles)
            phase_by_rows(c, phase);
        else if (!skips(c, phase, idle))
            phase_by_tiles(c, phase);
        if (c->thread == 0) {
            if (p + 1 == program->n_phases - program->n_finishing) end_piece(c);
            run->leave[*slot] = atomic_load(&run->aborted) ||
                                (c->last && p + 1 == program->n_phases && end_batch(c, idle));
        }
        dr_lap(&c->watch.ledger, DR_ACTIVATIONS); /* end_piece sums the loss */
        dr_barrier_wait(&run->barrier, c->team);
        if (c->team > 1) dr_lap(&c->watch.ledger, DR_WAITING);
        if (run->leave[*slot]) return 1;
    }
    return 0;
}

/* Returns whether it was the last one of this call. */
static int run_batch(dr_cursor *c, int *slot) {
    const dr_program *program = &c->run->program;
    begin_batch(c);
    dr_lap(&c->watch.ledger, DR_UPDATES);
    /* without weight there is nothing to learn, and nothing changes */
    const int idle = c->run->mode == DR_TRAIN && !(c->weight > 0);
    for (size_t before = 0; before < c->rows; before += c->m) {
        begin_piece(c, before);
        const size_t waiting = c->last ? 0 : program->n_finishing;
        if (run_phases(c, idle, program->n_phases - waiting, slot)) return 1;
    }
    c->step += !idle;
    c->batch++;
    return 0;
}

static void run_batches(void *context, int thread, int team) {
    dr_run *run = context;
    const int keeps_ledger = thread == 0 && run->mode == DR_TRAIN;
    dr_cursor c = {.watch = {tick, keeps_ledger ? run->plan->ledger : dr_ledger_none()}, .run = run,
                .thread = thread, .team = team, .batch = run->first_batch, .step = run->first_step,
                .now = run->began};
    for (int slot = 0, last = 0; !last;) {
        dr_ledger_begin_batch(&c.watch.ledger);
        last = run_batch(&c, &slot);
        dr_ledger_end_batch(&c.watch.ledger, c.rows);
    }
    if (keeps_ledger)
        run->plan->ledger = dr_ledger_close(c.watch.ledger, team, dr_now() - run->began);
}

/* Multiply-adds of a batch. Where a dense input makes them, updates are a small part. */
static double work_of(const dr_run *run, double rows) {
    const double forward = run->plan->multiply_adds * rows - dr_sparse_saved(run);
    if (run->mode == DR_LINEARIZE) return forward + dr_linear_work(run) * rows;
    return dr_training(run) ? 3 * forward + (run->sparse ? (double)run->plan->n_parameters : 0) : forward;
}

dr_status dr_plan_run(dr_run *run, double budget, dr_poll poll, void *context) {
    dr_plan *plan = run->plan;
    const int training = run->mode == DR_TRAIN;
    const size_t rows = dr_min(run->piece, run->data.n);
    const double work = work_of(run, (double)rows);
    const double all = rows ? work * ((double)run->data.n / (double)rows) : 0;
    /* without updates no weights travel between cores at each barrier: what counts is all rows */
    const double shared = run->mode == DR_GRADIENT ? all : dr_training(run) ? work : all / 2;
    const int advised = dr_threads_for(shared, rows);
    /* others may predict by this plan at the same time */
    const int alone = training || run->mode == DR_GRADIENT;
    const int adaptive = !dr_threads_exact() && (alone ? work >= DR_LEAST_WORK : advised > 1);
    dr_team *team = alone ? &plan->team : dr_team_here(all);
    const int most = adaptive ? (int)dr_min((size_t)dr_threads_limit(), rows) : 1;
    const double begun = dr_now(), end = begun + budget;
    run->kernels = dr_kernels_for(plan->dtype);
    run->poll = poll;
    run->poll_context = context;
    run->next_poll = begun + POLL_AFTER;
    atomic_store(&run->aborted, 0);
    run->lost = 0;
    run->ends = end < INFINITY;
    if (run->mode == DR_EVALUATE || run->mode == DR_LINEARIZE) dr_measure_penalties(run);
    for (double now = begun; !dr_run_finished(run) && !leaves_lost(run) && (now == begun || now < end);) {
        double seconds = budget;
        const int threads =
            adaptive ? dr_team_next(team, alone ? work : all, advised, most, now, &seconds) : advised;
        run->began = now;
        run->deadline = now + seconds < end ? now + seconds : end;
        run->first_batch = run->position.batch;
        run->first_step = plan->step;
        dr_barrier_open(&run->barrier, threads);
        const dr_status status = dr_parallel_run(threads, run_batches, run);
        if (status != DR_OK) return status;
        if (atomic_load(&run->aborted)) return DR_ABORTED;
        now = dr_now();
        if (adaptive)
            dr_team_report(team, (run->position.batch - run->first_batch) * run->batch_size,
                           now - run->began, now);
    }
    return DR_OK;
}
