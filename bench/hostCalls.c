/* The counterpart of calls.ts and faults.ts on the host's Linux: hostCalls N [faults] prints a line for each call on an address
 * space with N other mappings: its name and nanoseconds of processor time, the median.  A call that the host refuses has
 * no line.  Transparent huge pages are off.
 *
 *   place of a call:  | other, 4 pages | free, 4 pages | the call's own, 8 pages |   next place …
 */
#define _GNU_SOURCE
#include "host.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096l
#define PLACE (16 * PAGE)
#define OWN (8 * PAGE)
#define FOUR (4 * PAGE)
#define BASE ((char *)0x200000000000)
#define FAULT_BASE ((char *)0x300000000000)
/* Where the sealed mappings stay. */
#define SEALED ((char *)0x380000000000)
#define RW (PROT_READ | PROT_WRITE)
#define RWX (RW | PROT_EXEC)
#define FIXED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
#define BATCH 48
#define SAMPLES 25
#define WARM_UP 5

static long places;
static int memory_file, segment, faults, maps, statm, pagemap;
static char *heap, *sealed = SEALED;
static char bytes[1 << 16];

static unsigned long long seed = 88172645463325252ull;
static long below(long n) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (long)(seed % (unsigned long long)n);
}

static void store(char *p, int pages) {
    for (int i = 0; i < pages; i++) *(volatile char *)(p + i * PAGE) = 1;
}

/* What is there before a call. */
static void nothing(char *p) { (void)p; }
static void fresh(char *p) { mmap(p, FOUR, RW, FIXED, -1, 0); }
static void touched(char *p) { fresh(p); store(p, 4); }
static void divided(char *p) { touched(p); mprotect(p + PAGE, 2 * PAGE, PROT_READ); }
static void locked(char *p) { touched(p); mlock(p, FOUR); }
static void shared(char *p) {
    mmap(p, FOUR, RW, MAP_SHARED | MAP_FIXED, memory_file, 0);
    store(p, 4);
}
static void heap_end(char *p) { (void)p; heap = (char *)syscall(SYS_brk, 0); }
static void attached(char *p) { if (shmat(segment, p, 0) == (void *)-1) perror("shmat"); }
static long watch(char *p) {
    struct uffdio_register r = {{(unsigned long)p, FOUR}, UFFDIO_REGISTER_MODE_MISSING, 0};
    return ioctl(faults, UFFDIO_REGISTER, &r);
}
static void watched(char *p) { touched(p); watch(p); }

