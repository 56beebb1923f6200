#define DR_SIMD_AVX512
#define DR_REAL_BITS 32
#define DR_TABLE dr_kernels_avx512_f32
#include "kernels/kernels.inc"
