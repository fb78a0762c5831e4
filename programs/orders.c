/* Which error wins: for the calls of memory management every bad argument, and every pair of bad arguments, at once.
 * Prints the same on every Linux that has its checks in the order of 6.18, whatever the processor.
 *
 *   orders          all
 *   orders mmap     only calls whose names begin so
 *
 * It gives up privileges first, so that it prints the same for everybody. */
#include "orders.h"
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/uio.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* The memory, by pages:
 *
 *   A   0 1 2 3   4   5 6   7     8 9    10 11   12    13    14    16 17  24 25  28 29  40
 *       rw rw rw  -   r r   none  file   file    grows file  rw    shm    faults faults  free
 *       rw            |           shared shared  down  priv. lock         miss.  protect
 *       touched       |           rw     r only
 */
#define P 4096l
#define A 0x1000000000l
#define AT(page) (A + (page) * P)
#define HOLE AT(4)
#define READONLY AT(5)
#define NONE AT(7)
#define SHARED AT(8)
#define SHARED_R AT(10)
#define GROWS AT(12)
#define COPIED AT(13)
#define LOCKED AT(14)
#define SEGMENT AT(16)
#define MISSING AT(24)
#define PROTECTED AT(28)
#define FREE AT(40)
#define ARENA 64 * P
#define D (A + 0x100000l)         /* data for pointers: two pages, nothing behind */
#define CUT (D + 2 * P - 4)       /* four bytes of it */
#define SEALED (A + 0x200000l)    /* rw, sealed */
#define SEALED_R (A + 0x300000l)  /* r, sealed */
#define HIGH (1l << 56)
#define NEG (-4096l)
#define KERNEL (-8192l)

enum { MEM = 50, RO, WO, PATH, DIRECTORY, PIPE, WSEALED, NOSEAL, UFFD, NULLDEV, PIDFD, CLOSED, SOME, ALLSEALED };

static int segment, key;

