/* Averages of weights, in panels and on plain arrays. */
#include <string.h>

#include "ops/ops.h"

void dr_average_units(const dr_kernels *k, size_t n, double share, const void *w, void *average) {
    /* from the one that has the larger share: with all of it w is copied to the last bit */
    if (share < 0.5)
        k->blend(n, share, average, w, average);
    else
        k->blend(n, 1 - share, w, average, average);
}

void dr_average_step(dr_dtype dt, double share, size_t n, const void *w, void *average) {
    const dr_kernels *k = dr_kernels_for(dt);
    const size_t unit = dr_unit(dt), whole = n / unit * unit, bytes = (n - whole) * dr_size(dt);
    dr_average_units(k, whole, share, w, average);
    if (!bytes) return;

    _Alignas(64) char tail[2][64];
    memset(tail, 0, sizeof tail);
    memcpy(tail[0], dr_offset(dt, w, whole), bytes);
    memcpy(tail[1], dr_offset(dt, average, whole), bytes);
    dr_average_units(k, unit, share, tail[0], tail[1]);
    memcpy(dr_offset(dt, average, whole), tail[1], bytes);
}
