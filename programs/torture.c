/* torture: random memory calls against a model.  One region of address space is
 * changed by mmap, munmap, mprotect, mremap and madvise, and written and read;
 * for each page the model says whether it is mapped, how it may be used, and the
 * 64-bit words it holds at a few places.  What may not be touched is tried
 * with read(2) and write(2), whose EFAULT tells without a signal.
 *   usage: torture [OPERATIONS] [SEED] [DIRECTORY] */
#include "common.h"

#define PAGES 128
#define WORDS 4                 /* places watched in each page */
#define FILE_PAGES 32

struct page {
    unsigned char mapped, prot, file;
    unsigned char file_page;    /* which page of the file it began as */
    uint64_t word[WORDS];
};

static struct page *model;      /* from malloc: well away from the region */
static unsigned char *region;
static uint64_t rng = 1;
static int file, zero_pipe[2];
static int exact;               /* the kernel reports holes as Linux does */

static long pick(long n) { return (long)((rng_next(&rng) >> 11) % (uint64_t)n); }

static volatile uint64_t *place(long p, int w) {
    return (volatile uint64_t *)(region + p * PAGE + (w * 1360 & ~7));
}

static uint64_t file_word(int file_page, int w) {
    return 0xf11e000000000000ull + (uint64_t)file_page * 256 + w + 1;
}

/* Set a page of the model to what a new mapping shows. */
static void fresh(long p, int prot, int is_file, int file_page) {
    struct page *m = &model[p];
    m->mapped = 1;
    m->prot = (unsigned char)prot;
    m->file = (unsigned char)is_file;
    m->file_page = (unsigned char)file_page;
    for (int w = 0; w < WORDS; w++) m->word[w] = is_file ? file_word(file_page, w) : 0;
}

static int pick_prot(void) {
    static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
                                PROT_READ | PROT_WRITE};
    return prots[pick(5)];
}

/* Compare one page with its model; a page that cannot be read must give EFAULT. */
static void check_page(long p) {
    const struct page *m = &model[p];
    if (m->mapped && (m->prot & PROT_READ)) {
        for (int w = 0; w < WORDS; w++) CHECK(*place(p, w) == m->word[w]);
        return;
    }
    /* Unreadable or not there: the kernel cannot read it for us either. */
    errno = 0;
    CHECK(write(zero_pipe[1], region + p * PAGE, 1) == -1 && errno == EFAULT);
}

/* Some emulators of system calls are inexact about ranges with holes.  Ask once:
 * there, such calls are made page by page, with the same effect on the model. */
