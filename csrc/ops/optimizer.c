/* The numbers that an update needs, once a step, and a step on plain arrays. */
#include <math.h>
#include <string.h>

#include "ops/ops.h"

/* beta^t by repeated squaring: multiplications alone, so the bits are the same everywhere; and no
 * branch on the bits of t, which change with every step. */
static double power(double beta, uint64_t t) {
    double result = 1;
    for (; t; t >>= 1, beta *= beta) {
        const double factor[2] = {1, beta};
        result *= factor[t & 1];
    }
    return result;
}

int dr_optimizer_states(dr_optimizer kind) { return kind == DR_ADAM ? 2 : 1; }

dr_coefficients dr_optimizer_coefficients(dr_optimizer kind, const double hyper[4],
                                          uint64_t step) {
    dr_coefficients k = {{0}};
    switch (kind) {
    case DR_ADAM: {
        const double beta1 = hyper[1], beta2 = hyper[2];
        k.c[0] = beta1;
        k.c[1] = 1 - beta1;
        k.c[2] = beta2;
        k.c[3] = 1 - beta2;
        k.c[4] = 1 / sqrt(1 - power(beta2, step));
        k.c[5] = hyper[3];
        k.c[6] = hyper[0] / (1 - power(beta1, step));
        break;
    }
    default:
        memcpy(k.c, hyper, 4 * sizeof *hyper);
    }
    return k;
}

void dr_optimizer_step(dr_dtype dt, dr_optimizer kind, const double hyper[4], uint64_t step,
                       size_t n, const void *g, void *w, void *state0, void *state1) {
    const dr_kernels *k = dr_kernels_for(dt);
    const dr_coefficients c = dr_optimizer_coefficients(kind, hyper, step);
    const size_t unit = dr_unit(dt), size = dr_size(dt), whole = n / unit * unit;
    const size_t bytes = (n - whole) * size;
    k->step[kind](whole, c.c, g, w, state0, state1);
    if (!bytes) return;

    _Alignas(64) char tail[4][64];
    void *const arrays[3] = {w, state0, state1};
    memset(tail, 0, sizeof tail);
    memcpy(tail[3], (const char *)g + whole * size, bytes);
    for (int i = 0; i < 3; i++)
        if (arrays[i]) memcpy(tail[i], (char *)arrays[i] + whole * size, bytes);
    k->step[kind](unit, c.c, tail[3], tail[0], tail[1], tail[2]);
    for (int i = 0; i < 3; i++)
        if (arrays[i]) memcpy((char *)arrays[i] + whole * size, tail[i], bytes);
}
