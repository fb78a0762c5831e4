/* How much a process may map, and how far its stack may grow. */
#include "probe.h"
#include <sys/resource.h>

static void address_space(void) {
    limit_soft(RLIMIT_AS, field_of("/proc/self/statm", "") * PAGE + 8 * PAGE);
    say_ok("mmap 8 pages RW", map(AT(0), 8, RW));
    say_ok("mmap 1 more page", map(AT(8), 1, RW));
    say_ok("mmap PROT_NONE 1 more page", map(AT(8), 1, PROT_NONE));
    SAY_OK("mremap grow by 1", mremap(AT(0), 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE));
    say_ok("mmap FIXED over the existing 8 pages", map(AT(0), 8, R));
    say_ok("mmap FIXED over 8 existing + 1 new", map(AT(0), 9, RW));
    show_maps(16);
    SAY("mprotect is not limited", mprotect(AT(0), 8 * PAGE, RW));
}

static void data(void) {
    long before = field_of("/proc/self/status", "VmData:");
    limit_soft(RLIMIT_DATA, before * 1024 + 4 * PAGE);
    say_ok("mmap 4 pages RW private", map(AT(0), 4, RW));
    say_ok("mmap 1 page RW private", map(AT(8), 1, RW));
    say_ok("mmap 1 page RO private", map(AT(8), 1, R));
    say_ok("mmap 1 page RW shared", map_as(AT(10), PAGE, RW, ANON_SHARED | MAP_FIXED, -1, 0));
    SAY("mprotect RO page to RW", mprotect(AT(8), PAGE, RW));
    SAY("mprotect RW to NONE (still data?)", mprotect(AT(0), 2 * PAGE, PROT_NONE));
    note("VmData change %ld kB", field_of("/proc/self/status", "VmData:") - before);
    SAY("then mprotect RO page to RW", mprotect(AT(8), PAGE, RW));
    SAY_OK("mremap grow", mremap(AT(2), 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
    say_ok("MAP_STACK|GROWSDOWN RW page (stack, not data)",
           map_as(AT(20), PAGE, RW, ANON_PRIVATE | MAP_FIXED | MAP_STACK | MAP_GROWSDOWN, -1, 0));
}

static void map_count(void) {
    long most = field_of("/proc/sys/vm/max_map_count", ""), before = count_maps(), made = 0;
    struct mapping m;
    /* [vsyscall] is a line, but not counted. */
    long counted = before - mapping_named("[vsyscall]", &m);
    long error = 0;
    while (made <= most && (error = map(AT(2 * made), 1, RW)) > 0) made++;
    note("max_map_count %ld, mappings in all %ld, then %s", most, counted + made, error == -ENOMEM ? "-ENOMEM" : "?");
    SAY("munmap middle page of a 1-page VMA at the limit", munmap(AT(200), PAGE));
    say_ok("mmap again one page (now ok)", map(AT(200), 1, RW));
    say_ok("mmap one more", map(AT(2 * made), 1, RW));
    SAY("munmap 2 pages", munmap(AT(200), 3 * PAGE));
    char *four = AT(0) - 64 * PAGE;
    say_ok("mmap 4-page VMA", map(four, 4, RW));
    SAY("munmap middle (needs split, count limit-1+..)", munmap(four + PAGE, PAGE));
    SAY("mprotect middle split", mprotect(four + PAGE, PAGE, R));
    show_maps_after(" ", four, four + 4 * PAGE);
}

static void overcommit(void) {
    if (field_of("/proc/sys/vm/overcommit_memory", "") != 0) lack("vm.overcommit_memory=0");
    unsigned long ram = field_of("/proc/meminfo", "MemTotal:") * 1024;
    unsigned long most = ram + 1024 * MIB, part = ram / 4 * 3;
    say_ok("RW private, size = total RAM + 1 GiB", map_as(NULL, most, RW, ANON_PRIVATE, -1, 0));
    say_ok("same, MAP_NORESERVE", map_as(NULL, most, RW, ANON_PRIVATE | MAP_NORESERVE, -1, 0));
    long at = map_as(NULL, most, PROT_NONE, ANON_PRIVATE, -1, 0);
    say_ok("same, PROT_NONE", at);
    SAY("mprotect it to RW", mprotect((void *)at, most, RW));
    SAY("mprotect it to R", mprotect((void *)at, most, R));
    say_ok("RW private, 75% of RAM", map_as(NULL, part, RW, ANON_PRIVATE, -1, 0));
    say_ok("another 75% (sum is not limited)", map_as(NULL, part, RW, ANON_PRIVATE, -1, 0));
    say_ok("shared anonymous total+1GiB", map_as(NULL, most, RW, ANON_SHARED, -1, 0));
}

/* The stack's line; where it begins is told from the stack pointer. */
static void show_stack(const char *lowest, const char *name) {
    struct mapping m;
    CHECK(mapping_named("[stack]", &m));
    int begins = m.start == ((unsigned long)lowest & -PAGE);
    printf("     %s%s\n", lowest == NULL ? "holds-sp" : begins ? name : "elsewhere", strchr(m.line, ' '));
}
static void stack(void) {
    char here;
    char *sp = (char *)((unsigned long)&here & -16ul), *four = sp - 4 * MIB, *nine = sp - 9 * MIB;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    if (limit.rlim_cur < 8 * MIB) lack("a stack limit of 8 MiB");
    limit_soft(RLIMIT_STACK, 8 * MIB);
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    note("RLIMIT_STACK %lu", (unsigned long)limit.rlim_cur);
    show_stack(NULL, "");
    say("touch 4 MiB below sp", store(four));
    show_stack(four, "sp-4M-top");
    say("touch 9 MiB below sp", store(nine));
    limit_soft(RLIMIT_STACK, 16 * MIB);
    say("after raising soft limit to 16 MiB: touch 9 MiB below", store(nine));
    show_stack(nine, "sp-9M-top");
}

const struct probe limit_probes[] = {
    {"X1", "RLIMIT_AS", address_space},
    {"X2", "RLIMIT_DATA counts private writable pages", data},
    {"X3", "max_map_count", map_count},
    {"X4", "overcommit mode 0 (heuristic)", overcommit},
    {"X22", "main stack growth", stack},
    {0},
};
