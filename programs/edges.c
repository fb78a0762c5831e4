/* Limits at their very edge: what needs eight pages more, with a limit that is a page short, a byte short, and enough.
 * Each try is a process of its own.  Behind each answer stands what became of the arena and how total, data and locked
 * pages changed, so that a refusal which did half of it would show.
 *
 *   edges          what every Linux may be asked
 *   edges low      the same with vm.max_map_count lowered first: for a kernel of one's own only
 *   edges modes    what changes vm.overcommit_memory: for a kernel of one's own only
 *
 * Privileges are given up first (not for modes), so that it prints the same for everybody. */
#include "common.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define A 0x1000000000l
#define P 4096l
#define AT(page) ((char *)A + (page) * P)
#define RW (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define FIXED (PRIVATE | MAP_FIXED)
#define NEED 8
#define ARENA_PAGES 4096

static int segment;

/* ---- looking ---- */
static char text[1 << 16];
/* The first bytes of a file; maps are sorted, and the arena lies low. */
static void look(const char *path) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    size_t n = 0;
    for (ssize_t got; n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0; n += got) {}
    close(fd);
    text[n] = 0;
}
static long number_after(const char *path, const char *word) {
    look(path);
    char *at = strstr(text, word);
    CHECK(at);
    return strtol(at + strlen(word), NULL, 10);
}
struct counts { long total, data, locked; };
static struct counts counts(void) {
    struct counts c = {number_after("/proc/self/statm", ""), number_after("/proc/self/status", "VmData:") / 4,
                       number_after("/proc/self/status", "VmLck:") / 4};
    return c;
}
/* Entries of the arena as "0-4rw 6-7r", by pages. */
static void show_arena(void) {
    look("/proc/self/maps");
    for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        unsigned long start, end;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || start < A) continue;
        if (start >= A + ARENA_PAGES * P) break;
        printf(" %ld-%ld", (long)(start - A) / P, (long)(end - A) / P);
        for (int i = 0; i < 4; i++) if (mode[i] != '-' && mode[i] != 'p') putchar(mode[i]);
    }
}
static const char *name_of(long result) {
    if (result >= 0) return "ok";
    switch (errno) {
    case EPERM: return "EPERM";
    case EAGAIN: return "EAGAIN";
    case ENOMEM: return "ENOMEM";
    case EFAULT: return "EFAULT";
    case EINVAL: return "EINVAL";
    case ENOSYS: return "SIGSEGV"; /* see touch() */
    default: return strerror(errno);
    }
}

/* ---- doing ---- */
static void map(long page, long pages, int prot, int flags) {
    CHECK(mmap(AT(page), pages * P, prot, flags | MAP_FIXED, -1, 0) == AT(page));
}
static long as_result(void *p) { return p == MAP_FAILED || p == (void *)-1 ? -1 : 0; }

static sigjmp_buf back;
static void on_fault(int signal) {
    (void)signal;
    siglongjmp(back, 1);
}
/* A store; -1 with ENOSYS if it ends in SIGSEGV. */
static long touch(char *at) {
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(back, 1)) {
        errno = ENOSYS;
        return -1;
    }
    *(volatile char *)at = 1;
    return 0;
}
/* The kernel's store: read(2). */
static long touch_by_read(char *at) {
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    return read(ends[0], at, 1);
}

