/* Matrices in panels: their memory, and row-major ones into and out of them. */
#include "ops/ops.h"

void dr_to_panels(const dr_kernels *k, size_t rows, const void *x, dr_matrix m) {
    const dr_element own = (dr_element)k->dtype;
    const dr_input in = {own, x, (ptrdiff_t)(m.cols * dr_size(k->dtype))};
    k->gather[own](rows, m.cols, in, NULL, 0, 0, m.stride, m.data);
}

void dr_from_panels(const dr_kernels *k, size_t rows, dr_matrix m, void *x) {
    k->scatter(rows, m.cols, m.data, 0, m.stride, x);
}

dr_matrix dr_take_matrix(dr_arena *arena, dr_dtype dt, size_t rows, size_t cols) {
    return (dr_matrix){dr_arena_take(arena, dr_matrix_size(dt, rows, cols), dr_size(dt)),
                       dr_panel_stride(dt, rows), cols};
}

void *dr_take_vector(dr_arena *arena, dr_dtype dt, size_t n) {
    return dr_arena_take(arena, dr_vector_size(dt, n), dr_size(dt));
}
