/* Random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", 2011), with uniform, normal and permutation on top. Only integer arithmetic and
 * + - * / sqrt in double, in an order that reference/random.py repeats: both give the same bits. */
#include "ops/ops.h"
#include "scalar.h"

typedef struct {
    uint32_t word[4];
} block;

static block philox(dr_stream s, uint64_t index) {
    uint32_t k0 = (uint32_t)s.seed, k1 = (uint32_t)(s.seed >> 32);
    block b = {{(uint32_t)index, (uint32_t)s.purpose << 24 | s.layer, (uint32_t)s.step,
                (uint32_t)(s.step >> 32)}};
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53 * b.word[0];
        const uint64_t p1 = (uint64_t)0xCD9E8D57 * b.word[2];
        b = (block){{(uint32_t)(p1 >> 32) ^ b.word[1] ^ k0, (uint32_t)p1,
                     (uint32_t)(p0 >> 32) ^ b.word[3] ^ k1, (uint32_t)p0}};
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return b;
}

void dr_random_bits(dr_stream s, size_t n, uint32_t *out) {
    for (size_t i = 0; i < n; i += 4) {
        const block b = philox(s, i / 4);
        for (size_t j = 0; j < 4 && i + j < n; j++) out[i + j] = b.word[j];
    }
}

static double unit_interval(uint32_t high, uint32_t low) {
    return ((high >> 5) * 67108864.0 + (low >> 6)) * 0x1p-53;
}

void dr_random_uniform(dr_stream s, size_t n, double *out) {
    for (size_t i = 0; i < n; i += 2) {
        const block b = philox(s, i / 2);
        out[i] = unit_interval(b.word[0], b.word[1]);
        if (i + 1 < n) out[i + 1] = unit_interval(b.word[2], b.word[3]);
    }
}

/* Box and Muller, 1958: a pair of normals from a pair of uniforms. */
void dr_random_normal(dr_stream s, size_t n, double *out) {
    for (size_t i = 0; i < n; i += 2) {
        const block b = philox(s, i / 2);
        const double u1 = 1 - unit_interval(b.word[0], b.word[1]);
        const double u2 = unit_interval(b.word[2], b.word[3]);
        const double radius = sqrt(-2 * dr_log(u1));
        double cosine, sine;
        dr_circle(u2, &cosine, &sine);
        out[i] = radius * cosine;
        if (i + 1 < n) out[i + 1] = radius * sine;
    }
}

/* (u * n) >> 64 */
static uint64_t scaled(uint64_t u, uint64_t n) {
    const uint64_t u1 = u >> 32, u0 = (uint32_t)u, n1 = n >> 32, n0 = (uint32_t)n;
    const uint64_t middle = u1 * n0 + (u0 * n0 >> 32);
    const uint64_t other = u0 * n1 + (uint32_t)middle;
    return u1 * n1 + (middle >> 32) + (other >> 32);
}

/* Fisher and Yates, from the last element down; element i draws the words of its own index: of block i / 2
 * the first two, or the others. Some blocks are computed at once. */
#define BLOCKS 16

void dr_random_permutation(dr_stream s, size_t n, int64_t *out) {
    const dr_kernels *k = dr_kernels_for(DR_F32);
    uint64_t pairs[2][BLOCKS];
    for (size_t i = 0; i < n; i++) out[i] = (int64_t)i;
    for (size_t i = n ? n - 1 : 0; i > 0;) {
        const size_t first = i / 2 < BLOCKS ? 0 : i / 2 + 1 - BLOCKS;
        k->philox(s, first, BLOCKS, pairs[0], pairs[1]);
        for (; i > 0 && i / 2 >= first; i--) {
            const uint64_t pair = pairs[i % 2][i / 2 - first];
            const size_t j = (size_t)scaled(pair << 32 | pair >> 32, (uint64_t)i + 1);
            const int64_t swap = out[i];
            out[i] = out[j];
            out[j] = swap;
        }
    }
}