static void nothing(void) {}
static long do_mmap(void) { return as_result(mmap(AT(0), NEED * P, RW, FIXED, -1, 0)); }
static long do_mmap_none(void) { return as_result(mmap(AT(0), NEED * P, PROT_NONE, FIXED, -1, 0)); }
static long do_mmap_shared(void) { return as_result(mmap(AT(0), NEED * P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)); }
static long do_mmap_bytes(void) { return as_result(mmap(AT(0), NEED * P - P + 1, RW, FIXED, -1, 0)); }
static void eight(void) { map(0, 8, RW, PRIVATE); memset(AT(0), 1, 8 * P); }
static long do_replace(void) { return as_result(mmap(AT(4), (NEED + 4) * P, RW, FIXED, -1, 0)); }
static void eight_read(void) { map(0, 8, PROT_READ, PRIVATE); }
static long do_grow(void) { return as_result(mremap(AT(0), 8 * P, (8 + NEED) * P, 0)); }
static void eight_and_wall(void) { eight(); map(8, 1, PROT_NONE, PRIVATE); }
static long do_move(void) { return as_result(mremap(AT(0), 8 * P, (8 + NEED) * P, MREMAP_MAYMOVE | MREMAP_FIXED, AT(100))); }
static long do_part(void) { return as_result(mremap(AT(2), 2 * P, (2 + NEED) * P, MREMAP_MAYMOVE | MREMAP_FIXED, AT(100))); }
static long do_keep(void) { return as_result(mremap(AT(0), 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED, AT(100))); }
static char *heap; /* a page boundary that the break is set to before the limit is */
static void begin_heap(void) {
    char *now = (char *)syscall(SYS_brk, 0);
    heap = (char *)(((long)now + P - 1) / P * P);
    CHECK((char *)syscall(SYS_brk, heap) == heap);
}
static long do_brk(void) {
    char *got = (char *)syscall(SYS_brk, heap + NEED * P);
    CHECK(got == heap || got == heap + NEED * P);
    errno = ENOMEM;
    return got == heap ? -1 : 0;
}
static long do_brk_byte(void) {
    char *got = (char *)syscall(SYS_brk, heap + NEED * P - P + 1);
    errno = ENOMEM;
    return got == heap ? -1 : 0;
}
static long do_attach(void) { return as_result(shmat(segment, AT(0), 0)); }
static void a_stack(void) { map(100, 1, RW, PRIVATE | MAP_GROWSDOWN); }
static long do_store(void) { return touch(AT(100 - NEED)); }
static long do_read(void) { return touch_by_read(AT(100 - NEED)); }
static long do_protect(void) { return mprotect(AT(0), NEED * P, RW); }
static long do_protect_part(void) { return mprotect(AT(0), 12 * P, RW); }
static void read_and_written(void) { map(0, 8, PROT_READ, PRIVATE); map(8, 4, RW, PRIVATE); }
static long do_lock(void) { return mlock(AT(0), NEED * P); }
static long do_lock_odd(void) { return mlock(AT(0) + 1, (NEED - 1) * P); }
static long do_lock_onfault(void) { return mlock2(AT(0), NEED * P, MLOCK_ONFAULT); }
static void twelve_part_locked(void) { map(0, 12, RW, PRIVATE); CHECK(mlock(AT(4), 4 * P) == 0); }
static long do_lock_again(void) { return mlock(AT(0), 12 * P); }
static long do_map_locked(void) { return as_result(mmap(AT(0), NEED * P, RW, FIXED | MAP_LOCKED, -1, 0)); }
static void eight_locked(void) { eight(); CHECK(mlock(AT(0), 8 * P) == 0); }
static void future(void) { begin_heap(); CHECK(mlockall(MCL_FUTURE) == 0); }
static void locked_stack(void) { a_stack(); CHECK(mlock(AT(100), P) == 0); }
static long do_lock_all(void) { return mlockall(MCL_CURRENT); }

