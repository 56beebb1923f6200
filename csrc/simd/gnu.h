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

INLINE vec vload_n(const real *p, size_t n) {
    vec v = vset(0);
    memcpy(&v, p, n * sizeof(real));
    return v;
}

INLINE void vstore_n(real *p, vec v, size_t n) { memcpy(p, &v, n * sizeof(real)); }
