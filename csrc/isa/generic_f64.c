#define DR_SIMD_GENERIC
#define DR_REAL_BITS 64
#define DR_TABLE dr_kernels_generic_f64
#include "kernels/kernels.inc"
