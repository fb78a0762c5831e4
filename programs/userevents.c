/* userevents: what a userfaultfd tells beside faults (forks, moves, unmapping,
 * dropped pages), who waits for it, what each feature does, and the answers to
 * bad input.  Exit code 77, with the reason, where the kernel offers less.
 *   usage: userevents */
#include "common.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* struct uffdio_…, uffd_msg and pm_scan_arg, which not every C library has headers for. */
struct range { uint64_t start, len; };
struct api { uint64_t api, features, ioctls; };
struct regist { struct range range; uint64_t mode, ioctls; };
struct copy { uint64_t dst, src, len, mode; int64_t done; };
struct fill { struct range range; uint64_t mode; int64_t done; };
struct protect { struct range range; uint64_t mode; };
struct message { uint8_t event, pad[7]; uint64_t a, b, c; };
struct region { uint64_t start, end, kinds; };
struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t inverted, mask, any, returned;
};
#define API _IOWR(0xAA, 0x3F, struct api)
#define REGISTER _IOWR(0xAA, 0x00, struct regist)
#define UNREGISTER _IOR(0xAA, 0x01, struct range)
#define WAKE _IOR(0xAA, 0x02, struct range)
#define COPY _IOWR(0xAA, 0x03, struct copy)
#define ZEROPAGE _IOWR(0xAA, 0x04, struct fill)
#define MOVE _IOWR(0xAA, 0x05, struct copy)
#define PROTECT _IOWR(0xAA, 0x06, struct protect)
#define CONTINUE _IOWR(0xAA, 0x07, struct fill)
#define POISON _IOWR(0xAA, 0x08, struct fill)
#define NEW _IO(0xAA, 0x00)
#define SCAN _IOWR('f', 16, struct scan)

enum { MISSING = 1, WP = 2, MINOR = 4 };
enum {
    EVENT_FORK = 1 << 1, EVENT_REMAP = 1 << 2, EVENT_REMOVE = 1 << 3, EVENT_UNMAP = 1 << 6,
    SIGBUS_ONLY = 1 << 7, THREAD_ID = 1 << 8, EXACT = 1 << 11, WP_ASYNC = 1 << 15,
    EVENTS = EVENT_FORK | EVENT_REMAP | EVENT_REMOVE | EVENT_UNMAP, ALL = 0x1ffff
};

/* All memory lies here; pages are printed by their number. */
static char *const base = (char *)0x1000000000;
#define SPAN 256
static char *page(long n) { return base + n * PAGE; }
static long number(uint64_t address) { return (long)((address - (uintptr_t)base) / PAGE); }

static const char *place(uint64_t address) {
    static char text[24];
    int is_here = address >= (uintptr_t)base && address < (uintptr_t)page(SPAN);
    snprintf(text, sizeof text, is_here ? "%ld" : "elsewhere", number(address));
    return text;
}

static int fd;
static char *volatile nowhere;
static char bytes[8 * PAGE] __attribute__((aligned(4096)));

static const char *name(int error) {
    switch (error) {
    case EAGAIN: return "EAGAIN";
    case EBADF: return "EBADF";
    case EBUSY: return "EBUSY";
    case EEXIST: return "EEXIST";
    case EFAULT: return "EFAULT";
    case EINVAL: return "EINVAL";
    case EMFILE: return "EMFILE";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case ENOTTY: return "ENOTTY";
    case EPERM: return "EPERM";
    case ESRCH: return "ESRCH";
    default: return "another error";
    }
}
static const char *said(long result) { return result == -1 ? name(errno) : "ok"; }
#define SAY(what) printf("  %s: %s\n", #what, said((long)(what)))

