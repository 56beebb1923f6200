/* Comparisons, selection, FMA, square root and tails on GNU vectors: generic, NEON and AVX2.
 * What a compiler does not find by itself has an intrinsic. */
#if defined(DR_SIMD_AVX2)
#include <immintrin.h>
#elif defined(DR_SIMD_NEON)
#include <arm_neon.h>
#endif

typedef ivec mask;

INLINE mask vgt(vec a, vec b) { return (mask)(a > b); }
INLINE mask vlt(vec a, vec b) { return (mask)(a < b); }
INLINE mask veq(vec a, vec b) { return (mask)(a == b); }
INLINE mask vless(ivec a, ivec b) { return (mask)(a < b); }
INLINE lanes vproduct(lanes a, lanes b) {
#if defined(DR_SIMD_AVX2)
    return (lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(DR_SIMD_NEON)
    return (lanes)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}
INLINE vec vselect(mask m, vec yes, vec no) {
    return vreal((m & vbits(yes)) | (~m & vbits(no)));
}

/* lanes 0 .. n-1 set */
INLINE mask vfirst(size_t n) {
    ivec lane;
    for (size_t j = 0; j < VL; j++) lane[j] = (integer)j;
    return (mask)(lane < viset((integer)n));
}

INLINE vec vfma(vec a, vec b, vec c) {
#if defined(DR_SIMD_AVX2) && DR_REAL_BITS == 32
    return _mm256_fmadd_ps(a, b, c);
#elif defined(DR_SIMD_AVX2)
    return _mm256_fmadd_pd(a, b, c);
#elif defined(DR_SIMD_NEON) && DR_REAL_BITS == 32
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(DR_SIMD_NEON)
    return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    for (size_t j = 0; j < VL; j++)
        c[j] = DR_REAL_BITS == 32 ? (real)__builtin_fmaf((float)a[j], (float)b[j], (float)c[j])
                                  : (real)__builtin_fma(a[j], b[j], c[j]);
    return c;
#else
    return a * b + c;
#endif
}

INLINE vec vsqrt(vec a) {
#if defined(DR_SIMD_AVX2) && DR_REAL_BITS == 32
    return _mm256_sqrt_ps(a);
#elif defined(DR_SIMD_AVX2)
    return _mm256_sqrt_pd(a);
#elif defined(DR_SIMD_NEON) && DR_REAL_BITS == 32
    return (vec)vsqrtq_f32((float32x4_t)a);
#elif defined(DR_SIMD_NEON)
    return (vec)vsqrtq_f64((float64x2_t)a);
#else
    for (size_t j = 0; j < VL; j++)
        a[j] = DR_REAL_BITS == 32 ? (real)__builtin_sqrtf((float)a[j]) : (real)__builtin_sqrt(a[j]);
    return a;
#endif
}

/* the x86 minimum and maximum are a < b ? a : b and a > b ? a : b */
#if defined(DR_SIMD_AVX2) && DR_REAL_BITS == 32
INLINE vec vmin(vec a, vec b) { return _mm256_min_ps(a, b); }
INLINE vec vmax(vec a, vec b) { return _mm256_max_ps(a, b); }
#elif defined(DR_SIMD_AVX2)
INLINE vec vmin(vec a, vec b) { return _mm256_min_pd(a, b); }
INLINE vec vmax(vec a, vec b) { return _mm256_max_pd(a, b); }
#else
INLINE vec vmin(vec a, vec b) { return vselect(vlt(a, b), a, b); }
INLINE vec vmax(vec a, vec b) { return vselect(vgt(a, b), a, b); }
#endif

/* By half of n and by the rest: 2^n itself may be out of range where v 2^n is not, and the first
 * product is exact. */
INLINE vec vscale(vec v, vec n) {
    const ivec whole = vbits(n + vset(DR_ROUNDER)) - vbits(vset(DR_ROUNDER)), half = whole >> 1;
    const ivec bias = viset(DR_EXPONENT_BIAS);
    v = v * vreal((half + bias) << DR_MANTISSA_BITS);
    return v * vreal((whole - half + bias) << DR_MANTISSA_BITS);
}

INLINE vec vload_n(const real *p, size_t n) {
    vec v = vset(0);
    memcpy(&v, p, n * sizeof(real));
    return v;
}

INLINE vec vload_others(const void *p, size_t n) {
#if DR_REAL_BITS == 32
    typedef double other;
#else
    typedef float other;
#endif
    typedef other others __attribute__((vector_size(VL * sizeof(other))));
    others v = {0};
    memcpy(&v, p, n * sizeof(other));
    return __builtin_convertvector(v, vec);
}

INLINE vec vload_bytes(const void *p, size_t n) {
    typedef uint8_t bytes __attribute__((vector_size(VL)));
    bytes v = {0};
    memcpy(&v, p, n);
#if defined(DR_SIMD_AVX2) && DR_REAL_BITS == 32
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)v)));
#elif defined(DR_SIMD_AVX2)
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)v)));
#else /* step by step: of a longer way, gcc 12 makes single numbers */
    typedef uint16_t halves __attribute__((vector_size(VL * 2)));
    typedef int32_t ints __attribute__((vector_size(VL * 4)));
    const halves wide = __builtin_convertvector(v, halves);
    return __builtin_convertvector(__builtin_convertvector(wide, ints), vec);
