/* Random orthogonal columns, as a product of Householder's reflections.
 *
 * Only + - * / sqrt in double, in an order that reference/orthogonal.py repeats: both give the same
 * bits. Columns of the result do not depend on each other, so a strip of them that stays in the
 * cache goes through all reflections; and threads share the strips. */
#include <math.h>
#include <string.h>

#include "memory.h"
#include "panels.h"
#include "threads.h"

#define STRIP 16
/* Multiply-adds as those of a product would count: these are not fused, in half the vectors. */
#define SLOWER 4

typedef struct {
    size_t rows, cols;
    const double *v, *factors, *signs;
    double *strips, *q;
} work;

/* Row j of v, from element j on, becomes the vector of the reflection of itself onto an axis; of that
 * the factor, 2 / v v, and the sign that makes the axis point where it did. */
static double reflection(size_t n, double *v, double *sign) {
    double square = 0;
    for (size_t i = 0; i < n; i++) square += v[i] * v[i];
    const double norm = sqrt(square);
    *sign = v[0] < 0 ? 1 : -1;
    v[0] = v[0] < 0 ? v[0] - norm : v[0] + norm;
    const double half = norm * fabs(v[0]);
    return half > 0 ? 1 / half : 0;
}

/* q = (1 - factor v v^T) q for rows of a strip, sums from the first row on */
static void reflect(size_t n, double factor, const double *v, double *q) {
    double sums[STRIP] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < STRIP; j++) sums[j] += v[i] * q[i * STRIP + j];
    for (size_t j = 0; j < STRIP; j++) sums[j] *= factor;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < STRIP; j++) q[i * STRIP + j] -= v[i] * sums[j];
}

static void fill_strips(void *context, int thread, int team) {
    const work *w = context;
    double *strip = w->strips + (size_t)thread * w->rows * STRIP;
    const size_t count = (w->cols + STRIP - 1) / STRIP;
    /* the last ones have most reflections before them: so in turn */
    for (size_t s = (size_t)thread; s < count; s += (size_t)team) {
        const size_t first = s * STRIP, width = dr_min(STRIP, w->cols - first);
        memset(strip, 0, w->rows * STRIP * sizeof *strip);
        for (size_t j = 0; j < width; j++) strip[(first + j) * STRIP + j] = w->signs[first + j];
        for (size_t k = first + width; k-- > 0;)
            reflect(w->rows - k, w->factors[k], w->v + k * w->rows + k, strip + k * STRIP);
        for (size_t i = 0; i < w->rows; i++)
            memcpy(w->q + i * w->cols + first, strip + i * STRIP, width * sizeof *strip);
    }
}

dr_status dr_orthogonal(size_t rows, size_t cols, double *v, double *q) {
    const double work_done = 2.0 * (double)rows * (double)cols * (double)cols * SLOWER;
    const int threads = dr_threads_for(work_done, (cols + STRIP - 1) / STRIP);
    double *memory = dr_alloc(2 * cols + (size_t)threads * rows * STRIP, sizeof *memory);
    if (!memory) return DR_NO_MEMORY;
    double *factors = memory, *signs = memory + cols;
    for (size_t k = 0; k < cols; k++)
        factors[k] = reflection(rows - k, v + k * rows + k, &signs[k]);
    work w = {rows, cols, v, factors, signs, memory + 2 * cols, q};
    const dr_status status = dr_parallel_run(threads, fill_strips, &w);
    dr_free(memory);
    return status;
}
