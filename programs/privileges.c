/* privileges: what user numbers and capabilities allow, and what setuid, capset
 * and execve make of them.  Exit code 77 where it is not run by user 0.
 *   usage: privileges */
#include "common.h"
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define USER 1000
#define CHOWN 0
#define DAC_READ_SEARCH 2
#define KILL 5
#define SYS_PTRACE 19
#define SYS_RESOURCE 24

static char folder[] = "/tmp/privileges-XXXXXX";
static const char *path(const char *name) {
    static char text[64];
    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

/* ---- what is printed ---- */

/* What a call answers, -errno for a failure. */
static void said(const char *what, long result) {
    printf("  %-44s %ld\n", what, result < 0 ? -(long)errno : result);
}
#define SAY(call) said(#call, (long)(call))

/* User numbers, and how many capabilities each set holds beside the one that
 * user 0 has here or has not. */
static void show(const char *when) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[200], set[8];
    unsigned long ids[4], bits;
    CHECK(f != NULL);
    printf("  %s:", when);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "Uid: %lu %lu %lu %lu", ids, ids + 1, ids + 2, ids + 3) == 4)
            printf(" uid %lu/%lu/%lu/%lu", ids[0], ids[1], ids[2], ids[3]);
        if (sscanf(line, "Gid: %lu %lu %lu %lu", ids, ids + 1, ids + 2, ids + 3) == 4)
            printf(" gid %lu/%lu/%lu/%lu", ids[0], ids[1], ids[2], ids[3]);
        if (sscanf(line, "Cap%3s: %lx", set, &bits) == 2)
            printf(" %s %d", set, __builtin_popcountl(bits & ~(1ul << SYS_RESOURCE)));
    }
    printf(" dumpable %d\n", prctl(PR_GET_DUMPABLE));
    fclose(f);
}

/* ---- changing who one is, without the C library's care for threads ---- */

static long uids(int real, int effective, int saved) { return syscall(SYS_setresuid, real, effective, saved); }
static long gids(int real, int effective, int saved) { return syscall(SYS_setresgid, real, effective, saved); }
static long become(int id) { return gids(id, id, id) == 0 ? uids(id, id, id) : -1; }

struct capabilities {
    struct { uint32_t version; int pid; } header;
    struct { uint32_t effective, permitted, inheritable; } sets[2];
};
static struct capabilities now(void) {
    struct capabilities c = {.header = {0x20080522, 0}};
    CHECK(syscall(SYS_capget, &c.header, c.sets) == 0);
    return c;
}
static long set(struct capabilities c) { return syscall(SYS_capset, &c.header, c.sets); }
static long only(int capability) {
    struct capabilities c = now();
    c.sets[0].effective = 1u << capability;
    c.sets[1].effective = 0;
    return set(c);
}
static long inherit(int capability) {
    struct capabilities c = now();
    c.sets[0].inheritable |= 1u << capability;
    return set(c);
}
static long none(void) {
    struct capabilities c = now();
    memset(c.sets, 0, sizeof c.sets);
    return set(c);
}

static long run(const char *program) {
    char *argv[] = {(char *)program, "shown", NULL}, *env[] = {NULL};
    fflush(stdout);
    return execve(program, argv, env);
}

/* ---- the blocks, each in a process of its own ---- */

static void user_numbers(void) {
    SAY(syscall(SYS_setreuid, USER, 2000));
    show("real and effective");
    SAY(syscall(SYS_setreuid, 2000, USER));
    show("exchanged");
    SAY(syscall(SYS_setreuid, 0, -1));
    SAY(uids(USER, 2000, USER));
}
static void for_a_while(void) {
    SAY(uids(-1, USER, -1));
    show("as a user");
    SAY(uids(-1, 0, -1));
    show("as root again");
}
static void for_good(void) {
    SAY(syscall(SYS_setuid, USER));
    show("user");
    SAY(syscall(SYS_setuid, 0));
    SAY(syscall(SYS_setgid, 5));
    SAY(syscall(SYS_setuid, -1));
    SAY(syscall(SYS_setgroups, 0, NULL));
    run("/proc/self/exe");
}
static void keeping(void) {
    SAY(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    SAY(prctl(PR_GET_KEEPCAPS));
    SAY(prctl(PR_GET_SECUREBITS));
    SAY(syscall(SYS_setuid, USER));
    show("kept");
    run("/proc/self/exe");
}
static void bounding(void) {
    SAY(prctl(PR_CAPBSET_DROP, KILL, 0, 0, 0));
    SAY(prctl(PR_CAPBSET_READ, KILL, 0, 0, 0));
    SAY(prctl(PR_CAPBSET_READ, CHOWN, 0, 0, 0));
    SAY(prctl(PR_CAPBSET_DROP, 64, 0, 0, 0));
    run("/proc/self/exe");
}
static void ambient(void) {
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, KILL, 0, 0));
    SAY(inherit(KILL));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, KILL, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, KILL, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 99, 0, 0));
    SAY(prctl(PR_CAP_AMBIENT, 9, KILL, 0, 0));
    run("/proc/self/exe");
}
static void real_root(void) {
    SAY(uids(0, USER, USER));
    run("/proc/self/exe");
}
static void effective_root(void) {
    SAY(uids(USER, 0, 0));
    run("/proc/self/exe");
}
static void set_user_program(void) {
    SAY(become(USER));
    run(path("program"));
}
static void no_new_privileges(void) {
    SAY(become(USER));
    SAY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    run(path("program"));
}

