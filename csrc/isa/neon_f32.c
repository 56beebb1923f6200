#define DR_SIMD_NEON
#define DR_REAL_BITS 32
#define DR_TABLE dr_kernels_neon_f32
#include "kernels/kernels.inc"
