/* Faults that a program sees to itself, and large pages. */
#include "probe.h"
#include <sys/ioctl.h>

/* struct uffdio_…, which not every C library has headers for. */
struct api { uint64_t api, features, ioctls; };
struct range { uint64_t start, len; };
struct registration { struct range range; uint64_t mode, ioctls; };
struct copy { uint64_t dst, src, len, mode; int64_t copied; };
struct zero { struct range range; uint64_t mode; int64_t done; };
#define API _IOWR(0xAA, 0x3F, struct api)
#define REGISTER _IOWR(0xAA, 0x00, struct registration)
#define UNREGISTER _IOR(0xAA, 0x01, struct range)
#define COPY _IOWR(0xAA, 0x03, struct copy)
#define ZEROPAGE _IOWR(0xAA, 0x04, struct zero)
#define MISSING 1

static void user_faults(void) {
    long fd = CALL(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (fd == -ENOSYS || fd == -EPERM) lack("userfaultfd");
    say_number("userfaultfd", fd < 0 ? fd : 0);
    say_number("bad flags", CALL(SYS_userfaultfd, 0x100));
    CHECK(map(AT(0), 4, RW) > 0 && map(AT(64), 1, RW) > 0);
    memset(AT(64), 9, PAGE);
    struct registration r = {{A, 2 * PAGE}, MISSING, 0};
    struct api api = {.api = 0xAB};
    SAY("REGISTER before API", ioctl(fd, REGISTER, &r));
    SAY("API with wrong number", ioctl(fd, API, &api));
    api = (struct api){.api = 0xAA};
    SAY("API", ioctl(fd, API, &api));
    note("features 0x%lx ioctls 0x%lx", (unsigned long)api.features, (unsigned long)api.ioctls);
    api = (struct api){.api = 0xAA};
    SAY("API twice", ioctl(fd, API, &api));
    struct registration none = {{A, 2 * PAGE}, 0, 0}, odd = {{A + 1, 2 * PAGE}, MISSING, 0};
    SAY("REGISTER mode 0", ioctl(fd, REGISTER, &none));
    SAY("REGISTER unaligned", ioctl(fd, REGISTER, &odd));
    SAY("REGISTER first 2 pages", ioctl(fd, REGISTER, &r));
    note("ioctls 0x%lx", (unsigned long)r.ioctls);
    show_maps(4);
    show_smaps(AT(0));
    struct copy c = {A, (uint64_t)AT(64), PAGE, 0, 0};
    SAY("COPY", ioctl(fd, COPY, &c));
    note("copy=%ld byte=%d", (long)c.copied, *AT(0));
    SAY("COPY again", ioctl(fd, COPY, &c));
    note("copy=%ld", (long)c.copied);
    struct copy outside = {A + 2 * PAGE, (uint64_t)AT(64), PAGE, 0, 0};
    SAY("COPY outside registration", ioctl(fd, COPY, &outside));
    struct zero z = {{A + PAGE, PAGE}, 0, 0};
    SAY("ZEROPAGE", ioctl(fd, ZEROPAGE, &z));
    char message[32];
    SAY("read with no event (nonblock)", read(fd, message, sizeof message));
    /* Both parts have pages now, and anon groups that differ: they stay apart. */
    store(AT(2));
    SAY("UNREGISTER", ioctl(fd, UNREGISTER, &r.range));
    show_maps_after("merged again? ", AT(0), AT(4));
}

#define HUGE_MODE "/sys/kernel/mm/transparent_hugepage/enabled"
#define COLLAPSE 25
static void large_pages(void) {
    char mode[60] = "";
    int fd = open(HUGE_MODE, O_RDONLY);
    if (fd < 0 || read(fd, mode, sizeof mode - 1) <= 0) lack("transparent huge pages");
    if (strstr(mode, "[madvise]") == NULL) lack("transparent huge pages on advice");
    long at = map_as(NULL, 2 * MIB, RW, ANON_PRIVATE, -1, 0);
    char *large = (char *)at;
    CHECK(at > 0);
    note("2 MiB aligned: %d", at % (2 * MIB) == 0);
    store(large);
    show_smaps(large);
    CHECK(madvise(large, 2 * MIB, MADV_DONTNEED) == 0);
    SAY("MADV_HUGEPAGE", madvise(large, 2 * MIB, MADV_HUGEPAGE));
    store(large);
    show_smaps(large);
    SAY("mprotect one page in the huge page", mprotect(large + PAGE, PAGE, R));
    show_smaps(large);
    large = (char *)map_as(NULL, 2 * MIB, RW, ANON_PRIVATE, -1, 0);
    CHECK((long)large > 0);
    for (unsigned long i = 0; i < 2 * MIB; i += PAGE) large[i] = 1;
    SAY("MADV_COLLAPSE 2 MiB", madvise(large, 2 * MIB, COLLAPSE));
    show_smaps(large);
    SAY("MADV_COLLAPSE of 1 page", madvise(large, PAGE, COLLAPSE));
    SAY("MADV_DONTNEED one page", madvise(large, PAGE, MADV_DONTNEED));
    show_smaps(large);
}

const struct probe fault_probes[] = {
    {"X11", "userfaultfd", user_faults},
    {"X23", "transparent huge pages", large_pages},
    {0},
};
