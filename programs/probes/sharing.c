/* Memory that is shared, and what can be mapped at all. */
#include "probe.h"
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

static long memory_file(const char *name, unsigned flags) { return CALL(SYS_memfd_create, name, flags); }

static void memory_files(void) {
    char name[252];
    memset(name, 'n', sizeof name);
    name[249] = '\0';
    say_ok("name 249 chars", memory_file(name, 0));
    name[249] = 'n';
    name[250] = '\0';
    say_ok("name 250 chars", memory_file(name, 0));
    say_ok("flags 0x100", memory_file("flags", 0x100));
    say_ok("NULL name", memory_file(NULL, 0));
    say_ok("empty name", memory_file("", 0));
    say_ok("MFD_EXEC|MFD_NOEXEC_SEAL", memory_file("both", 0x10 | 0x8));
    int fd = memory_file("demo", 0);
    SAY("F_GET_SEALS without ALLOW_SEALING", fcntl(fd, 1034));
    CHECK(map_as(AT(0), PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) > 0);
    show_maps(1);
    int sealable = memory_file("sealable", 2);
    SAY("F_GET_SEALS with ALLOW_SEALING", fcntl(sealable, 1034));
    struct stat s;
    CHECK(fstat(fd, &s) == 0);
    note("mode %o size %ld", s.st_mode, (long)s.st_size);
    SAY("read at 0 of empty", read(fd, name, 10));
    SAY("lseek SEEK_HOLE", lseek(fd, 0, 4));
}

static long attach(int id, char *at, int flags) { return TRY(shmat(id, at, flags)); }
static void segments(void) {
    SAY("shmget size 0 new", shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
    SAY("shmget no such key", shmget(0x7e577e57, PAGE, 0600));
    int id = shmget(IPC_PRIVATE, 3 * PAGE + 1, IPC_CREAT | 0600);
    struct shmid_ds s;
    CHECK(id >= 0 && shmctl(id, IPC_STAT, &s) == 0);
    note("shm_segsz %lu nattch %lu", (unsigned long)s.shm_segsz, (unsigned long)s.shm_nattch);
    say_hex("shmat at A", attach(id, AT(0), 0));
    show_maps(64);
    say_hex("shmat at A+1", attach(id, AT(0) + 1, 0));
    say_hex("shmat at A+0x8123 SHM_RND", attach(id, AT(8) + 0x123, SHM_RND));
    say_hex("shmat on top of existing", attach(id, AT(0), 0));
    say_hex("shmat SHM_REMAP on top", attach(id, AT(4), SHM_REMAP));
    say_hex("shmat NULL SHM_REMAP", attach(id, NULL, SHM_REMAP));
    say_hex("shmat bad id", attach(0x7fffffff, NULL, 0));
    show_maps(64);
    CHECK(shmctl(id, IPC_STAT, &s) == 0);
    note("nattch %lu", (unsigned long)s.shm_nattch);
    SAY("shmdt A+P (not the start)", shmdt(AT(1)));
    CHECK(munmap(AT(0), PAGE) == 0);
    show_maps_after("after munmap of first page ", AT(0), AT(64));
    SAY("shmdt A (hole now)", shmdt(AT(0)));
    SAY("shmdt A+P (offset 0x1000)", shmdt(AT(1)));
    SAY("shmdt A+4P", shmdt(AT(4)));
    show_maps(64);
    SAY("IPC_RMID while attached", shmctl(id, IPC_RMID, NULL));
    say_hex("shmat after RMID while attached", attach(id, AT(64), SHM_RDONLY));
    show_maps(128);
    say("write to RDONLY", store(AT(64)));
    SAY("mprotect RDONLY attach to RW", mprotect(AT(64), PAGE, RW));
    SAY("shmdt", shmdt(AT(64)));
    SAY("shmdt", shmdt(AT(8)));
    SAY("IPC_STAT after last detach", shmctl(id, IPC_STAT, &s));

    int two = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
    CHECK(attach(two, AT(0), 0) == (long)A);
    *AT(0) = 5;
    pid_t child = fork_clean();
    if (child == 0) _exit(++*AT(0) != 6);
    CHECK(exit_code_of(child) == 0 && shmctl(two, IPC_STAT, &s) == 0);
    note("shared after fork: %d nattch %lu", *AT(0), (unsigned long)s.shm_nattch);
    CHECK(mremap(AT(0), 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(32)) == AT(32));
    show_maps_after("after mremap ", AT(0), AT(64));
    SAY("shmdt at new address", shmdt(AT(32)));
    CHECK(attach(two, AT(0), 0) == (long)A);
    SAY("mprotect splits", mprotect(AT(1), PAGE, R));
    show_maps(64);
    SAY("shmdt detaches both pieces", shmdt(AT(0)));
    show_maps(64);
    shmctl(two, IPC_RMID, NULL);
}

static long map_fd(int fd, int prot, int flags) { return map_as(NULL, PAGE, prot, flags, fd, 0); }
static void mappable(void) {
    int ends[2], zero = open("/dev/zero", O_RDWR), empty = temporary_file();
    CHECK(pipe(ends) == 0 && zero >= 0);
    if (field_of("/proc/sys/vm/nr_hugepages", "") > 0) lack("an empty pool of huge pages");
    say_ok("directory", map_fd(open("/tmp", O_RDONLY), R, MAP_PRIVATE));
    say_ok("pipe", map_fd(ends[0], R, MAP_PRIVATE));
    say_hex("dev/zero private", map_as(AT(0), PAGE, RW, MAP_PRIVATE | MAP_FIXED, zero, 0));
    say_hex("dev/zero shared", map_as(AT(2), PAGE, RW, MAP_SHARED | MAP_FIXED, zero, 0));
    show_maps(3);
    say_ok("dev/null", map_fd(open("/dev/null", O_RDWR), R, MAP_PRIVATE));
    say_ok("proc file", map_fd(open("/proc/self/maps", O_RDONLY), R, MAP_PRIVATE));
    say_ok("O_PATH fd", map_fd(open("/tmp", O_PATH), R, MAP_PRIVATE));
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", empty);
    int writing = open(path, O_WRONLY);
    CHECK(writing >= 0);
    say_ok("O_WRONLY private read", map_fd(writing, R, MAP_PRIVATE));
    long at = map_fd(empty, R, MAP_PRIVATE);
    say_ok("empty file maps fine", at);
    say("touch it", load((char *)at));
    say_ok("MAP_GROWSDOWN on file", map_fd(empty, R, MAP_PRIVATE | MAP_GROWSDOWN));
    say_ok("MAP_HUGETLB anon without pool", map_as(NULL, 2 * MIB, RW, ANON_PRIVATE | MAP_HUGETLB, -1, 0));
    say_ok("MAP_HUGETLB with file", map_fd(empty, R, MAP_PRIVATE | MAP_HUGETLB));
    say_ok("bad fd with MAP_ANONYMOUS is ignored", map_fd(77, R, ANON_PRIVATE));
    say_ok("offset with MAP_ANONYMOUS aligned", map_as(NULL, PAGE, R, ANON_PRIVATE, -1, 16 * PAGE));
}

const struct probe sharing_probes[] = {
    {"X8", "memfd_create", memory_files},
    {"X9", "System V shared memory", segments},
    {"X19", "what can be mapped", mappable},
    {0},
};
