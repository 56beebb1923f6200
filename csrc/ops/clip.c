/* Gradients made smaller before they are applied. */
#include "memory.h"
#include "ops/ops.h"
#include "scalar.h"

double dr_clip_factor(double limit, double squares) {
    const double factor = limit / (sqrt(squares) + 1e-6);
    return factor >= 1 ? 1 : factor; /* or NaN */
}

void dr_clip_apply(const dr_kernels *k, dr_clip clip, double factor, size_t n, void *g) {
    if (clip.kind == DR_CLIP_VALUE)
        k->clamp(n, clip.limit, g);
    else if (factor != 1)
        k->scale(n, factor, g, g);
}

/* -- on plain arrays --------------------------------------------------------------------------------- */

static double squares_of(const dr_kernels *k, dr_shape shape, const void *plain, char *area, double *chunks) {
    const size_t size = dr_array_size(k->dtype, shape), n = dr_chunks(size);
    dr_array_in(k, shape, plain, area);
    for (size_t i = 0; i < n; i++) chunks[i] = dr_chunk_squares(k, size, area, i);
    return dr_chunk_sum(n, chunks);
}

static void clip_one(const dr_kernels *k, dr_clip clip, double squares, dr_shape shape, char *area, void *plain) {
    dr_clip_apply(k, clip, dr_clip_factor(clip.limit, squares), dr_array_size(k->dtype, shape), area);
    dr_array_out(k, shape, area, plain);
}

dr_status dr_clip_gradients(dr_dtype dt, dr_clip clip, size_t n, const dr_shape *shapes,
                            void *const *gradients) {
    const dr_kernels *k = dr_kernels_for(dt);
    size_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t size = dr_array_size(dt, shapes[i]);
        if (size > largest) largest = size;
    }
    dr_arena arena = {NULL, 0, 0};
    char **areas;
    double *squares, *chunks, all = 0;
    for (int pass = 0; pass < 2; pass++) {
        areas = dr_arena_take(&arena, n, sizeof *areas);
        squares = dr_arena_take(&arena, n, sizeof *squares);
        chunks = dr_arena_take(&arena, dr_chunks(largest), sizeof *chunks);
        for (size_t i = 0; i < n; i++) {
            char *area = dr_arena_take(&arena, dr_array_size(dt, shapes[i]), dr_size(dt));
            if (pass) areas[i] = area;
        }
        if (pass == 0 && !dr_arena_open(&arena)) return DR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++)
        all += squares[i] = squares_of(k, shapes[i], gradients[i], areas[i], chunks);
    for (size_t i = 0; i < n; i++)
        clip_one(k, clip, clip.kind == DR_CLIP_GLOBAL_NORM ? all : squares[i], shapes[i], areas[i],
                 gradients[i]);
    dr_free(arena.base);
    return DR_OK;
}
