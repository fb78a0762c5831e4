/* Processes: what they share, and how they become another program. */
#include "probe.h"
#include <sched.h>
#include <sys/stat.h>

#define MEMBARRIER(...) CALL(SYS_membarrier, __VA_ARGS__, 0)
static void barriers(void) {
    say_hex("QUERY", MEMBARRIER(0, 0));
    say_number("unknown cmd 1<<30", MEMBARRIER(1 << 30, 0));
    say_number("flags 1 with GLOBAL", MEMBARRIER(1, 1));
    say_number("GLOBAL", MEMBARRIER(1, 0));
    say_number("PRIVATE_EXPEDITED before registration", MEMBARRIER(8, 0));
    say_number("REGISTER_PRIVATE_EXPEDITED", MEMBARRIER(16, 0));
    say_number("PRIVATE_EXPEDITED", MEMBARRIER(8, 0));
    say_hex("GET_REGISTRATIONS (1<<9)", MEMBARRIER(1 << 9, 0));
}

static int write_two(void *where) {
    *(volatile int *)where = 2;
    return 0;
}
static void shared_memory(void) {
    static int value = 1;
    static char stack[16384] __attribute__((aligned(16)));
    int pid = clone(write_two, stack + sizeof stack, CLONE_VM | CLONE_VFORK | 17 /* SIGCHLD */, &value);
    note("after vfork child wrote: %d", value);
    CHECK(pid > 0 && exit_code_of(pid) == 0);
    say_number("clone CLONE_THREAD without CLONE_SIGHAND", CALL(SYS_clone, CLONE_THREAD | CLONE_VM, 0, 0, 0, 0));
    say_number("clone CLONE_SIGHAND without CLONE_VM", CALL(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
    say_number("clone CLONE_NEWNS|CLONE_FS", CALL(SYS_clone, CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0));
}

static const char *make(const char *name, int mode, const char *text) {
    const char *path = temporary_name(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
    return path;
}
static long execute(const char *path, char *const argv[]) { return CALL(SYS_execve, path, argv, NULL); }
static void programs(void) {
    static char longest[200000];
    char *one[] = {"one", NULL}, *huge[] = {longest, NULL};
    memset(longest, 'a', sizeof longest - 1);
    say_number("execve missing", execute(temporary_name("missing"), one));
    say_number("execve directory", execute("/tmp", one));
    const char *garbage = make("garbage", 0755, "not a program");
    say_number("execve garbage", execute(garbage, one));
    unlink(garbage);
    const char *plain = make("plain", 0644, "#!/bin/sh\n");
    say_number("execve no x bit", execute(plain, one));
    unlink(plain);
    say_number("one argument of 199999 bytes", execute("/proc/self/exe", huge));
    say_number("execve bad argv pointer", CALL(SYS_execve, "/proc/self/exe", 8, NULL));
}

const struct probe process_probes[] = {
    {"X10", "membarrier", barriers},
    {"X15", "clone with CLONE_VM and vfork", shared_memory},
    {"X27", "execve errors and overlap", programs},
    {0},
};