static int open_uffd(int flags, uint64_t features) {
    int made = syscall(SYS_userfaultfd, flags | O_NONBLOCK);
    if (made < 0) {
        printf("userevents skipped: userfaultfd answers %s\n", name(errno));
        exit(77);
    }
    struct api api = {.api = 0xAA, .features = features};
    if (ioctl(made, API, &api) != 0) {
        printf("userevents skipped: features %llx answer %s\n", (unsigned long long)features, name(errno));
        exit(77);
    }
    return made;
}
static int regist(int f, char *at, long pages, int mode) {
    struct regist r = {{(uintptr_t)at, pages * PAGE}, mode, 0};
    return ioctl(f, REGISTER, &r);
}
static int unregist(int f, char *at, long pages) {
    struct range r = {(uintptr_t)at, pages * PAGE};
    return ioctl(f, UNREGISTER, &r);
}
static int wake(int f, char *at, long pages) {
    struct range r = {(uintptr_t)at, pages * PAGE};
    return ioctl(f, WAKE, &r);
}
static int copy(int f, char *at, long pages, int mode) {
    struct copy c = {(uintptr_t)at, (uintptr_t)bytes, pages * PAGE, mode, 0};
    return ioctl(f, COPY, &c);
}
static int zeros(int f, char *at, long pages) {
    struct fill z = {{(uintptr_t)at, pages * PAGE}, 0, 0};
    return ioctl(f, ZEROPAGE, &z);
}
static int protect(int f, char *at, long pages, int on) {
    struct protect p = {{(uintptr_t)at, pages * PAGE}, on};
    return ioctl(f, PROTECT, &p);
}
static char *fresh(long n, long pages) {
    unregist(fd, base, SPAN);
    CHECK(munmap(base, SPAN * PAGE) == 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    CHECK(mmap(page(n), pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == page(n));
    return page(n);
}
/* Which pages are mapped. */
static void mapped(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    char line[512];
    printf("  mapped:");
    while (fgets(line, sizeof line, maps)) {
        char *rest;
        uint64_t start = strtoul(line, &rest, 16), end = strtoul(rest + 1, NULL, 16);
        if (start >= (uintptr_t)base && start < (uintptr_t)page(SPAN)) printf(" %ld-%ld", number(start), number(end));
    }
    printf("\n");
    fclose(maps);
}
/* The userfaultfd codes among the VmFlags of a page. */
static void registered(char *at) {
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps != NULL);
    char line[512];
    int here = 0;
    while (fgets(line, sizeof line, smaps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) here = start <= (uintptr_t)at && (uintptr_t)at < end;
        if (!here || strncmp(line, "VmFlags:", 8) != 0) continue;
        printf("  page %s is registered for:%s%s%s\n", place((uintptr_t)at), strstr(line, " um") ? " missing" : "",
               strstr(line, " uw") ? " wp" : "", strstr(line, " ui") ? " minor" : "");
    }
    fclose(smaps);
}

/* Somebody else's work, while the main thread reads messages. */
enum work { LOAD, STORE, UNMAP, OVER, DROP, DROP_MORE, LAZILY, REMOVE, REMAP, GROW, GROW_HERE, SHRINK, SHRINK_MOVE, KEEP, FORK, BREAK, ZERO };
struct doer {
    pthread_t thread;
    enum work work;
    char *at;
    volatile int done;
    long result;
    int error;
};
static int child_status;
static long run(enum work work, char *at) {
    switch (work) {
    case LOAD: return *(volatile char *)at;
    case STORE: return *(volatile char *)at = 7;
    case UNMAP: return munmap(at, 2 * PAGE);
    case OVER: return (long)mmap(at, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    case DROP: return madvise(at, 2 * PAGE, MADV_DONTNEED);
    case DROP_MORE: return madvise(at, 6 * PAGE, MADV_DONTNEED);
    case LAZILY: return madvise(at, 2 * PAGE, 8);
    case REMOVE: return madvise(at, 2 * PAGE, 9);
    case REMAP: return (long)mremap(at, 4 * PAGE, 4 * PAGE, 3, at + 64 * PAGE);
    case GROW: return (long)mremap(at, 4 * PAGE, 8 * PAGE, 3, at + 64 * PAGE);
    case GROW_HERE: return (long)mremap(at, 4 * PAGE, 8 * PAGE, 0);
    case SHRINK: return (long)mremap(at, 4 * PAGE, 2 * PAGE, 0);
    case SHRINK_MOVE: return (long)mremap(at, 4 * PAGE, 2 * PAGE, 3, at + 64 * PAGE);
    case KEEP: return (long)mremap(at, 4 * PAGE, 4 * PAGE, 5 /* MAYMOVE | DONTUNMAP */, 0);
    case BREAK: return syscall(SYS_brk, at) == (long)at ? 0 : -1;
    case ZERO: {
        int zero = open("/dev/zero", O_RDONLY);
        long got = read(zero, at, 10);
        close(zero);
        return got;
    }
    case FORK: {
        pid_t pid = fork();
        if (pid == 0) {
            /* Stores to page 0, reads page 1. */
            volatile char *memory = base;
            memory[0] = 1;
            _exit(memory[PAGE]);
        }
        if (pid < 0) return -1;
        waitpid(pid, &child_status, 0);
        return 0;
    }
    }
    return -1;
}
static void *begin(void *argument) {
    struct doer *d = argument;
    d->result = run(d->work, d->at);
    d->error = errno;
    d->done = 1;
    return NULL;
}
static struct doer *start(enum work work, char *at) {
    struct doer *d = calloc(1, sizeof *d);
    d->work = work;
    d->at = at;
    CHECK(pthread_create(&d->thread, NULL, begin, d) == 0);
    return d;
}
static void finish_work(struct doer *d) {
    CHECK(pthread_join(d->thread, NULL) == 0);
    printf("  it answers %s\n", d->result == -1 ? name(d->error) : "ok");
    free(d);
}
/* Waits for a message without taking it. */
static void await(int f) {
    struct pollfd p = {f, POLLIN, 0};
    CHECK(poll(&p, 1, 20000) == 1 && p.revents == POLLIN);
}
static int tell(const struct message *m) {
    switch (m->event) {
    case 0x12:
        printf("  fault: page %ld%s%s%s%s%s\n", number(m->b), m->a & 1 ? " write" : "", m->a & 2 ? " wp" : "",
               m->a & 4 ? " minor" : "", m->b % PAGE != 0 ? " exact" : "", m->c != 0 ? " thread" : "");
        return 0;
    case 0x13:
        printf("  fork\n");
        return (int)m->a;
    case 0x14:
        printf("  moved: %ld to %s, %ld pages\n", number(m->a), place(m->b), (long)(m->c / PAGE));
        return 0;
    case 0x15: printf("  removed: %ld-%ld\n", number(m->a), number(m->b)); return 0;
    case 0x16: printf("  unmapped: %ld-%ld\n", number(m->a), number(m->b)); return 0;
    default: CHECK(0);
    }
}
/* The next message; who caused it waits until then. */
static int hear(int f, struct doer *d) {
    struct message m;
    await(f);
    CHECK(d == NULL || !d->done);
    CHECK(read(f, &m, sizeof m) == sizeof m);
    return tell(&m);
}
static void silent(int f) {
    struct message m;
    CHECK(read(f, &m, sizeof m) == -1 && errno == EAGAIN);
}
static void step(const char *what) { printf("%s\n", what); }

static void on_signal(int signo) { (void)signo; }
static sigjmp_buf back;
static void on_fault(int signo) { siglongjmp(back, signo); }
static const char *touch(volatile char *at, int is_store) {
    int signo = sigsetjmp(back, 1);
    if (signo != 0) return signo == SIGBUS ? "SIGBUS" : "SIGSEGV";
    if (is_store) *at = 1;
    else (void)*at;
    return "ok";
}

static void handshakes(void) {
    step("handshake");
    int f = syscall(SYS_userfaultfd, O_NONBLOCK);
    struct pollfd p = {f, POLLIN, 0};
    struct message m;
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLERR);
    SAY(read(f, &m, sizeof m));
    SAY(write(f, &m, sizeof m));
    SAY(ioctl(f, WAKE, NULL));
    struct api api = {0xAA, 1ull << 17, 5};
    SAY(ioctl(f, API, &api));
    CHECK(api.api == 0 && api.features == 0 && api.ioctls == 0);
    api.api = 0xAB;
    SAY(ioctl(f, API, &api));
    SAY(ioctl(f, API, NULL));
    api.api = 0xAA;
    SAY(ioctl(f, API, &api));
    printf("  features %llx, ioctls %llx\n", (unsigned long long)api.features, (unsigned long long)api.ioctls);
    CHECK(poll(&p, 1, 0) == 0);
    SAY(ioctl(f, API, &api));
    SAY(ioctl(f, 0x1234, NULL));
    SAY(ioctl(f, WAKE, NULL));
    SAY(read(f, &m, 31));
    SAY(read(f, nowhere, 32));
    CHECK(fcntl(f, F_SETFL, 0) == 0 && poll(&p, 1, 0) == 1 && p.revents == POLLERR);
    close(f);
    SAY(syscall(SYS_userfaultfd, 2));

    step("device");
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device >= 0) {
        SAY(ioctl(device, NEW, 2));
        SAY(ioctl(device, NEW + 1, 0));
        SAY(read(device, &m, 1));
        f = ioctl(device, NEW, O_NONBLOCK | O_CLOEXEC);
        CHECK(f >= 0 && fcntl(f, F_GETFL) % 0x8000 == O_NONBLOCK && fcntl(f, F_GETFD) == FD_CLOEXEC);
        close(f);
        close(device);
    }
}

