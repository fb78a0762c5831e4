/* sparse: reserve far more address space than any machine has memory, open pieces
 * of it, touch few pages, and count which ones are resident.
 *   usage: sparse [PIECES] */
#include "common.h"

#define PIECE_PAGES 16

/* How many pages of [p, p + pages) mincore says are resident. */
static long resident(unsigned char *p, long pages) {
    unsigned char vec[PIECE_PAGES];
    CHECK(mincore(p, pages * PAGE, vec) == 0);
    long n = 0;
    for (long i = 0; i < pages; i++) n += vec[i] & 1;
    return n;
}

int main(int argc, char **argv) {
    long pieces = size_arg(argc, argv, 512);
    size_t len = 1ull << 40;
    unsigned char *base;
    while ((base = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) == MAP_FAILED) {
        len /= 2;                               /* a smaller machine: not shown in the output */
        CHECK(len >= (1ull << 28));
    }
    size_t stride = len / pieces / PAGE * PAGE;
    CHECK(stride >= PIECE_PAGES * PAGE);

    /* Open each piece and touch every fourth page; the rest stay unmade. */
    uint64_t sum = SUM_START;
    for (long i = 0; i < pieces; i++) {
        unsigned char *p = base + i * stride;
        CHECK(mprotect(p, PIECE_PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
        for (long k = i % 4; k < PIECE_PAGES; k += 4) *(uint64_t *)(p + k * PAGE + 8 * (i % 512)) = i * 64 + k + 1;
    }
    long in = 0;
    for (long i = 0; i < pieces; i++) in += resident(base + i * stride, PIECE_PAGES);
    printf("sparse %ld pieces, %ld pages resident\n", pieces, in);
    CHECK(in == pieces * 4);

    /* Verify, and read untouched pages, which must be zero. */
    for (long i = 0; i < pieces; i++)
        for (long k = 0; k < PIECE_PAGES; k++) {
            uint64_t v = *(uint64_t *)(base + i * stride + k * PAGE + 8 * (i % 512));
            CHECK(v == (k % 4 == i % 4 ? (uint64_t)(i * 64 + k + 1) : 0));
            sum = sum_word(sum, v);
        }

    /* Read-only and back. */
    for (long i = 0; i < pieces; i += 3) {
        unsigned char *p = base + i * stride;
        CHECK(mprotect(p, 4 * PAGE, PROT_READ) == 0);
        sum = sum_word(sum, *(uint64_t *)(p + (i % 4) * PAGE + 8 * (i % 512)));
        CHECK(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
        p[0] = 1;
    }

    /* Holes: unmapped pages are no longer there, their neighbours are. */
    long holes = 0;
    for (long i = 1; i < pieces; i += 2) {
        unsigned char *p = base + i * stride, vec[1];
        CHECK(munmap(p + 4 * PAGE, 8 * PAGE) == 0);
        CHECK(mincore(p + 4 * PAGE, PAGE, vec) == -1 && errno == ENOMEM);
        CHECK(mincore(p + 3 * PAGE, PAGE, vec) == 0 && mincore(p + 12 * PAGE, PAGE, vec) == 0);
        holes++;
    }

    /* Dropped pages read as zero again. */
    for (long i = 0; i < pieces; i += 2) {
        unsigned char *p = base + i * stride;
        CHECK(madvise(p, PIECE_PAGES * PAGE, MADV_DONTNEED) == 0);
        CHECK(resident(p, PIECE_PAGES) == 0);
        CHECK(*(uint64_t *)(p + (i % 4) * PAGE + 8 * (i % 512)) == 0);
    }
    printf("sparse %ld holes punched, %ld pieces dropped\n", holes, (pieces + 1) / 2);
    CHECK(munmap(base, len) == 0);
    return finish("sparse", sum);
}