/* 0, or why not. */
static long opened(pid_t other, const char *name) {
    char file[64];
    snprintf(file, sizeof file, "/proc/%d/%s", (int)other, name);
    int fd = open(file, O_RDONLY);
    return fd < 0 ? -1 : close(fd);
}
static long linked(pid_t other, const char *name) {
    char file[64], to[64];
    snprintf(file, sizeof file, "/proc/%d/%s", (int)other, name);
    return readlink(file, to, sizeof to) < 0 ? -1 : 0;
}
static void reach(pid_t other) {
    static char bytes[4];
    struct iovec here = {bytes, 4}, there = {bytes, 4};
    SAY(kill(other, 0));
    SAY(process_vm_readv(other, &here, 1, &there, 1, 0));
    SAY(opened(other, "status"));
    SAY(opened(other, "cmdline"));
    SAY(opened(other, "maps"));
    SAY(opened(other, "smaps_rollup"));
    SAY(opened(other, "pagemap"));
    SAY(opened(other, "mem"));
    SAY(opened(other, "environ"));
    SAY(opened(other, "auxv"));
    SAY(opened(other, "fd"));
    SAY(linked(other, "exe"));
    SAY(linked(other, "cwd"));
}
static void others(void) {
    pid_t other = fork_clean(), child;
    if (other == 0) for (;;) pause();
    for (int who = 0; who < 4; who++) {
        static const char *const names[] = {"root", "root without capabilities", "a user with CAP_KILL",
                                            "a user with CAP_SYS_PTRACE"};
        printf("  %s\n", names[who]);
        if ((child = fork_clean()) != 0) {
            CHECK(exit_code_of(child) == 0);
            continue;
        }
        if (who == 1) CHECK(none() == 0);
        if (who >= 2) {
            CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && become(USER) == 0);
            CHECK(only(who == 2 ? KILL : SYS_PTRACE) == 0);
        }
        reach(other);
        fflush(stdout);
        _exit(0);
    }
    kill(other, SIGKILL);
    CHECK(waitpid(other, NULL, 0) == other);
}
static void without(void) {
    struct rlimit more = {1, 1ul << 50};
    char *large = mmap(NULL, 16ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(none() == 0);
    SAY(syscall(SYS_setuid, USER));
    SAY(chown(path("program"), USER, USER));
    SAY(chmod(path("program"), 04755));
    SAY(sethostname("x", 1));
    SAY(mlock(large, 16ul << 20));
    SAY(setrlimit(RLIMIT_MEMLOCK, &more));
}
static void files(void) {
    close(open(path("closed"), O_CREAT | O_RDWR, 0));
    SAY(access(path("closed"), R_OK | W_OK));
    SAY(access(path("closed"), X_OK));
    CHECK(only(DAC_READ_SEARCH) == 0);
    SAY(open(path("closed"), O_WRONLY));
    SAY(open(path("closed"), O_RDONLY) >= 0);
    SAY(access(path("closed"), W_OK));
    SAY(syscall(439, AT_FDCWD, path("closed"), W_OK, AT_EACCESS));
}
static void owners(void) {
    struct stat s;
    CHECK(chmod(folder, 01777) == 0);
    close(open(path("theirs"), O_CREAT | O_RDWR, 0644));
    SAY(syscall(SYS_setgroups, 0, NULL));
    SAY(become(USER));
    SAY(unlink(path("theirs")));
    SAY(chmod(path("theirs"), 0777));
    SAY(utimensat(AT_FDCWD, path("theirs"), NULL, 0));
    SAY(chown(path("theirs"), -1, -1));
    close(open(path("mine"), O_CREAT | O_RDWR, 0644));
    SAY(chown(path("mine"), 0, -1));
    SAY(chown(path("mine"), -1, 0));
    SAY(chown(path("mine"), USER, USER));
    SAY(chmod(path("mine"), 06755));
    CHECK(stat(path("mine"), &s) == 0);
    printf("  mode %o\n", s.st_mode & 07777);
    SAY(chown(path("mine"), USER, USER));
    CHECK(stat(path("mine"), &s) == 0);
    printf("  mode %o\n", s.st_mode & 07777);
}

static void copy_of_program(void) {
    static char buffer[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY), to = open(path("program"), O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t n;
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, buffer, sizeof buffer)) > 0) CHECK(write(to, buffer, n) == n);
    CHECK(close(from) == 0 && close(to) == 0 && chmod(path("program"), 06755) == 0);
}

int main(int argc, char **argv) {
    static const struct { const char *name; void (*run)(void); } blocks[] = {
        {"user numbers", user_numbers}, {"for a while", for_a_while}, {"for good", for_good},
        {"keeping capabilities", keeping}, {"bounding set", bounding}, {"ambient set", ambient},
        {"execve with real user 0", real_root}, {"execve with effective user 0", effective_root},
        {"a set-user-ID program", set_user_program}, {"the same with no_new_privs", no_new_privileges},
        {"other processes", others}, {"without capabilities", without}, {"files", files}, {"owners", owners},
    };
    (void)argv;
    if (argc > 1) {
        show("executed");
        printf("  secure %lu\n", getauxval(AT_SECURE));
        return 0;
    }
    if (getuid() != 0) {
        printf("lacks root\n");
        return 77;
    }
    struct statvfs fs;
    CHECK(statvfs("/tmp", &fs) == 0);
    if (fs.f_flag & (ST_NOSUID | ST_NOEXEC)) {
        printf("lacks a /tmp whose programs may change their user\n");
        return 77;
    }
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0755) == 0);
    copy_of_program();
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        printf("%s\n", blocks[i].name);
        pid_t pid = fork_clean();
        if (pid == 0) {
            blocks[i].run();
            fflush(stdout);
            _exit(0);
        }
        CHECK(exit_code_of(pid) == 0);
    }
    static const char *const made[] = {"program", "closed", "theirs", "mine"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) unlink(path(made[i]));
    return rmdir(folder) == 0 ? 0 : 1;
}
