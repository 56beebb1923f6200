/* Matrices in panels: their memory, and row-major ones into and out of them. */
#include <string.h>

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

static dr_matrix in_panels(const dr_kernels *k, dr_shape shape, const void *area) {
    return (dr_matrix){(char *)area, dr_panel_stride(k->dtype, shape.rows), shape.cols};
}

void dr_array_in(const dr_kernels *k, dr_shape shape, const void *plain, void *area) {
    if (shape.rows)
        dr_to_panels(k, shape.rows, plain, in_panels(k, shape, area));
    else
        memcpy(area, plain, shape.cols * dr_size(k->dtype));
}

void dr_array_out(const dr_kernels *k, dr_shape shape, const void *area, void *plain) {
    if (shape.rows)
        dr_from_panels(k, shape.rows, in_panels(k, shape, area), plain);
    else
        memcpy(plain, area, shape.cols * dr_size(k->dtype));
}

double dr_chunk_squares(const dr_kernels *k, size_t size, const void *area, size_t chunk) {
    const size_t first = chunk * DR_CHUNK;
    return k->squares(dr_min(DR_CHUNK, size - first), dr_offset(k->dtype, area, first));
}

double dr_chunk_sum(size_t chunks, const double *squares) {
    return dr_weighted_sum(DR_F64, chunks, squares, NULL, NULL, 0);
}
