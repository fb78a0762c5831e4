/* matrix: floating point.  A matrix product, square roots, fused multiply-add,
 * conversions and the four rounding modes, all shown as exact bits.  The product
 * of NaN payloads is left out: processors differ there.
 *   usage: matrix [N] */
#include "common.h"
#include <fenv.h>
#include <math.h>

static uint64_t bits(double d) { uint64_t u; memcpy(&u, &d, 8); return u; }
static uint32_t bits32(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

/* Through a volatile, so that the compiler computes nothing ahead of time. */
static double opaque(double d) { volatile double v = d; return v; }

static void show(const char *what, double d) {
    printf("%-22s %016llx %.17g\n", what, (unsigned long long)bits(d), d);
}

int main(int argc, char **argv) {
    long n = size_arg(argc, argv, 48);
    uint64_t sum = SUM_START;
    double *a = malloc(n * n * sizeof *a), *b = malloc(n * n * sizeof *b), *c = malloc(n * n * sizeof *c);
    CHECK(a && b && c);
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) {
            a[i * n + j] = 1.0 / (double)(i + j + 1);       /* Hilbert's matrix */
            b[i * n + j] = sqrt((double)(i * n + j)) - (double)j;
        }
    for (long i = 0; i < n; i++)
        for (long j = 0; j < n; j++) {
            double t = 0;
            for (long k = 0; k < n; k++) t += a[i * n + k] * b[k * n + j];
            c[i * n + j] = t;
            sum = sum_word(sum, bits(t));
        }
    double trace = 0, fused = 0;
    float single = 0;
    for (long i = 0; i < n; i++) {
        trace += c[i * n + i];
        fused = fma(c[i * n + i], a[i], fused);
        single += (float)c[i * n + i] / 3.0f;
    }
    show("trace", trace);
    show("fused", fused);
    printf("%-22s %08x\n", "single", bits32(single));
    sum = sum_word(sum, bits(fused) ^ bits32(single));

    /* fma keeps the bits which a separate product loses. */
    double x = opaque(1.0 + 0x1p-30);
    show("x*x-1 separate", x * x - 1.0);
    show("x*x-1 fused", fma(x, x, -1.0));
    show("sqrt(2)", sqrt(opaque(2.0)));
    show("smallest/3", opaque(0x1p-1022) / 3.0);            /* a subnormal */
    show("1/-0", 1.0 / opaque(-0.0));
    show("-0.0 + 0.0", opaque(-0.0) + 0.0);
    printf("nan compares %d %d, isnan %d\n", opaque(NAN) < 1.0, opaque(NAN) != opaque(NAN),
           isnan(opaque(INFINITY) - opaque(INFINITY)) != 0);

    /* Conversions, all within range of the type they go to. */
    printf("to int %d %ld %lu %d\n", (int)opaque(-2.9), (long)opaque(9007199254740993.0),
           (unsigned long)opaque(1.8e19), (int)(float)opaque(16777217.0));
    show("from int64", (double)(long)(opaque(0) + 9007199254740993l));
    show("from uint64", (double)(0xfffffffffffffbffull + (unsigned long)opaque(0)));
    printf("%-22s %08x\n", "double to float", bits32((float)opaque(0.1)));

    /* Rounding modes, which both C libraries offer. */
    static const int mode[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    static const char *const name[] = {"nearest", "zero", "up", "down"};
    for (int i = 0; i < 4; i++) {
        CHECK(fesetround(mode[i]) == 0 && fegetround() == mode[i]);
        double third = opaque(1.0) / opaque(-3.0), r = rint(opaque(2.5)), q = rint(opaque(-2.5));
        long l = lrint(opaque(3.5));
        float f = (float)opaque(0.1);
        fesetround(FE_TONEAREST);
        printf("round %-8s %016llx %g %g %ld %08x\n", name[i], (unsigned long long)bits(third), r, q, l, bits32(f));
        sum = sum_word(sum, bits(third) + bits32(f) + (uint64_t)l);
    }
    feclearexcept(FE_ALL_EXCEPT);
    volatile double sink = opaque(1.0) / opaque(0.0);
    printf("divide by zero raised %d, inexact raised %d\n", fetestexcept(FE_DIVBYZERO) != 0,
           fetestexcept(FE_INEXACT) != 0);
    sink = opaque(1.0) / opaque(3.0);
    printf("inexact raised %d\n", fetestexcept(FE_INEXACT) != 0);
    (void)sink;
    free(a); free(b); free(c);
    return finish("matrix", sum);
}
