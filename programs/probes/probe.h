/* probe: the program tests of the memory system calls.  Each block runs in a
 * child of its own and prints one line a call, so that two kernels can be laid
 * side by side.  What differs from run to run is printed in a stable form:
 *
 *   0x1      an address that the kernel chose
 *   --:-- *  device and inode of a mapped file
 *   sp-4M    an address of the stack, seen from its stack pointer
 */
#ifndef PAGEWRIGHT_PROBE_H
#define PAGEWRIGHT_PROBE_H

#include "common.h"
#include <sys/syscall.h>

/* A fixed address at which nothing lies. */
#define A 0x200000000000ul
#define AT(pages) ((char *)(A + (pages) * PAGE))
#define MIB (1ul << 20)

#define R PROT_READ
#define RW (PROT_READ | PROT_WRITE)
#define ANON_PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define ANON_SHARED (MAP_SHARED | MAP_ANONYMOUS)

/* What a system call answers: -errno for a failure. */
static inline long answer(long result) { return result == -1 ? -errno : result; }
#define CALL(...) answer(syscall(__VA_ARGS__))
#define TRY(call) answer((long)(call))

/* Lines "label => result". A failure is always "-NAME". */
void say(const char *label, const char *result);
void say_number(const char *label, long result);
void say_hex(const char *label, long result);
/* "ok" for whatever is no failure. */
void say_ok(const char *label, long result);
/* 0x1 for an address of the kernel's choice, which is above the program. */
void say_place(const char *label, long result);
#define SAY(label, call) say_number(label, TRY(call))
#define SAY_OK(label, call) say_ok(label, TRY(call))
#define SAY_HEX(label, call) say_hex(label, TRY(call))

/* A line of its own, after four blanks. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* End the block with exit code 77: the kernel or the machine lacks something. */
_Noreturn void lack(const char *what);

/* The lines of /proc/self/maps in [A, A + pages); or in a range, and each of
 * them after a prefix. */
void show_maps(unsigned long pages);
void show_maps_after(const char *prefix, const void *from, const void *to);
/* Rss, AnonHugePages, THPeligible and VmFlags of the mapping at an address. */
void show_smaps(const void *address);
/* The line of maps that ends with a name. */
struct mapping {
    unsigned long start, end;
    char line[400];
};
int mapping_named(const char *name, struct mapping *found);
/* Lines of /proc/self/maps. */
long count_maps(void);
/* The number after the first line's beginning that fits: kB for most. */
long field_of(const char *path, const char *name);
int is_in(const char *path, const char *words);

/* Touch a byte: "ok", or the signal and its code. */
const char *load(const volatile void *address);
const char *store(volatile void *address);

/* mmap at a fixed address (map), or with everything given (map_as). */
long map(void *at, unsigned long pages, int prot);
long map_as(void *at, unsigned long bytes, int prot, int flags, int fd, off_t offset);

void limit_soft(int which, unsigned long soft);
/* Give up one capability. */
#define CAP_IPC_LOCK 14
#define CAP_SYS_RAWIO 17
#define CAP_SYS_ADMIN 21
int has_capability(int which);
void drop_capability(int which);

/* A file below $TMPDIR or /tmp whose name is gone already. */
int temporary_file(void);
/* A name for a file there. */
const char *temporary_name(const char *name);

struct probe {
    const char *name, *title;
    void (*run)(void);
};
extern const struct probe limit_probes[], address_probes[], access_probes[], sharing_probes[],
    protection_probes[], fault_probes[], process_probes[];

#endif
