/* How the host's side is measured: processor time of the thread, medians. */
#include <stdlib.h>
#include <time.h>

/* Nanoseconds. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *samples, int count) {
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}
