/* Where mappings may lie, and which of the kernel's own may be changed. */
#include "probe.h"
#include <sys/vfs.h>

static long hint(unsigned long at) { return map_as((void *)at, PAGE, RW, ANON_PRIVATE, -1, 0); }
static long fixed(unsigned long at) { return map((void *)at, 1, RW); }

static void low(void) {
    if (!has_capability(CAP_SYS_RAWIO)) lack("CAP_SYS_RAWIO");
    say_hex("mmap FIXED at 0 with CAP_SYS_RAWIO", fixed(0));
    munmap(NULL, PAGE);
    say_place("hint 0x800", hint(0x800));
    say_place("hint 0x1000", hint(0x1000));
    drop_capability(CAP_SYS_RAWIO);
    say_hex("mmap FIXED at 0 without", fixed(0));
    say_place("hint 0x100 (0 after rounding)", hint(0x100));
    say_hex("mmap FIXED at 0x1000", fixed(0x1000));
}

#ifdef __x86_64__
#define TASK_SIZE 0x7ffffffff000ul
#else
#define TASK_SIZE (1ul << 47)
#endif
#define WRAP (-PAGE)

static void high(void) {
    char label[60];
    unsigned char vector;
    snprintf(label, sizeof label, "FIXED at TASK_SIZE-PAGE (0x%lx)", TASK_SIZE - PAGE);
    say_hex(label, fixed(TASK_SIZE - PAGE));
    say_hex("FIXED at 0x7ffffffff000", fixed(0x7ffffffff000));
    say_hex("FIXED at 1<<47", fixed(1ul << 47));
    say_place("hint 1<<47 is ignored", hint(1ul << 47));
    say_hex("FIXED at -4096", fixed(-4096ul));
    CHECK(map(AT(0), 1, RW) == (long)A);
    SAY("munmap at 1<<47", munmap((void *)(1ul << 47), PAGE));
    SAY("munmap len beyond TASK_SIZE", munmap(AT(0), TASK_SIZE));
    SAY("mprotect at 1<<47", mprotect((void *)(1ul << 47), PAGE, R));
    say_number("mprotect wrap", CALL(SYS_mprotect, A, WRAP, R));
    say_number("madvise wrap", CALL(SYS_madvise, A, WRAP, MADV_DONTNEED));
    say_number("mlock wrap", CALL(SYS_mlock, A, WRAP));
    say_number("msync wrap", CALL(SYS_msync, A, WRAP, MS_SYNC));
    say_number("mincore at 1<<47", CALL(SYS_mincore, 1ul << 47, PAGE, &vector));
    say_number("mincore wrap", CALL(SYS_mincore, A, WRAP, &vector));
    say("read non-canonical address", load((void *)0x800000000000));
    say("read kernel address", load((void *)0xffff800000000000));
}

static void kernel_mappings(void) {
    struct mapping vdso, vvar;
    if (!mapping_named("[vdso]", &vdso)) lack("a vdso");
    unsigned long bytes = vdso.end - vdso.start;
    SAY("mprotect vdso to RW", mprotect((void *)vdso.start, bytes, RW));
    SAY_OK("mremap vdso part", mremap((void *)vdso.start, PAGE, 2 * PAGE, 0));
    if (!mapping_named("[vvar]", &vvar)) return;
    SAY("munmap vvar-like special: mprotect W on vvar", mprotect((void *)vvar.start, PAGE, RW));
    SAY("madvise DONTNEED vvar", madvise((void *)vvar.start, PAGE, MADV_DONTNEED));
}

static unsigned long low_bits(int fd, unsigned long bytes, off_t offset) {
    CHECK(ftruncate(fd, bytes + offset) == 0);
    long at = map_as(NULL, bytes, R, MAP_SHARED, fd, offset);
    CHECK(at > 0);
    return at % (2 * MIB);
}
static void large_files(void) {
    int file = temporary_file();
    struct statfs fs;
    CHECK(fstatfs(file, &fs) == 0);
    /* ext4, and host directories mounted in a guest. */
    if (fs.f_type != 0xef53 && fs.f_type != 0xc0ffee) lack("temporary files on a disk");
    unsigned long whole = low_bits(file, 4 * MIB, 0), part = low_bits(file, 2 * MIB + PAGE, PAGE);
    note("4 MiB at offset 0: low bits %lx; 2MiB+4K at offset 0x1000: low bits 0x%lx", whole, part);
    note("memfd 4 MiB: low bits 0x%lx", low_bits(CALL(SYS_memfd_create, "large", 0), 4 * MIB, 0));
}

const struct probe address_probes[] = {
    {"X5", "low addresses", low},
    {"X6", "high addresses", high},
    {"X25", "mremap of the heap and of the stack, vdso", kernel_mappings},
    {"X26", "File mapping on ext4: 2 MiB alignment without hint", large_files},
    {0},
};