enum { AS = 1, DATA = 2, LOCK = 4, STACK = 8, ALL = 16 };
static const struct op {
    const char *name;
    void (*prepare)(void);
    long (*run)(void);
    int kinds;
} ops[] = {
    {"mmap", nothing, do_mmap, AS | DATA},
    {"mmap of a byte into the last page", nothing, do_mmap_bytes, AS | DATA},
    {"mmap without access", nothing, do_mmap_none, AS},
    {"mmap shared", nothing, do_mmap_shared, AS | DATA},
    {"mmap over four of eight", eight, do_replace, AS | DATA},
    {"mmap over four of eight that are read only", eight_read, do_replace, AS | DATA},
    {"mremap in place", eight, do_grow, AS | DATA},
    {"mremap elsewhere", eight_and_wall, do_move, AS | DATA},
    {"mremap of a part", eight, do_part, AS | DATA},
    {"mremap keeping the old", eight, do_keep, AS | DATA},
    {"brk", begin_heap, do_brk, AS | DATA},
    {"brk of a byte into the last page", begin_heap, do_brk_byte, AS | DATA},
    {"shmat", nothing, do_attach, AS | DATA},
    {"stack, by a store", a_stack, do_store, AS | DATA},
    {"stack, by read(2)", a_stack, do_read, AS},
    {"mprotect to write", eight_read, do_protect, AS | DATA},
    {"mprotect of what is partly written", read_and_written, do_protect_part, DATA},
    {"mlock", eight, do_lock, LOCK},
    {"mlock of a byte into the last page", eight, do_lock_odd, LOCK},
    {"mlock as it is touched", eight, do_lock_onfault, LOCK},
    {"mlock of what is partly locked", twelve_part_locked, do_lock_again, LOCK},
    {"mmap locked", nothing, do_map_locked, LOCK},
    {"mremap of locked memory in place", eight_locked, do_grow, LOCK},
    {"mremap of locked memory elsewhere", eight_locked, do_move, LOCK},
    {"mmap, all to come locked", future, do_mmap, LOCK},
    {"mmap over, all to come locked", future, do_mmap, LOCK},
    {"brk, all to come locked", future, do_brk, LOCK},
    {"shmat, all to come locked", future, do_attach, LOCK},
    {"locked stack, by a store", locked_stack, do_store, LOCK},
    {"locked stack, by read(2)", locked_stack, do_read, LOCK},
    {"mlockall", eight, do_lock_all, ALL},
};

static void set_limit(int which, unsigned long bytes) {
    struct rlimit l;
    CHECK(getrlimit(which, &l) == 0);
    l.rlim_cur = bytes > l.rlim_max ? l.rlim_max : bytes;
    CHECK(setrlimit(which, &l) == 0);
}
static void try_op(const struct op *op, int kind, long short_by) {
    pid_t pid = fork_clean();
    if (pid) {
        CHECK(exit_code_of(pid) == 0);
        return;
    }
    op->prepare();
    struct counts before = counts();
    unsigned long most = kind == AS ? before.total : kind == DATA ? before.data : kind == LOCK ? before.locked : kind == STACK ? 1 : before.total - NEED;
    int which = kind == AS ? RLIMIT_AS : kind == DATA ? RLIMIT_DATA : kind == STACK ? RLIMIT_STACK : RLIMIT_MEMLOCK;
    set_limit(which, (most + NEED) * P - short_by);
    errno = 0;
    long result = op->run();
    const char *name = name_of(result);
    set_limit(which, RLIM_INFINITY);
    struct counts after = counts();
    printf("  %s, total %+ld data %+ld locked ", name, after.total - before.total, after.data - before.data);
    if (kind == ALL) printf(after.locked > NEED ? "more," : "%+ld,", after.locked - before.locked);
    else printf("%+ld,", after.locked - before.locked);
    show_arena();
    printf("\n");
    fflush(stdout);
    _exit(0);
}
static void each(const char *limit, int kind) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!(ops[i].kinds & kind)) continue;
        printf("%s, %s: a page short, a byte short, enough\n", limit, ops[i].name);
        try_op(&ops[i], kind, P);
        try_op(&ops[i], kind, 1);
        try_op(&ops[i], kind, 0);
    }
}
static const struct op stacks[] = {{"by a store", a_stack, do_store, STACK}, {"by read(2)", a_stack, do_read, STACK}};

static void say(const char *what, long result) {
    printf("  %s %s,", what, name_of(result));
    show_arena();
    printf("\n");
}

