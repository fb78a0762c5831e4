/* sharedfile: one file seen through a shared mapping, through read and write, and
 * from another process; then a private mapping which must not reach the file.
 *   usage: sharedfile [PAGES] [DIRECTORY] */
#include "common.h"
#include <sys/stat.h>

int main(int argc, char **argv) {
    long pages = size_arg(argc, argv, 64);
    size_t len = pages * PAGE;
    char path[512], buf[PAGE];
    snprintf(path, sizeof path, "%s/pagewright-sharedfile.dat", argc > 2 ? argv[2] : "/tmp");
    unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, len) == 0);
    struct stat st;
    CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)len);
    unsigned char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);

    /* Written through the map, read with read(2). */
    for (size_t i = 0; i < len; i++) CHECK(i % 512 != 0 || map[i] == 0);
    for (size_t i = 0; i < len; i += 16) map[i] = (unsigned char)(i / 16 * 3 + 1);
    uint64_t sum = SUM_START;
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    for (long p = 0; p < pages; p++) {
        CHECK(read(fd, buf, PAGE) == (ssize_t)PAGE);
        CHECK(memcmp(buf, map + p * PAGE, PAGE) == 0);
        for (size_t i = 0; i < PAGE; i += 16) sum = sum_word(sum, (unsigned char)buf[i]);
    }
    CHECK(read(fd, buf, PAGE) == 0);                        /* end of file */
    printf("sharedfile map writes seen by read: %ld pages\n", pages);

    /* Written with pwrite, across page boundaries, seen in the map. */
    for (long p = 1; p < pages; p++) {
        char word[16];
        int n = snprintf(word, sizeof word, "<page %6ld>", p);
        CHECK(pwrite(fd, word, n, p * PAGE - 6) == n);
        CHECK(memcmp(map + p * PAGE - 6, word, n) == 0);
    }
    printf("sharedfile pwrite seen in the map: %ld boundaries\n", pages - 1);

    /* A child writes through the map it inherited and through one of its own. */
    pid_t pid = fork_clean();
    if (pid == 0) {
        for (long p = 0; p < pages; p += 2) map[p * PAGE + 100] = 0xc1;
        unsigned char *own = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(own != MAP_FAILED && own[100] == 0xc1);
        for (long p = 1; p < pages; p += 2) own[p * PAGE + 100] = 0xc2;
        _exit(7);
    }
    CHECK(exit_code_of(pid) == 7);
    for (long p = 0; p < pages; p++) CHECK(map[p * PAGE + 100] == (p % 2 ? 0xc2 : 0xc1));
    printf("sharedfile child's writes seen by its parent\n");

    /* A private map starts as the file and keeps its changes to itself. */
    unsigned char *priv = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(priv != MAP_FAILED && memcmp(priv, map, len) == 0);
    for (long p = 0; p < pages; p++) priv[p * PAGE + 200] = 0x77;
    for (long p = 0; p < pages; p++) CHECK(map[p * PAGE + 200] == 0);
    CHECK(pread(fd, buf, 1, 200) == 1 && buf[0] == 0);
    printf("sharedfile private writes stay private\n");

    /* msync and unlink; the mapping outlives both the name and the descriptor. */
    CHECK(msync(map, len, MS_SYNC) == 0);
    CHECK(unlink(path) == 0 && open(path, O_RDONLY) == -1 && errno == ENOENT);
    CHECK(close(fd) == 0);
    for (size_t i = 0; i < len; i += 64) sum = sum_word(sum, map[i] * 256u + priv[i]);
    CHECK(munmap(map, len) == 0 && munmap(priv, len) == 0);
    return finish("sharedfile", sum);
}
