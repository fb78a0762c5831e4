/* How a probe looks at what a call has done, and what it prints. */
#include "probe.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

/* ---- lines ---- */

static const char *error_name(int error) {
    static const struct { int number; const char *name; } names[] = {
        {EPERM, "EPERM"},   {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"},   {EINTR, "EINTR"},     {EIO, "EIO"},
        {ENXIO, "ENXIO"},   {E2BIG, "E2BIG"},   {ENOEXEC, "ENOEXEC"}, {EBADF, "EBADF"},   {ECHILD, "ECHILD"},
        {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EFAULT, "EFAULT"},   {EBUSY, "EBUSY"},
        {EEXIST, "EEXIST"}, {ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"},
        {ENOTTY, "ENOTTY"}, {ENOSPC, "ENOSPC"}, {ENOSYS, "ENOSYS"}, {EOPNOTSUPP, "EOPNOTSUPP"},
    };
    static char number[16];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == error) return names[i].name;
    snprintf(number, sizeof number, "errno %d", error);
    return number;
}

void say(const char *label, const char *result) { printf("%-60s => %s\n", label, result); }

static void say_as(const char *label, long result, const char *format) {
    char text[40];
    if (result < 0 && result > -4096) snprintf(text, sizeof text, "-%s", error_name(-result));
    else snprintf(text, sizeof text, format, result);
    say(label, text);
}
void say_number(const char *label, long result) { say_as(label, result, "%ld"); }
void say_hex(const char *label, long result) { say_as(label, result, "%#lx"); }
void say_ok(const char *label, long result) { say_as(label, result, "ok"); }
void say_place(const char *label, long result) { say_hex(label, result > 0x100000 ? 1 : result); }

void note(const char *format, ...) {
    va_list list;
    va_start(list, format);
    printf("    ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
}

void lack(const char *what) {
    printf("lacks %s\n", what);
    fflush(stdout);
    _exit(77);
}

/* ---- /proc: read line by line, without memory of its own ---- */

struct lines {
    int fd;
    size_t at, filled;
    char buffer[4096];
};
static void open_lines(struct lines *l, const char *path) {
    l->fd = open(path, O_RDONLY);
    CHECK(l->fd >= 0);
    l->at = l->filled = 0;
}
static int next_line(struct lines *l, char *line, size_t room) {
    for (size_t n = 0;;) {
        if (l->at == l->filled) {
            ssize_t got = read(l->fd, l->buffer, sizeof l->buffer);
            if (got <= 0) return 0;
            l->at = 0;
            l->filled = got;
        }
        char c = l->buffer[l->at++];
        if (c == '\n') return line[n] = '\0', 1;
        if (n + 1 < room) line[n++] = c;
    }
}
/* Of smaps too: other lines begin with a name. */
static int is_maps_line(const char *line, struct mapping *m) {
    return sscanf(line, "%lx-%lx ", &m->start, &m->end) == 2;
}

/* Device and inode, which differ from run to run, give way to marks; what
 * follows stays in its column. */
static void print_maps_line(const char *prefix, const char *line) {
    int device, end;
    unsigned major, minor;
    unsigned long inode;
    CHECK(sscanf(line, "%*s %*s %*s %n%x:%x %lu%n", &device, &major, &minor, &inode, &end) == 3);
    printf("    %s%.*s", prefix, device, line);
    if (strchr(line + end, '/') == NULL) printf("%s\n", line + device);
    else printf("--:-- %-*s%s\n", end - device - 6, "*", line + end);
}

void show_maps_after(const char *prefix, const void *from, const void *to) {
    struct lines l;
    struct mapping m;
    open_lines(&l, "/proc/self/maps");
    while (next_line(&l, m.line, sizeof m.line)) {
        CHECK(is_maps_line(m.line, &m));
        if (m.start >= (unsigned long)to) break;
        if (m.end > (unsigned long)from) print_maps_line(prefix, m.line);
    }
    close(l.fd);
}
void show_maps(unsigned long pages) { show_maps_after(" ", AT(0), AT(pages)); }

int mapping_named(const char *name, struct mapping *m) {
    struct lines l;
    int found = 0;
    open_lines(&l, "/proc/self/maps");
    while (!found && next_line(&l, m->line, sizeof m->line)) {
        size_t length = strlen(m->line), tail = strlen(name);
        found = length > tail && strcmp(m->line + length - tail, name) == 0 && is_maps_line(m->line, m);
    }
    close(l.fd);
    return found;
}

long count_maps(void) {
    struct lines l;
    char line[8];
    long count = 0;
    open_lines(&l, "/proc/self/maps");
    while (next_line(&l, line, sizeof line)) count++;
    close(l.fd);
    return count;
}

void show_smaps(const void *address) {
    static const char *const shown[] = {"Rss:", "AnonHugePages:", "THPeligible:", "VmFlags:"};
    struct lines l;
    struct mapping m;
    int is_inside = 0;
    open_lines(&l, "/proc/self/smaps");
    while (next_line(&l, m.line, sizeof m.line)) {
        if (is_maps_line(m.line, &m))
            is_inside = m.start <= (unsigned long)address && (unsigned long)address < m.end;
        if (!is_inside) continue;
        for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
            if (strncmp(m.line, shown[i], strlen(shown[i])) == 0) note("smaps %s", m.line);
    }
    close(l.fd);
}

long field_of(const char *path, const char *name) {
    struct lines l;
    char line[200];
    long value = -1;
    open_lines(&l, path);
    while (value < 0 && next_line(&l, line, sizeof line))
        if (strncmp(line, name, strlen(name)) == 0) value = strtol(line + strlen(name), NULL, 10);
    close(l.fd);
    return value;
}

int is_in(const char *path, const char *words) {
    struct lines l;
    static char line[8192];
    int found = 0;
    open_lines(&l, path);
    while (!found && next_line(&l, line, sizeof line)) found = strstr(line, words) != NULL;
    close(l.fd);
    return found;
}

/* ---- faults ---- */

static sigjmp_buf back;
static char fault[40];

static void on_fault(int signo, siginfo_t *info, void *context) {
    (void)context;
    snprintf(fault, sizeof fault, "%s code %d", signo == SIGBUS ? "SIGBUS" : "SIGSEGV", info->si_code);
    siglongjmp(back, 1);
}
static const char *touch(volatile char *byte, int is_store) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, segv, bus;
    sigaction(SIGSEGV, &action, &segv);
    sigaction(SIGBUS, &action, &bus);
    strcpy(fault, "ok");
    if (sigsetjmp(back, 1) == 0) {
        char value = is_store ? 1 : *byte;
        if (is_store) *byte = value;
    }
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
    return fault;
}
const char *load(const volatile void *address) { return touch((volatile char *)address, 0); }
const char *store(volatile void *address) { return touch(address, 1); }

/* ---- what a block needs first ---- */

long map_as(void *at, unsigned long bytes, int prot, int flags, int fd, off_t offset) {
    return CALL(SYS_mmap, at, bytes, prot, flags, fd, offset);
}
long map(void *at, unsigned long pages, int prot) {
    return map_as(at, pages * PAGE, prot, ANON_PRIVATE | MAP_FIXED, -1, 0);
}

void limit_soft(int which, unsigned long soft) {
    struct rlimit limit;
    CHECK(getrlimit(which, &limit) == 0);
    limit.rlim_cur = soft;
    CHECK(setrlimit(which, &limit) == 0);
}

struct capabilities {
    struct { uint32_t version; int pid; } header;
    struct { uint32_t effective, permitted, inheritable; } sets[2];
};
static void read_capabilities(struct capabilities *c) {
    *c = (struct capabilities){.header = {0x20080522, 0}};
    CHECK(syscall(SYS_capget, &c->header, c->sets) == 0);
}
int has_capability(int which) {
    struct capabilities c;
    read_capabilities(&c);
    return c.sets[0].effective >> which & 1;
}
void drop_capability(int which) {
    struct capabilities c;
    read_capabilities(&c);
    c.sets[0].effective &= ~(1u << which);
    CHECK(syscall(SYS_capset, &c.header, c.sets) == 0);
}

const char *temporary_name(const char *name) {
    static char path[300];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/probe-%d-%s", folder == NULL ? "/tmp" : folder, (int)getpid(), name);
    return path;
}
int temporary_file(void) {
    int fd = open(temporary_name("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && unlink(temporary_name("file")) == 0);
    return fd;
}
