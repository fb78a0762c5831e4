/* What guards memory, names it, holds it fast, and says on which node it lies. */
#include "probe.h"
#include <sys/prctl.h>
#include <sys/resource.h>

#define MSEAL 462

static void keys(void) {
#ifdef __x86_64__
    if (!is_in("/proc/cpuinfo", " ospke")) lack("a processor with protection keys");
#endif
    CHECK(map(AT(0), 2, RW) > 0);
    say_number("pkey_mprotect key -1", CALL(SYS_pkey_mprotect, AT(0), PAGE, R, -1));
    show_maps(2);
    say_number("pkey_mprotect key 5 (not allocated)", CALL(SYS_pkey_mprotect, AT(0), PAGE, RW, 5));
    say_number("pkey_alloc", CALL(SYS_pkey_alloc, 0, 0));
    say_number("pkey_alloc bad flags", CALL(SYS_pkey_alloc, 1, 0));
    say_number("pkey_alloc bad rights", CALL(SYS_pkey_alloc, 0, 4));
    say_number("pkey_mprotect key 1", CALL(SYS_pkey_mprotect, AT(0), PAGE, RW, 1));
    show_maps(2);
    say_number("pkey_free 1", CALL(SYS_pkey_free, 1));
    say_number("pkey_free 7", CALL(SYS_pkey_free, 7));
}

static void name(void) {
    CHECK(map(AT(0), 2, RW) > 0);
    SAY("name", prctl(0x53564d41, 0, AT(0), 2 * PAGE, "heap"));
    show_maps(2);
}

#define BIND 2
static long policy(int mode, unsigned long nodes) { return CALL(SYS_set_mempolicy, mode, &nodes, 64); }
static void policies(void) {
    unsigned long nodes = 1;
    int mode = -1, status[2] = {-1, -1};
    if (access("/sys/devices/system/node/node1", F_OK) == 0) lack("a machine of one node");
    say_number("set_mempolicy DEFAULT", CALL(SYS_set_mempolicy, 0, NULL, 0));
    long bound = policy(BIND, 1);
    if (bound == -ENOSYS) lack("memory policies");
    say_number("set_mempolicy BIND node0", bound);
    say_number("set_mempolicy BIND node1 (absent)", policy(BIND, 2));
    say_number("mode 99", policy(99, 1));
    say_number("BIND empty mask", policy(BIND, 0));
    say_number("get_mempolicy", CALL(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
    note("mode %d", mode);
    CHECK(map(AT(0), 3, RW) > 0);
    say_number("mbind middle page BIND", CALL(SYS_mbind, AT(1), PAGE, BIND, &nodes, 64, 0));
    show_maps(3);
    say_number("mbind all DEFAULT", CALL(SYS_mbind, AT(0), 3 * PAGE, 0, NULL, 0, 0));
    show_maps(3);
    say_number("mbind unaligned", CALL(SYS_mbind, AT(0) + 1, PAGE, 0, NULL, 0, 0));
    say_number("mbind hole", CALL(SYS_mbind, AT(8), PAGE, 0, NULL, 0, 0));
    say_number("mbind bad flags", CALL(SYS_mbind, AT(0), PAGE, 0, NULL, 0, 0x80));
    void *pages[2] = {AT(0), AT(1)};
    store(AT(0));
    say_number("move_pages query", CALL(SYS_move_pages, 0, 2, pages, NULL, status, 0));
    note("status %d %d", status[0], status[1]);
    unsigned cpu, node;
    say_number("getcpu", CALL(SYS_getcpu, &cpu, &node, NULL));
}

static void locking(void) {
    unsigned char there[2];
    if (!has_capability(CAP_IPC_LOCK)) lack("CAP_IPC_LOCK");
    SAY("flags 0", mlockall(0));
    SAY("flags 8", mlockall(8));
    SAY("MCL_ONFAULT alone", mlockall(4));
    CHECK(map(AT(0), 2, RW) > 0);
    SAY("MCL_FUTURE", mlockall(MCL_FUTURE));
    CHECK(map(AT(4), 2, RW) > 0 && mincore(AT(0), 2 * PAGE, there) == 0);
    note("old mapping resident %d%d", there[0], there[1]);
    CHECK(mincore(AT(4), 2 * PAGE, there) == 0);
    note("new mapping resident %d%d", there[0], there[1]);
    show_smaps(AT(4));
    SAY("MCL_CURRENT|MCL_ONFAULT", mlockall(MCL_CURRENT | 4));
    CHECK(map(AT(8), 2, RW) > 0);
    show_smaps(AT(0));
    show_smaps(AT(8));
    SAY("munlockall", munlockall());
    show_smaps(AT(0));
    drop_capability(CAP_IPC_LOCK);
    limit_soft(RLIMIT_MEMLOCK, 0);
    SAY("mlockall MCL_CURRENT limit 0", mlockall(MCL_CURRENT));
    limit_soft(RLIMIT_MEMLOCK, 16 * PAGE);
    SAY("mlockall MCL_CURRENT small limit", mlockall(MCL_CURRENT));
    SAY("mlockall MCL_FUTURE small limit", mlockall(MCL_FUTURE));
    say_ok("mmap 4 pages", map_as(NULL, 4 * PAGE, RW, ANON_PRIVATE, -1, 0));
    say_ok("mmap 64 pages", map_as(NULL, 64 * PAGE, RW, ANON_PRIVATE, -1, 0));
    long end = syscall(SYS_brk, 0);
    note("brk grow by 64 pages: %s", syscall(SYS_brk, end + 64 * PAGE) == end ? "refused" : "done");
}

static long seal(char *at, unsigned long bytes, unsigned long flags) { return CALL(MSEAL, at, bytes, flags); }
static void sealing(void) {
    CHECK(map(AT(0), 4, RW) > 0);
    long flags = seal(AT(0), PAGE, 1);
    if (flags == -ENOSYS) lack("mseal");
    say_number("mseal flags 1", flags);
    say_number("mseal unaligned", seal(AT(0) + 1, PAGE, 0));
    say_number("mseal hole", seal(AT(0), 8 * PAGE, 0));
    say_number("mseal page 1-2", seal(AT(1), 2 * PAGE, 0));
    show_maps(4);
    show_smaps(AT(1));
    SAY("munmap all", munmap(AT(0), 4 * PAGE));
    show_maps(4);
    SAY("mprotect all", mprotect(AT(0), 4 * PAGE, R));
    show_maps(4);
    SAY("mremap sealed", mremap(AT(1), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    SAY("mremap fixed onto sealed", mremap(AT(0), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(1)));
    say_ok("mmap fixed over sealed", map(AT(0), 2, RW));
    SAY("madvise DONTNEED RW sealed anon", madvise(AT(1), PAGE, MADV_DONTNEED));
    SAY("madvise WILLNEED", madvise(AT(1), PAGE, MADV_WILLNEED));
    show_maps(4);
}

const struct probe protection_probes[] = {
    {"X12", "protection keys", keys},
    {"X13", "prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)", name},
    {"X14", "memory policy", policies},
    {"X16", "mlockall", locking},
    {"X17", "mseal", sealing},
    {0},
};