/* The calls. */
static long mmap_anywhere(char *p) {
    return (long)mmap(NULL, FOUR, (p - BASE) / PLACE & 1 ? PROT_READ : RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static long mmap_at(char *p) { return (long)mmap(p, FOUR, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static long mmap_fixed(char *p) { return (long)mmap(p, FOUR, RW, FIXED, -1, 0); }
static long mmap_file(char *p) { return (long)mmap(p, FOUR, RW, MAP_SHARED | MAP_FIXED, memory_file, 0); }
static long munmap_four(char *p) { return munmap(p, FOUR); }
static long mprotect_all(char *p) { return mprotect(p, FOUR, PROT_READ); }
static long mprotect_inside(char *p) { return mprotect(p + PAGE, 2 * PAGE, PROT_READ); }
static long mprotect_back(char *p) { return mprotect(p + PAGE, 2 * PAGE, RW); }
static long mremap_grow(char *p) { return (long)mremap(p, FOUR, 6 * PAGE, 0); }
static long mremap_shrink(char *p) { return (long)mremap(p, FOUR, 2 * PAGE, 0); }
static long mremap_move(char *p) {
    return (long)mremap(p, FOUR, FOUR, MREMAP_MAYMOVE | MREMAP_FIXED, p + FOUR);
}
static long remap_pages(char *p) { return remap_file_pages(p, PAGE, 0, 2, 0); }
static long advise_dontneed(char *p) { return madvise(p, FOUR, MADV_DONTNEED); }
static long advise_willneed(char *p) { return madvise(p, FOUR, MADV_WILLNEED); }
static long advise_free(char *p) { return madvise(p, FOUR, MADV_FREE); }
static long advise_cold(char *p) { return madvise(p, FOUR, 20); }
static long advise_populate(char *p) { return madvise(p, FOUR, 23); }
static long advise_guard(char *p) { return madvise(p, FOUR, 102); }
static long advise_sequential(char *p) { return madvise(p + PAGE, 2 * PAGE, MADV_SEQUENTIAL); }
static long msync_four(char *p) { return msync(p, FOUR, MS_SYNC); }
static long mlock_four(char *p) { return mlock(p, FOUR); }
static long munlock_four(char *p) { return munlock(p, FOUR); }
static long mlock2_four(char *p) { return syscall(SYS_mlock2, p, FOUR, 1); }
static long mincore_four(char *p) { return mincore(p, FOUR, (unsigned char *)bytes); }
static long brk_more(char *p) { (void)p; return syscall(SYS_brk, heap += PAGE); }
static void brk_back(char *p, long r) { (void)p; (void)r; syscall(SYS_brk, heap -= PAGE); }
static long mseal_four(char *p) { (void)p; return syscall(462, sealed, FOUR, 0); }
static void new_sealed(char *p) { (void)p; fresh(sealed += PLACE); }
static long shmat_at(char *p) { return (long)shmat(segment, p, 0); }
static long shmdt_at(char *p) { return shmdt(p); }
static long memfd(char *p) {
    (void)p;
    int fd = memfd_create("bench", 0);
    return fd < 0 || ftruncate(fd, FOUR) != 0 ? -1 : fd;
}
static long fork_exit(char *p) {
    (void)p;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}
static long read_process(char *p) {
    struct iovec to = {bytes, PAGE}, from = {p, PAGE};
    return process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}
static long barrier(char *p) { (void)p; return syscall(SYS_membarrier, 8, 0, 0); }
static long usage(char *p) { (void)p; struct rusage u; return getrusage(RUSAGE_SELF, &u); }
static long bind_four(char *p) { unsigned long nodes = 1; return syscall(SYS_mbind, p, FOUR, 1, &nodes, 64, 0); }
static long policy_of(char *p) { int mode; return syscall(SYS_get_mempolicy, &mode, NULL, 0, p, 2); }
static long unwatch(char *p) {
    struct uffdio_range r = {(unsigned long)p, FOUR};
    return ioctl(faults, UFFDIO_UNREGISTER, &r);
}
static long read_maps(char *p) {
    (void)p;
    long total = 0, n;
    lseek(maps, 0, SEEK_SET);
    while ((n = read(maps, bytes, sizeof bytes)) > 0) total += n;
    return total;
}
static long read_statm(char *p) { (void)p; return pread(statm, bytes, 256, 0); }
static long read_pagemap(char *p) { return pread(pagemap, bytes, 32, (long)p / PAGE * 8); }
static long store_one(char *p) { store(p, 1); return 0; }
static long load_one(char *p) { return *(volatile char *)p; }

/* What is done with the result. */
static void unmap_own(char *p, long r) { (void)r; munmap(p, OWN); }
static void unmap_result(char *p, long r) { (void)p; munmap((char *)r, FOUR); }
static void close_result(char *p, long r) { (void)p; close((int)r); }
static void none(char *p, long r) { (void)p; (void)r; }

static const struct subject {
    const char *name;
    void (*before)(char *);
    long (*call)(char *);
    void (*after)(char *, long);
} subjects[] = {
    {"mmap, anywhere", nothing, mmap_anywhere, unmap_result},
    {"mmap, at a free address", nothing, mmap_at, unmap_own},
    {"mmap MAP_FIXED over four pages", touched, mmap_fixed, unmap_own},
    {"mmap, a memory file", nothing, mmap_file, unmap_own},
    {"munmap", fresh, munmap_four, none},
    {"munmap, four pages there", touched, munmap_four, none},
    {"mprotect, a whole mapping", touched, mprotect_all, unmap_own},
    {"mprotect, inside: three of one", touched, mprotect_inside, unmap_own},
    {"mprotect, back: one of three", divided, mprotect_back, unmap_own},
    {"mremap, grows in place", touched, mremap_grow, unmap_own},
    {"mremap, shrinks", touched, mremap_shrink, unmap_own},
    {"mremap, moves four pages", touched, mremap_move, unmap_own},
    {"remap_file_pages, one page", shared, remap_pages, unmap_own},
    {"madvise DONTNEED, four pages", touched, advise_dontneed, unmap_own},
    {"madvise WILLNEED, a memory file", shared, advise_willneed, unmap_own},
    {"madvise FREE, four pages", touched, advise_free, unmap_own},
    {"madvise COLD, four pages", touched, advise_cold, unmap_own},
    {"madvise POPULATE_WRITE, four pages", fresh, advise_populate, unmap_own},
    {"madvise GUARD_INSTALL, four pages", fresh, advise_guard, unmap_own},
    {"madvise SEQUENTIAL, inside", touched, advise_sequential, unmap_own},
    {"msync, a memory file", shared, msync_four, unmap_own},
    {"mlock, four pages there", touched, mlock_four, unmap_own},
    {"munlock, four pages", locked, munlock_four, unmap_own},
    {"mlock2 MLOCK_ONFAULT", touched, mlock2_four, unmap_own},
    {"mincore, four pages", touched, mincore_four, unmap_own},
    {"brk, a page more", heap_end, brk_more, brk_back},
    {"shmat", nothing, shmat_at, unmap_own},
    {"shmdt", attached, shmdt_at, none},
    {"memfd_create and ftruncate", nothing, memfd, close_result},
    {"process_vm_readv, a page", touched, read_process, unmap_own},
    {"membarrier PRIVATE_EXPEDITED", nothing, barrier, none},
    {"getrusage", nothing, usage, none},
    {"mbind, a whole mapping", touched, bind_four, unmap_own},
    {"get_mempolicy MPOL_F_ADDR", touched, policy_of, unmap_own},
    {"userfaultfd, register", touched, watch, unmap_own},
    {"userfaultfd, unregister", watched, unwatch, unmap_own},
    {"/proc/self/statm", nothing, read_statm, none},
    {"/proc/self/pagemap, four pages", touched, read_pagemap, unmap_own},
    {"page fault: store", fresh, store_one, unmap_own},
    {"page fault: load", fresh, load_one, unmap_own},
};
static const struct subject seal = {"mseal", new_sealed, mseal_four, none};

static void measure(const struct subject *s) {
    double samples[SAMPLES];
    char *at[BATCH];
    long results[BATCH];
    for (int sample = -WARM_UP; sample < SAMPLES; sample++) {
        for (int i = 0; i < BATCH; i++) {
        again:
            at[i] = BASE + below(places) * PLACE + OWN;
            for (int k = 0; k < i; k++)
                if (at[k] == at[i]) goto again;
        }
        for (int i = 0; i < BATCH; i++) s->before(at[i]);
        double start = now();
        for (int i = 0; i < BATCH; i++) results[i] = s->call(at[i]);
        double took = (now() - start) / BATCH;
        for (int i = 0; i < BATCH; i++) {
            if (results[i] == -1) { perror(s->name); return; }
            s->after(at[i], results[i]);
        }
        if (sample >= 0) samples[sample] = took;
    }
    printf("%s\t%.1f\n", s->name, median(samples, SAMPLES));
}

/* Once for each sample: what costs in proportion to the mappings. */
static void measure_whole(const char *name, long (*call)(char *), double divisor) {
    double samples[SAMPLES];
    for (int sample = -1; sample < SAMPLES; sample++) {
        double start = now();
        if (call(BASE) == -1) { perror(name); return; }
        if (sample >= 0) samples[sample] = (now() - start) / divisor;
    }
    printf("%s\t%.1f\n", name, median(samples, SAMPLES));
}

/* faults.ts: stores to random pages of random mappings of four pages each, which lie side by side. */
static void random_faults(void) {
    enum { FAULTS = 200 };
    double samples[SAMPLES];
    char *at[FAULTS];
    for (long i = 0; i < places; i++) mmap(FAULT_BASE + i * FOUR, FOUR, i & 1 ? RWX : RW, FIXED, -1, 0);
    for (long i = 0; i < places; i++) {
        store(FAULT_BASE + i * FOUR, 1);
        madvise(FAULT_BASE + i * FOUR, PAGE, MADV_DONTNEED);
    }
    for (int sample = -WARM_UP; sample < SAMPLES; sample++) {
        for (int i = 0; i < FAULTS; i++) {
        again:
            at[i] = FAULT_BASE + below(places * 4) * PAGE;
            for (int k = 0; k < i; k++)
                if (at[k] == at[i]) goto again;
        }
        double start = now();
        for (int i = 0; i < FAULTS; i++) store(at[i], 1);
        double took = (now() - start) / FAULTS;
        for (int i = 0; i < FAULTS; i++) madvise(at[i], PAGE, MADV_DONTNEED);
        if (sample >= 0) samples[sample] = took;
    }
    printf("random page fault\t%.1f\n", median(samples, SAMPLES));
}

int main(int argc, char **argv) {
    const int is_faults = argc > 2 && strcmp(argv[2], "faults") == 0;
    places = argc > 1 ? atol(argv[1]) : 100;
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (is_faults) {
        random_faults();
        return 0;
    }
    for (long i = 0; i < places; i++) mmap(BASE + i * PLACE, FOUR, i & 1 ? PROT_READ : RW, FIXED, -1, 0);
    /* So that the page tables stay. */
    for (long i = 0; i < places; i += 16) store(BASE + i * PLACE, 1);
    memory_file = memfd_create("bench", 0);
    if (ftruncate(memory_file, FOUR) != 0) perror("ftruncate");
    segment = shmget(IPC_PRIVATE, FOUR, IPC_CREAT | 0600);
    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API};
    if (faults >= 0) ioctl(faults, UFFDIO_API, &api);
    maps = open("/proc/self/maps", O_RDONLY);
    statm = open("/proc/self/statm", O_RDONLY);
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    syscall(SYS_membarrier, 16, 0, 0);

    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) measure(&subjects[i]);
    measure_whole("fork, exit and wait", fork_exit, 1);
    measure_whole("/proc/self/maps, a line", read_maps, places);
    /* Last: these mappings stay. */
    measure(&seal);
    shmctl(segment, IPC_RMID, NULL);
    return 0;
}