static void unmapping(void) {
    step("munmap");
    fresh(0, 8);
    CHECK(regist(fd, page(1), 4, MISSING) == 0);
    struct doer *d = start(UNMAP, base);
    await(fd);
    mapped();
    SAY(copy(fd, page(3), 1, 0));
    SAY(protect(fd, page(3), 1, 0));
    SAY(ioctl(fd, COPY, NULL));
    SAY(ioctl(fd, PROTECT, NULL));
    hear(fd, d);
    finish_work(d);
    SAY(copy(fd, page(3), 1, 0));
    step("mmap over it");
    d = start(OVER, page(3));
    hear(fd, d);
    finish_work(d);
    step("one message for all pieces");
    fresh(0, 2);
    CHECK(regist(fd, page(0), 1, MISSING) == 0 && regist(fd, page(1), 1, WP) == 0);
    d = start(UNMAP, base);
    hear(fd, d);
    finish_work(d);
    silent(fd);
    step("brk");
    char *heap = (char *)((syscall(SYS_brk, 0) + PAGE - 1) & -PAGE);
    CHECK(syscall(SYS_brk, heap + 8 * PAGE) == (long)(heap + 8 * PAGE));
    CHECK(regist(fd, heap, 8, MISSING) == 0);
    d = start(BREAK, heap + 4 * PAGE);
    struct message m;
    await(fd);
    CHECK(!d->done && read(fd, &m, sizeof m) == sizeof m);
    CHECK(m.event == 0x16 && m.a == (uintptr_t)(heap + 4 * PAGE) && m.b == (uintptr_t)(heap + 8 * PAGE));
    finish_work(d);
    CHECK(unregist(fd, heap, 4) == 0);
}

static void removing(void) {
    step("DONTNEED");
    fresh(0, 8);
    memset(base, 5, 8 * PAGE);
    CHECK(regist(fd, base, 4, MISSING) == 0);
    struct doer *d = start(DROP, page(1));
    await(fd);
    CHECK(page(1)[0] == 5);
    hear(fd, d);
    finish_work(d);
    d = start(LOAD, page(1));
    hear(fd, d);
    CHECK(zeros(fd, page(1), 1) == 0);
    finish_work(d);
    step("partly registered");
    d = start(DROP_MORE, page(1));
    hear(fd, d);
    finish_work(d);
    silent(fd);
    CHECK(zeros(fd, page(1), 3) == 0);
    step("FREE");
    d = start(LAZILY, base);
    hear(fd, d);
    finish_work(d);
    step("REMOVE of private memory");
    finish_work(start(REMOVE, base));
    step("unmapped before it was heard");
    d = start(DROP, base);
    await(fd);
    struct doer *other = start(UNMAP, base);
    while (syscall(SYS_mincore, base, PAGE, bytes) == 0) usleep(100);
    hear(fd, d);
    finish_work(d);
    hear(fd, other);
    finish_work(other);
    step("REMOVE of shared memory");
    fresh(0, 1);
    int memory = syscall(SYS_memfd_create, "removed", 0);
    CHECK(memory >= 0 && ftruncate(memory, 8 * PAGE) == 0);
    CHECK(mmap(base, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) == base);
    CHECK(regist(fd, base, 8, MISSING) == 0 && copy(fd, base, 2, 0) == 0);
    d = start(REMOVE, base);
    hear(fd, d);
    finish_work(d);
    d = start(LOAD, base);
    hear(fd, d);
    CHECK(zeros(fd, base, 1) == 0);
    finish_work(d);
    CHECK(fallocate(memory, 3, 0, PAGE) == 0);
    silent(fd);
    close(memory);
}

