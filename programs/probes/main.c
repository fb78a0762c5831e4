/* probe: runs one of the program tests of the memory system calls, or all.
 *   usage: probe [X1 ... X27]
 * Exit code 77, with the reason, where the kernel lacks what a block needs. */
#include "probe.h"

/* What lack() answers. */
#define SKIPPED 77

static const struct probe *const groups[] = {limit_probes,   address_probes,    access_probes, sharing_probes,
                                             protection_probes, fault_probes, process_probes};

static const struct probe *probe_named(const char *name) {
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        for (const struct probe *p = groups[i]; p->name != NULL; p++)
            if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static __attribute__((noinline)) int run(const struct probe *p) {
    pid_t pid = fork_clean();
    if (pid != 0) return exit_code_of(pid);
    printf("## %s %s\n", p->name, p->title);
    p->run();
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    static char buffer[1 << 12];
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    if (argc > 2 || (argc == 2 && probe_named(argv[1]) == NULL)) {
        fprintf(stderr, "usage: probe [X1 ... X27]\n");
        return 2;
    }
    /* X6 maps something else over the top of the stack. */
    char top[4 * PAGE];
    __asm__ volatile("" : : "r"(top) : "memory");
    if (argc == 2) return run(probe_named(argv[1]));
    int worst = 0;
    for (int i = 1; i <= 27; i++) {
        char name[8];
        snprintf(name, sizeof name, "X%d", i);
        if (i > 1) printf("\n");
        int code = run(probe_named(name));
        if (code != 0 && code != SKIPPED) worst = code;
    }
    return worst;
}
