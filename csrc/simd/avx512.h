/* Comparisons, selection, FMA, square root and tails in AVX-512 (F, DQ, BW, VL). */
#include <immintrin.h>

#if DR_REAL_BITS == 32
typedef __mmask16 mask;
#define V512(op) _mm512_##op##_ps
#define V512_MASK(op) _mm512_##op##_ps_mask
#else
typedef __mmask8 mask;
#define V512(op) _mm512_##op##_pd
#define V512_MASK(op) _mm512_##op##_pd_mask
#endif

INLINE mask vgt(vec a, vec b) { return V512_MASK(cmp)(a, b, _CMP_GT_OQ); }
INLINE mask vlt(vec a, vec b) { return V512_MASK(cmp)(a, b, _CMP_LT_OQ); }
INLINE mask veq(vec a, vec b) { return V512_MASK(cmp)(a, b, _CMP_EQ_OQ); }
INLINE mask vless(ivec a, ivec b) {
#if DR_REAL_BITS == 32
    return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
#else
    return _mm512_cmplt_epi64_mask((__m512i)a, (__m512i)b);
#endif
}
INLINE lanes vproduct(lanes a, lanes b) { return (lanes)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
INLINE vec vselect(mask m, vec yes, vec no) { return V512(mask_blend)(m, no, yes); }
INLINE mask vfirst(size_t n) { return (mask)((1u << n) - 1u); }

INLINE vec vfma(vec a, vec b, vec c) { return V512(fmadd)(a, b, c); }
INLINE vec vsqrt(vec a) { return V512(sqrt)(a); }

/* the x86 minimum and maximum are a < b ? a : b and a > b ? a : b */
INLINE vec vmin(vec a, vec b) { return V512(min)(a, b); }
INLINE vec vmax(vec a, vec b) { return V512(max)(a, b); }
INLINE vec vscale(vec v, vec n) { return V512(scalef)(v, n); }

INLINE vec vload_n(const real *p, size_t n) { return V512(maskz_loadu)(vfirst(n), p); }
INLINE void vstore_n(real *p, vec v, size_t n) { V512(mask_storeu)(p, vfirst(n), v); }

/* masks may be full here */
INLINE vec vload_others(const void *p, size_t n) {
#if DR_REAL_BITS == 32
    const __m256 low = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd((__mmask8)vfirst(n), p));
    const __m256 high = _mm512_cvtpd_ps(
        _mm512_maskz_loadu_pd((__mmask8)(vfirst(n) >> 8), (const double *)p + 8));
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
#else
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(vfirst(n), p));
#endif
}
INLINE vec vload_bytes(const void *p, size_t n) {
    const __m128i bytes = _mm_maskz_loadu_epi8(vfirst(n), p);
#if DR_REAL_BITS == 32
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
#else
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(bytes));
#endif
}

#if DR_REAL_BITS == 32
INLINE vec vlefts(vec v) { return _mm512_moveldup_ps(v); }
INLINE vec vrights(vec v) { return _mm512_movehdup_ps(v); }
#else
INLINE vec vlefts(vec v) { return _mm512_movedup_pd(v); }
INLINE vec vrights(vec v) { return _mm512_permute_pd(v, 0xff); }
#endif
INLINE vec valternate(vec a, vec b) { return vselect((mask)0xaaaa, b, a); }

#if DR_REAL_BITS == 32
INLINE real vsum(vec v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
INLINE real vlargest(vec v) {
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}
#else
INLINE real vsum(vec v) {
    __m256d a = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}
INLINE real vlargest(vec v) {
    __m256d a = _mm256_max_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    __m128d b = _mm_max_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_max_sd(b, _mm_unpackhi_pd(b, b)));
}
#endif

/* Within 128-bit lanes by unpacking, then the lanes themselves. */
#if DR_REAL_BITS == 32
#define LANE 4
#define SHUFFLE_LANES(a, b, how) _mm512_shuffle_f32x4(a, b, how)
#else
#define LANE 2
#define SHUFFLE_LANES(a, b, how) _mm512_shuffle_f64x2(a, b, how)
#endif
INLINE void vtranspose(vec r[VL]) {
    vec t[VL];
    UNROLL for (size_t i = 0; i < VL; i += 2) {
        t[i] = V512(unpacklo)(r[i], r[i + 1]);
        t[i + 1] = V512(unpackhi)(r[i], r[i + 1]);
    }
#if DR_REAL_BITS == 32
    vec u[VL];
    UNROLL for (size_t i = 0; i < VL; i += 4) {
        UNROLL for (size_t j = 0; j < 2; j++) {
            const __m512d a = (__m512d)t[i + j], b = (__m512d)t[i + j + 2];
            u[i + 2 * j] = (vec)_mm512_unpacklo_pd(a, b);
            u[i + 2 * j + 1] = (vec)_mm512_unpackhi_pd(a, b);
        }
    }
    UNROLL for (size_t i = 0; i < VL; i++) t[i] = u[i];
#endif
    UNROLL for (size_t j = 0; j < LANE; j++) {
        const vec a = SHUFFLE_LANES(t[j], t[LANE + j], 0x88);
        const vec b = SHUFFLE_LANES(t[2 * LANE + j], t[3 * LANE + j], 0x88);
        const vec c = SHUFFLE_LANES(t[j], t[LANE + j], 0xdd);
        const vec d = SHUFFLE_LANES(t[2 * LANE + j], t[3 * LANE + j], 0xdd);
        r[j] = SHUFFLE_LANES(a, b, 0x88);
        r[LANE + j] = SHUFFLE_LANES(c, d, 0x88);
        r[2 * LANE + j] = SHUFFLE_LANES(a, b, 0xdd);
        r[3 * LANE + j] = SHUFFLE_LANES(c, d, 0xdd);
    }
}