static void moving(void) {
    static const struct { const char *what; enum work work; int events; } moves[] = {
        {"mremap to another place", REMAP, 2}, {"and larger", GROW, 2},          {"larger in place", GROW_HERE, 0},
        {"smaller in place", SHRINK, 1},       {"smaller and moved", SHRINK_MOVE, 3}, {"the old place stays", KEEP, 1},
    };
    for (unsigned i = 0; i < sizeof moves / sizeof *moves; i++) {
        step(moves[i].what);
        fresh(0, 4);
        CHECK(regist(fd, base, 4, MISSING | WP) == 0 && copy(fd, base, 1, 2) == 0);
        struct doer *d = start(moves[i].work, base);
        for (int k = 0; k < moves[i].events; k++) hear(fd, d);
        CHECK(pthread_join(d->thread, NULL) == 0 && d->result != -1);
        silent(fd);
        mapped();
        char *now = (char *)d->result;
        registered(now);
        if (moves[i].work == KEEP) registered(base);
        free(d);
        /* The first page is still protected. */
        d = start(STORE, now);
        struct message m;
        await(fd);
        CHECK(read(fd, &m, sizeof m) == sizeof m && m.event == 0x12 && m.a == 3 && m.b == (uintptr_t)now);
        CHECK(protect(fd, now, 1, 0) == 0);
        CHECK(pthread_join(d->thread, NULL) == 0 && *now == 7);
        free(d);
        if (moves[i].work == KEEP) CHECK(unregist(fd, now, 4) == 0 && munmap(now, 4 * PAGE) == 0);
    }
    step("a part of it");
    fresh(0, 8);
    CHECK(regist(fd, base, 8, MISSING) == 0);
    struct doer *d = start(REMAP, page(1));
    hear(fd, d);
    hear(fd, d);
    finish_work(d);
    mapped();
    registered(page(65));
    registered(base);
    step("over a registered place");
    fresh(0, 80);
    CHECK(munmap(page(4), 60 * PAGE) == 0 && regist(fd, page(64), 4, MISSING) == 0);
    d = start(REMAP, base);
    hear(fd, d);
    finish_work(d);
    step("two mappings, the first registered");
    fresh(0, 4);
    CHECK(regist(fd, base, 2, MISSING) == 0);
    finish_work(start(REMAP, base));
    mapped();
    step("two mappings, the second registered");
    fresh(0, 4);
    CHECK(regist(fd, page(2), 2, MISSING) == 0);
    finish_work(start(REMAP, base));
    mapped();
    step("without the feature");
    fresh(0, 4);
    int f = open_uffd(0, 0);
    CHECK(regist(f, base, 4, MISSING | WP) == 0 && copy(f, base, 1, 2) == 0);
    finish_work(start(REMAP, base));
    registered(page(64));
    CHECK(strcmp(touch(page(64), 1), "ok") == 0);
    close(f);
}

static void forking(void) {
    step("fork");
    fresh(0, 4);
    memset(bytes, 6, sizeof bytes);
    CHECK(regist(fd, base, 4, MISSING | WP) == 0 && copy(fd, base, 1, 2) == 0);
    struct doer *d = start(FORK, NULL);
    int child = hear(fd, d);
    CHECK(fcntl(child, F_GETFL) % 0x8000 == O_NONBLOCK && fcntl(child, F_GETFD) == FD_CLOEXEC);
    hear(child, d);
    CHECK(protect(child, base, 1, 0) == 0);
    hear(child, d);
    SAY(copy(child, page(1), 1, 0));
    finish_work(d);
    CHECK(WIFEXITED(child_status) && WEXITSTATUS(child_status) == 6 && base[0] == 6);
    step("the child is gone");
    SAY(copy(child, page(2), 1, 0));
    SAY(zeros(child, page(2), 1));
    SAY(protect(child, base, 1, 0));
    SAY(regist(child, base, 1, MISSING));
    SAY(unregist(child, base, 1));
    SAY(wake(child, base, 1));
    close(child);
    step("nobody listens to the child");
    d = start(FORK, NULL);
    child = hear(fd, d);
    close(child);
    finish_work(d);
    CHECK(WIFEXITED(child_status) && WEXITSTATUS(child_status) == 0);
    step("no descriptor is free");
    d = start(FORK, NULL);
    await(fd);
    int lowest = dup(0);
    CHECK(lowest >= 0 && close(lowest) == 0);
    struct rlimit all, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &all) == 0);
    few = all;
    few.rlim_cur = lowest;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    struct message m;
    SAY(read(fd, &m, sizeof m));
    CHECK(setrlimit(RLIMIT_NOFILE, &all) == 0);
    close(hear(fd, d));
    finish_work(d);
    step("without the feature");
    int f = open_uffd(0, EVENT_UNMAP);
    fresh(0, 4);
    CHECK(regist(f, base, 4, MISSING) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        registered(base);
        fflush(stdout);
        _exit(base[0]);
    }
    CHECK(waitpid(pid, &child_status, 0) == pid && child_status == 0);
    close(f);
    step("killed while it waits");
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    pid = fork();
    if (pid == 0) {
        int mine = open_uffd(0, EVENTS);
        fresh(0, 2);
        CHECK(regist(mine, base, 2, MISSING) == 0 && write(pipes[1], "x", 1) == 1);
        munmap(base, PAGE);
        _exit(1);
    }
    char go;
    CHECK(read(pipes[0], &go, 1) == 1 && usleep(10000) == 0 && kill(pid, SIGTERM) == 0);
    CHECK(waitpid(pid, &child_status, 0) == pid && WIFSIGNALED(child_status) && WTERMSIG(child_status) == SIGTERM);
    close(pipes[0]);
    close(pipes[1]);
}

