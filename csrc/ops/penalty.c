/* Penalties of weights: their sum over tiles, and the operations on plain arrays. */
#include <string.h>

#include "memory.h"
#include "ops/ops.h"

void dr_penalty_parts(dr_dtype dt, const dr_kernels *k, dr_penalty penalty, size_t rows, dr_matrix w,
                      double *parts) {
    const size_t ins = dr_panels(dt, rows), outs = dr_panels(dt, w.cols);
    for (size_t q = 0; q < outs; q++)
        for (size_t p = 0; p < ins; p++)
            parts[q * ins + p] =
                k->penalty(dr_panel_cols(dt, rows, p) * dr_panel_width(dt, w.cols, q), penalty,
                           dr_at(dt, w, q, p * dr_panel(dt)), NULL);
}

double dr_penalty_sum(size_t tiles, const double *parts) {
    return dr_weighted_sum(DR_F64, tiles, parts, NULL, NULL, 0);
}

dr_status dr_penalty_forward(dr_dtype dt, dr_penalty penalty, size_t n_in, size_t n_out, const void *w,
                             double *value) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t tiles = dr_panels(dt, n_in) * dr_panels(dt, n_out);
    dr_arena arena = {NULL, 0, 0};
    dr_matrix weight;
    double *parts;
    for (int pass = 0; pass < 2; pass++) {
        weight = (dr_matrix){dr_arena_take(&arena, dr_matrix_size(dt, n_in, n_out), dr_size(dt)),
                             dr_panel_stride(dt, n_in), n_out};
        parts = dr_arena_take(&arena, tiles, sizeof *parts);
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    dr_to_panels(k, n_in, w, weight);
    dr_penalty_parts(dt, k, penalty, n_in, weight, parts);
    *value = dr_penalty_sum(tiles, parts);
    dr_free(arena.base);
    return DR_OK;
}

void dr_penalty_backward(dr_dtype dt, dr_penalty penalty, size_t n, const void *w, void *g) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t unit = dr_unit(dt), whole = n / unit * unit, bytes = (n - whole) * dr_size(dt);
    k->penalty(whole, penalty, w, g);
    if (!bytes) return;

    _Alignas(64) char tail[2][64];
    memset(tail, 0, sizeof tail);
    memcpy(tail[0], dr_offset(dt, w, whole), bytes);
    memcpy(tail[1], dr_offset(dt, g, whole), bytes);
    k->penalty(unit, penalty, tail[0], tail[1]);
    memcpy(dr_offset(dt, g, whole), tail[1], bytes);
}
