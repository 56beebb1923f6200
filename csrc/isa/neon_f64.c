#define DR_SIMD_NEON
#define DR_REAL_BITS 64
#define DR_TABLE dr_kernels_neon_f64
#include "kernels/kernels.inc"
