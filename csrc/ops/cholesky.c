/* Cholesky's factor of a symmetric matrix, a panel's rows at a time (kernels/cholesky.inc has the tiles). Of
 * a tile all rows above are taken out at once, by the product that dense layers have, so the order of each
 * sum does not depend on the tiles; and tiles of the same rows do not depend on each other. */
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "ops/ops.h"
#include "threads.h"

#define POLL_EVERY 0.02

typedef struct {
    dr_dtype dt;
    const dr_kernels *k;
    size_t n;
    dr_matrix w;
    dr_poll poll;
    void *poll_context;
    double next_poll;
    dr_status status;            /* thread 0's, for all after the next barrier */
    dr_barrier barrier;
} factoring;

static void without_rows_above(const factoring *f, size_t p, size_t q) {
    const size_t width = dr_panel_width(f->dt, f->w.cols, q), above = p * dr_panel(f->dt);
    const char *a = dr_at(f->dt, f->w, p, 0), *b = dr_at(f->dt, f->w, q, 0);
    char *tile = dr_at(f->dt, f->w, q, above);
    const void *const ahead[DR_AHEAD] = {tile, tile, tile};
    f->k->product_t(dr_panel_cols(f->dt, f->n, p), width / dr_unit(f->dt), above, a,
                    dr_panel_width(f->dt, f->w.cols, p), b, tile, width, tile, ahead);
}

static void factor_diagonal(factoring *f, size_t p) {
    const size_t units = dr_panel_width(f->dt, f->w.cols, p) / dr_unit(f->dt);
    char *tile = dr_at(f->dt, f->w, p, p * dr_panel(f->dt));
    if (!f->k->cholesky_pivot(dr_panel_cols(f->dt, f->n, p), units, tile)) f->status = DR_INDEFINITE;
    const double now = f->poll ? dr_now() : 0;
    if (!f->poll || now < f->next_poll) return;
    f->next_poll = now + POLL_EVERY;
    if (f->poll(f->poll_context)) f->status = DR_ABORTED;
}

static void factor(void *context, int thread, int team) {
    factoring *f = context;
    const size_t first = (size_t)thread, step = (size_t)team;
    for (size_t p = 0; p < dr_panels(f->dt, f->n); p++) {
        const size_t row = p * dr_panel(f->dt), rows = dr_panel_cols(f->dt, f->n, p);
        for (size_t q = p + first; p && q < dr_panels(f->dt, f->w.cols); q += step)
            without_rows_above(f, p, q);
        dr_barrier_wait(&f->barrier, team);
        if (thread == 0) factor_diagonal(f, p);
        dr_barrier_wait(&f->barrier, team);
        if (f->status != DR_OK) return;
        for (size_t q = p + 1 + first; q < dr_panels(f->dt, f->w.cols); q += step)
            f->k->cholesky_row(rows, dr_panel_width(f->dt, f->w.cols, q) / dr_unit(f->dt),
                               dr_at(f->dt, f->w, p, row), dr_panel_width(f->dt, f->w.cols, p),
                               dr_at(f->dt, f->w, q, row));
        dr_barrier_wait(&f->barrier, team);
    }
}

dr_status dr_cholesky_factor(dr_dtype dt, const dr_kernels *k, size_t n, dr_matrix w, dr_poll poll,
                             void *context) {
    factoring f = {.dt = dt, .k = k, .n = n, .w = w, .poll = poll, .poll_context = context,
                   .next_poll = poll ? dr_now() + POLL_EVERY : 0, .status = DR_OK};
    const double work = (double)n * (double)n * (double)n / 6;
    const int threads = dr_threads_for(work, dr_panels(dt, n) / 2);
    dr_barrier_open(&f.barrier, threads);
    const dr_status status = dr_parallel_run(threads, factor, &f);
    return status == DR_OK ? f.status : status;
}

/* a and b side by side, which is how they are factored, in place of the panels of w. */
static void minus(dr_dtype dt, const dr_kernels *k, size_t n, const void *a, const void *b,
                  char *beside, dr_matrix w) {
    const size_t size = dr_size(dt), bytes = n * size;
    for (size_t i = 0; i < n; i++) {
        char *row = beside + i * (bytes + size);
        memcpy(row, (const char *)a + i * bytes, bytes);
        if (b) memcpy(row + bytes, (const char *)b + i * size, size);
    }
    dr_to_panels(k, n, beside, w);
    for (size_t p = 0; p < dr_panels(dt, w.cols); p++) {
        char *panel = dr_at(dt, w, p, 0);
        k->scale(n * dr_panel_width(dt, w.cols, p), -1, panel, panel);
    }
}

dr_status dr_cholesky(dr_dtype dt, size_t n, const void *a, const void *b, void *r, void *x) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t size = dr_size(dt), bytes = n * size;
    dr_arena arena = {NULL, 0, 0};
    dr_matrix w;
    char *beside, *solution;
    for (int pass = 0; pass < 2; pass++) {
        char *data = dr_arena_take(&arena, dr_matrix_size(dt, n, n + 1), size);
        w = (dr_matrix){data, dr_panel_stride(dt, n), n + 1};
        beside = dr_arena_take(&arena, n * (n + 1), size);
        solution = dr_arena_take(&arena, dr_vector_size(dt, n + 1), size);
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    minus(dt, k, n, a, b, beside, w);
    const dr_status status = dr_cholesky_factor(dt, k, n, w, NULL, NULL);
    if (status == DR_OK && x) {
        k->cholesky_back(n, n + 1, w.stride, w.data, solution);
        memcpy(x, solution, bytes);
    }
    if (status == DR_OK && r) {
        dr_from_panels(k, n, w, beside);
        for (size_t i = 0; i < n; i++) {
            memset((char *)r + i * bytes, 0, i * size);
            memcpy((char *)r + i * (bytes + size), beside + i * (bytes + 2 * size), bytes - i * size);
        }
    }
    dr_free(arena.base);
    return status;
}
