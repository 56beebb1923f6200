#define DR_SIMD_GENERIC
#define DR_REAL_BITS 32
#define DR_TABLE dr_kernels_generic_f32
#include "kernels/kernels.inc"
