/* Elementary functions of one number, for what is computed once a step or once a random number. Only
 * + - * / and what is exact (frexp, ldexp, floor), in an order that src/deltarule/_scalar.py repeats: C and
 * numpy give the same bits. */
#ifndef DR_SCALAR_H
#define DR_SCALAR_H

#include <math.h>
#include <stdint.h>

#define DR_LN2 0.69314718055994531
#define DR_TWO_PI 6.283185307179586

/* Natural logarithm of a normal number x > 0: 2 atanh((m - 1)/(m + 1)) of the mantissa m in [.707, 1.414]. */
static inline double dr_log(double x) {
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752) {
        m *= 2;
        e -= 1;
    }
    const double s = (m - 1) / (m + 1), z = s * s;
    double p = 1.0 / 23;
    for (int k = 9; k >= 0; k--) p = p * z + 1.0 / (2 * k + 3);
    const double t = 2 * s;
    return e * DR_LN2 + (t + t * (z * p));
}

/* x = n ln 2 + r, |r| <= ln(2)/2: Taylor series of degree 13. n times the first part of ln 2 is exact. */
static inline double dr_exp(double x) {
    static const double C[] = { /* 1/k!, k = 2 .. 13 */
        1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
        1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,
    };
    if (x < -745) return 0;
    if (x > 709) return HUGE_VAL;
    const double n = floor(x * 1.4426950408889634 + 0.5);
    const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    double p = C[11];
    for (int k = 10; k >= 0; k--) p = p * r + C[k];
    return ldexp(1 + (r + r * r * p), (int)n);
}

/* cos and sin of 2 pi u: Taylor series on an eighth of the circle, then quarter turns. */
static inline void dr_circle(double u, double *cosine, double *sine) {
    static const double S[] = {
        -1.0 / 6,        1.0 / 120,        -1.0 / 5040,         1.0 / 362880,
        -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000,
    };
    static const double C[] = {
        -1.0 / 2,       1.0 / 24,        -1.0 / 720,         1.0 / 40320,
        -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000,
    };
    const double q = floor(4 * u + 0.5), a = (u - q * 0.25) * DR_TWO_PI, a2 = a * a;
    double ps = S[7], pc = C[7];
    for (int k = 6; k >= 0; k--) {
        ps = ps * a2 + S[k];
        pc = pc * a2 + C[k];
    }
    const double s = a + a * (a2 * ps), c = 1 + a2 * pc;
    switch ((int)q & 3) {
    case 0: *cosine = c, *sine = s; break;
    case 1: *cosine = -s, *sine = c; break;
    case 2: *cosine = -c, *sine = -s; break;
    default: *cosine = s, *sine = -c;
    }
}

/* base^n by repeated squaring; no branch on the bits of n, which change with every step. */
static inline double dr_power(double base, uint64_t n) {
    double result = 1;
    for (; n; n >>= 1, base *= base) {
        const double factor[2] = {1, base};
        result *= factor[n & 1];
    }
    return result;
}

#endif
