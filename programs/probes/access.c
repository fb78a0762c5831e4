/* Memory reached another way than by loads and stores: system calls, other
 * processes, /proc. */
#include "probe.h"
#include <sched.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>

static char *const local = AT(0x1000);

static long read_process(char *at, size_t bytes) {
    struct iovec here = {local, 4 * PAGE}, there = {at, bytes};
    return TRY(process_vm_readv(getpid(), &here, 1, &there, 1, 0));
}
static void process_vm(void) {
    CHECK(map(AT(0), 4, RW) > 0 && map(local, 4, RW) > 0);
    memset(AT(0), 7, 4 * PAGE);
    mprotect(AT(2), PAGE, PROT_NONE);
    mprotect(AT(3), PAGE, R);
    say_number("read 1 page", read_process(AT(0), PAGE));
    CHECK(local[0] == 7 && local[PAGE - 1] == 7);
    say_number("read 2 pages, second PROT_NONE (partial)", read_process(AT(1), 2 * PAGE));
    say_number("read PROT_NONE page", read_process(AT(2), 10));
    say_number("read unmapped", read_process(AT(8), 10));
    say_number("read crossing into unmapped", read_process(AT(3) + 100, 2 * PAGE));
    struct iovec here = {local, 10}, there = {AT(0), PAGE}, closed = {AT(3), 8}, bad = {(void *)8, 8}, none = {AT(0), 0};
    SAY("flags 1", process_vm_readv(getpid(), &here, 1, &there, 1, 1));
    SAY("pid 999999", process_vm_readv(999999, &here, 1, &there, 1, 0));
    SAY("liovcnt 0", process_vm_readv(getpid(), NULL, 0, &there, 1, 0));
    SAY("riovcnt 1025", process_vm_readv(getpid(), &here, 1, &there, 1025, 0));
    SAY("short local buffer", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
    SAY("writev to read-only page", process_vm_writev(getpid(), &here, 1, &closed, 1, 0));
    SAY("bad local address", process_vm_readv(getpid(), &bad, 1, &there, 1, 0));
    SAY("zero total", process_vm_readv(getpid(), &here, 1, &none, 1, 0));
}

static void kernel_access(void) {
    int ends[2], zero = open("/dev/zero", O_RDONLY), memory = CALL(SYS_memfd_create, "short", 0);
    char *const hole = AT(2);
    CHECK(zero >= 0 && memory >= 0 && pipe(ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(map(AT(0), 2, RW) > 0 && map(AT(4), 1, RW) > 0 && map(AT(5), 1, R) > 0);
    SAY("write from unmapped", write(ends[1], hole, 4));
    SAY("write crossing into unmapped", write(ends[1], hole - 10, 20));
    SAY("read back", read(ends[0], AT(0), 100));
    SAY("read /dev/zero into read-only page", read(zero, AT(5), 4));
    SAY("read crossing RW->RO", read(zero, AT(5) - 10, 20));
    say_number("read into NULL", CALL(SYS_read, zero, NULL, 4));
    CHECK(map_as(AT(8), PAGE, R, MAP_SHARED | MAP_FIXED, memory, 0) > 0);
    SAY("write from page beyond EOF", write(ends[1], AT(8), 4));
    say_number("getcwd into bad pointer", CALL(SYS_getcwd, hole, 100));
    say_number("nanosleep bad pointer", CALL(SYS_nanosleep, hole, NULL));
}

static void proc_mem(void) {
    int memory = open("/proc/self/mem", O_RDWR), file = temporary_file();
    char *const readable = AT(0), *const closed = AT(2), *const hole = AT(4), *const shared = AT(8), byte;
    char path[40];
    CHECK(memory >= 0 && map(readable, 1, R) > 0 && map(closed, 1, PROT_NONE) > 0 && ftruncate(file, PAGE) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    int reading = open(path, O_RDONLY);
    CHECK(reading >= 0 && map_as(shared, PAGE, R, MAP_SHARED | MAP_FIXED, reading, 0) > 0);
    SAY("pwrite to read-only private page", pwrite(memory, "x", 1, (off_t)readable));
    note("byte %d", *readable);
    SAY("pread PROT_NONE page", pread(memory, (char *)&byte, 1, (off_t)closed));
    SAY("pwrite PROT_NONE page", pwrite(memory, "x", 1, (off_t)closed));
    SAY("pread unmapped", pread(memory, (char *)&byte, 1, (off_t)hole));
    SAY("pwrite shared read-only file mapping", pwrite(memory, "x", 1, (off_t)shared));
}

#define BIT(word, i) ((int)((word) >> (i) & 1))
#define FRAME(word) ((word) & ((1ul << 55) - 1))
static long entries(int fd, char *at, unsigned pages, uint64_t *words) {
    return TRY(pread(fd, words, pages * sizeof *words, (unsigned long)at / PAGE * sizeof *words));
}
static void pagemap(void) {
    uint64_t words[5];
    int fd = open("/proc/self/pagemap", O_RDONLY), memory = CALL(SYS_memfd_create, "page", 0);
    if (!has_capability(CAP_SYS_ADMIN)) lack("CAP_SYS_ADMIN");
    CHECK(fd >= 0 && ftruncate(memory, PAGE) == 0 && map(AT(0), 3, RW) > 0 && map(AT(3), 1, PROT_NONE) > 0);
    CHECK(map_as(AT(4), PAGE, RW, MAP_SHARED | MAP_FIXED, memory, 0) > 0);
    store(AT(0));
    load(AT(1));
    store(AT(4));
    say_number("pread 5 entries", entries(fd, AT(0), 5, words));
    for (int i = 0; i < 5; i++)
        note("page %d: present %d swap %d file/shmem %d uffdwp %d exclusive %d guard %d softdirty %d pfn %s", i,
             BIT(words[i], 63), BIT(words[i], 62), BIT(words[i], 61), BIT(words[i], 57), BIT(words[i], 56),
             BIT(words[i], 58), BIT(words[i], 55), FRAME(words[i]) != 0 ? "nonzero" : "0");
    CHECK(madvise(AT(2), PAGE, 102) == 0 && entries(fd, AT(2), 1, words) == 8);
    note("guard page entry 0x%lx", (unsigned long)words[0]);
    SAY("unaligned read", pread(fd, words, 8, A / PAGE * 8 + 4));
    /* What counts is who opened the file. */
    drop_capability(CAP_SYS_ADMIN);
    CHECK(entries(fd, AT(0), 1, words) == 8);
    note("without CAP_SYS_ADMIN pfn %s", FRAME(words[0]) != 0 ? "nonzero" : "0");
}

static void faults_counted(void) {
    struct rusage before, after;
    CHECK(map(AT(0), 64, RW) > 0);
    /* The second time everything that the probe itself uses has been touched. */
    for (int round = 0; round < 2; round++) {
        CHECK(getrusage(RUSAGE_SELF, &before) == 0);
        for (int i = 0; i < 64; i++) *(volatile char *)AT(i) = 1;
        CHECK(getrusage(RUSAGE_SELF, &after) == 0);
        if (round == 0) CHECK(madvise(AT(0), 64 * PAGE, MADV_DONTNEED) == 0);
    }
    note("64 touched pages: minflt %ld majflt %ld", after.ru_minflt - before.ru_minflt,
         after.ru_majflt - before.ru_majflt);
    for (int round = 0; round < 2; round++) {
        CHECK(getrusage(RUSAGE_SELF, &before) == 0);
        load(AT(100));
        CHECK(getrusage(RUSAGE_SELF, &after) == 0);
    }
    note("SIGSEGV fault: minflt %ld", after.ru_minflt - before.ru_minflt);
}

const struct probe access_probes[] = {
    {"X7", "process_vm_readv / writev", process_vm},
    {"X18", "kernel access to user memory", kernel_access},
    {"X20", "/proc/self/mem writes through protections", proc_mem},
    {"X21", "pagemap", pagemap},
    {"X24", "getrusage faults", faults_counted},
    {0},
};
