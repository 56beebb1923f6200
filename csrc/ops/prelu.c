/* prelu: the gradient of its slope, and the operations on plain arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

void dr_prelu_slope_panel(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, dr_matrix dy,
                          size_t p, int adding, void *slopes) {
    const size_t width = dr_panel_width(dt, x.cols, p);
    if (!adding) memset(slopes, 0, width * dr_size(dt));
    k->prelu_slope(m, width / dr_unit(dt), dr_at(dt, x, p, 0), dr_at(dt, dy, p, 0), slopes);
}

void dr_prelu_shared_slope(dr_dtype dt, const dr_kernels *k, size_t m, dr_matrix x, dr_matrix dy,
                           int adding, void *columns, void *slope) {
    for (size_t p = 0; p < dr_panels(dt, x.cols); p++)
        dr_prelu_slope_panel(dt, k, m, x, dy, p, adding, dr_offset(dt, columns, p * dr_panel(dt)));
    const double sum = dr_weighted_sum(dt, x.cols, columns, NULL, NULL, 0);
    if (dt == DR_F32)
        *(float *)slope = (float)sum;
    else
        *(double *)slope = sum;
}

/* Arrays in panels; the slopes padded with zeros. */
typedef struct {
    dr_matrix x, dy, result;
    char *slope, *columns;
    void *memory;
} arrays;

static dr_status take(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x, const void *slope,
                      const void *dy, arrays *a) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t count = shared ? 1 : n_out, size = dr_matrix_size(dt, n, n_out);
    const size_t stride = dr_panel_stride(dt, n);
    dr_arena arena = {NULL, 0, 0};
    for (int pass = 0; pass < 2; pass++) {
        a->x = (dr_matrix){dr_arena_take(&arena, size, dr_size(dt)), stride, n_out};
        a->dy = (dr_matrix){dr_arena_take(&arena, dy ? size : 0, dr_size(dt)), stride, n_out};
        a->result = (dr_matrix){dr_arena_take(&arena, size, dr_size(dt)), stride, n_out};
        a->slope = dr_arena_take(&arena, dr_vector_size(dt, count), dr_size(dt));
        a->columns = dr_arena_take(&arena, dr_vector_size(dt, n_out), dr_size(dt));
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    a->memory = arena.base;
    dr_to_panels(k, n, x, a->x);
    if (dy) dr_to_panels(k, n, dy, a->dy);
    memcpy(a->slope, slope, count * dr_size(dt));
    return DR_OK;
}

dr_status dr_prelu_forward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                           const void *slope, void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    arrays a;
    if (take(dt, shared, n, n_out, x, slope, NULL, &a) != DR_OK) return DR_NO_MEMORY;
    k->prelu_forward(n, n_out, 0, a.x.stride, a.x.data, a.slope, shared, a.result.data);
    dr_from_panels(k, n, a.result, y);
    dr_free(a.memory);
    return DR_OK;
}

dr_status dr_prelu_backward(dr_dtype dt, int shared, size_t n, size_t n_out, const void *x,
                            const void *slope, const void *dy, void *dx, void *dslope) {
    const dr_kernels *k = dr_kernels_for(dt);
    arrays a;
    if (take(dt, shared, n, n_out, x, slope, dy, &a) != DR_OK) return DR_NO_MEMORY;
    k->prelu_backward(0, n, n_out, 0, a.x.stride, a.x.data, a.slope, shared, a.dy.data, a.result.data);
    dr_from_panels(k, n, a.result, dx);
    if (shared) {
        dr_prelu_shared_slope(dt, k, n, a.x, a.dy, 0, a.columns, dslope);
    } else {
        for (size_t p = 0; p < dr_panels(dt, n_out); p++)
            dr_prelu_slope_panel(dt, k, n, a.x, a.dy, p, 0, dr_offset(dt, a.columns, p * dr_panel(dt)));
        memcpy(dslope, a.columns, n_out * dr_size(dt));
    }
    dr_free(a.memory);
    return DR_OK;
}