#define RW (PROT_READ | PROT_WRITE)
static void map(long at, long pages, int prot, int flags, int fd) {
    CHECK(mmap((void *)at, pages * P, prot, flags | MAP_FIXED, fd, 0) == (void *)at);
}
static void register_faults(long at, int mode) {
    struct uffdio_register r = {.range = {at, 2 * P}, .mode = mode};
    CHECK(ioctl(UFFD, UFFDIO_REGISTER, &r) == 0);
}
void restore(void) {
    munlock((void *)SEALED, 4 * P);
    munlock((void *)SEALED_R, 4 * P);
    CHECK(munmap((void *)A, ARENA) == 0);
    map(A, 4, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset((void *)A, 1, 4 * P);
    map(READONLY, 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(NONE, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(SHARED, 2, RW, MAP_SHARED, MEM);
    map(SHARED_R, 2, PROT_READ, MAP_SHARED, RO);
    map(GROWS, 1, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
    map(COPIED, 1, RW, MAP_PRIVATE, MEM);
    map(LOCKED, 1, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CHECK(mlock((void *)LOCKED, P) == 0);
    CHECK(shmat(segment, (void *)SEGMENT, 0) == (void *)SEGMENT);
    map(MISSING, 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    register_faults(MISSING, UFFDIO_REGISTER_MODE_MISSING);
    map(PROTECTED, 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    register_faults(PROTECTED, UFFDIO_REGISTER_MODE_WP);
}

/* A sum of the lines of /proc/self/maps that show the arena: places, protection and offsets. */
static long maps(void) {
    static char text[65536];
    int fd = open("/proc/self/maps", O_RDONLY);
    CHECK(fd >= 0);
    size_t n = 0;
    for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0; n += got) {}
    close(fd);
    text[n] = 0;
    uint64_t sum = SUM_START;
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        if (strncmp(line, "1000", 4) || line[10] != '-') continue;
        char *end = line;
        for (int blanks = 0; *end != '\n' && blanks < 3; end++) blanks += *end == ' ';
        sum = sum_bytes(sum, line, end - line);
    }
    return (long)sum;
}

static void unmap_result(long result, const long *a) {
    (void)a;
    if (result < A || result >= A + ARENA) munmap((void *)result, 8 * P);
}
static void unmap_grown(long result, const long *a) {
    if (result < A || result >= A + ARENA) munmap((void *)result, a[2]);
}
static void close_result(long result, const long *a) {
    (void)a;
    close((int)result);
}

/* ---- values that many calls share ---- */
#define ADDRESSES {"odd", A + 1}, {"high", HIGH}, {"neg", NEG}, {"hole", HOLE}, {"sealed", SEALED}
#define LENGTHS {"0", 0}, {"wraps", -1}, {"neg", NEG}, {"high", HIGH * 2}, {"beyond", 6 * P}, {"odd", 5}
#define POINTERS {"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT}
#define OUT_POINTERS POINTERS, {"readonly", READONLY}
#define DESCRIPTORS {"-1", -1}, {"closed", CLOSED}, {"path", PATH}, {"directory", DIRECTORY}, {"pipe", PIPE}, {"null", NULLDEV}, {"ro", RO}, {"wo", WO}

#define LIMIT_AS (1l << 40)
#define LIMIT_DATA (64l << 20)
#define LIMIT_LOCK (8 * P)

static const struct call mapping[] = {
    {"mmap anonymous", SYS_mmap, NULL, {
        {"addr", A, BAD({"odd", A + 1}, {"high", HIGH}, {"neg", NEG}, {"0", 0}, {"sealed", SEALED})},
        {"len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"neg", NEG}, {"high", HIGH}, {"as", 2 * LIMIT_AS}, {"data", 2 * LIMIT_DATA}, {"lock", 16 * P})},
        {"prot", RW, BAD({"none", 0}, {"unknown", 0x43})},
        {"flags", MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BAD(
            {"type 0", MAP_ANONYMOUS | MAP_FIXED}, {"type 3", 3 | MAP_ANONYMOUS | MAP_FIXED}, {"shared", MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED},
            {"shared grows", MAP_SHARED | MAP_GROWSDOWN | MAP_ANONYMOUS | MAP_FIXED}, {"grows", MAP_PRIVATE | MAP_GROWSDOWN | MAP_ANONYMOUS | MAP_FIXED},
            {"drop grows", 8 | MAP_GROWSDOWN | MAP_ANONYMOUS | MAP_FIXED}, {"drop locked", 8 | MAP_LOCKED | MAP_ANONYMOUS | MAP_FIXED},
            {"no replace", MAP_PRIVATE | MAP_ANONYMOUS | 0x100000}, {"locked", MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_LOCKED})},
        {"fd", -1, BAD({"path", PATH})},
        {"off", 0, BAD({"odd", 1}, {"neg", NEG})}},
     unmap_result, maps, 0},
    {"mmap file", SYS_mmap, NULL, {
        {"addr", A, BAD({"odd", A + 1}, {"high", HIGH}, {"0", 0}, {"sealed", SEALED})},
        {"len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"neg", NEG}, {"high", HIGH}, {"as", 2 * LIMIT_AS}, {"lock", 16 * P})},
        {"prot", RW, BAD({"r", PROT_READ}, {"none", 0}, {"x", PROT_EXEC})},
        {"flags", MAP_SHARED | MAP_FIXED, BAD(
            {"private", MAP_PRIVATE | MAP_FIXED}, {"type 0", MAP_FIXED}, {"validate", 3 | MAP_FIXED}, {"validate unknown", 3 | MAP_FIXED | 0x200000},
            {"validate sync", 3 | MAP_FIXED | 0x80000}, {"drop", 8 | MAP_FIXED}, {"grows", MAP_SHARED | MAP_FIXED | MAP_GROWSDOWN},
            {"huge", MAP_SHARED | MAP_FIXED | 0x40000}, {"no replace", MAP_SHARED | 0x100000}, {"locked", MAP_SHARED | MAP_FIXED | MAP_LOCKED})},
        {"fd", MEM, BAD(DESCRIPTORS, {"sealed", WSEALED}, {"uffd", UFFD})},
        {"off", 0, BAD({"odd", 1}, {"neg", NEG}, {"max", (long)((1ul << 63) - 4096)}, {"end", 100 * P})}},
     unmap_result, maps, 0},
    {"munmap", SYS_munmap, NULL, {
        {"addr", A, BAD(ADDRESSES, {"middle", AT(1)})},
        {"len", 4 * P, BAD(LENGTHS)}}, NULL, maps, 0},
    {"mprotect", SYS_mprotect, NULL, {
        {"addr", A, BAD(ADDRESSES, {"shared r", SHARED_R}, {"grows", GROWS}, {"none", NONE})},
        {"len", 4 * P, BAD(LENGTHS)},
        {"prot", PROT_READ, BAD({"same", RW}, {"unknown", 0x10}, {"sem", 8}, {"down", PROT_READ | 0x1000000}, {"up", PROT_READ | 0x2000000},
                             {"both", 0x3000000}, {"both unknown", 0x3000010}, {"none", 0})}},
     NULL, maps, 0},
    {"pkey_mprotect", SYS_pkey_mprotect, NULL, {
        {"addr", A, BAD(ADDRESSES)},
        {"len", 4 * P, BAD(LENGTHS)},
        {"prot", PROT_READ, BAD({"unknown", 0x10}, {"up", PROT_READ | 0x2000000}, {"both", 0x3000000})},
        {"key", -1, BAD({"5", 5}, {"-2", -2}, {"99", 99})}},
     NULL, maps, 0},
    {"mremap grow", SYS_mremap, NULL, {
        {"old", A, BAD(ADDRESSES, {"none", NONE}, {"grows", GROWS}, {"shared", SHARED}, {"locked", LOCKED})},
        {"old len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"neg", NEG}, {"high", HIGH}, {"beyond", 6 * P}, {"part", P})},
        {"new len", 8 * P, BAD({"0", 0}, {"wraps", -1}, {"high", HIGH}, {"same", 4 * P}, {"less", 2 * P}, {"as", 2 * LIMIT_AS}, {"data", 2 * LIMIT_DATA}, {"lock", 16 * P})},
        {"flags", MREMAP_MAYMOVE, BAD({"0", 0}, {"8", 8}, {"fixed", 2}, {"fixed move", 3}, {"keep", 4}, {"keep move", 5}, {"all", 7})},
        {"new", FREE, BAD({"odd", FREE + 1}, {"high", HIGH}, {"sealed", SEALED})}},
     unmap_grown, maps, 0},
    {"mremap fixed", SYS_mremap, NULL, {
        {"old", A, BAD(ADDRESSES, {"grows", GROWS}, {"locked", LOCKED}, {"faults", MISSING})},
        {"old len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"neg", NEG}, {"high", HIGH}, {"beyond", 10 * P}, {"part", P})},
        {"new len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"high", HIGH}, {"more", 8 * P}, {"less", 2 * P}, {"beyond", 10 * P})},
        {"flags", 3, BAD({"move", 1}, {"8", 8}, {"fixed", 2}, {"keep move", 5}, {"all", 7})},
        {"new", FREE, BAD({"odd", FREE + 1}, {"high", HIGH}, {"neg", NEG}, {"0", 0}, {"overlap", AT(2)}, {"same", A}, {"sealed", SEALED}, {"taken", SHARED})}},
     unmap_grown, maps, 0},
    {"mremap keep", SYS_mremap, NULL, {
        {"old", A, BAD(ADDRESSES, {"grows", GROWS}, {"locked", LOCKED}, {"shared", SHARED})},
        {"old len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"high", HIGH}, {"beyond", 6 * P}, {"part", P})},
        {"new len", 4 * P, BAD({"0", 0}, {"wraps", -1}, {"high", HIGH}, {"more", 8 * P}, {"less", P}, {"beyond", 6 * P})},
        {"flags", 7, BAD({"0", 0}, {"8", 12}, {"no move", 6}, {"no fixed", 5})},
        {"new", FREE, BAD({"odd", FREE + 1}, {"high", HIGH}, {"overlap", AT(2)}, {"sealed", SEALED})}},
     unmap_grown, maps, 0},
    {"remap_file_pages", SYS_remap_file_pages, NULL, {
        {"start", SHARED, BAD({"odd", SHARED + 1}, {"high", HIGH}, {"neg", NEG}, {"hole", HOLE}, {"anonymous", A}, {"read only", SHARED_R}, {"private", COPIED}, {"segment", SEGMENT})},
        {"size", 2 * P, BAD({"0", 0}, {"odd", 100}, {"wraps", -1}, {"neg", NEG}, {"beyond", 4 * P}, {"high", HIGH})},
        {"prot", 0, BAD({"r", 1}, {"unknown", 0x10})},
        {"pgoff", 1, BAD({"wraps", -1}, {"past", 1000}, {"top", 1l << 51})},
        {"flags", 0, BAD({"nonblock", 0x10000}, {"others", 0x7fff})}},
     NULL, maps, 0},
    {"madvise", SYS_madvise, NULL, {
        {"addr", A, BAD(ADDRESSES, {"readonly", READONLY}, {"none", NONE}, {"shared", SHARED}, {"shared r", SHARED_R}, {"grows", GROWS}, {"copied", COPIED}, {"locked", LOCKED}, {"sealed r", SEALED_R})},
        {"len", P, BAD({"0", 0}, {"wraps", -1}, {"neg", NEG}, {"far", 1 << 30}, {"beyond", 6 * P}, {"odd", 5})},
        {"advice", MADV_NORMAL, BAD({"random", 1}, {"willneed", 3}, {"dontneed", 4}, {"5", 5}, {"7", 7}, {"free", 8}, {"remove", 9}, {"dontfork", 10}, {"dofork", 11},
            {"mergeable", 12}, {"unmergeable", 13}, {"hugepage", 14}, {"dontdump", 16}, {"dodump", 17}, {"wipe", 18}, {"keep", 19}, {"cold", 20}, {"pageout", 21},
            {"populate r", 22}, {"populate w", 23}, {"dontneed locked", 24}, {"26", 26}, {"poison", 100}, {"offline", 101}, {"guard", 102}, {"unguard", 103}, {"104", 104}, {"-1", -1})}},
     NULL, maps, 0},
    {"msync", SYS_msync, NULL, {
        {"addr", A, BAD(ADDRESSES, {"shared", SHARED}, {"locked", LOCKED})},
        {"len", 4 * P, BAD(LENGTHS)},
        {"flags", MS_SYNC, BAD({"0", 0}, {"8", 8}, {"both", MS_SYNC | MS_ASYNC}, {"invalidate", MS_INVALIDATE}, {"-1", -1})}},
     NULL, maps, 0},
    {"mlock", SYS_mlock, NULL, {
        {"addr", A, BAD(ADDRESSES, {"none", NONE}, {"locked", LOCKED}, {"readonly", READONLY})},
        {"len", 4 * P, BAD(LENGTHS, {"lock", 16 * P})}},
     NULL, maps, 0},
    {"mlock2", SYS_mlock2, NULL, {
        {"addr", A, BAD(ADDRESSES, {"none", NONE})},
        {"len", 4 * P, BAD(LENGTHS, {"lock", 16 * P})},
        {"flags", 0, BAD({"onfault", 1}, {"2", 2}, {"-1", -1})}},
     NULL, maps, 0},
    {"munlock", SYS_munlock, NULL, {
        {"addr", A, BAD(ADDRESSES, {"none", NONE}, {"locked", LOCKED})},
        {"len", 4 * P, BAD(LENGTHS)}},
     NULL, maps, 0},
    {"mincore", SYS_mincore, NULL, {
        {"addr", A, BAD(ADDRESSES, {"none", NONE})},
        {"len", 4 * P, BAD(LENGTHS)},
        {"vec", D, BAD({"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT + 2}, {"readonly", READONLY})}},
     NULL, maps, 0},
};

static void reset_lock_all(long result, const long *a) {
    (void)result, (void)a;
    munlockall();
}
static long mseal_prepared(const long *a) { return syscall(SYS_mseal, a[0], a[1], a[2]); }
static long seals_of(void) { return fcntl(SOME, F_GET_SEALS); }
static void new_file(long result, const long *a) {
    (void)result, (void)a;
    int fd = syscall(SYS_memfd_create, "some", MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && dup2(fd, SOME) == SOME && close(fd) == 0 && ftruncate(SOME, 4 * P) == 0);
}
static void remove_segment(long result, const long *a) {
    (void)a;
    if (result != segment) shmctl((int)result, IPC_RMID, NULL);
}
#define SEGMENT_DATA (D + 512)
static void segment_data(long result, const long *a) {
    (void)result, (void)a;
    CHECK(shmctl(segment, IPC_STAT, (void *)SEGMENT_DATA) == 0);
}
static void detach_result(long result, const long *a) {
    (void)a;
    if (result < A || result >= A + ARENA) shmdt((void *)result);
}
#define NAME D
#define LONG_NAME (D + 1024)
#define VECTOR (D + 2048)           /* one good buffer, then bad ones at +64, +128, +192 */

static const struct call files[] = {
    {"mlockall", SYS_mlockall, NULL, {
        {"flags", MCL_FUTURE, BAD({"0", 0}, {"current", 1}, {"onfault", 4}, {"future onfault", 6}, {"8", 8}, {"-1", -1})}},
     reset_lock_all, NULL, 0},
    {"mseal", -1, mseal_prepared, {
        {"addr", A, BAD(ADDRESSES)},
        {"len", 4 * P, BAD(LENGTHS)},
        {"flags", 0, BAD({"1", 1}, {"-1", -1})}},
     NULL, NULL, 1},
    {"memfd_create", SYS_memfd_create, NULL, {
        {"name", NAME, BAD({"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT}, {"long", LONG_NAME}, {"249", LONG_NAME + 1})},
        {"flags", 0, BAD({"0x20", 0x20}, {"both exec", 0x18}, {"size", 21 << 26}, {"-1", -1})}},
     close_result, NULL, 0},
    {"fcntl add seals", SYS_fcntl, NULL, {
        {"fd", SOME, BAD(DESCRIPTORS, {"no sealing", NOSEAL}, {"all sealed", ALLSEALED}, {"mapped", MEM})},
        {"cmd", F_ADD_SEALS, BAD({"get", F_GET_SEALS}, {"unknown", 9999})},
        {"seals", F_SEAL_GROW, BAD({"0", 0}, {"unknown", 0x40}, {"write", F_SEAL_WRITE}, {"-1", -1})}},
     new_file, seals_of, 0},
    {"ftruncate", SYS_ftruncate, NULL, {
        {"fd", SOME, BAD(DESCRIPTORS, {"all sealed", ALLSEALED})},
        {"len", 2 * P, BAD({"neg", -1}, {"more", 8 * P})}},
     new_file, NULL, 0},
    {"fallocate", SYS_fallocate, NULL, {
        {"fd", SOME, BAD(DESCRIPTORS, {"all sealed", ALLSEALED})},
        {"mode", 0, BAD({"punch", 3}, {"punch alone", 2}, {"unknown", 0x100}, {"collapse", 8}, {"keep", 1})},
        {"off", 0, BAD({"neg", -1}, {"odd", 5}, {"huge", (1ul << 63) - 4096})},
        {"len", P, BAD({"0", 0}, {"neg", -1})}},
     new_file, NULL, 0},
    {"shmget", SYS_shmget, NULL, {
        {"key", 0, BAD({"private", IPC_PRIVATE}, {"missing", 0x7fffff17})}, /* the good key is filled in */
        {"size", 2 * P, BAD({"0", 0}, {"more", 3 * P}, {"less", 5}, {"huge", -1}, {"high", HIGH * 2})},
        {"flags", 0600, BAD({"create", IPC_CREAT | 0600}, {"exclusive", IPC_CREAT | IPC_EXCL | 0600}, {"only excl", IPC_EXCL}, {"no mode", 0})}},
     remove_segment, NULL, 0},
    {"shmat", SYS_shmat, NULL, {
        {"id", 0, BAD({"-1", -1}, {"missing", 0x7ffffff1})}, /* the good id is filled in */
        {"addr", FREE, BAD({"odd", FREE + 1}, {"null", 0}, {"taken", A}, {"high", HIGH}, {"neg", NEG}, {"sealed", SEALED}, {"low", 1})},
        {"flags", 0, BAD({"round", SHM_RND}, {"remap", SHM_REMAP}, {"round remap", SHM_RND | SHM_REMAP}, {"readonly", SHM_RDONLY}, {"exec", SHM_EXEC}, {"unknown", 0x100})}},
     detach_result, maps, 0},
    {"shmdt", SYS_shmdt, NULL, {
        {"addr", SEGMENT, BAD({"odd", SEGMENT + 1}, {"inside", SEGMENT + P}, {"hole", HOLE}, {"memory", A}, {"high", HIGH}, {"neg", NEG}, {"null", 0})}},
     NULL, maps, 0},
    {"shmctl", SYS_shmctl, NULL, {
        {"id", 0, BAD({"-1", -1}, {"missing", 0x7ffffff1})},
        {"cmd", IPC_STAT, BAD({"set", IPC_SET}, {"info", IPC_INFO}, {"lock", SHM_LOCK}, {"unlock", SHM_UNLOCK}, {"-1", -1}, {"99", 99})},
        {"buf", SEGMENT_DATA, BAD(POINTERS)}},
     segment_data, NULL, 0},
    {"cachestat", SYS_cachestat, NULL, {
        {"fd", MEM, BAD(DESCRIPTORS)},
        {"range", D + 512, BAD(POINTERS)},
        {"stat", D, BAD(OUT_POINTERS)},
        {"flags", 0, BAD({"1", 1}, {"-1", -1})}},
     NULL, NULL, 0},
    {"process_madvise", SYS_process_madvise, NULL, {
        {"pidfd", PIDFD, BAD({"-1", -1}, {"closed", CLOSED}, {"file", MEM}, {"path", PATH}, {"self", -10000})},
        {"vec", VECTOR, BAD(POINTERS, {"bad base", VECTOR + 64}, {"bad len", VECTOR + 128}, {"kernel base", VECTOR + 192}, {"odd base", VECTOR + 256})},
        {"count", 1, BAD({"0", 0}, {"2", 2}, {"1025", 1025}, {"-1", -1})},
        {"advice", 20, BAD({"dontneed", 4}, {"26", 26}, {"-1", -1}, {"populate", 22}, {"dontfork", 10})},
        {"flags", 0, BAD({"1", 1}, {"-1", -1})}},
     NULL, maps, 0},
    {"process_vm_readv", SYS_process_vm_readv, NULL, {
        {"pid", 0, BAD({"-1", -1}, {"0", 0}, {"missing", 0x3ffffff})},
        {"local", VECTOR, BAD(POINTERS, {"bad base", VECTOR + 64}, {"bad len", VECTOR + 128}, {"kernel base", VECTOR + 192})},
        {"local count", 1, BAD({"0", 0}, {"2", 2}, {"1025", 1025}, {"-1", -1})},
        {"remote", VECTOR, BAD(POINTERS, {"bad base", VECTOR + 64}, {"bad len", VECTOR + 128}, {"kernel base", VECTOR + 192})},
        {"remote count", 1, BAD({"0", 0}, {"2", 2}, {"1025", 1025}, {"-1", -1})},
        {"flags", 0, BAD({"1", 1}, {"-1", -1})}},
     NULL, NULL, 0},
    {"process_vm_writev", SYS_process_vm_writev, NULL, {
        {"pid", 0, BAD({"-1", -1}, {"0", 0}, {"missing", 0x3ffffff})},
        {"local", VECTOR, BAD(POINTERS, {"bad base", VECTOR + 64}, {"bad len", VECTOR + 128}, {"readonly", VECTOR + 320})},
        {"local count", 1, BAD({"0", 0}, {"2", 2}, {"1025", 1025})},
        {"remote", VECTOR, BAD(POINTERS, {"bad base", VECTOR + 64}, {"bad len", VECTOR + 128}, {"readonly", VECTOR + 320})},
        {"remote count", 1, BAD({"0", 0}, {"2", 2}, {"1025", 1025})},
        {"flags", 0, BAD({"1", 1})}},
     NULL, NULL, 0},
};

/* ---- policy ---- */
#define MASK (D + 3072)  /* node 0; then node 1, node 63 and none at +16, +32, +48 */
#define PAGES (D + 3328) /* addresses for move_pages */
#define MASKS {"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT}, {"node 1", MASK + 16}, {"node 63", MASK + 32}, {"none", MASK + 48}
#define MODES {"default", 0}, {"preferred", 1}, {"local", 4}, {"7", 7}, {"-1", -1}, {"both", 2 | 3 << 14}, {"static", 2 | 1 << 15}, {"balancing", 1 | 1 << 13}, {"static local", 4 | 1 << 15}
#define MAXNODES {"0", 0}, {"1", 1}, {"2", 2}, {"huge", 1 << 16}, {"-1", -1}
static void no_policy(long result, const long *a) {
    (void)result, (void)a;
    CHECK(syscall(SYS_set_mempolicy, 0, 0, 0) == 0);
}

static const struct call policies[] = {
    {"mbind", SYS_mbind, NULL, {
        {"addr", A, BAD(ADDRESSES)},
        {"len", 4 * P, BAD(LENGTHS)},
        {"mode", 2, BAD(MODES)},
        {"mask", MASK, BAD(MASKS)},
        {"maxnode", 64, BAD(MAXNODES)},
        {"flags", 0, BAD({"strict", 1}, {"move all", 4}, {"8", 8}, {"-1", -1})}},
     NULL, maps, 0},
    {"set_mempolicy", SYS_set_mempolicy, NULL, {
        {"mode", 2, BAD(MODES)}, {"mask", MASK, BAD(MASKS)}, {"maxnode", 64, BAD(MAXNODES)}},
     no_policy, NULL, 0},
    {"get_mempolicy", SYS_get_mempolicy, NULL, {
        {"mode", D, BAD(OUT_POINTERS)},
        {"mask", D + 16, BAD(OUT_POINTERS)},
        {"maxnode", 1024, BAD({"0", 0}, {"1", 1}, {"huge", 1 << 20}, {"-1", -1})},
        {"addr", 0, BAD({"odd", A + 1}, {"hole", HOLE}, {"high", HIGH}, {"neg", NEG}, {"none", NONE})},
        {"flags", 0, BAD({"node", 1}, {"addr", 2}, {"node addr", 3}, {"allowed", 4}, {"allowed addr", 6}, {"8", 8}, {"-1", -1})}},
     NULL, NULL, 0},
    {"move_pages", SYS_move_pages, NULL, {
        {"pid", 0, BAD({"-1", -1}, {"missing", 0x3ffffff})},
        {"count", 2, BAD({"0", 0}, {"-1", -1})},
        {"pages", PAGES, BAD(POINTERS)},
        {"nodes", 0, BAD({"hole", HOLE}, {"zeros", D + 3840}, {"node 99", D + 3856})},
        {"status", D, BAD(OUT_POINTERS)},
        {"flags", 2, BAD({"1", 1}, {"all", 4}, {"8", 8})}},
     NULL, NULL, 0},
    {"migrate_pages", SYS_migrate_pages, NULL, {
        {"pid", 0, BAD({"-1", -1}, {"missing", 0x3ffffff})},
        {"maxnode", 64, BAD(MAXNODES)},
        {"old", MASK, BAD(MASKS)},
        {"new", MASK, BAD(MASKS)}},
     NULL, NULL, 0},
    {"set_mempolicy_home_node", SYS_set_mempolicy_home_node, NULL, {
        {"start", A, BAD(ADDRESSES)},
        {"len", 4 * P, BAD(LENGTHS)},
        {"node", 0, BAD({"1", 1}, {"-1", -1}, {"99", 99})},
        {"flags", 0, BAD({"1", 1}, {"-1", -1})}},
     NULL, NULL, 0},
};

/* ---- userfaultfd: each field of a structure is an argument ---- */
static long *const uffd_struct = (long *)(D + 768);
/* a[0] descriptor, a[1] address of the structure, or 1: the one that the fields are put into; then the fields. */
static long control(const long *a, unsigned long request, int fields) {
    for (int i = 0; i < fields; i++) uffd_struct[i] = a[2 + i];
    uffd_struct[fields] = 0;
    return syscall(SYS_ioctl, a[0], request, a[1] == 1 ? (long)uffd_struct : a[1]);
}
static long uffd_api(const long *a) {
    int fd = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
    CHECK(fd >= 0);
    long b[PARAMS] = {a[0] == UFFD ? fd : a[0], a[1], a[2], a[3], 0, 0};
    long result = control(b, UFFDIO_API, 3);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}
static long uffd_register(const long *a) { return control(a, UFFDIO_REGISTER, 3); }
static long uffd_unregister(const long *a) { return control(a, UFFDIO_UNREGISTER, 2); }
static long uffd_wake(const long *a) { return control(a, UFFDIO_WAKE, 2); }
static long uffd_copy(const long *a) { return control(a, UFFDIO_COPY, 4); }
static long uffd_zeropage(const long *a) { return control(a, UFFDIO_ZEROPAGE, 3); }
static long uffd_continue(const long *a) { return control(a, UFFDIO_CONTINUE, 3); }
static long uffd_poison(const long *a) { return control(a, _IOWR(UFFDIO, 8, struct uffdio_zeropage), 3); }
static long uffd_move(const long *a) { return control(a, _IOWR(UFFDIO, 5, struct uffdio_copy), 4); }
static long uffd_protect(const long *a) { return control(a, UFFDIO_WRITEPROTECT, 3); }

#define UFFD_FD {"fd", UFFD, BAD({"-1", -1}, {"path", PATH}, {"file", MEM})}
#define UFFD_AT {"struct", 1, BAD({"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT})}
#define UFFD_PLACES {"odd", MISSING + 1}, {"high", HIGH}, {"neg", NEG}, {"hole", HOLE}, {"other", A}, {"0", 0}, {"shared", SHARED}, {"protected", PROTECTED}
#define UFFD_LENGTHS {"0", 0}, {"odd", 5}, {"neg", NEG}, {"wraps", (1ul << 63)}, {"beyond", 3 * P}, {"all", 2 * P}
static const struct call faults[] = {
    {"userfaultfd", SYS_userfaultfd, NULL, {{"flags", UFFD_USER_MODE_ONLY, BAD({"0", 0}, {"2", 2}, {"-1", -1}, {"nonblock", O_NONBLOCK})}}, close_result, NULL, 0},
    {"UFFDIO_API", -1, uffd_api, {UFFD_FD, UFFD_AT,
        {"api", UFFD_API, BAD({"0", 0}, {"-1", -1})},
        {"features", 0, BAD({"unknown", 1l << 40}, {"fork", 2}, {"fork unknown", 1l << 40 | 2}, {"top", 1ul << 63})}}, NULL, NULL, 0},
    {"UFFDIO_REGISTER", -1, uffd_register, {UFFD_FD, UFFD_AT,
        {"start", MISSING, BAD(UFFD_PLACES, {"sealed", SEALED}, {"shared r", SHARED_R})},
        {"len", 2 * P, BAD(UFFD_LENGTHS)},
        {"mode", 1, BAD({"0", 0}, {"8", 8}, {"minor", 4}, {"protect", 2}, {"-1", -1})}}, NULL, NULL, 0},
    {"UFFDIO_UNREGISTER", -1, uffd_unregister, {UFFD_FD, UFFD_AT, {"start", MISSING, BAD(UFFD_PLACES)}, {"len", 2 * P, BAD(UFFD_LENGTHS)}}, NULL, NULL, 0},
    {"UFFDIO_WAKE", -1, uffd_wake, {UFFD_FD, UFFD_AT, {"start", MISSING, BAD(UFFD_PLACES)}, {"len", 2 * P, BAD(UFFD_LENGTHS)}}, NULL, NULL, 0},
    {"UFFDIO_COPY", -1, uffd_copy, {UFFD_FD, UFFD_AT,
        {"dst", MISSING, BAD(UFFD_PLACES)},
        {"src", A, BAD({"odd", A + 1}, {"hole", HOLE}, {"high", HIGH}, {"neg", NEG}, {"none", NONE}, {"last", AT(3)})},
        {"len", P, BAD(UFFD_LENGTHS)},
        {"mode", 0, BAD({"4", 4}, {"-1", -1}, {"protect", 2}, {"no wake", 1})}}, NULL, NULL, 0},
    {"UFFDIO_ZEROPAGE", -1, uffd_zeropage, {UFFD_FD, UFFD_AT, {"start", MISSING, BAD(UFFD_PLACES)}, {"len", P, BAD(UFFD_LENGTHS)}, {"mode", 0, BAD({"2", 2}, {"-1", -1}, {"no wake", 1})}}, NULL, NULL, 0},
    {"UFFDIO_CONTINUE", -1, uffd_continue, {UFFD_FD, UFFD_AT, {"start", MISSING, BAD(UFFD_PLACES)}, {"len", P, BAD(UFFD_LENGTHS)}, {"mode", 0, BAD({"4", 4}, {"-1", -1}, {"protect", 2})}}, NULL, NULL, 0},
    {"UFFDIO_POISON", -1, uffd_poison, {UFFD_FD, UFFD_AT, {"start", MISSING, BAD(UFFD_PLACES)}, {"len", P, BAD(UFFD_LENGTHS)}, {"mode", 0, BAD({"2", 2}, {"-1", -1})}}, NULL, NULL, 0},
    {"UFFDIO_MOVE", -1, uffd_move, {UFFD_FD, UFFD_AT,
        {"dst", MISSING, BAD(UFFD_PLACES)},
        {"src", A, BAD({"odd", A + 1}, {"hole", HOLE}, {"high", HIGH}, {"none", NONE}, {"readonly", READONLY}, {"shared", SHARED}, {"locked", LOCKED}, {"same", MISSING})},
        {"len", P, BAD(UFFD_LENGTHS)},
        {"mode", 0, BAD({"4", 4}, {"-1", -1}, {"holes", 2})}}, NULL, NULL, 0},
    {"UFFDIO_WRITEPROTECT", -1, uffd_protect, {UFFD_FD, UFFD_AT,
        {"start", PROTECTED, BAD({"odd", PROTECTED + 1}, {"high", HIGH}, {"hole", HOLE}, {"other", A}, {"missing", MISSING})}, {"len", P, BAD(UFFD_LENGTHS)},
        {"mode", 1, BAD({"0", 0}, {"2", 2}, {"both", 3}, {"4", 4}, {"-1", -1})}}, NULL, NULL, 0},
};

/* ---- the process: usage, limits, barriers, signals, timers ---- */
#define LIMIT_PAIR (D + 3584) /* {1000, 1000}; then soft above hard, and hard above what it is at +16, +32 */
static long core_limit(void) {
    struct rlimit l;
    CHECK(getrlimit(RLIMIT_CORE, &l) == 0);
    return (long)(l.rlim_cur * 31 + l.rlim_max);
}
static void reset_limit(long result, const long *a) {
    (void)result, (void)a;
    struct rlimit l = {500, 2000};
    setrlimit(RLIMIT_CORE, &l);
}
#define ACTION D
static long action_of(void) {
    long action[8] = {0};
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, 0, action, 8) == 0);
    return action[0];
}
static void reset_action(long result, const long *a) {
    (void)result, (void)a;
    long action[8] = {0};
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, action, 0, 8) == 0);
}
/* a[0] structure or 1: from the fields; a[1] old; then flags, size, place. */
static long alt_stack(const long *a) {
    stack_t s = {.ss_flags = (int)a[2], .ss_size = (size_t)a[3], .ss_sp = (void *)a[4]};
    return syscall(SYS_sigaltstack, a[0] == 1 ? (long)&s : a[0], a[1]);
}
static long stack_size(void) {
    stack_t s;
    CHECK(sigaltstack(NULL, &s) == 0);
    return (long)s.ss_size;
}
static void no_stack(long result, const long *a) {
    (void)result, (void)a;
    stack_t s = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&s, NULL) == 0);
}
/* a[0] which, a[1] structure or 1: from the fields; a[2] old; then seconds and microseconds, and those of the interval. */
static long timer(const long *a) {
    struct itimerval t = {.it_value = {a[3], a[4]}, .it_interval = {0, a[5]}};
    return syscall(SYS_setitimer, a[0], a[1] == 1 ? (long)&t : a[1], a[2]);
}
static long timer_runs(void) {
    struct itimerval t;
    CHECK(getitimer(ITIMER_REAL, &t) == 0);
    return t.it_value.tv_sec > 0;
}
static void stop_timer(long result, const long *a) {
    (void)result, (void)a;
    struct itimerval none = {0};
    for (int i = 0; i < 3; i++) CHECK(setitimer(i, &none, NULL) == 0);
}
/* a[0] clock, a[1] flags, a[2] structure or 1, a[3] rest; then seconds and nanoseconds. */
static long sleep_on(const long *a) {
    struct timespec t = {a[4], a[5]};
    return syscall(SYS_clock_nanosleep, a[0], a[1], a[2] == 1 ? (long)&t : a[2], a[3]);
}
static const struct call process[] = {
    {"membarrier", SYS_membarrier, NULL, {
        {"cmd", 0, BAD({"-1", -1}, {"3", 3}, {"private", 8}, {"0x400", 0x400}, {"rseq", 0x80}, {"global expedited", 2}, {"registrations", 0x200})},
        {"flags", 0, BAD({"1", 1}, {"2", 2}, {"-1", -1})}},
     NULL, NULL, 0},
    {"getrusage", SYS_getrusage, NULL, {
        {"who", 0, BAD({"children", -1}, {"thread", 1}, {"2", 2}, {"-2", -2})}, {"usage", D, BAD(OUT_POINTERS)}},
     NULL, NULL, 0},
    {"prlimit64", SYS_prlimit64, NULL, {
        {"pid", 0, BAD({"-1", -1}, {"missing", 0x3ffffff})},
        {"resource", RLIMIT_CORE, BAD({"16", 16}, {"-1", -1})},
        {"new", LIMIT_PAIR, BAD(POINTERS, {"crossed", LIMIT_PAIR + 16}, {"raised", LIMIT_PAIR + 32})},
        {"old", D, BAD(OUT_POINTERS)}},
     reset_limit, core_limit, 0},
    {"prctl set mm", SYS_prctl, NULL, {
        {"option", PR_SET_MM, BAD({"unknown", 9999})},
        {"what", 1, BAD({"0", 0}, {"auxv", 12}, {"exe", 13}, {"map", 14}, {"size", 15}, {"99", 99})},
        {"addr", A, BAD({"odd", A + 1}, {"hole", HOLE}, {"high", HIGH}, {"null", 0}, {"readonly", READONLY})},
        {"arg4", 0, BAD({"1", 1}, {"104", 104})},
        {"arg5", 0, BAD({"1", 1})}},
     NULL, NULL, 0},
    {"prctl set name", SYS_prctl, NULL, {
        {"option", PR_SET_NAME, BAD({"get", PR_GET_NAME})}, {"name", NAME, BAD(OUT_POINTERS)}, {"arg3", 0, BAD({"1", 1})}},
     NULL, NULL, 0},
    {"prctl thp", SYS_prctl, NULL, {
        {"option", PR_SET_THP_DISABLE, BAD({"get", PR_GET_THP_DISABLE})},
        {"on", 0, BAD({"1", 1})}, {"flags", 0, BAD({"2", 2}, {"4", 4})}, {"arg4", 0, BAD({"1", 1})}, {"arg5", 0, BAD({"1", 1})}},
     NULL, NULL, 0},
    {"rt_sigaction", SYS_rt_sigaction, NULL, {
        {"signal", SIGUSR1, BAD({"0", 0}, {"65", 65}, {"-1", -1}, {"kill", SIGKILL}, {"stop", SIGSTOP})},
        {"new", D + 3968, BAD(POINTERS)},
        {"old", D, BAD(OUT_POINTERS)},
        {"size", 8, BAD({"0", 0}, {"16", 16}, {"-1", -1})}},
     reset_action, action_of, 0},
    {"rt_sigprocmask", SYS_rt_sigprocmask, NULL, {
        {"how", SIG_BLOCK, BAD({"3", 3}, {"-1", -1})},
        {"set", D + 3840, BAD(POINTERS)},
        {"old", D, BAD(OUT_POINTERS)},
        {"size", 8, BAD({"0", 0}, {"16", 16})}},
     NULL, NULL, 0},
    {"rt_sigpending", SYS_rt_sigpending, NULL, {{"set", D, BAD(OUT_POINTERS)}, {"size", 8, BAD({"0", 0}, {"4", 4}, {"16", 16})}}, NULL, NULL, 0},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, NULL, {
        {"set", D + 3840, BAD(POINTERS)},
        {"info", D, BAD({"hole", HOLE})},
        {"timeout", D + 3840, BAD({"hole", HOLE}, {"kernel", KERNEL}, {"cut", CUT}, {"negative", D + 3904})},
        {"size", 8, BAD({"0", 0}, {"16", 16})}},
     NULL, NULL, 0},
    {"sigaltstack", -1, alt_stack, {
        {"new", 1, BAD(POINTERS)},
        {"old", D, BAD(OUT_POINTERS)},
        {"flags", 0, BAD({"disable", 2}, {"onstack", 1}, {"both", 3}, {"4", 4}, {"-1", -1})},
        {"size", 1 << 16, BAD({"0", 0}, {"1000", 1000})},
        {"place", A, BAD({"null", 0}, {"hole", HOLE}, {"high", HIGH})}},
     no_stack, stack_size, 0},
    {"setitimer", -1, timer, {
        {"which", 0, BAD({"3", 3}, {"-1", -1})},
        {"new", 1, BAD(POINTERS)},
        {"old", D, BAD(OUT_POINTERS)},
        {"seconds", 1000, BAD({"-1", -1})},
        {"micros", 0, BAD({"-1", -1}, {"million", 1000000})},
        {"interval", 0, BAD({"-1", -1}, {"million", 1000000})}},
     stop_timer, timer_runs, 0},
    {"getitimer", SYS_getitimer, NULL, {{"which", 0, BAD({"3", 3}, {"-1", -1})}, {"value", D, BAD(OUT_POINTERS)}}, NULL, NULL, 0},
    {"clock_nanosleep", -1, sleep_on, {
        {"clock", 1, BAD({"thread", 3}, {"raw", 4}, {"coarse", 6}, {"99", 99}, {"-1", -1})},
        {"flags", 0, BAD({"absolute", 1}, {"unknown", 8})},
        {"request", 1, BAD(POINTERS)},
        {"rest", D, BAD({"hole", HOLE})},
        {"seconds", 0, BAD({"-1", -1})},
        {"nanos", 0, BAD({"-1", -1}, {"billion", 1000000000})}},
     NULL, NULL, 0},
    {"futex wait", SYS_futex, NULL, {
        {"word", D, BAD({"odd", D + 1}, {"null", 0}, {"hole", HOLE}, {"kernel", KERNEL}, {"readonly", READONLY}, {"none", NONE})},
        {"op", 128, BAD({"shared", 0}, {"unknown", 99}, {"bitset", 9}, {"clock", 256}, {"wake", 1}, {"wake clock", 257})},
        {"value", 12345, BAD({"same", 1})},
        {"timeout", D + 3840, BAD({"hole", HOLE}, {"cut", CUT}, {"negative", D + 3904})},
        {"word 2", D + 8, BAD({"odd", D + 1}, {"null", 0})},
        {"bits", 1, BAD({"0", 0})}},
     NULL, NULL, 0},
};

/* What pointers to good data point to. */
static void fill_data(void) {
    memset((void *)D, 0, 2 * P);
    *(int *)D = 1;
    strcpy((char *)NAME, "\1");
    memset((void *)LONG_NAME, 'n', 250);
    *(int *)CUT = 0x6e6e6e6e;
    struct iovec vectors[][2] = {
        {{(void *)A, P}, {(void *)(A + P), P}}, {{(void *)HOLE, P}, {(void *)A, P}}, {{(void *)A, (size_t)-1}, {0, 0}},
        {{(void *)KERNEL, P}, {0, 0}}, {{(void *)(A + 1), P}, {0, 0}}, {{(void *)READONLY, P}, {0, 0}}};
    for (int i = 0; i < 6; i++) memcpy((void *)(VECTOR + i * 64), vectors[i], sizeof vectors[i]);
    *(long *)MASK = 1;
    *(long *)(MASK + 16) = 2;
    *(long *)(MASK + 32) = (long)(1ul << 63);
    ((long *)PAGES)[0] = A;
    ((long *)PAGES)[1] = HOLE;
    struct rlimit limits[] = {{1000, 1000}, {2000, 1000}, {1000, 5000}};
    memcpy((void *)LIMIT_PAIR, limits, sizeof limits);
    ((int *)(D + 3856))[0] = 99;
    ((long *)(D + 3904))[0] = -1;
    ((long *)(D + 3968))[0] = (long)SIG_IGN;
    segment_data(0, NULL);
}
static void place(int fd, int number) { CHECK(fd >= 0 && dup2(fd, number) == number && close(fd) == 0); }

static void prepare(void) {
    struct { int which; struct rlimit limit; } limits[] = {
        {RLIMIT_AS, {LIMIT_AS, LIMIT_AS}}, {RLIMIT_DATA, {LIMIT_DATA, LIMIT_DATA}}, {RLIMIT_MEMLOCK, {LIMIT_LOCK, LIMIT_LOCK}},
        {RLIMIT_CORE, {500, 2000}}, {RLIMIT_NOFILE, {1024, 1024}}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (setrlimit(limits[i].which, &limits[i].limit) != 0) {
            limits[i].limit.rlim_cur = limits[i].limit.rlim_max;
            CHECK(limits[i].which == RLIMIT_CORE || limits[i].which == RLIMIT_NOFILE);
        }
    if (getuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
    int ends[2], fd = syscall(SYS_memfd_create, "file", MFD_ALLOW_SEALING);
    place(fd, MEM);
    CHECK(ftruncate(MEM, 16 * P) == 0);
    place(open("/proc/self/fd/50", O_RDONLY), RO);
    place(open("/proc/self/fd/50", O_WRONLY), WO);
    place(open("/", O_PATH), PATH);
    place(open("/", O_RDONLY | O_DIRECTORY), DIRECTORY);
    CHECK(pipe(ends) == 0);
    place(ends[0], PIPE);
    place(syscall(SYS_memfd_create, "sealed", MFD_ALLOW_SEALING), WSEALED);
    CHECK(ftruncate(WSEALED, 16 * P) == 0 && fcntl(WSEALED, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    place(syscall(SYS_memfd_create, "plain", 0), NOSEAL);
    place(syscall(SYS_memfd_create, "all", MFD_ALLOW_SEALING), ALLSEALED);
    CHECK(ftruncate(ALLSEALED, 4 * P) == 0 && fcntl(ALLSEALED, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
    place(open("/dev/null", O_RDWR), NULLDEV);
    new_file(0, NULL);
    key = 0x50570000 ^ getpid();
    segment = shmget(key, 2 * P, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(segment >= 0);
    fd = syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
    if (fd < 0) {
        printf("skipped: no userfaultfd\n");
        exit(77);
    }
    close(fd);
    map(D, 2, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(SEALED, 4, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(SEALED_R, 4, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (syscall(SYS_mseal, SEALED, 4 * P, 0) != 0 || syscall(SYS_mseal, SEALED_R, 4 * P, 0) != 0) {
        printf("skipped: no mseal\n");
        exit(77);
    }
}
/* What belongs to one process: each call is tried in one of its own. */
static void prepare_process(void) {
    place(syscall(SYS_pidfd_open, getpid(), 0), PIDFD);
    place(syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY), UFFD);
    struct uffdio_api api = {.api = UFFD_API};
    CHECK(ioctl(UFFD, UFFDIO_API, &api) == 0);
}
static void remove_key(void) { shmctl(segment, IPC_RMID, NULL); }

static void cross_all(const struct call *calls, size_t count, const char *only) {
    for (size_t i = 0; i < count; i++) {
        if (strncmp(calls[i].name, only, strlen(only))) continue;
        struct call c = calls[i];
        if (c.number == SYS_shmget) c.params[0].good = key;
        if (c.number == SYS_shmat || c.number == SYS_shmctl) c.params[0].good = segment;
        pid_t pid = fork_clean();
        if (pid == 0) {
            if (c.number == SYS_process_vm_readv || c.number == SYS_process_vm_writev) c.params[0].good = getpid();
            prepare_process();
            fill_data();
            cross(&c);
            fflush(stdout);
            _exit(0);
        }
        CHECK(exit_code_of(pid) == 0);
    }
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : "";
    prepare();
    atexit(remove_key);
#define CROSS(table) cross_all(table, sizeof table / sizeof *table, only)
    CROSS(mapping);
    CROSS(files);
    CROSS(policies);
    CROSS(faults);
    CROSS(process);
    return fflush(stdout) == 0 ? 0 : 1;
}
