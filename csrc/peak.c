/* The speed limit that a share of peak refers to, of an instruction set and one thread. */
#include "clock.h"
#include "deltarule.h"
#include "kernels/kernels.h"

#define ROUNDS 2000 /* some 10 us between two looks at the clock */

double dr_peak(int isa, dr_dtype dt, double seconds) {
    const dr_kernels *k = dr_kernels_of(isa, dt);
    _Alignas(64) union {
        float f32[16];
        double f64[8];
    } sink;
    double best = 0;
    const double end = dr_now() + seconds;
    for (double now = dr_now(); now < end || best == 0;) {
        if (dt == DR_F32)
            sink.f32[0] = 0.5f, sink.f32[1] = 1;
        else
            sink.f64[0] = 0.5, sink.f64[1] = 1;
        const double began = now, multiply_adds = k->peak(ROUNDS, &sink);
        now = dr_now();
        if (now > began && multiply_adds / (now - began) > best) best = multiply_adds / (now - began);
    }
    return 2 * best;
}
