/* What the demonstration programs share: a size argument, a seeded generator,
 * a checksum, and a check that ends the program with exit code 1. */
#ifndef PAGEWRIGHT_COMMON_H
#define PAGEWRIGHT_COMMON_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

/* End with a message when something that must hold does not. */
#define CHECK(cond)                                                        \
    do {                                                                   \
        if (!(cond)) {                                                     \
            printf("FAILED %s line %d: %s\n", __FILE__, __LINE__, #cond);  \
            fflush(stdout);                                                \
            _exit(1);                                                      \
        }                                                                  \
    } while (0)

static inline long size_arg(int argc, char **argv, long otherwise) {
    if (argc < 2) return otherwise;
    char *end;
    long n = strtol(argv[1], &end, 10);
    if (*argv[1] == '\0' || *end != '\0' || n < 1) {
        fprintf(stderr, "the size must be a positive decimal number\n");
        exit(2);
    }
    return n;
}

/* xorshift64*: the same sequence everywhere. */
static inline uint64_t rng_next(uint64_t *s) {
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 2685821657736338717ull;
}

/* FNV-1a, over bytes and over whole words. */
#define SUM_START 14695981039346656037ull
#define SUM_PRIME 1099511628211ull

static inline uint64_t sum_word(uint64_t sum, uint64_t w) {
    return (sum ^ w ^ (w >> 32)) * SUM_PRIME;
}

static inline uint64_t sum_bytes(uint64_t sum, const void *p, size_t n) {
    const unsigned char *b = p;
    while (n--) sum = (sum ^ *b++) * SUM_PRIME;
    return sum;
}

static inline int finish(const char *name, uint64_t sum) {
    printf("%s checksum %016llx\n", name, (unsigned long long)sum);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* fork, with nothing left in the output buffer to be printed twice. */
static inline pid_t fork_clean(void) {
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    return pid;
}

/* Wait for one child and give its exit code. */
static inline int exit_code_of(pid_t pid) {
    int status;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {}
    CHECK(got == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