static int reports_holes(unsigned char *two) {
    unsigned char *got = mmap(two, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(got == two && munmap(two + PAGE, PAGE) == 0);
    return madvise(two, 2 * PAGE, MADV_DONTNEED) == -1 && mprotect(two, 2 * PAGE, PROT_NONE) == -1;
}

static void op_map(long p, long n) {
    int prot = pick_prot(), is_file = pick(3) == 0;
    if (is_file && n > FILE_PAGES) n = FILE_PAGES;
    long first = is_file ? pick(FILE_PAGES - n + 1) : 0;
    void *got = mmap(region + p * PAGE, n * PAGE, prot, MAP_PRIVATE | MAP_FIXED | (is_file ? 0 : MAP_ANONYMOUS),
                     is_file ? file : -1, first * PAGE);
    CHECK(got == region + p * PAGE);
    for (long i = 0; i < n; i++) fresh(p + i, prot, is_file, (int)(first + i));
}

static void op_unmap(long p, long n) {
    CHECK(munmap(region + p * PAGE, n * PAGE) == 0);
    for (long i = 0; i < n; i++) model[p + i].mapped = 0;
}

/* mprotect must say ENOMEM at a hole; pages before it are changed all the same. */
static void op_protect(long p, long n) {
    int prot = pick_prot();
    long good = 0;
    while (good < n && model[p + good].mapped) good++;
    if (exact) {
        errno = 0;
        int r = mprotect(region + p * PAGE, n * PAGE, prot);
        CHECK(good == n ? r == 0 : r == -1 && errno == ENOMEM);
    } else if (good) {
        CHECK(mprotect(region + p * PAGE, good * PAGE, prot) == 0);
    }
    for (long i = 0; i < good; i++) model[p + i].prot = (unsigned char)prot;
}

/* Private pages go back to zero, or to what the file holds; a hole among them
 * gives ENOMEM, but all the others are dropped. */
static void op_dontneed(long p, long n) {
    int hole = 0;
    for (long i = 0; i < n; i++) {
        struct page *m = &model[p + i];
        if (!m->mapped) hole = 1;
        else {
            fresh(p + i, m->prot, m->file, m->file_page);
            if (!exact) CHECK(madvise(region + (p + i) * PAGE, PAGE, MADV_DONTNEED) == 0);
        }
    }
    if (!exact) return;
    errno = 0;
    int r = madvise(region + p * PAGE, n * PAGE, MADV_DONTNEED);
    CHECK(hole ? r == -1 && errno == ENOMEM : r == 0);
}

/* Move a page elsewhere in the region, over whatever is there. */
static void op_move(long p) {
    long to = pick(PAGES);
    if (to == p) return;
    void *got = mremap(region + p * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, region + to * PAGE);
    CHECK(got == region + to * PAGE);
    model[to] = model[p];
    model[p].mapped = 0;
}

/* A mapping of its own grows and shrinks; it is gone again before any check. */
static void op_resize(long n) {
    unsigned char *m = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    for (long i = 0; i < n; i++) m[i * PAGE + i] = (unsigned char)(i + 1);
    long more = n + pick(20);
    m = mremap(m, n * PAGE, more * PAGE, MREMAP_MAYMOVE);
    CHECK(m != MAP_FAILED);
    for (long i = 0; i < more; i++) CHECK(m[i * PAGE + i] == (i < n ? i + 1 : 0));
    CHECK(mremap(m, more * PAGE, PAGE, 0) == m && m[0] == 1);
    CHECK(munmap(m, PAGE) == 0);
}

static void op_write(long p, long n) {
    for (long i = 0; i < n; i++) {
        struct page *m = &model[p + i];
        int w = (int)pick(WORDS);
        uint64_t v = rng_next(&rng);
        if (m->mapped && (m->prot & PROT_WRITE)) {
            *place(p + i, w) = v;
            m->word[w] = v;
        } else {
            errno = 0;                          /* the kernel may not write there for us either */
            CHECK(pread(file, (void *)place(p + i, w), 8, 0) == -1 && errno == EFAULT);
        }
    }
}

/* A read(2) into the page must go through copy-on-write and protections too. */
static void op_read_file(long p) {
    struct page *m = &model[p];
    if (!m->mapped || !(m->prot & PROT_WRITE)) return;
    int w = (int)pick(WORDS), from = (int)pick(FILE_PAGES);
    CHECK(pread(file, (void *)place(p, w), 8, from * PAGE + (w * 1360 & ~7)) == 8);
    m->word[w] = file_word(from, w);
}

/* A child checks everything, scribbles on its copy, and leaves. */
static void op_fork(void) {
    pid_t pid = fork_clean();
    if (pid == 0) {
        for (long p = 0; p < PAGES; p++) {
            check_page(p);
            if (model[p].mapped && (model[p].prot & PROT_WRITE)) *place(p, 0) = ~model[p].word[0];
        }
        _exit(3);
    }
    CHECK(exit_code_of(pid) == 3);
}

int main(int argc, char **argv) {
    long ops = size_arg(argc, argv, 10000), count[8] = {0};
    uint64_t sum = SUM_START;
    rng = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 20240229;
    for (int i = 0; i < 8; i++) rng_next(&rng);

    char path[512];
    snprintf(path, sizeof path, "%s/pagewright-torture.dat", argc > 3 ? argv[3] : "/tmp");
    unlink(path);
    CHECK((file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600)) >= 0 && unlink(path) == 0);
    for (int p = 0; p < FILE_PAGES; p++)
        for (int w = 0; w < WORDS; w++) {
            uint64_t v = file_word(p, w);
            CHECK(pwrite(file, &v, 8, p * PAGE + (w * 1360 & ~7)) == 8);
        }
    CHECK(ftruncate(file, FILE_PAGES * PAGE) == 0 && pipe(zero_pipe) == 0);

    CHECK((model = calloc(PAGES, sizeof *model)) != NULL);
    /* A place of our own, with room around it; then empty it. */
    region = mmap(NULL, (PAGES + 32) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(region != MAP_FAILED);
    exact = reports_holes(region);
    region += 16 * PAGE;
    op_unmap(0, PAGES);

    for (long i = 0; i < ops; i++) {
        long p = pick(PAGES), n = 1 + pick(12), op = pick(32);
        if (p + n > PAGES) n = PAGES - p;
        int kind = op < 6 ? 0 : op < 8 ? 1 : op < 11 ? 2 : op < 13 ? 3 : op < 16 ? 4 : op < 26 ? 5 : 6;
        switch (kind) {
        case 0: op_map(p, n); break;
        case 1: op_unmap(p, n); break;
        case 2: op_protect(p, n); break;
        case 3: op_dontneed(p, n); break;
        case 4: if (model[p].mapped) op_move(p); else op_resize(n); break;
        case 5: op_write(p, n); break;
        case 6: op_read_file(p); break;
        }
        count[kind]++;
        check_page(p);
        check_page(pick(PAGES));
        if (i % 64 == 63) for (long q = 0; q < PAGES; q++) check_page(q);
        if (i % 1000 == 500) { op_fork(); count[7]++; }
    }
    long mapped = 0;
    for (long p = 0; p < PAGES; p++) {
        check_page(p);
        if (!model[p].mapped) continue;
        mapped++;
        for (int w = 0; w < WORDS; w++) sum = sum_word(sum, model[p].word[w] + model[p].prot);
    }
    printf("torture map %ld unmap %ld protect %ld dontneed %ld move %ld write %ld read %ld fork %ld\n", count[0],
           count[1], count[2], count[3], count[4], count[5], count[6], count[7]);
    printf("torture %ld of %d pages mapped at the end\n", mapped, PAGES);
    return finish("torture", sum);
}
