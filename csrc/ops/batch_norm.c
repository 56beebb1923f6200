/* Batch normalisation: panel by panel, and the operations on plain arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

/* The vectors from the first column of panel p on. */
static dr_batch_norm of_panel(dr_dtype dt, dr_batch_norm a, size_t p) {
    const size_t first = p * dr_panel(dt);
    const void **given[] = {&a.w, &a.b};
    void **computed[] = {&a.mean, &a.var, &a.scale, &a.slope, &a.level};
    for (size_t i = 0; i < 2; i++)
        if (*given[i]) *given[i] = dr_offset(dt, *given[i], first);
    for (size_t i = 0; i < 5; i++)
        if (*computed[i]) *computed[i] = dr_offset(dt, *computed[i], first);
    return a;
}

static size_t units(dr_dtype dt, size_t cols, size_t p) {
    return dr_panel_width(dt, cols, p) / dr_unit(dt);
}

void dr_batch_norm_statistics(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                              dr_matrix x, size_t p) {
    const dr_batch_norm here = of_panel(dt, *a, p);
    k->batch_norm_moments(m, units(dt, x.cols, p), dr_at(dt, x, p, 0), &here);
    k->batch_norm_scale(units(dt, x.cols, p), &here);
}

/* The same with a scale, which is computed into `own` where there is none. */
static dr_batch_norm with_scale(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t cols,
                                size_t p, void *own) {
    dr_batch_norm here = of_panel(dt, *a, p);
    if (here.scale) return here;
    here.scale = own;
    k->batch_norm_scale(units(dt, cols, p), &here);
    return here;
}

void dr_batch_norm_apply(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m, size_t row,
                         dr_matrix x, dr_matrix y) {
    _Alignas(64) char own[128];
    for (size_t p = 0; p < dr_panels(dt, x.cols); p++) {
        const dr_batch_norm here = with_scale(dt, k, a, x.cols, p, own);
        k->batch_norm_forward(m, units(dt, x.cols, p), &here, dr_at(dt, x, p, row),
                              dr_at(dt, y, p, row));
    }
}

void dr_batch_norm_gradient(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                            dr_matrix x, dr_matrix dy, size_t p, void *dw, void *db) {
    const dr_batch_norm here = of_panel(dt, *a, p);
    k->batch_norm_gradient(m, units(dt, x.cols, p), &here, dr_at(dt, x, p, 0), dr_at(dt, dy, p, 0), dw,
                           db);
}

void dr_batch_norm_errors(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m, size_t row,
                          dr_matrix x, dr_matrix dy, int adding, dr_matrix dx) {
    _Alignas(64) char own[128];
    for (size_t p = 0; p < dr_panels(dt, x.cols); p++) {
        const dr_batch_norm here = with_scale(dt, k, a, x.cols, p, own);
        k->batch_norm_backward(m, units(dt, x.cols, p), &here, dr_at(dt, x, p, row),
                               dr_at(dt, dy, p, row), adding, dr_at(dt, dx, p, row));
    }
}

void dr_batch_norm_track(dr_dtype dt, const dr_kernels *k, const dr_batch_norm *a, size_t m,
                         double momentum, size_t n, size_t p, void *mean, void *var) {
    const dr_batch_norm here = of_panel(dt, *a, p);
    const size_t first = p * dr_panel(dt);
    k->batch_norm_running(m, units(dt, n, p), &here, momentum, dr_offset(dt, mean, first),
                          dr_offset(dt, var, first));
}

/* -- plain arrays ------------------------------------------------------------------------------ */

/* What one call needs: n rows of x and two more matrices, and vectors over n_out columns. */
typedef struct {
    dr_matrix x, in, out;
    void *w, *b, *dw, *db;
    dr_batch_norm a;
} workspace;

static void lay_out(dr_arena *arena, dr_dtype dt, size_t n, size_t n_out, workspace *s) {
    void **vectors[] = {&s->w, &s->b, &s->dw, &s->db, &s->a.mean, &s->a.var, &s->a.scale, &s->a.slope,
                        &s->a.level};
    s->x = dr_take_matrix(arena, dt, n, n_out);
    s->in = dr_take_matrix(arena, dt, n, n_out);
    s->out = dr_take_matrix(arena, dt, n, n_out);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        *vectors[i] = dr_take_vector(arena, dt, n_out);
}

