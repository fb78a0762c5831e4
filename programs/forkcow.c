/* forkcow: copy-on-write over several generations.  Every process writes pages
 * of its own in memory it shares with its relatives until the write, then checks
 * that it sees its own bytes, its ancestors' bytes as they were at the fork, and
 * nobody else's.  Results come back as exit codes only.
 *   usage: forkcow [PAGES] */
#include "common.h"

#define GENERATIONS 4

static unsigned char *mem;
static long pages;

static unsigned char mark(int gen, long page) { return (unsigned char)(gen * 37 + page * 11 + 1); }

/* Generation g owns the pages p with p % GENERATIONS == g; all others hold either
 * an ancestor's mark (g' < g) or, for generations still to come, zero. */
static void check_all(int gen) {
    for (long p = 0; p < pages; p++) {
        int owner = (int)(p % GENERATIONS);
        unsigned char want = owner <= gen ? mark(owner, p) : 0;
        CHECK(mem[p * PAGE] == want && mem[p * PAGE + PAGE - 1] == want);
    }
}

static void write_own(int gen) {
    for (long p = gen; p < pages; p += GENERATIONS) memset(mem + p * PAGE, mark(gen, p), PAGE);
}

/* Run one generation; the exit code counts it and all its descendants. */
static int generation(int gen) {
    write_own(gen);
    check_all(gen);
    int count = 1;
    if (gen + 1 < GENERATIONS) {
        pid_t child[2];
        for (int i = 0; i < 2; i++) {
            child[i] = fork_clean();
            if (child[i] == 0) _exit(generation(gen + 1));
        }
        /* While they run: spoil a page they inherited, and put it back. */
        if (pages > gen) {
            memset(mem + gen * PAGE, 0xee, PAGE);
            memset(mem + gen * PAGE, mark(gen, gen), PAGE);
        }
        for (int i = 0; i < 2; i++) count += exit_code_of(child[i]);
    }
    check_all(gen);                             /* nothing the children wrote shows here */
    return count;
}

int main(int argc, char **argv) {
    pages = size_arg(argc, argv, 256);
    mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mem != MAP_FAILED);
    int count = generation(0);
    CHECK(count == (1 << GENERATIONS) - 1);
    printf("forkcow %d processes in %d generations over %ld pages\n", count, GENERATIONS, pages);

    /* A child that fails shows in its exit code; stack and data are copied too. */
    static int data = 1;
    int stack = 1;
    pid_t pid = fork_clean();
    if (pid == 0) {
        data = 20;
        stack = 22;
        _exit(data + stack);
    }
    CHECK(exit_code_of(pid) == 42 && data == 1 && stack == 1);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
    printf("forkcow data and stack are the parent's own, no child left\n");
    uint64_t sum = sum_word(SUM_START, (uint64_t)count);
    for (long p = 0; p < pages; p++) sum = sum_word(sum, mem[p * PAGE + (p * 131) % PAGE]);
    CHECK(munmap(mem, pages * PAGE) == 0);
    return finish("forkcow", sum);
}
