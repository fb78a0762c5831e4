/* userfault: a thread makes the pages of others as they fault: copies, zeros,
 * and pages of which stores are reported.  Exit code 77, with the reason, where
 * the kernel offers no userfaultfd.
 *   usage: userfault [PAGES] */
#include "common.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* struct uffdio_… and uffd_msg, which not every C library has headers for. */
struct range { uint64_t start, len; };
struct api { uint64_t api, features, ioctls; };
struct regist { struct range range; uint64_t mode, ioctls; };
struct copy { uint64_t dst, src, len, mode; int64_t copied; };
struct zero { struct range range; uint64_t mode; int64_t done; };
struct protect { struct range range; uint64_t mode; };
struct message { uint8_t event, pad[7]; uint64_t flags, address, thread; };
#define API _IOWR(0xAA, 0x3F, struct api)
#define REGISTER _IOWR(0xAA, 0x00, struct regist)
#define UNREGISTER _IOR(0xAA, 0x01, struct range)
#define COPY _IOWR(0xAA, 0x03, struct copy)
#define ZEROPAGE _IOWR(0xAA, 0x04, struct zero)
#define PROTECT _IOWR(0xAA, 0x06, struct protect)
#define FAULT 0x12
#define WRITE 1
#define WP 2

static int fd;
static long pages, copied, zeroed, reported;
static uint64_t memory;

/* Odd pages are zeros, even ones are filled with their number. */
static void *serve(void *unused) {
    static uint64_t page[PAGE / 8];
    (void)unused;
    for (;;) {
        struct message m;
        CHECK(read(fd, &m, sizeof m) == sizeof m);
        CHECK(m.event == FAULT && m.address % PAGE == 0);
        uint64_t i = (m.address - memory) / PAGE;
        CHECK(i <= (uint64_t)pages);
        if (m.flags & WP) {
            CHECK(m.flags & WRITE);
            reported++;
            struct protect off = {{m.address, PAGE}, 0};
            CHECK(ioctl(fd, PROTECT, &off) == 0);
        } else if (i % 2 != 0) {
            zeroed++;
            struct zero z = {{m.address, PAGE}, 0, 0};
            CHECK(ioctl(fd, ZEROPAGE, &z) == 0 && z.done == PAGE);
        } else {
            copied++;
            for (unsigned k = 0; k < PAGE / 8; k++) page[k] = i + 1;
            struct copy c = {m.address, (uintptr_t)page, PAGE, 0, 0};
            CHECK(ioctl(fd, COPY, &c) == 0 && c.copied == PAGE);
            CHECK(ioctl(fd, COPY, &c) == -1 && errno == EEXIST && c.copied == -EEXIST);
        }
        if (i == (uint64_t)pages) return NULL;
    }
}

int main(int argc, char **argv) {
    pages = size_arg(argc, argv, 64) * 2;
    fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    if (fd < 0) {
        printf("userfault skipped: userfaultfd answers %s\n", strerror(errno));
        return 77;
    }
    struct api api = {.api = 0xAA};
    CHECK(ioctl(fd, API, &api) == 0);
    char *at = mmap(NULL, (pages + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    memory = (uintptr_t)at;
    struct regist r = {{memory, (pages + 1) * PAGE}, 1 | 2, 0};
    if (ioctl(fd, REGISTER, &r) != 0) {
        printf("userfault skipped: write-protection answers %s\n", strerror(errno));
        return 77;
    }
    pthread_t server;
    CHECK(pthread_create(&server, NULL, serve, NULL) == 0);

    uint64_t sum = SUM_START;
    for (long i = 0; i < pages; i++) {
        if (i % 4 == 3) at[i * PAGE + i % PAGE] = 9;
        sum = sum_bytes(sum, at + i * PAGE, PAGE);
    }
    printf("userfault: %ld copied, %ld zeros\n", copied, zeroed);

    /* A system call faults as the program does. */
    struct protect on = {{memory, pages * PAGE}, 1};
    CHECK(ioctl(fd, PROTECT, &on) == 0);
    int zeros = open("/dev/zero", O_RDONLY);
    CHECK(zeros >= 0 && read(zeros, at + PAGE / 2, PAGE) == (ssize_t)PAGE);
    for (long i = 4; i < pages; i += 2) at[i * PAGE] = 1;
    for (long i = 0; i < pages; i++) sum = sum_bytes(sum, at + i * PAGE, PAGE);
    printf("userfault: %ld stores reported\n", reported);

    /* The last page ends the thread. */
    sum = sum_word(sum, (unsigned char)at[pages * PAGE]);
    CHECK(pthread_join(server, NULL) == 0);
    struct range all = {memory, (pages + 1) * PAGE};
    CHECK(ioctl(fd, UNREGISTER, &all) == 0 && close(fd) == 0);
    return finish("userfault", sum);
}