/* With x, w and b in place. Returns what is to be freed, or NULL. */
static void *prepare(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x, const void *w,
                     const void *b, workspace *s) {
    dr_arena arena = {NULL, 0, 0};
    const size_t bytes = n_out * dr_size(dt);
    lay_out(&arena, dt, n, n_out, s);
    void *memory = dr_arena_open(&arena);
    if (!memory) return NULL;
    lay_out(&arena, dt, n, n_out, s);
    s->a.eps = eps;
    s->a.w = w ? memcpy(s->w, w, bytes) : NULL;
    s->a.b = b ? memcpy(s->b, b, bytes) : NULL;
    if (x) dr_to_panels(dr_kernels_for(dt), n, x, s->x);
    return memory;
}

dr_status dr_batch_norm_forward(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                const void *w, const void *b, void *y, void *mean, void *var) {
    const dr_kernels *k = dr_kernels_for(dt);
    workspace s;
    void *memory = prepare(dt, eps, n, n_out, x, w, b, &s);
    if (!memory) return DR_NO_MEMORY;
    for (size_t p = 0; p < dr_panels(dt, n_out); p++) dr_batch_norm_statistics(dt, k, &s.a, n, s.x, p);
    dr_batch_norm_apply(dt, k, &s.a, n, 0, s.x, s.out);
    dr_from_panels(k, n, s.out, y);
    memcpy(mean, s.a.mean, n_out * dr_size(dt));
    memcpy(var, s.a.var, n_out * dr_size(dt));
    dr_free(memory);
    return DR_OK;
}

dr_status dr_batch_norm_inference(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                  const void *mean, const void *var, const void *w, const void *b,
                                  void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    workspace s;
    void *memory = prepare(dt, eps, n, n_out, x, w, b, &s);
    if (!memory) return DR_NO_MEMORY;
    memcpy(s.a.mean, mean, n_out * dr_size(dt));
    memcpy(s.a.var, var, n_out * dr_size(dt));
    s.a.scale = NULL;
    dr_batch_norm_apply(dt, k, &s.a, n, 0, s.x, s.out);
    dr_from_panels(k, n, s.out, y);
    dr_free(memory);
    return DR_OK;
}

dr_status dr_batch_norm_backward(dr_dtype dt, double eps, size_t n, size_t n_out, const void *x,
                                 const void *w, const void *dy, void *dx, void *dw, void *db) {
    const dr_kernels *k = dr_kernels_for(dt);
    workspace s;
    void *memory = prepare(dt, eps, n, n_out, x, w, NULL, &s);
    if (!memory) return DR_NO_MEMORY;
    dr_to_panels(k, n, dy, s.in);
    for (size_t p = 0; p < dr_panels(dt, n_out); p++) {
        const size_t first = p * dr_panel(dt);
        dr_batch_norm_statistics(dt, k, &s.a, n, s.x, p);
        dr_batch_norm_gradient(dt, k, &s.a, n, s.x, s.in, p, dr_offset(dt, s.dw, first),
                               dr_offset(dt, s.db, first));
    }
    dr_batch_norm_errors(dt, k, &s.a, n, 0, s.x, s.in, 0, s.out);
    dr_from_panels(k, n, s.out, dx);
    memcpy(dw, s.dw, n_out * dr_size(dt));
    memcpy(db, s.db, n_out * dr_size(dt));
    dr_free(memory);
    return DR_OK;
}

dr_status dr_batch_norm_running(dr_dtype dt, double momentum, size_t n, size_t n_out,
                                const void *mean, const void *var, void *running_mean,
                                void *running_var) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t bytes = n_out * dr_size(dt);
    workspace s;
    void *memory = prepare(dt, 0, 0, n_out, NULL, running_mean, running_var, &s);
    if (!memory) return DR_NO_MEMORY;
    memcpy(s.a.mean, mean, bytes);
    memcpy(s.a.var, var, bytes);
    for (size_t p = 0; p < dr_panels(dt, n_out); p++)
        dr_batch_norm_track(dt, k, &s.a, n, momentum, n_out, p, s.w, s.b);
    memcpy(running_mean, s.w, bytes);
    memcpy(running_var, s.b, bytes);
    dr_free(memory);
    return DR_OK;
}
