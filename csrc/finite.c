/* Looking for nan and inf before anything is computed. */
#include <string.h>

#include "panels.h"
#include "threads.h"

#define BLOCK 4096          /* numbers looked at in one go, from which the first is then picked out */
#define AS_MULTIPLY_ADDS 16 /* what it takes to fetch a number, for the choice of threads */

/* Whether one of n numbers is as large as `limit` or larger, or nan: without their signs, the bits of
 * floating-point numbers stand in the order of the numbers, inf and nan last. What is added carries into
 * the highest bit from the limit on. Whole numbers leave the floating-point flags alone, and every
 * compiler makes vectors of them. */
#define SEEN(name, bits_t)                                                                         \
    static int name(size_t n, const char *x, uint64_t limit) {                                     \
        const bits_t sign = (bits_t)1 << (8 * sizeof(bits_t) - 1), carry = sign - (bits_t)limit;   \
        bits_t seen = 0;                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            bits_t bits;                                                                           \
            memcpy(&bits, x + i * sizeof bits, sizeof bits);                                       \
            seen |= (bits & (sign - 1)) + carry;                                                   \
        }                                                                                          \
        return (seen & sign) != 0;                                                                 \
    }
SEEN(seen_f32, uint32_t)
SEEN(seen_f64, uint64_t)

#define INF_F32 0x7f800000u
#define INF_F64 0x7ff0000000000000u
#define ROUNDS_TO_INF_F32 0x47effffff0000000u /* 2^128 - 2^103 and more, which become inf in float32 */

typedef struct {
    dr_input x;
    size_t rows, cols, size;
    uint64_t limit;
    int (*seen)(size_t n, const char *x, uint64_t limit);
    _Atomic size_t first;
} search;

/* n numbers that follow each other, the first of them the place-th of all. */
static int found_in(search *s, const char *x, size_t n, size_t place) {
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t end = dr_min(at + BLOCK, n);
        if (!s->seen(end - at, x + at * s->size, s->limit)) continue;
        while (at + 1 < end && !s->seen(1, x + at * s->size, s->limit)) at++;
        size_t first = atomic_load(&s->first);
        while (place + at < first && !atomic_compare_exchange_weak(&s->first, &first, place + at)) {}
        return 1;
    }
    return 0;
}

static void search_share(void *context, int thread, int team) {
    search *s = context;
    size_t row, end;
    dr_share(s->rows, thread, team, &row, &end);
    const char *x = s->x.data;
    if (s->x.stride == (ptrdiff_t)(s->cols * s->size)) {
        found_in(s, x + row * s->cols * s->size, (end - row) * s->cols, row * s->cols);
        return;
    }
    while (row < end && !found_in(s, x + (ptrdiff_t)row * s->x.stride, s->cols, row * s->cols)) row++;
}

size_t dr_first_nonfinite(dr_dtype dt, size_t rows, size_t cols, dr_input x) {
    const size_t numbers = rows * cols;
    if (x.element == DR_UINT8 || numbers == 0) return numbers;
    search s = {x, rows, cols, dr_element_size(x.element), INF_F32, seen_f32, numbers};
    if (x.element == DR_FLOAT64)
        s.seen = seen_f64, s.limit = dt == DR_F32 ? ROUNDS_TO_INF_F32 : INF_F64;
    const int threads = dr_threads_for(AS_MULTIPLY_ADDS * (double)numbers, rows);
    if (dr_parallel_run(threads, search_share, &s) != DR_OK) search_share(&s, 0, 1);
    return atomic_load(&s.first);
}