static void waking(void) {
    step("who sleeps on an unmapped page is woken by hand");
    fresh(0, 4);
    int f = open_uffd(0, 0);
    CHECK(regist(f, base, 4, MISSING) == 0);
    struct doer *d = start(LOAD, base);
    hear(f, d);
    CHECK(madvise(base, PAGE, MADV_DONTNEED) == 0 && !d->done);
    CHECK(wake(f, base, 1) == 0);
    hear(f, d);
    CHECK(unregist(f, page(1), 1) == 0 && !d->done);
    CHECK(unregist(f, base, 1) == 0);
    finish_work(d);
    step("close ends every wait");
    CHECK(regist(f, base, 4, MISSING) == 0);
    struct doer *waiters[2] = {start(LOAD, page(2)), start(STORE, page(3))};
    await(f);
    close(f);
    finish_work(waiters[0]);
    finish_work(waiters[1]);
    registered(base);
    f = open_uffd(0, EVENTS);
    CHECK(regist(f, base, 4, MISSING) == 0);
    d = start(UNMAP, base);
    await(f);
    close(f);
    finish_work(d);
    mapped();
    step("signals");
    struct sigaction handle = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &handle, NULL) == 0);
    fresh(0, 4);
    CHECK(regist(fd, base, 4, MISSING) == 0);
    d = start(UNMAP, page(2));
    await(fd);
    pthread_kill(d->thread, SIGUSR1);
    usleep(10000);
    hear(fd, d);
    finish_work(d);
    d = start(ZERO, base);
    hear(fd, d);
    pthread_kill(d->thread, SIGUSR1);
    usleep(10000);
    CHECK(!d->done && zeros(fd, base, 1) == 0);
    CHECK(pthread_join(d->thread, NULL) == 0 && d->result == 10);
    free(d);
    struct message rest;
    while (read(fd, &rest, sizeof rest) == sizeof rest) CHECK(rest.event == 0x12);
    d = start(LOAD, page(1));
    hear(fd, d);
    pthread_kill(d->thread, SIGUSR1);
    hear(fd, d);
    CHECK(zeros(fd, page(1), 1) == 0);
    finish_work(d);
    CHECK(unregist(fd, base, 2) == 0);
    step("the end does not wait");
    pid_t pid = fork();
    if (pid == 0) {
        f = open_uffd(0, EVENTS);
        fresh(0, 4);
        CHECK(regist(f, base, 4, MISSING) == 0);
        start(LOAD, base);
        hear(f, NULL);
        start(ZERO, page(1));
        hear(f, NULL);
        start(UNMAP, page(2));
        await(f);
        start(FORK, NULL);
        usleep(1000);
        _exit(5);
    }
    CHECK(waitpid(pid, &child_status, 0) == pid && WIFEXITED(child_status) && WEXITSTATUS(child_status) == 5);
    step("reading");
    fresh(0, 4);
    CHECK(regist(fd, base, 4, MISSING) == 0);
    d = start(LOAD, base);
    await(fd);
    SAY(read(fd, nowhere, 32));
    silent(fd);
    CHECK(wake(fd, base, 1) == 0);
    hear(fd, d);
    waiters[0] = start(LOAD, page(1));
    await(fd);
    struct message two[2];
    CHECK(read(fd, two, 63) == 32 && two[0].b == (uintptr_t)page(1));
    CHECK(zeros(fd, base, 2) == 0);
    finish_work(d);
    finish_work(waiters[0]);
}

