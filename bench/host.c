/* The same operations on the host's Linux, for comparison: one line each, a name and nanoseconds.
 * Processor time of the calling thread; medians.  Transparent huge pages are off. */
#define _GNU_SOURCE
#include "host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096l
#define SAMPLES 21

static void report(const char *name, double *samples) {
    printf("%s\t%.1f\n", name, median(samples, SAMPLES));
}

static volatile char *map(long pages) {
    void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(1); }
    return p;
}

static void touch(volatile char *p, long pages) {
    for (long i = 0; i < pages; i++) p[i * PAGE] = (char)i;
}

/* A child that holds its copy until it is told to go. */
static pid_t child_of(int gate[2]) {
    if (pipe(gate) != 0) { perror("pipe"); exit(1); }
    pid_t pid = fork();
    if (pid < 0) { perror("fork"); exit(1); }
    if (pid == 0) {
        char c;
        close(gate[1]);
        if (read(gate[0], &c, 1) < 0) _exit(1);
        _exit(0);
    }
    return pid;
}

static void release(int gate[2], pid_t pid) {
    close(gate[0]);
    close(gate[1]);
    waitpid(pid, NULL, 0);
}

int main(void) {
    double samples[SAMPLES];
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);

    for (int s = 0; s < SAMPLES; s++) {
        const long pages = 10000;
        volatile char *p = map(pages);
        for (long i = 0; i < pages; i += 256) p[i * PAGE] = 1;
        double start = now();
        touch(p, pages);
        samples[s] = (now() - start) / (pages - (pages + 255) / 256);
        munmap((void *)p, pages * PAGE);
    }
    report("zero-fill fault", samples);

    for (int s = 0; s < SAMPLES; s++) {
        const long pages = 4000;
        int gate[2];
        volatile char *p = map(pages);
        touch(p, pages);
        pid_t pid = child_of(gate);
        double start = now();
        touch(p, pages);
        samples[s] = (now() - start) / pages;
        release(gate, pid);
        munmap((void *)p, pages * PAGE);
    }
    report("copy-on-write fault", samples);

    for (int s = 0; s < SAMPLES; s++) {
        double start = now();
        for (int i = 0; i < 2000; i++) munmap((void *)map(1), PAGE);
        samples[s] = (now() - start) / 2000;
    }
    report("map and unmap", samples);

    for (int s = 0; s < SAMPLES; s++) {
        double start = now();
        for (int i = 0; i < 2000; i++) {
            volatile char *p = map(1);
            *p = 1;
            munmap((void *)p, PAGE);
        }
        samples[s] = (now() - start) / 2000;
    }
    report("map, store, unmap", samples);

    for (int s = 0; s < SAMPLES; s++) {
        double start = now();
        for (int i = 0; i < 2000; i++) {
            volatile char *p = map(4);
            touch(p, 4);
            munmap((void *)p, 4 * PAGE);
        }
        samples[s] = (now() - start) / 2000;
    }
    report("map, touch four, unmap", samples);

    static const long sizes[] = {100, 1000, 10000, 50000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        char name[32];
        volatile char *p = map(sizes[k]);
        touch(p, sizes[k]);
        for (int s = 0; s < SAMPLES; s++) {
            double start = now();
            pid_t pid = fork();
            samples[s] = now() - start;
            if (pid == 0) _exit(0);
            if (pid < 0) { perror("fork"); return 1; }
            waitpid(pid, NULL, 0);
            touch(p, sizes[k]);
        }
        munmap((void *)p, sizes[k] * PAGE);
        snprintf(name, sizeof name, "fork %ld", sizes[k]);
        report(name, samples);
    }
    return 0;
}
