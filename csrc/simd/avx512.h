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
INLINE vec vselect(mask m, vec yes, vec no) { return V512(mask_blend)(m, no, yes); }
INLINE mask vfirst(size_t n) { return (mask)((1u << n) - 1u); }

INLINE vec vfma(vec a, vec b, vec c) { return V512(fmadd)(a, b, c); }
INLINE vec vsqrt(vec a) { return V512(sqrt)(a); }

INLINE vec vload_n(const real *p, size_t n) { return V512(maskz_loadu)(vfirst(n), p); }
INLINE void vstore_n(real *p, vec v, size_t n) { V512(mask_storeu)(p, vfirst(n), v); }
