/* Row-major matrices into and out of panels. */
#include "ops/ops.h"

void dr_to_panels(const dr_kernels *k, size_t rows, const void *x, dr_matrix m) {
    const dr_element own = (dr_element)k->dtype;
    const dr_input in = {own, x, (ptrdiff_t)(m.cols * dr_size(k->dtype))};
    k->gather[own](rows, m.cols, in, NULL, 0, 0, m.stride, m.data);
}

void dr_from_panels(const dr_kernels *k, size_t rows, dr_matrix m, void *x) {
    k->scatter(rows, m.cols, m.data, 0, m.stride, x);
}