static void features(void) {
    step("thread and exact address");
    int f = open_uffd(0, THREAD_ID | EXACT);
    fresh(0, 4);
    CHECK(regist(f, base, 4, MISSING) == 0);
    struct doer *d = start(LOAD, base + 17);
    hear(f, d);
    CHECK(zeros(f, base, 1) == 0);
    finish_work(d);
    close(f);
    step("user mode only");
    f = open_uffd(1, 0);
    CHECK(regist(f, base, 4, MISSING) == 0);
    finish_work(start(ZERO, page(1)));
    SAY(madvise(page(1), PAGE, 22));
    SAY(madvise(page(1), PAGE, 23));
    silent(f);
    d = start(LOAD, page(1));
    hear(f, d);
    CHECK(zeros(f, page(1), 1) == 0);
    finish_work(d);
    close(f);
    step("signals instead of messages");
    struct sigaction handle = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    CHECK(sigaction(SIGBUS, &handle, NULL) == 0 && sigaction(SIGSEGV, &handle, NULL) == 0);
    f = open_uffd(0, SIGBUS_ONLY);
    fresh(0, 4);
    CHECK(regist(f, base, 4, MISSING | WP) == 0);
    printf("  load %s, ", touch(base, 0));
    CHECK(zeros(f, base, 2) == 0 && protect(f, base, 1, 1) == 0);
    printf("load %s, store %s, store %s\n", touch(base, 0), touch(base, 1), touch(page(1), 1));
    SAY(madvise(page(2), PAGE, 22));
    close(f);
    CHECK(strcmp(touch(page(2), 1), "ok") == 0 && strcmp(touch(base, 1), "ok") == 0);
    step("private memory file");
    f = open_uffd(0, 0);
    int memory = syscall(SYS_memfd_create, "minor", 0);
    CHECK(memory >= 0 && ftruncate(memory, 8 * PAGE) == 0);
    CHECK(mmap(base, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, memory, 0) == base);
    CHECK(regist(f, base, 8, MISSING | WP | MINOR) == 0);
    registered(base);
    SAY(copy(f, base, 1, 0));
    struct fill c = {{(uintptr_t)page(2), PAGE}, 0, 0};
    SAY(ioctl(f, CONTINUE, &c));
    CHECK(pwrite(memory, "here", 4, 2 * PAGE) == 4);
    SAY(ioctl(f, CONTINUE, &c));
    SAY(ioctl(f, CONTINUE, &c));
    CHECK(memcmp(page(2), "here", 4) == 0);
    page(2)[0] = 'H';
    CHECK(pread(memory, bytes, 4, 2 * PAGE) == 4 && bytes[0] == 'h');
    d = start(LOAD, page(3));
    hear(f, d);
    CHECK(zeros(f, page(3), 1) == 0);
    finish_work(d);
    close(memory);
    close(f);
}

static int pagemap;
static struct scan whole(void) {
    struct scan s = {.size = sizeof s, .vec = 1, .vec_len = 16, .walk_end = 7, .returned = 0x1ff};
    s.start = (uintptr_t)base;
    s.end = (uintptr_t)page(16);
    return s;
}
static void look(const char *what, struct scan s) {
    static struct region found[16];
    if (s.vec == 1) s.vec = (uintptr_t)found;
    long got = ioctl(pagemap, SCAN, &s);
    printf("  %s: %s", what, said(got));
    for (long i = 0; i < got; i++)
        printf(" %ld-%ld:%llx", number(found[i].start), number(found[i].end), (unsigned long long)found[i].kinds);
    if (s.walk_end != 7) printf(" to %ld", number(s.walk_end));
    printf("\n");
}
#define LOOK(what, change)                                                            \
    do {                                                                              \
        struct scan s = whole();                                                      \
        change;                                                                       \
        look(what, s);                                                                \
    } while (0)

