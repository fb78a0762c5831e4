/* signals: faults caught on an alternate stack, signals blocked, queued, waited
 * for and sent between processes, calls interrupted and restarted, a child
 * stopped and continued.  What may come in any order is only counted.
 *   usage: signals [ROUNDS] */
#include "common.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static sigjmp_buf back;
static volatile sig_atomic_t seen, children, alarms;
static void *volatile where;
static volatile int why;
static char *alt_stack;
#define ALT_SIZE 65536

static void count_up(int signo) { (void)signo; seen++; }
static void child_ended(int signo) { (void)signo; children++; }
static void alarm_rang(int signo) { (void)signo; alarms++; }

static void on_fault(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    char here;
    CHECK(&here > alt_stack && &here < alt_stack + ALT_SIZE);
    where = info->si_addr;
    why = info->si_code;
    siglongjmp(back, 1);
}

static void set(int signo, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0) CHECK(errno == EINTR);
}

static int signal_that_ended(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    return WTERMSIG(status);
}

/* A load or store that must fault at this very byte, for this reason. */
static void must_fault(volatile char *at, int is_store, int code) {
    where = NULL;
    if (sigsetjmp(back, 1) == 0) {
        if (is_store) *at = 1;
        else (void)*at;
        CHECK(0);
    }
    CHECK(where == (void *)at && why == code);
}

static long faults(long rounds) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    stack_t stack = {.ss_sp = alt_stack = malloc(ALT_SIZE), .ss_size = ALT_SIZE};
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);

    char *readable = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *nothing = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(readable != MAP_FAILED && nothing != MAP_FAILED);
    char name[] = "/tmp/signalsXXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0);
    char *beyond = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    CHECK(beyond != MAP_FAILED && munmap(readable + PAGE, PAGE) == 0);
    for (long i = 0; i < rounds; i++) {
        must_fault(readable + i % PAGE, 1, SEGV_ACCERR);
        must_fault(nothing + i % PAGE, 0, SEGV_ACCERR);
        must_fault(readable + PAGE + i % PAGE, 0, SEGV_MAPERR);
        must_fault(beyond + i % PAGE, 0, BUS_ADRERR);
    }
    return rounds * 4;
}

static void blocking(void) {
    sigset_t usr, old, pending;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    set(SIGUSR1, count_up, 0);
    CHECK(sigprocmask(SIG_BLOCK, &usr, &old) == 0);
    for (int i = 0; i < 3; i++) CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && seen == 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && seen == 1);

    /* Real-time signals are kept each, in order, with their value. */
    sigset_t queued;
    sigemptyset(&queued);
    sigaddset(&queued, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &queued, NULL) == 0);
    for (int i = 0; i < 5; i++) CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + i}) == 0);
    for (int i = 0; i < 5; i++) {
        siginfo_t info;
        CHECK(sigwaitinfo(&queued, &info) == SIGRTMIN && info.si_value.sival_int == 10 + i);
    }
    struct timespec soon = {0, 1000000};
    CHECK(sigtimedwait(&queued, NULL, &soon) == -1 && errno == EAGAIN);
    printf("signals blocked, pending, queued and waited for\n");
}

static void interrupted(void) {
    int pipe_ends[2];
    char c = 0;
    struct itimerval once = {.it_value = {0, 20000}}, none = {.it_value = {0, 0}};
    CHECK(pipe(pipe_ends) == 0);
    set(SIGALRM, alarm_rang, 0);
    CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
    CHECK(read(pipe_ends[0], &c, 1) == -1 && errno == EINTR && alarms == 1);
    set(SIGALRM, alarm_rang, SA_RESTART);
    CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
    pid_t pid = fork_clean();
    if (pid == 0) {
        pause_ms(100);
        _exit(write(pipe_ends[1], "x", 1) != 1);
    }
    CHECK(read(pipe_ends[0], &c, 1) == 1 && c == 'x' && alarms == 2);
    CHECK(exit_code_of(pid) == 0 && setitimer(ITIMER_REAL, &none, NULL) == 0);
    CHECK(close(pipe_ends[0]) == 0);
    set(SIGPIPE, SIG_IGN, 0);
    CHECK(write(pipe_ends[1], "x", 1) == -1 && errno == EPIPE);
    printf("signals interrupt a read, or let it go on\n");
}

/* How many SIGCHLD the loop brought: those of stops and of ends that follow
 * each other at once may be one or two, as it happens. */
static int between_processes(long rounds) {
    set(SIGCHLD, child_ended, SA_RESTART);
    for (long i = 0; i < rounds; i++) {
        pid_t pid = fork_clean();
        if (pid == 0) _exit((int)(i & 0x7f));
        CHECK(exit_code_of(pid) == (i & 0x7f));
    }
    CHECK(children == rounds);
    int ended = children;

    pid_t pid = fork_clean();
    if (pid == 0) for (;;) pause();
    int status;
    CHECK(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    CHECK(kill(pid, SIGTERM) == 0 && signal_that_ended(pid) == SIGTERM);
    pid = fork_clean();
    if (pid == 0) for (;;) {}
    CHECK(kill(pid, SIGKILL) == 0 && signal_that_ended(pid) == SIGKILL);
    pid = fork_clean();
    if (pid == 0) {
        set(SIGSEGV, SIG_DFL, 0);
        char *volatile wild = NULL;
        *(volatile char *)wild = 1;
    }
    CHECK(signal_that_ended(pid) == SIGSEGV);
    pid = fork_clean();
    if (pid == 0) abort();
    CHECK(signal_that_ended(pid) == SIGABRT);

    /* The parent waits with the signal let through only during the wait. */
    sigset_t usr, old;
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr, &old) == 0);
    seen = 0;
    pid = fork_clean();
    if (pid == 0) _exit(kill(getppid(), SIGUSR1) != 0);
    sigset_t through = old;
    sigdelset(&through, SIGUSR1);
    while (seen == 0) CHECK(sigsuspend(&through) == -1 && errno == EINTR);
    CHECK(exit_code_of(pid) == 0 && sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    printf("signals end, stop and continue children\n");
    return ended;
}

int main(int argc, char **argv) {
    long rounds = size_arg(argc, argv, 200);
    printf("signals caught %ld faults, each at its byte\n", faults(rounds));
    blocking();
    interrupted();
    int ended = between_processes(rounds / 8 + 1);
    uint64_t sum = sum_word(SUM_START, (uint64_t)rounds);
    sum = sum_word(sum, (uint64_t)ended);
    return finish("signals", sum_word(sum, (uint64_t)alarms));
}
