/* How matrices lie in memory inside the core.
 *
 * A matrix is cut into column panels of 128 bytes (32 float32, 16 float64), the last one 64 or 128
 * bytes wide; inside a panel the rows follow each other. So a row of a panel is one or two whole
 * cache lines, the operands of a product are read in place and in order, and nothing is packed.
 * Columns beyond the last are zero in weights and errors and never read as an inner index.
 * The layout is the same for every instruction set. */
#ifndef DR_PANELS_H
#define DR_PANELS_H

#include "deltarule.h"

static inline size_t dr_size(dr_dtype dt) { return dt == DR_F32 ? 4 : 8; }
static inline size_t dr_element_size(dr_element e) { return e == DR_UINT8 ? 1 : e == DR_FLOAT32 ? 4 : 8; }
static inline size_t dr_unit(dr_dtype dt) { return 64 / dr_size(dt); }
static inline size_t dr_panel(dr_dtype dt) { return 128 / dr_size(dt); }
static inline size_t dr_min(size_t a, size_t b) { return a < b ? a : b; }

static inline size_t dr_panels(dr_dtype dt, size_t cols) {
    return (cols + dr_panel(dt) - 1) / dr_panel(dt);
}

/* Columns of panel p that exist. */
static inline size_t dr_panel_cols(dr_dtype dt, size_t cols, size_t p) {
    return dr_min(dr_panel(dt), cols - p * dr_panel(dt));
}

/* Elements from one row of panel p to the next. */
static inline size_t dr_panel_width(dr_dtype dt, size_t cols, size_t p) {
    return dr_panel_cols(dt, cols, p) <= dr_unit(dt) ? dr_unit(dt) : dr_panel(dt);
}

/* Elements from one panel to the next: an odd number of cache lines, lest equal rows of all panels
 * fall into the same cache set. */
static inline size_t dr_panel_stride(dr_dtype dt, size_t rows) {
    return rows * dr_panel(dt) + dr_unit(dt);
}

static inline size_t dr_matrix_size(dr_dtype dt, size_t rows, size_t cols) {
    return dr_panels(dt, cols) * dr_panel_stride(dt, rows);
}

static inline size_t dr_vector_size(dr_dtype dt, size_t n) { return dr_panels(dt, n) * dr_panel(dt); }

static inline size_t dr_array_size(dr_dtype dt, dr_shape s) {
    return s.rows ? dr_matrix_size(dt, s.rows, s.cols) : dr_vector_size(dt, s.cols);
}

/* A panel matrix: `stride` from dr_panel_stride of the rows it has room for. */
typedef struct {
    char *data;
    size_t stride, cols;
} dr_matrix;

static inline void *dr_offset(dr_dtype dt, const void *p, size_t elements) {
    return (char *)p + elements * dr_size(dt);
}

/* First element of row `row` in panel p. */
static inline void *dr_at(dr_dtype dt, dr_matrix m, size_t p, size_t row) {
    return dr_offset(dt, m.data, p * m.stride + row * dr_panel_width(dt, m.cols, p));
}

#endif