/* A limit of nothing at all is another thing than one that is too small. */
static void no_locking(void) {
    set_limit(RLIMIT_MEMLOCK, 0);
    printf("MEMLOCK 0\n");
    map(0, 4, RW, PRIVATE);
    say("mlock", mlock(AT(0), P));
    say("mlock of nothing", mlock(AT(0), 0));
    say("mlock as it is touched", mlock2(AT(0), P, MLOCK_ONFAULT));
    say("mmap locked", as_result(mmap(AT(8), P, RW, FIXED | MAP_LOCKED, -1, 0)));
    say("mlockall", mlockall(MCL_FUTURE));
    say("munlock", munlock(AT(0), P));
    say("munlockall", munlockall());
}
/* How near a stack may come to what lies below it. */
static void stack_gap(void) {
    static const struct { const char *name; int prot, flags; } walls[] = {
        {"read", PROT_READ, PRIVATE}, {"no access", PROT_NONE, PRIVATE}, {"stack", RW, PRIVATE | MAP_GROWSDOWN}};
    for (int w = 0; w < 3; w++)
        for (long gap = 255; gap <= 257; gap++) {
            map(0, 1, walls[w].prot, walls[w].flags);
            map(1000, 1, RW, PRIVATE | MAP_GROWSDOWN);
            printf("stack %ld pages above %s\n", gap, walls[w].name);
            say("by a store", touch(AT(1 + gap)));
            say("by read(2)", touch_by_read(AT(1 + gap)));
            CHECK(munmap(AT(0), 1001 * P) == 0);
        }
}
static void lowest_address(void) {
    long lowest = number_after("/proc/sys/vm/mmap_min_addr", "");
    printf("mmap_min_addr\n");
    char *at = (char *)lowest;
    say("mmap below", as_result(mmap(at - P, P, RW, FIXED, -1, 0)));
    say("mmap from below", as_result(mmap(at - P, 2 * P, RW, FIXED, -1, 0)));
    say("mmap there", as_result(mmap(at + P, P, RW, FIXED | MAP_GROWSDOWN, -1, 0)));
    say("stack down to it", touch(at));
    say("stack below it", touch(at - 1));
    say("stack below it by read(2)", touch_by_read(at - 1));
    map(0, 2, RW, PRIVATE);
    say("mremap below", as_result(mremap(AT(0), P, P, MREMAP_MAYMOVE | MREMAP_FIXED, at - P)));
    say("mremap of both below", as_result(mremap(AT(0), 2 * P, P, MREMAP_MAYMOVE | MREMAP_FIXED, at - P)));
    say("munmap", munmap(at, 2 * P));
}

