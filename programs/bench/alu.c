/* alu: integer arithmetic with no memory traffic.   usage: alu [ITERATIONS] */
#include "common.h"

int main(int argc, char **argv) {
    long n = size_arg(argc, argv, 5000000);
    uint64_t x = 88172645463325252ull, sum = 0;
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x * (uint64_t)i;
    }
    return finish("alu", sum ^ x);
}
