/* Which instruction set runs: one ordered list, best first; the first that the processor has is
 * taken until another is selected. setup.py defines DR_HAVE_<ISA> for what it has compiled. */
#include <stdatomic.h>

#include "deltarule.h"
#include "kernels/kernels.h"

#define TABLES(isa) extern const dr_kernels dr_kernels_##isa##_f32, dr_kernels_##isa##_f64;
TABLES(generic)
#ifdef DR_HAVE_AVX2
TABLES(avx2)
TABLES(avx512)
#endif
#ifdef DR_HAVE_NEON
TABLES(neon)
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define GENERIC_HAS_FMA 1
#else
#define GENERIC_HAS_FMA 0
#endif

#ifdef DR_HAVE_AVX2
static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
static int always(void) { return 1; }

static const struct {
    const char *name;
    int (*supported)(void);
    int keeps_bits;
    const dr_kernels *tables[DR_N_DTYPES];
} ISAS[] = {
#ifdef DR_HAVE_AVX2
    {"avx512", has_avx512, 1, {&dr_kernels_avx512_f32, &dr_kernels_avx512_f64}},
    {"avx2", has_avx2, 1, {&dr_kernels_avx2_f32, &dr_kernels_avx2_f64}},
#endif
#ifdef DR_HAVE_NEON
    {"neon", always, 1, {&dr_kernels_neon_f32, &dr_kernels_neon_f64}},
#endif
    {"generic", always, GENERIC_HAS_FMA, {&dr_kernels_generic_f32, &dr_kernels_generic_f64}},
};

static atomic_int selected = -1;

int dr_isa_count(void) { return (int)(sizeof ISAS / sizeof *ISAS); }
const char *dr_isa_name(int isa) { return ISAS[isa].name; }
int dr_isa_supported(int isa) { return ISAS[isa].supported() != 0; }
int dr_isa_keeps_bits(int isa) { return ISAS[isa].keeps_bits; }

int dr_isa_current(void) {
    int isa = atomic_load_explicit(&selected, memory_order_relaxed);
    if (isa < 0) {
        for (isa = 0; !dr_isa_supported(isa);) isa++; /* generic, the last, always is */
        atomic_store(&selected, isa);
    }
    return isa;
}

void dr_isa_select(int isa) { atomic_store(&selected, isa); }

const dr_kernels *dr_kernels_of(int isa, dr_dtype dt) { return ISAS[isa].tables[dt]; }
const dr_kernels *dr_kernels_for(dr_dtype dt) { return dr_kernels_of(dr_isa_current(), dt); }
