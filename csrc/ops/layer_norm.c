/* layer_norm and rms_norm: gradients panel by panel, and the operations on plain arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

void dr_layer_norm_gradient(dr_dtype dt, const dr_kernels *k, const dr_layer_norm *a, size_t m,
                            dr_matrix x, dr_matrix dy, size_t p, int adding, void *dw, void *db) {
    const size_t width = dr_panel_width(dt, x.cols, p);
    if (!adding) memset(dw, 0, width * dr_size(dt));
    if (!adding && db) memset(db, 0, width * dr_size(dt));
    k->layer_norm_gradient(m, width / dr_unit(dt), a, dr_at(dt, x, p, 0), dr_at(dt, dy, p, 0), dw, db);
}

/* What one call needs: n rows of x and two more matrices, vectors over n_out columns and over rows. */
typedef struct {
    dr_matrix x, in, out;
    void *w, *b, *dw, *db;
    dr_layer_norm a;
} workspace;

static void lay_out(dr_arena *arena, dr_dtype dt, size_t n, size_t n_out, workspace *s) {
    void **vectors[] = {&s->w, &s->b, &s->dw, &s->db};
    s->x = dr_take_matrix(arena, dt, n, n_out);
    s->in = dr_take_matrix(arena, dt, n, n_out);
    s->out = dr_take_matrix(arena, dt, n, n_out);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        *vectors[i] = dr_take_vector(arena, dt, n_out);
    s->a.mean = dr_take_vector(arena, dt, n);
    s->a.rstd = dr_take_vector(arena, dt, n);
}

/* With x, w and b in place, and y with the statistics in s->out. Returns what is to be freed, or NULL. */
static void *forward(dr_dtype dt, const dr_kernels *k, int centred, double eps, size_t n, size_t n_out,
                     const void *x, const void *w, const void *b, workspace *s) {
    dr_arena arena = {NULL, 0, 0};
    const size_t bytes = n_out * dr_size(dt);
    lay_out(&arena, dt, n, n_out, s);
    void *memory = dr_arena_open(&arena);
    if (!memory) return NULL;
    lay_out(&arena, dt, n, n_out, s);
    s->a.n = n_out;
    s->a.stride = s->x.stride;
    s->a.eps = eps;
    s->a.w = w ? memcpy(s->w, w, bytes) : NULL;
    s->a.b = b ? memcpy(s->b, b, bytes) : NULL;
    s->a.centred = centred;
    dr_to_panels(k, n, x, s->x);
    k->layer_norm_forward(n, 0, &s->a, s->x.data, s->out.data);
    return memory;
}

dr_status dr_layer_norm_forward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                const void *x, const void *w, const void *b, void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    workspace s;
    void *memory = forward(dt, k, centred, eps, n, n_out, x, w, b, &s);
    if (!memory) return DR_NO_MEMORY;
    dr_from_panels(k, n, s.out, y);
    dr_free(memory);
    return DR_OK;
}

dr_status dr_layer_norm_backward(dr_dtype dt, int centred, double eps, size_t n, size_t n_out,
                                 const void *x, const void *w, const void *dy, void *dx, void *dw,
                                 void *db) {
    const dr_kernels *k = dr_kernels_for(dt);
    workspace s;
    void *memory = forward(dt, k, centred, eps, n, n_out, x, w, NULL, &s);
    if (!memory) return DR_NO_MEMORY;
    dr_to_panels(k, n, dy, s.in);
    for (size_t p = 0; p < dr_panels(dt, n_out); p++) {
        const size_t first = p * dr_panel(dt);
        dr_layer_norm_gradient(dt, k, &s.a, n, s.x, s.in, p, 0, dr_offset(dt, s.dw, first),
                               db ? dr_offset(dt, s.db, first) : NULL);
    }
    k->layer_norm_backward(n, 0, &s.a, s.x.data, s.in.data, 0, s.out.data);
    dr_from_panels(k, n, s.out, dx);
    memcpy(dw, s.dw, n_out * dr_size(dt));
    if (db) memcpy(db, s.db, n_out * dr_size(dt));
    dr_free(memory);
    return DR_OK;
}
