/* Losses on plain arrays, and the order in which a batch is summed. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

#define PARTIALS 16

static double real_at(dr_dtype dt, const void *p, size_t i) {
    return dt == DR_F32 ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

double dr_weighted_sum(dr_dtype dt, size_t m, const void *values, const void *weight,
                       const int64_t *rows, size_t first) {
    double part[PARTIALS] = {0};
    for (size_t r = 0; r < m; r++) {
        double v = values ? real_at(dt, values, r) : 1;
        if (weight) v *= real_at(dt, weight, rows ? (size_t)rows[first + r] : first + r);
        part[r % PARTIALS] += v;
    }
    for (size_t s = PARTIALS / 2; s; s /= 2)
        for (size_t j = 0; j < s; j++) part[j] += part[j + s];
    return part[0];
}

int dr_loss_takes(dr_loss loss, int labels) {
    switch (loss) {
    case DR_CROSS_ENTROPY: return 1;
    case DR_FOCAL:
    case DR_CATEGORICAL_HINGE: return labels;
    default: return !labels;
    }
}

dr_status dr_loss_backward(dr_dtype dt, const dr_loss_spec *loss, size_t n, size_t n_out,
                           const void *y, const int64_t *labels, const void *dense,
                           const void *weight, double *value, void *dy) {
    const dr_kernels *k = dr_kernels_for(dt);
    const double total = weight ? dr_weighted_sum(dt, n, NULL, weight, NULL, 0) : (double)n;
    *value = 0;
    if (dy) memset(dy, 0, n * n_out * dr_size(dt));
    if (!(total > 0)) return DR_OK;

    const size_t size = dr_matrix_size(dt, n, n_out), stride = dr_panel_stride(dt, n);
    char *data = dr_alloc(2 * size + n, dr_size(dt));
    if (!data) return DR_NO_MEMORY;
    const dr_matrix in = {data, stride, n_out};
    const dr_matrix out = {dr_offset(dt, data, size), stride, n_out};
    void *row_loss = dr_offset(dt, data, 2 * size);
    const dr_loss_args args = {
        .loss = loss, .m = n, .n_out = n_out, .stride = stride, .y = in.data, .labels = labels,
        .dense = dense, .weight = weight, .total = total, .dy = dy ? out.data : NULL, .row_loss = row_loss,
    };
    dr_to_panels(k, n, y, in);
    k->loss[loss->kind](&args);
    *value = dr_weighted_sum(dt, n, row_loss, weight, NULL, 0) / total;
    if (dy) dr_from_panels(k, n, out, dy);
    dr_free(data);
    return DR_OK;
}
