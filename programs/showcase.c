/* showcase: a tour of a few seconds.  Each stop prints what it does and what came
 * of it: a heap, a sparse reservation, copy-on-write, a shared ring, a sieve.
 *   usage: showcase [SIZE] */
#include "common.h"

static uint64_t sum = SUM_START;

/* A binary tree of malloc'd nodes, built, walked and freed. */
struct node { struct node *kid[2]; uint64_t key; };

static void tour_heap(long size) {
    printf("[1/5] heap: a tree of %ld nodes\n", size * 80);
    struct node *root = NULL;
    uint64_t rng = 7;
    long depth_total = 0;
    struct node **order = malloc(size * 80 * sizeof *order);
    CHECK(order != NULL);
    for (long i = 0; i < size * 80; i++) {
        struct node *n = calloc(1, sizeof *n), **at = &root;
        CHECK(n != NULL);
        n->key = rng_next(&rng);
        while (*at) {
            at = &(*at)->kid[n->key > (*at)->key];
            depth_total++;
        }
        *at = order[i] = n;
    }
    for (long i = 0; i < size * 80; i++) {
        sum = sum_word(sum, order[i]->key);
        free(order[i]);
    }
    free(order);
    printf("      mean depth %ld\n", depth_total / (size * 80));
}

/* A sieve spread thinly over a terabyte: one page in each gigabyte. */
static void tour_sparse(long size) {
    size_t len = 1ull << 40;
    unsigned char *base;
    while ((base = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) == MAP_FAILED)
        CHECK((len /= 2) >= 1ull << 30);
    long pages = size < 1024 ? size : 1024;
    size_t stride = len / 1024;
    printf("[2/5] sparse: a huge reservation, %ld pages of it in use\n", pages);
    for (long i = 0; i < pages; i++) {
        CHECK(mprotect(base + i * stride, PAGE, PROT_READ | PROT_WRITE) == 0);
        uint64_t *p = (uint64_t *)(base + i * stride);
        for (int k = 0; k < 512; k += 8) p[k] = (uint64_t)i * k + 1;
    }
    uint64_t s = 0;
    for (long i = pages - 1; i >= 0; i--)
        for (int k = 0; k < 512; k += 8) s = sum_word(s, ((uint64_t *)(base + i * stride))[k]);
    CHECK(munmap(base, len) == 0);
    sum = sum_word(sum, s);
    printf("      read back, and given up\n");
}

/* Children which each sort their own copy of the same data. */
static int upward(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void tour_cow(long size) {
    long n = size * 16;
    uint32_t *data = malloc(n * sizeof *data);
    CHECK(data != NULL);
    uint64_t rng = 99, before = 0, after = 0;
    for (long i = 0; i < n; i++) {
        data[i] = (uint32_t)(rng_next(&rng) >> 32);
        before = sum_word(before, data[i]);
    }
    printf("[3/5] copy-on-write: 4 children sort their copies of %ld numbers\n", n);
    pid_t child[4];
    for (int c = 0; c < 4; c++) {
        child[c] = fork_clean();
        if (child[c]) continue;
        for (long i = 0; i < n; i++) data[i] ^= (uint32_t)c * 0x01010101u;
        qsort(data, n, sizeof *data, upward);
        for (long i = 1; i < n; i++) CHECK(data[i - 1] <= data[i]);
        _exit(10 + c);
    }
    for (int c = 0; c < 4; c++) {
        int code = exit_code_of(child[c]);
        CHECK(code == 10 + c);
        printf("      child %d: exit code %d\n", c, code);
    }
    for (long i = 0; i < n; i++) after = sum_word(after, data[i]);
    CHECK(before == after);
    sum = sum_word(sum, after);
    free(data);
    printf("      the parent's numbers are as they were\n");
}

/* A child fills shared pages; a pipe says when each is ready. */
static void tour_shared(long size) {
    long pages = size < 256 ? size : 256;
    uint64_t *ring = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2];
    CHECK(ring != MAP_FAILED && pipe(ready) == 0);
    printf("[4/5] shared memory: a child hands over %ld pages\n", pages);
    pid_t pid = fork_clean();
    if (pid == 0) {
        uint64_t rng = 5;
        for (long p = 0; p < pages; p++) {
            for (int k = 0; k < 512; k++) ring[p * 512 + k] = rng_next(&rng);
            CHECK(write(ready[1], "x", 1) == 1);
        }
        _exit(0);
    }
    CHECK(close(ready[1]) == 0);
    uint64_t rng = 5;
    long seen = 0;
    char c;
    while (read(ready[0], &c, 1) == 1) {
        for (int k = 0; k < 512; k++) {
            CHECK(ring[seen * 512 + k] == rng_next(&rng));
            sum = sum_word(sum, ring[seen * 512 + k]);
        }
        seen++;
    }
    CHECK(seen == pages && exit_code_of(pid) == 0);
    CHECK(close(ready[0]) == 0 && munmap(ring, pages * PAGE) == 0);
    printf("      all arrived\n");
}

static void tour_sieve(long size) {
    long n = size * 1500, primes = 0;
    unsigned char *composite = calloc(n + 1, 1);
    CHECK(composite != NULL);
    printf("[5/5] work: primes up to %ld\n", n);
    for (long i = 2; i <= n; i++) {
        if (composite[i]) continue;
        primes++;
        for (long k = i * i; k <= n; k += i) composite[k] = 1;
    }
    free(composite);
    sum = sum_word(sum, primes);
    printf("      %ld of them\n", primes);
}

int main(int argc, char **argv) {
    long size = size_arg(argc, argv, 450);
    setvbuf(stdout, NULL, _IOLBF, 0);           /* each line as it comes, to a file as well */
    tour_heap(size);
    tour_sparse(size);
    tour_cow(size);
    tour_shared(size);
    tour_sieve(size);
    return finish("showcase", sum);
}
