#define DR_SIMD_AVX2
#define DR_REAL_BITS 64
#define DR_TABLE dr_kernels_avx2_f64
#include "kernels/kernels.inc"