static void scanning(void) {
    step("PAGEMAP_SCAN");
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    CHECK(pagemap >= 0);
    struct scan wrong = {0};
    if (ioctl(pagemap, SCAN, &wrong) == -1 && errno == ENOTTY) {
        printf("userevents skipped: there is no PAGEMAP_SCAN\n");
        exit(77);
    }
    SAY(ioctl(pagemap, SCAN, NULL));
    SAY(ioctl(pagemap, 0x1234, NULL));
    fresh(0, 8);
    memset(base, 1, 2 * PAGE);
    CHECK(page(2)[0] == 0);
    int memory = syscall(SYS_memfd_create, "scanned", 0);
    CHECK(memory >= 0 && ftruncate(memory, 4 * PAGE) == 0);
    CHECK(mmap(page(8), 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) == page(8));
    page(8)[0] = page(9)[0] = 1;
    CHECK(madvise(page(4), PAGE, 102) == 0);
    LOOK("all", );
    LOOK("present", s.mask = 8);
    LOOK("absent", s.mask = 8; s.inverted = 8);
    LOOK("file or guard", s.any = 4 | 0x100);
    LOOK("returns less", s.mask = 8; s.returned = 4);
    LOOK("one page", s.mask = 8; s.max_pages = 1);
    LOOK("three pages", s.mask = 8; s.max_pages = 3);
    LOOK("one region", s.mask = 8; s.vec_len = 1);
    LOOK("two pages, one region", s.mask = 8; s.vec_len = 1; s.max_pages = 2);
    LOOK("no vector", s.vec = 0; s.vec_len = 0);
    LOOK("no length", s.vec_len = 0);
    LOOK("size", s.size = 95);
    LOOK("larger", s.size = 104);
    LOOK("flags", s.flags = 4);
    LOOK("unaligned", s.start = (uintptr_t)base + 1);
    LOOK("unaligned end", s.end = (uintptr_t)page(16) + 1);
    LOOK("empty", s.end = (uintptr_t)base);
    LOOK("backwards", s.end = 4096);
    LOOK("far", s.end = 1ull << 63);
    LOOK("vector null", s.vec = 0);
    LOOK("vector far", s.vec = 1ull << 62);
    LOOK("vector unmapped", s.vec = 8);
    LOOK("inverted", s.inverted = 1 << 9);
    LOOK("mask", s.mask = 1 << 9);
    LOOK("any", s.any = 1 << 9);
    LOOK("returned", s.returned = 1 << 9);
    LOOK("checked", s.flags = 2);
    LOOK("protecting", s.flags = 1);

    step("stores that are noted");
    int f = open_uffd(0, WP_ASYNC);
    CHECK(regist(f, base, 4, WP) == 0);
    LOOK("registered", );
    LOOK("checked", s.flags = 3);
    LOOK("protected", s.end = (uintptr_t)page(4));
    base[0] = 2;
    page(3)[0] = 3;
    CHECK(page(2)[0] == 0);
    LOOK("written", s.end = (uintptr_t)page(4); s.mask = 2; s.returned = 2; s.flags = 3);
    LOOK("again", s.end = (uintptr_t)page(4); s.mask = 2; s.returned = 2; s.flags = 3);
    base[0] = page(1)[0] = 1;
    LOOK("the first", s.end = (uintptr_t)page(4); s.mask = 2; s.flags = 1; s.max_pages = 1);
    LOOK("all", s.end = (uintptr_t)page(4));
    LOOK("without a vector", s.end = (uintptr_t)page(4); s.mask = 2; s.flags = 1; s.vec = 0; s.vec_len = 0; s.max_pages = 1);
    LOOK("all", s.end = (uintptr_t)page(4));
    CHECK(madvise(base, PAGE, MADV_DONTNEED) == 0);
    LOOK("dropped", s.end = (uintptr_t)page(4));
    uint64_t word;
    CHECK(protect(f, base, 1, 1) == 0 && pread(pagemap, &word, 8, (uintptr_t)base / PAGE * 8) == 8);
    printf("  pagemap of an absent page: %llx\n", (unsigned long long)word);
    CHECK(regist(f, page(8), 4, WP) == 0);
    LOOK("shared", s.start = (uintptr_t)page(8); s.end = (uintptr_t)page(12); s.mask = 2; s.flags = 3);
    page(8)[0] = page(11)[0] = 1;
    CHECK(page(10)[0] == 0);
    LOOK("written", s.start = (uintptr_t)page(8); s.end = (uintptr_t)page(12); s.mask = 2; s.flags = 3);
    LOOK("all", s.start = (uintptr_t)page(8); s.end = (uintptr_t)page(12));
    silent(f);
    SAY(regist(f, base, 4, MISSING | MINOR));
    int program = open("/proc/self/exe", O_RDONLY);
    CHECK(mmap(page(16), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, program, 0) == page(16));
    SAY(regist(f, page(16), 1, MISSING));
    SAY(regist(f, page(16), 1, WP));
    SAY(protect(f, page(16), 1, 1));
    CHECK(strcmp(touch(page(16), 0), "ok") == 0);
    LOOK("file, read", s.start = (uintptr_t)page(16); s.end = (uintptr_t)page(17); s.returned = 0xb);
    CHECK(strcmp(touch(page(16), 1), "ok") == 0);
    LOOK("file, written", s.start = (uintptr_t)page(16); s.end = (uintptr_t)page(17); s.returned = 0xb);
    close(program);
    close(memory);
    close(f);
    LOOK("closed", s.end = (uintptr_t)page(4));
}

