/* mem: one load and one store in a random page out of 4096 per iteration, so that
 * nearly every access needs another translation.   usage: mem [ITERATIONS] */
#include "common.h"

#define PAGES 4096

int main(int argc, char **argv) {
    long n = size_arg(argc, argv, 3000000);
    unsigned char *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mem != MAP_FAILED);
    uint32_t x = 2463534242u;
    uint64_t sum = SUM_START;
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        uint64_t *from = (uint64_t *)(mem + (x % PAGES) * PAGE + (x >> 20) % 512 * 8);
        uint64_t *to = (uint64_t *)(mem + (x >> 12) % PAGES * PAGE + (x & 511) * 8);
        sum = sum * 3 + *from;
        *to = sum ^ x;
    }
    return finish("mem", sum);
}
