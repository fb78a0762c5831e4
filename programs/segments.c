/* segments: System V shared memory between processes: found by key, attached
 * twice and read-only, cut, moved, inherited by fork, and removed while in use.
 *   usage: segments [PAGES] */
#include "common.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static sigjmp_buf back;
static void on_fault(int signo) { (void)signo; siglongjmp(back, 1); }

static unsigned long attached(int id) {
    struct shmid_ds status;
    CHECK(shmctl(id, IPC_STAT, &status) == 0);
    return status.shm_nattch;
}
static void fails(int result, int error) { CHECK(result == -1 && errno == error); }
static void no_map(void *at, int error) { CHECK(at == (void *)-1 && errno == error); }

int main(int argc, char **argv) {
    long pages = size_arg(argc, argv, 16);
    CHECK(pages >= 4);
    size_t bytes = pages * PAGE - 7;
    key_t key = 0x50570000 ^ getpid();
    uint64_t sum = SUM_START;

    fails(shmget(key, bytes, 0600), ENOENT);
    fails(shmget(key, 0, IPC_CREAT | 0600), EINVAL);
    int id = shmget(key, bytes, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(id >= 0 && shmget(key, 0, 0) == id && attached(id) == 0);
    fails(shmget(key, bytes, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    fails(shmget(key, bytes + PAGE, 0600), EINVAL);

    uint64_t *one = shmat(id, NULL, 0);
    const uint64_t *two = shmat(id, NULL, SHM_RDONLY);
    CHECK(one != (void *)-1 && two != (void *)-1 && attached(id) == 2);
    no_map(shmat(id, (char *)one + 1, 0), EINVAL);
    no_map(shmat(id, one, 0), EINVAL);
    no_map(shmat(-1, NULL, 0), EINVAL);
    for (long i = 0; i < pages; i++) one[i * 512] = i * i + 1;
    for (long i = 0; i < pages; i++) sum = sum_word(sum, two[i * 512]);
    printf("segments: %ld pages seen at two places\n", pages);

    signal(SIGSEGV, on_fault);
    if (sigsetjmp(back, 1) == 0) {
        *(volatile uint64_t *)two = 1;
        CHECK(0);
    }
    fails(mprotect((void *)two, PAGE, PROT_READ | PROT_WRITE), EACCES);

    /* Children write through what they inherited; the parent sees it. */
    for (int child = 0; child < 3; child++) {
        pid_t pid = fork_clean();
        if (pid == 0) {
            CHECK(attached(id) == 4);
            for (long i = child; i < pages; i += 3) one[i * 512] += 1000 * (child + 1);
            _exit(child);
        }
        CHECK(exit_code_of(pid) == child && attached(id) == 2);
    }
    for (long i = 0; i < pages; i++) sum = sum_word(sum, two[i * 512]);
    printf("segments: 3 children have written\n");

    /* What is left of an attachment goes with the address it once had. */
    CHECK(munmap(one, PAGE) == 0 && munmap(one + 2 * 512, PAGE) == 0 && attached(id) == 3);
    fails(shmdt(one + 512), EINVAL);
    CHECK(shmdt(one) == 0 && attached(id) == 1);
    fails(shmdt(one), EINVAL);

    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    fails(shmget(key, 0, 0), ENOENT);
    for (long i = 0; i < pages; i++) sum = sum_word(sum, two[i * 512]);
    CHECK(shmdt(two) == 0);
    fails(shmctl(id, IPC_STAT, &(struct shmid_ds){0}), EINVAL);
    printf("segments: removed while in use, gone afterwards\n");
    return finish("segments", sum);
}