#endif
}

INLINE void vstore_n(real *p, vec v, size_t n) { memcpy(p, &v, n * sizeof(real)); }

INLINE real vsum(vec v) {
    for (size_t s = VL / 2; s; s /= 2)
        for (size_t j = 0; j < s; j++) v[j] += v[j + s];
    return v[0];
}

INLINE real vlargest(vec v) {
    for (size_t s = VL / 2; s; s /= 2)
        for (size_t j = 0; j < s; j++) v[j] = v[j] > v[j + s] ? v[j] : v[j + s];
    return v[0];
}

INLINE vec vlefts(vec v) {
    for (size_t j = 0; j < VL; j += 2) v[j + 1] = v[j];
    return v;
}
INLINE vec vrights(vec v) {
    for (size_t j = 0; j < VL; j += 2) v[j] = v[j + 1];
    return v;
}
INLINE vec valternate(vec a, vec b) {
    for (size_t j = 0; j < VL; j += 2) b[j] = a[j];
    return b;
}

#if defined(DR_SIMD_AVX2) && DR_REAL_BITS == 32
/* Within 128-bit lanes by unpacking, then the lanes themselves. */
INLINE void vtranspose(vec r[VL]) {
    vec t[VL];
    UNROLL for (size_t i = 0; i < VL; i += 4)
        UNROLL for (size_t j = 0; j < 2; j++) {
            const vec a = r[i + 2 * j], b = r[i + 2 * j + 1];
            t[i + j] = _mm256_unpacklo_ps(a, b);
            t[i + j + 2] = _mm256_unpackhi_ps(a, b);
        }
    UNROLL for (size_t j = 0; j < 2; j++)
        UNROLL for (size_t i = 0; i < 2; i++) {
            const __m256d a = (__m256d)t[2 * i], b = (__m256d)t[2 * i + 1];
            const __m256d c = (__m256d)t[2 * i + 4], d = (__m256d)t[2 * i + 5];
            const vec upper = (vec)(j ? _mm256_unpackhi_pd(a, b) : _mm256_unpacklo_pd(a, b));
            const vec lower = (vec)(j ? _mm256_unpackhi_pd(c, d) : _mm256_unpacklo_pd(c, d));
            r[2 * i + j] = _mm256_permute2f128_ps(upper, lower, 0x20);
            r[2 * i + j + 4] = _mm256_permute2f128_ps(upper, lower, 0x31);
        }
}
#elif defined(DR_SIMD_AVX2)
INLINE void vtranspose(vec r[VL]) {
    const vec a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    const vec c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
#else
INLINE void vtranspose(vec r[VL]) {
    for (size_t i = 0; i < VL; i++)
        for (size_t j = i + 1; j < VL; j++) {
            const real swap = r[i][j];
            r[i][j] = r[j][i];
            r[j][i] = swap;
        }
}
#endif