static void bad_input(void) {
    int f = open_uffd(0, 0);
    step("REGISTER");
    fresh(32, 4);
    int shared = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
    CHECK(mmap(page(36), PAGE, PROT_READ | PROT_WRITE, shared, -1, 0) == page(36));
    SAY(regist(f, page(32), 5, MINOR));
    SAY(regist(f, page(32), 8, MISSING));
    SAY(regist(fd, page(32), 1, MISSING));
    SAY(unregist(fd, page(32), 1));
    SAY(unregist(f, page(32), 8));
    SAY(unregist(f, page(60), 2));
    SAY(regist(f, page(60), 2, MISSING));
    SAY(regist(f, page(31), 2, MISSING));
    SAY(regist(f, page(30), 2, MISSING));
    SAY(regist(f, page(32), 0, MISSING));
    SAY(regist(f, NULL, 1, MISSING));
    SAY(regist(f, (char *)(1ul << 63), 1, MISSING));
    SAY(regist(f, page(32), 1, 0));
    SAY(regist(f, page(32), 1, 8));
    SAY(regist(f, page(32) + 1, 1, MISSING));
    SAY(unregist(f, page(32), 0));
    SAY(unregist(f, page(32) + 1, 1));
    SAY(ioctl(f, REGISTER, NULL));
    SAY(ioctl(f, UNREGISTER, NULL));
    SAY(protect(f, page(32), 1, 1));
    SAY(wake(f, page(32), 0));
    SAY(wake(f, page(60), 1));

#define TRY(request, change)                                                          \
    do {                                                                              \
        q = q0;                                                                       \
        change;                                                                       \
        long r = ioctl(f, request, &q);                                               \
        printf("  " #change ": %s", said(r));                                         \
        printf(q.done == 55 ? "\n" : " %ld\n", (long)q.done);                         \
    } while (0)
    {
        step("COPY");
        fresh(32, 4);
        CHECK(regist(f, page(32), 4, MISSING) == 0);
        const struct copy q0 = {(uintptr_t)page(32), (uintptr_t)bytes, PAGE, 0, 55};
        struct copy q;
        TRY(COPY, q.dst++);
        TRY(COPY, q.len = 0);
        TRY(COPY, q.len = 1);
        TRY(COPY, q.mode = 4);
        TRY(COPY, q.mode = WP);
        TRY(COPY, q.src = 0);
        TRY(COPY, q.dst = -PAGE);
        TRY(COPY, q.len = -PAGE);
        TRY(COPY, q.src = -1);
        TRY(COPY, q.src = 1ull << 63);
        TRY(COPY, q.len = 8 * PAGE);
        TRY(COPY, q.dst += 8 * PAGE);
        TRY(COPY, q.src++);
        TRY(COPY, q.len = 4 * PAGE);
        TRY(COPY, q.dst += 3 * PAGE; q.len = 2 * PAGE);
        TRY(COPY, q.dst += PAGE; q.len = 2 * PAGE);
        TRY(COPY, q.dst += 3 * PAGE; q.src = (uintptr_t)page(60));
        TRY(COPY, q.dst += 2 * PAGE; q.len = 2 * PAGE);
    }
    {
        step("ZEROPAGE");
        fresh(32, 4);
        CHECK(regist(f, page(32), 4, MISSING) == 0);
        const struct fill q0 = {{(uintptr_t)page(32), PAGE}, 0, 55};
        struct fill q;
        TRY(ZEROPAGE, q.range.start++);
        TRY(ZEROPAGE, q.range.len = 0);
        TRY(ZEROPAGE, q.mode = 2);
        TRY(ZEROPAGE, q.range.len = 8 * PAGE);
        TRY(ZEROPAGE, q.range.start += 8 * PAGE);
        TRY(ZEROPAGE, q.mode = 1);
        TRY(ZEROPAGE, );
        TRY(ZEROPAGE, q.range.start += PAGE; q.range.len = 3 * PAGE);
        step("CONTINUE");
        TRY(CONTINUE, q.range.start++);
        TRY(CONTINUE, q.range.len = 0);
        TRY(CONTINUE, q.mode = 4);
        TRY(CONTINUE, q.mode = 2);
        TRY(CONTINUE, );
        TRY(CONTINUE, q.range.start += 8 * PAGE);
        step("POISON");
        TRY(POISON, q.range.start++);
        TRY(POISON, q.range.len = 0);
        TRY(POISON, q.mode = 2);
        TRY(POISON, );
        TRY(POISON, q.range.start += 8 * PAGE);
        CHECK(madvise(page(32), 4 * PAGE, MADV_DONTNEED) == 0);
        TRY(POISON, );
        TRY(POISON, );
        TRY(POISON, q.range.start += PAGE; q.range.len = 2 * PAGE);
        printf("  load %s\n", touch(page(32), 0));
    }
    {
        step("WRITEPROTECT");
        fresh(32, 4);
        CHECK(regist(f, page(32), 4, WP) == 0);
        SAY(protect(f, page(32), 4, 2));
        SAY(protect(f, page(32), 4, 3));
        SAY(protect(f, page(32), 4, 4));
        SAY(protect(f, page(32) + 1, 4, 1));
        SAY(protect(f, page(32), 0, 1));
        SAY(protect(f, page(40), 4, 1));
        SAY(protect(f, page(34), 4, 1));
    }
    {
        step("MOVE");
        fresh(32, 4);
        CHECK(regist(f, page(32), 4, MISSING) == 0);
        int private = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        CHECK(mmap(page(40), 4 * PAGE, PROT_READ | PROT_WRITE, private, -1, 0) == page(40));
        page(40)[0] = 1;
        const struct copy q0 = {(uintptr_t)page(32), (uintptr_t)page(40), PAGE, 0, 55};
        struct copy q;
        TRY(MOVE, q.dst++);
        TRY(MOVE, q.src++);
        TRY(MOVE, q.len = 0);
        TRY(MOVE, q.mode = 4);
        TRY(MOVE, q.len = 8 * PAGE);
        TRY(MOVE, q.src += PAGE);
        TRY(MOVE, q.src += PAGE; q.mode = 2);
        TRY(MOVE, q.src += 8 * PAGE);
        TRY(MOVE, q.dst += 4 * PAGE);
        TRY(MOVE, q.dst = q.src; q.src = (uintptr_t)page(32));
        TRY(MOVE, );
        TRY(MOVE, );
        memset(page(40), 1, 4 * PAGE);
        TRY(MOVE, q.dst += PAGE; q.len = 3 * PAGE; q.mode = 2);
        CHECK(page(33)[0] == 1);
        memset(page(40), 1, 4 * PAGE);
        CHECK(madvise(page(32), 4 * PAGE, MADV_DONTNEED) == 0 && mprotect(page(40), PAGE, PROT_READ) == 0);
        TRY(MOVE, q.len = 2 * PAGE);
        TRY(MOVE, );
        CHECK(mprotect(page(40), PAGE, PROT_READ | PROT_WRITE) == 0 && mlock(page(40), 4 * PAGE) == 0);
        TRY(MOVE, );
        CHECK(munlock(page(40), 4 * PAGE) == 0 && madvise(page(40), PAGE, MADV_DONTNEED) == 0);
        CHECK(page(40)[0] == 0);
        TRY(MOVE, );
        TRY(MOVE, );
        CHECK(mmap(page(40), PAGE, PROT_READ | PROT_WRITE, shared, -1, 0) == page(40));
        page(40)[0] = 1;
        TRY(MOVE, );
    }
    close(f);
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    memset(bytes, 9, sizeof bytes);
    fd = open_uffd(O_CLOEXEC, ALL & ~(SIGBUS_ONLY | THREAD_ID | EXACT | WP_ASYNC));
    handshakes();
    unmapping();
    removing();
    moving();
    forking();
    waking();
    features();
    scanning();
    bad_input();
    printf("userevents done\n");
    return 0;
}
