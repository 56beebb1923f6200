/* Row-major matrices into and out of panels. */
#include "ops/ops.h"

void dr_to_panels(const dr_kernels *k, size_t rows, const void *x, dr_matrix m) {
    k->gather(rows, m.cols, x, NULL, 0, 0, m.stride, m.data);
}

void dr_from_panels(const dr_kernels *k, size_t rows, dr_matrix m, void *x) {
    k->scatter(rows, m.cols, m.data, 0, m.stride, x);
}
