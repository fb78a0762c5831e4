/* deepstack: recursion that walks the stack down a page or so at a time, checks
 * every frame on the way back up, and does it twice (the second time the pages
 * are there already).   usage: deepstack [DEPTH], about 600 bytes of stack each */
#include "common.h"

/* Each frame keeps a pattern that the calls below it must not disturb. */
__attribute__((noinline)) static uint64_t dive(long depth, uint64_t seed) {
    volatile uint64_t frame[64];
    for (int i = 0; i < 64; i += 8) frame[i] = seed + (uint64_t)i * depth;
    uint64_t below = depth > 1 ? dive(depth - 1, seed * 6364136223846793005ull + 1) : seed;
    for (int i = 0; i < 64; i += 8) {
        CHECK(frame[i] == seed + (uint64_t)i * depth);
        below = sum_word(below, frame[i]);
    }
    return below;
}

int main(int argc, char **argv) {
    long depth = size_arg(argc, argv, 5000);
    uint64_t first = dive(depth, 12345);
    uint64_t second = dive(depth, 12345);
    CHECK(first == second);
    printf("deepstack %ld frames deep, twice the same\n", depth);

    /* A child starts with the stack as it was, and dives on its own. */
    pid_t pid = fork_clean();
    if (pid == 0) _exit(dive(depth, 12345) == first ? 9 : 1);
    CHECK(exit_code_of(pid) == 9);
    return finish("deepstack", first);
}
