/* Noise: what its amount means, and noise on plain arrays. */
#include <math.h>

#include "memory.h"
#include "ops/ops.h"

/* The limit of selu at minus infinity (Klambauer et al., 2017). */
#define SELU_LEAST (-1.7580993408473768599)

dr_noise_args dr_noise_prepare(dr_noise kind, double amount, dr_stream stream, size_t first) {
    const double below = floor(amount * 0x1p32 + 0.5), most = 0x1p32 - 1;
    dr_noise_args a = {.stream = stream, .first = first};
    a.stream.purpose = DR_PURPOSE_NOISE;
    if (kind == DR_GAUSSIAN_NOISE) {
        a.kept = amount;
        return a;
    }
    a.below = (int32_t)((below < most ? below : most) - 0x1p31);
    a.kept = 1 / (1 - amount);
    if (kind == DR_ALPHA_DROPOUT) {
        a.kept = 1 / sqrt((1 - amount) * (1 + amount * SELU_LEAST * SELU_LEAST));
        a.shift = -a.kept * amount * SELU_LEAST;
        a.dropped = a.kept * (1 - amount) * SELU_LEAST;
    }
    return a;
}

typedef void (*noise_kernel)(const dr_noise_args *a, size_t m, size_t n, size_t row, size_t stride,
                             const void *x, void *y);

static dr_status through_panels(const dr_kernels *k, noise_kernel kernel, const dr_noise_args *a,
                                size_t n, size_t n_out, const void *x, void *y) {
    const size_t size = dr_matrix_size(k->dtype, n, n_out);
    const dr_matrix m = {dr_alloc(size, dr_size(k->dtype)), dr_panel_stride(k->dtype, n), n_out};
    if (!m.data) return DR_NO_MEMORY;
    dr_to_panels(k, n, x, m);
    kernel(a, n, n_out, 0, m.stride, m.data, m.data);
    dr_from_panels(k, n, m, y);
    dr_free(m.data);
    return DR_OK;
}

dr_status dr_noise_forward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                           size_t first, size_t n, size_t n_out, const void *x, void *y) {
    const dr_kernels *k = dr_kernels_for(dt);
    const dr_noise_args a = dr_noise_prepare(kind, amount, stream, first);
    return through_panels(k, k->noise_forward[kind], &a, n, n_out, x, y);
}

dr_status dr_noise_backward(dr_dtype dt, dr_noise kind, double amount, dr_stream stream,
                            size_t first, size_t n, size_t n_out, const void *dy, void *dx) {
    const dr_kernels *k = dr_kernels_for(dt);
    const dr_noise_args a = dr_noise_prepare(kind, amount, stream, first);
    return through_panels(k, k->noise_backward[kind], &a, n, n_out, dy, dx);
}