/* One request for all memory and swap there is, and for a page more. */
static void overcommit_guess(void) {
    unsigned long all = (number_after("/proc/meminfo", "MemTotal:") + number_after("/proc/meminfo", "SwapTotal:")) * 1024;
    printf("overcommit_memory 0: all there is, and a page more\n");
    for (int more = 0; more <= 1; more++) {
        unsigned long bytes = all + more * P;
        void *p = mmap(NULL, bytes, RW, PRIVATE, -1, 0);
        say("mmap", as_result(p));
        if (p != MAP_FAILED) munmap(p, bytes);
        p = mmap(NULL, bytes, RW, PRIVATE | MAP_NORESERVE, -1, 0);
        say("mmap without reserve", as_result(p));
        if (p != MAP_FAILED) munmap(p, bytes);
        p = mmap(NULL, bytes, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        say("mmap shared", as_result(p));
        if (p != MAP_FAILED) munmap(p, bytes);
        p = mmap(NULL, bytes, PROT_READ, PRIVATE, -1, 0);
        say("mmap to read", as_result(p));
        say("mprotect it to write", mprotect(p, bytes, RW));
        munmap(p, bytes);
        p = mmap(NULL, P, RW, PRIVATE, -1, 0);
        void *q = mremap(p, P, bytes + P, MREMAP_MAYMOVE);
        say("mremap to that and a page", as_result(q));
        munmap(q == MAP_FAILED ? p : q, q == MAP_FAILED ? (size_t)P : bytes + P);
        /* Two that together are as much: a child would have to be given both at once. */
        char *low = mmap(NULL, bytes, PROT_NONE, PRIVATE, -1, 0);
        unsigned long half = bytes / 2 / P * P;
        say("mmap one half", as_result(mmap(low, half, RW, FIXED, -1, 0)));
        say("mmap the other", as_result(mmap(low + half, bytes - half, RW, FIXED, -1, 0)));
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        say("fork", pid);
        if (pid > 0) CHECK(exit_code_of(pid) == 0);
        munmap(low, bytes);
    }
}

/* ---- max_map_count ---- */
#define CROWD (A + ARENA_PAGES * P * 2)
static long crowd; /* entries that were made to fill the map */
/* Fills the map until there is room for `room` entries beside the crowd, those of the arena, and the rest. */
#define ARENA_ENTRIES 3
static void fill(long most, long room) {
    static long others; /* what was there before */
    if (others == 0) {
        look("/proc/self/maps");
        for (char *c = text; *c; c++) others += *c == '\n';
        if (strstr(text, "[vsyscall]")) others--; /* is no entry */
    }
    long wanted = most - room - others - ARENA_ENTRIES;
    for (; crowd < wanted; crowd++) {
        char *at = (char *)CROWD + crowd * 2 * P;
        CHECK(mmap(at, P, PROT_NONE, FIXED, -1, 0) == at);
    }
    for (; crowd > wanted; crowd--) CHECK(munmap((char *)CROWD + (crowd - 1) * 2 * P, P) == 0);
}
static void arena_for_counting(int touching) {
    CHECK(munmap(AT(0), 640 * P) == 0);
    map(0, 3, RW, PRIVATE);
    map(10, 3, PROT_READ, PRIVATE);
    if (touching) map(3, 1, PROT_READ, PRIVATE);
    map(600, 1, RW, PRIVATE | MAP_GROWSDOWN);
}
static void counted(long most) {
    static const char *const names[] = {"mmap", "mmap that joins", "mmap into the middle", "mmap over a whole one", "munmap of the middle", "munmap of an end",
        "mprotect of the middle", "mprotect of an end", "madvise of the middle", "madvise of an end", "mlock of the middle", "mremap in place", "mremap elsewhere",
        "mremap to less", "shmat", "stack", "mseal of nothing", "madvise of no flags", "mremap over another", "mremap away from another", "munmap of three", "mprotect that moves a border"};
    for (long room = 7; room >= -1; room--) {
        printf("room for %ld\n", room);
        for (int i = 0; i < 22; i++) {
            fill(most, 8);
            arena_for_counting(i == 21);
            fill(most, (room < 0 ? 0 : room) + (i == 21));
            if (room < 0) CHECK(mmap((char *)CROWD - 2 * P, P, RW, FIXED, -1, 0) != MAP_FAILED);
            long r = 0;
            void *moved = MAP_FAILED;
            switch (i) {
            case 0: r = as_result(mmap(AT(40), P, RW, FIXED, -1, 0)); break;
            case 1: r = as_result(mmap(AT(3), P, RW, FIXED, -1, 0)); break;
            case 2: r = as_result(mmap(AT(1), P, PROT_READ, FIXED, -1, 0)); break;
            case 3: r = as_result(mmap(AT(0), 3 * P, PROT_READ, FIXED, -1, 0)); break;
            case 4: r = munmap(AT(1), P); break;
            case 5: r = munmap(AT(0), P); break;
            case 6: r = mprotect(AT(1), P, PROT_READ); break;
            case 7: r = mprotect(AT(2), P, PROT_READ); break;
            case 8: r = madvise(AT(1), P, MADV_DONTDUMP); break;
            case 9: r = madvise(AT(2), P, MADV_DONTDUMP); break;
            case 10: r = mlock(AT(1), P); break;
            case 11: r = as_result(mremap(AT(0), 3 * P, 4 * P, 0)); break;
            case 12: r = as_result(mremap(AT(0), 3 * P, 3 * P, MREMAP_MAYMOVE | MREMAP_FIXED, AT(40))); break;
            case 13: r = as_result(mremap(AT(0), 3 * P, P, 0)); break;
            case 14: r = as_result(shmat(segment, AT(40), 0)); break;
            case 15: r = touch(AT(590)); break;
            case 16: r = syscall(462, AT(0), 0l, 0l); break;
            case 17: r = madvise(AT(1), P, MADV_NORMAL); break;
            case 18: r = as_result(mremap(AT(0), 3 * P, 3 * P, MREMAP_MAYMOVE | MREMAP_FIXED, AT(10))); break;
            case 19: moved = mremap(AT(0), 3 * P, 20 * P, MREMAP_MAYMOVE), r = as_result(moved); break;
            case 20: r = munmap(AT(2), 10 * P); break;
            case 21: r = mprotect(AT(2), P, PROT_READ); break;
            }
            say(names[i], r);
            if (moved != MAP_FAILED) munmap(moved, 20 * P);
            munmap((char *)CROWD - 2 * P, P);
        }
    }
    fill(most, 100);
}

/* ---- what changes the whole kernel ---- */
static void write_setting(const char *path, long value) {
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%ld\n", value), fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && write(fd, digits, n) == n && close(fd) == 0);
}
#define MODE "/proc/sys/vm/overcommit_memory"
#define RATIO "/proc/sys/vm/overcommit_ratio"
#define MAP_COUNT "/proc/sys/vm/max_map_count"
static long room_left(void) {
    return (number_after("/proc/meminfo", "CommitLimit:") - number_after("/proc/meminfo", "Committed_AS:")) / 4;
}
static void modes(void) {
    long mode = number_after(MODE, ""), ratio = number_after(RATIO, "");
    write_setting(MODE, 1);
    printf("overcommit_memory 1\n");
    unsigned long much = number_after("/proc/meminfo", "MemTotal:") * 4096;
    void *p = mmap(NULL, much, RW, PRIVATE, -1, 0);
    say("mmap of four times all", as_result(p));
    munmap(p, much);
    printf("overcommit_memory 2: all that is left, and a page more\n");
    write_setting(RATIO, 80);
    write_setting(MODE, 2);
    static const struct { const char *name; int flags; } kinds[] = {
        {"mmap", PRIVATE}, {"mmap without reserve", PRIVATE | MAP_NORESERVE}, {"mmap shared", MAP_SHARED | MAP_ANONYMOUS}};
    for (int more = 0; more <= 1; more++)
        for (int k = 0; k < 3; k++) {
            /* A process may not have the last page, nor a 32nd of what it has already. */
            long kept = number_after("/proc/self/statm", "") / 32;
            long bytes = (room_left() - kept - 1 + more) * P;
            p = mmap(NULL, bytes, RW, kinds[k].flags, -1, 0);
            say(kinds[k].name, as_result(p));
            if (p == MAP_FAILED) continue;
            printf("  %s\n", room_left() <= kept + 1 ? "then nothing is left" : "then there is as much as before");
            munmap(p, bytes);
        }
    write_setting(MODE, mode);
    write_setting(RATIO, ratio);
}
static void remove_segment(void) { shmctl(segment, IPC_RMID, NULL); }

static void apart(void (*part)(void)) {
    pid_t pid = fork_clean();
    if (pid == 0) {
        part();
        fflush(stdout);
        _exit(0);
    }
    CHECK(exit_code_of(pid) == 0);
}
static void counted_for_real(void) {
    long most = number_after(MAP_COUNT, "");
    printf("max_map_count\n");
    counted(most);
}

int main(int argc, char **argv) {
    int changes = argc > 1 && strcmp(argv[1], "modes") == 0;
    static const int limits[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK};
    for (int i = 0; i < 3; i++) set_limit(limits[i], RLIM_INFINITY);
    struct rlimit l;
    CHECK(getrlimit(RLIMIT_MEMLOCK, &l) == 0);
    if (l.rlim_max < 2048 * P) {
        printf("skipped: no 8 MiB may be locked\n");
        return 77;
    }
    if (argc > 1 && strcmp(argv[1], "low") == 0) write_setting(MAP_COUNT, 80);
    if (!changes && getuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    segment = shmget(IPC_PRIVATE, NEED * P, IPC_CREAT | 0600);
    CHECK(segment >= 0);
    atexit(remove_segment);
    if (changes) apart(modes);
    else {
        each("AS", AS);
        each("DATA", DATA);
        each("MEMLOCK", LOCK);
        each("MEMLOCK", ALL);
        for (int i = 0; i < 2; i++) {
            /* The stack has one page already: NEED more make nine. */
            printf("STACK, %s: a page short, a byte short, enough\n", stacks[i].name);
            try_op(&stacks[i], STACK, P);
            try_op(&stacks[i], STACK, 1);
            try_op(&stacks[i], STACK, 0);
        }
        apart(no_locking);
        apart(stack_gap);
        apart(lowest_address);
        apart(overcommit_guess);
        apart(counted_for_real);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
