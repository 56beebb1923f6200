/* The vector vocabulary: every kernel is written in these words, and only here are there intrinsics.
 *
 * An instantiation file (in isa/) defines DR_REAL_BITS (32 or 64) and DR_SIMD_<ISA>. Vectors are GNU
 * vectors, so + - * / and the bit operators work on them as on numbers; what C has no operator for
 * has a name here:
 *   real, vec, VL          element, vector, elements in a vector
 *   ivec, uvec, mask       integers of the same width, with and without a sign; the result of a
 *                          comparison
 *   UNIT, UV               elements in 64 bytes, and vectors in a unit. A unit is what all ISAs agree
 *                          on: layouts are in units, and so are the partial sums of a reduction
 *   vfma(a, b, c)          a*b + c, rounded once (generic x86 without FMA: twice, outside the
 *                          promise of the same bits)
 *   vmin(a, b), vmax(a, b) a < b ? a : b and a > b ? a : b, so that NaN in b stays
 *   vscale(v, n)           v 2^n for whole n, rounded once; n within twice the exponents there are
 *   words, lanes           as many 32-bit numbers with a sign, and 64-bit ones without, as fit in a vec
 *   vproduct(a, b)         of the lower halves of lanes, whole
 *   vpart(w, i)            words as integers of the width of real: vector i of WORD_VECS
 *   vwhole(n)              whole numbers of at most 2^31 in magnitude as the nearest real ones
 *   vless(a, b)            a < b of integers
 *   vsum, vlargest         of the lanes, halves onto halves
 *   vlefts(v), vrights(v)  the left, or right, one of every two lanes in both of them
 *   valternate(a, b)       left lanes of a, right lanes of b
 *   vtranspose(r)          of VL vectors, in place
 *   vload_n, vstore_n      the first n < VL elements; the rest reads as zero, is not written
 *   vload_reals, vload_others, vload_bytes   the first n <= VL numbers of the type real, of the other
 *                          one (float or double), or of uint8_t, each as the nearest real; the rest
 *                          reads as zero
 *   prefetch(p)            a hint, p may point anywhere: wanted at once, or (prefetch_far) after some
 *                          hundred cycles, which is a matter for the second-level cache
 */
#ifndef DR_SIMD_H
#define DR_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if DR_REAL_BITS == 32
typedef float real;
typedef int32_t integer;
typedef uint32_t natural;
#define DR_EXPONENT_BITS 8
#define DR_MANTISSA_BITS 23
#define DR_TINY 0x1p-100f /* smaller errors and optimizer state become +0; see docs/numerics.md */
#define DR_ROUNDER 0x1.8p23f /* adding and subtracting it rounds to a whole number, which is then in
                                the low bits of the sum */
#else
typedef double real;
typedef int64_t integer;
typedef uint64_t natural;
#define DR_EXPONENT_BITS 11
#define DR_MANTISSA_BITS 52
#define DR_TINY 0x1p-1000
#define DR_ROUNDER 0x1.8p52
#endif

#define DR_EXPONENT_BIAS ((integer)((1 << (DR_EXPONENT_BITS - 1)) - 1))

#define INLINE static inline __attribute__((always_inline, unused))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(DR_SIMD_AVX512)
#define VBYTES 64
#elif defined(DR_SIMD_AVX2)
#define VBYTES 32
#else
#define VBYTES 16
#endif

#define VL ((size_t)(VBYTES / sizeof(real)))
#define UNIT ((size_t)(64 / sizeof(real)))
#define UV (64 / VBYTES)
#define WORD_VECS (DR_REAL_BITS / 32)

typedef real vec __attribute__((vector_size(VBYTES)));
typedef integer ivec __attribute__((vector_size(VBYTES)));
typedef natural uvec __attribute__((vector_size(VBYTES)));
typedef int32_t words __attribute__((vector_size(VBYTES)));
typedef uint64_t lanes __attribute__((vector_size(VBYTES)));
typedef real vec_unaligned __attribute__((vector_size(VBYTES), aligned(sizeof(real)), may_alias));

INLINE void prefetch(const void *p) { __builtin_prefetch(p); }
INLINE vec vload(const real *p) { return *(const vec_unaligned *)p; }
INLINE void vstore(real *p, vec v) { *(vec_unaligned *)p = v; }
INLINE void prefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }
INLINE vec vset(real a) { return a - (vec){0}; }
INLINE ivec viset(integer a) { return a - (ivec){0}; }
INLINE ivec vbits(vec v) { return (ivec)v; }
INLINE vec vreal(ivec v) { return (vec)v; }

#if defined(DR_SIMD_AVX512)
#include "simd/avx512.h"
#else
#include "simd/gnu.h"
#endif

#if DR_REAL_BITS == 32
INLINE ivec vpart(words w, size_t i) {
    (void)i;
    return w;
}
INLINE vec vwhole(ivec n) { return __builtin_convertvector(n, vec); }
#else
INLINE ivec vpart(words w, size_t i) {
    typedef int32_t half __attribute__((vector_size(VBYTES / 2)));
    half h;
    memcpy(&h, (const char *)&w + i * sizeof h, sizeof h);
    return __builtin_convertvector(h, ivec);
}
INLINE vec vwhole(ivec n) { return vreal(n + vbits(vset(DR_ROUNDER))) - vset(DR_ROUNDER); }
#endif

INLINE vec vload_reals(const void *p, size_t n) { return n == VL ? vload(p) : vload_n(p, n); }
INLINE vec vabs(vec v) { return vreal(vbits(v) & viset((integer)(~(uint64_t)0 >> (65 - DR_REAL_BITS)))); }
/* |v| < DR_TINY becomes +0; NaN stays */
INLINE vec vflush(vec v) { return vselect(vlt(vabs(v), vset(DR_TINY)), vset(0), v); }
INLINE real flush(real x) { return x < DR_TINY && x > -DR_TINY ? 0 : x; }

/* The one order in which the lanes of a unit are added: halves onto halves. */
INLINE real unit_sum(const vec part[UV]) {
    vec p[UV];
    for (int v = 0; v < UV; v++) p[v] = part[v];
    for (int s = UV / 2; s; s /= 2)
        for (int v = 0; v < s; v++) p[v] = p[v] + p[v + s];
    return vsum(p[0]);
}

INLINE real unit_max(const vec part[UV]) {
    vec p[UV];
    for (int v = 0; v < UV; v++) p[v] = part[v];
    for (int s = UV / 2; s; s /= 2)
        for (int v = 0; v < s; v++) p[v] = vmax(p[v], p[v + s]);
    return vlargest(p[0]);
}

#endif
