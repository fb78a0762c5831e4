/* Crossing bad arguments: a call, its good arguments, and for each argument a few bad ones.  cross() tries every bad
 * one alone and every pair of different arguments, and prints which error wins.
 *
 *   mprotect ok
 *     addr: odd INVAL, hole NOMEM, ...          each alone, in the order of the columns below
 *     addr len: INVAL INVAL ok | NOMEM ...      a group for each bad addr, in it a column for each bad len
 *
 * A star says that something is not as it was although the call failed.  Memory stands as drawn in orders.c. */
#ifndef PAGEWRIGHT_ORDERS_H
#define PAGEWRIGHT_ORDERS_H

#include "common.h"
#include <sys/syscall.h>

#define PARAMS 6
#define BAD(...) (const struct value[]){__VA_ARGS__, {NULL, 0}}

struct value {
    const char *name; /* NULL ends a list */
    long value;
};
struct param {
    const char *name; /* NULL: an argument that has no bad values */
    long good;
    const struct value *bad;
};
struct call {
    const char *name;
    long number;                 /* of the system call, or -1 and: */
    long (*make)(const long *a); /* makes the call; the answer is -1 with errno, as from syscall() */
    struct param params[PARAMS];
    void (*undo)(long result, const long *a); /* after a success */
    long (*state)(void);                      /* what a failing call must leave alone; NULL for nothing */
    int forks;                                /* what it does cannot be undone: try each in a child */
};

/* Puts memory back as it was. */
void restore(void);

static inline const char *error_name(int error) {
    static const struct { int number; const char *name; } names[] = {
        {EPERM, "PERM"}, {ENOENT, "NOENT"}, {ESRCH, "SRCH"}, {EINTR, "INTR"}, {EIO, "IO"}, {ENXIO, "NXIO"}, {E2BIG, "2BIG"},
        {EBADF, "BADF"}, {ECHILD, "CHILD"}, {EAGAIN, "AGAIN"}, {ENOMEM, "NOMEM"}, {EACCES, "ACCES"}, {EFAULT, "FAULT"},
        {EBUSY, "BUSY"}, {EEXIST, "EXIST"}, {ENODEV, "NODEV"}, {ENOTDIR, "NOTDIR"}, {EISDIR, "ISDIR"}, {EINVAL, "INVAL"},
        {EMFILE, "MFILE"}, {ENOTTY, "NOTTY"}, {ETXTBSY, "TXTBSY"}, {EFBIG, "FBIG"}, {ENOSPC, "NOSPC"}, {ESPIPE, "SPIPE"},
        {EPIPE, "PIPE"}, {ERANGE, "RANGE"}, {ENAMETOOLONG, "NAMETOOLONG"}, {ENOSYS, "NOSYS"}, {EOVERFLOW, "OVERFLOW"},
        {EOPNOTSUPP, "OPNOTSUPP"}, {ETIMEDOUT, "TIMEDOUT"}, {EDOM, "DOM"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == error) return names[i].name;
    return "?";
}

static inline long make_call(const struct call *c, const long *a) {
    return c->make ? c->make(a) : syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Tries one set of arguments: 0, or the errno, with 1000 added if it failed and yet changed something. */
static long before; /* c->state() after the last restore() */
static inline void restore_for(const struct call *c) {
    restore();
    if (c->state) before = c->state();
}
static inline int try_call(const struct call *c, const long *a) {
    if (c->forks) {
        pid_t pid = fork_clean();
        if (pid == 0) _exit(make_call(c, a) == -1 ? errno : 0);
        return exit_code_of(pid);
    }
    errno = 0;
    long result = make_call(c, a);
    int error = result == -1 ? errno : 0;
    int changed = error && c->state && c->state() != before;
    if (error && !changed) return error;
    if (c->undo) c->undo(result, a);
    restore_for(c);
    return error + (changed ? 1000 : 0);
}

static inline void print_outcome(int outcome) {
    printf("%s%s", outcome ? error_name(outcome % 1000) : "ok", outcome >= 1000 ? "*" : "");
}

static inline void cross(const struct call *c) {
    long a[PARAMS];
    for (int i = 0; i < PARAMS; i++) a[i] = c->params[i].good;
    restore_for(c);
    printf("%s ", c->name);
    print_outcome(try_call(c, a));
    printf("\n");
    for (int i = 0; i < PARAMS; i++) {
        const struct param *p = &c->params[i];
        if (!p->name) continue;
        printf("  %s:", p->name);
        for (const struct value *v = p->bad; v->name; v++) {
            a[i] = v->value;
            printf("%s%s ", v == p->bad ? " " : ", ", v->name);
            print_outcome(try_call(c, a));
        }
        a[i] = p->good;
        printf("\n");
    }
    for (int i = 0; i < PARAMS; i++)
        for (int j = i + 1; j < PARAMS; j++) {
            const struct param *p = &c->params[i], *q = &c->params[j];
            if (!p->name || !q->name) continue;
            printf("  %s %s:", p->name, q->name);
            for (const struct value *v = p->bad; v->name; v++) {
                if (v != p->bad) printf(" |");
                for (const struct value *w = q->bad; w->name; w++) {
                    a[i] = v->value;
                    a[j] = w->value;
                    printf(" ");
                    print_outcome(try_call(c, a));
                }
            }
            a[i] = p->good;
            a[j] = q->good;
            printf("\n");
        }
}

#endif
