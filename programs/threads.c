/* threads: workers with their own stacks and thread-local data share one address
 * space: a counter under a mutex, a barrier of condition variables, a queue under
 * semaphores, memory mapped by one and unmapped by another; then fork and exec
 * from a process with threads.
 *   usage: threads [ROUNDS] */
#include "common.h"
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define WORKERS 4

static long rounds;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter, arrived, generation;
static __thread uint64_t own = 1;

static void barrier(void) {
    pthread_mutex_lock(&mutex);
    long now = generation;
    if (++arrived == WORKERS) {
        arrived = 0;
        generation++;
        pthread_cond_broadcast(&changed);
    }
    while (generation == now) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void *worker(void *argument) {
    long me = (long)argument;
    for (long i = 0; i < rounds; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own = sum_word(own, (uint64_t)(me * 1000 + i));
        if (i % 64 == 63) barrier();
    }
    return (void *)own;
}

/* One thread maps and fills pages, the other checks and unmaps them. */
static sem_t filled, emptied;
static unsigned char *slot;
static void *producer(void *argument) {
    (void)argument;
    for (long i = 0; i < rounds / 8 + 1; i++) {
        while (sem_wait(&emptied) != 0) {}
        slot = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(slot != MAP_FAILED);
        memset(slot, (int)(i & 0xff), 2 * PAGE);
        sem_post(&filled);
    }
    return NULL;
}
static uint64_t consume(void) {
    pthread_t thread;
    uint64_t sum = SUM_START;
    CHECK(sem_init(&filled, 0, 0) == 0 && sem_init(&emptied, 0, 1) == 0);
    CHECK(pthread_create(&thread, NULL, producer, NULL) == 0);
    for (long i = 0; i < rounds / 8 + 1; i++) {
        while (sem_wait(&filled) != 0) {}
        for (unsigned long k = 0; k < 2 * PAGE; k += 512) CHECK(slot[k] == (i & 0xff));
        sum = sum_word(sum, slot[i % PAGE]);
        CHECK(munmap(slot, 2 * PAGE) == 0);
        sem_post(&emptied);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    struct timespec past = {1, 0};
    CHECK(sem_timedwait(&filled, &past) == -1 && errno == ETIMEDOUT);
    return sum;
}

static void *sleeper(void *argument) {
    for (;;) pause();
    return argument;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "again") == 0) return finish("threads", strtoull(argv[2], NULL, 10));
    rounds = size_arg(argc, argv, 1000);
    pthread_t threads[WORKERS];
    uint64_t sum = SUM_START;
    for (long i = 0; i < WORKERS; i++) CHECK(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
    for (long i = 0; i < WORKERS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        sum = sum_word(sum, (uint64_t)result);
    }
    CHECK(counter == rounds * WORKERS && own == 1);
    printf("threads %d workers counted to %ld\n", WORKERS, counter);
    sum = sum_word(sum, consume());
    printf("threads passed %ld mappings on\n", rounds / 8 + 1);

    pthread_t lazy;
    void *result;
    CHECK(pthread_create(&lazy, NULL, sleeper, NULL) == 0 && pthread_cancel(lazy) == 0);
    CHECK(pthread_join(lazy, &result) == 0 && result == PTHREAD_CANCELED);

    /* A child has only the thread that forked. */
    CHECK(pthread_create(&lazy, NULL, sleeper, NULL) == 0);
    pid_t pid = fork_clean();
    if (pid == 0) {
        counter = 0;
        _exit(9);
    }
    CHECK(exit_code_of(pid) == 9 && counter == rounds * WORKERS);
    pid = vfork();
    if (pid == 0) _exit(6);
    CHECK(exit_code_of(pid) == 6);
    printf("threads forked\n");
    fflush(stdout);

    /* exec ends the thread that is still asleep; the new program prints the end.
     * An emulator on a host of another kind cannot: then it is printed here. */
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)sum);
    char *again[] = {argv[0], "again", text, NULL};
    execv("/proc/self/exe", again);
    CHECK(errno == ENOEXEC);
    return finish("threads", sum);
}
