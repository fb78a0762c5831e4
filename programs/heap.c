/* heap: malloc, realloc and free in a random order, with block sizes from a few
 * bytes to over a hundred kilobytes, so that both brk and mmap are used.  Each
 * block carries a pattern which is checked before it is changed or freed.
 *   usage: heap [OPERATIONS] */
#include "common.h"

#define SLOTS 256

struct block { unsigned char *data; size_t size; unsigned char tag; };
static struct block slot[SLOTS];

/* Fill from `from` on; the pattern depends on the position and the block's tag. */
static void fill(struct block *b, size_t from) {
    for (size_t i = from; i < b->size; i++) b->data[i] = (unsigned char)(i * 7 + b->tag);
}

static void verify(const struct block *b, size_t upto) {
    for (size_t i = 0; i < upto; i++) CHECK(b->data[i] == (unsigned char)(i * 7 + b->tag));
}

/* Mostly small, now and then large enough for a mapping of its own. */
static size_t pick_size(uint64_t *rng) {
    uint64_t r = rng_next(rng);
    if (r % 512 == 0) return 131072 + (r >> 20) % 65536;
    if (r % 16 == 0) return 1024 + (r >> 20) % 4096;
    return 1 + (r >> 20) % 256;
}

int main(int argc, char **argv) {
    long ops = size_arg(argc, argv, 6000);
    uint64_t rng = 0x9e3779b97f4a7c15ull, sum = SUM_START;
    long made = 0, resized = 0, freed = 0;
    for (long i = 0; i < ops; i++) {
        struct block *b = &slot[rng_next(&rng) % SLOTS];
        if (!b->data) {                                     /* make */
            b->size = pick_size(&rng);
            b->tag = (unsigned char)rng_next(&rng);
            CHECK((b->data = malloc(b->size)) != NULL);
            fill(b, 0);
            made++;
        } else if (rng_next(&rng) % 2) {                    /* resize: the start must survive */
            size_t old = b->size;
            b->size = pick_size(&rng);
            CHECK((b->data = realloc(b->data, b->size)) != NULL);
            verify(b, old < b->size ? old : b->size);
            fill(b, old < b->size ? old : b->size);
            resized++;
        } else {                                            /* free */
            verify(b, b->size);
            sum = sum_word(sum, b->size * 256 + b->data[b->size / 2]);
            free(b->data);
            b->data = NULL;
            freed++;
        }
    }
    long live = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (!slot[i].data) continue;
        verify(&slot[i], slot[i].size);
        sum = sum_bytes(sum, slot[i].data, slot[i].size < 64 ? slot[i].size : 64);
        free(slot[i].data);
        live++;
    }
    /* Zeroed memory must be zero even where freed blocks were. */
    unsigned char *zero = calloc(3, 50000);
    CHECK(zero != NULL);
    for (long i = 0; i < 150000; i += 8) CHECK(zero[i] == 0);
    free(zero);
    printf("heap made %ld resized %ld freed %ld live %ld\n", made, resized, freed, live);
    return finish("heap", sum);
}
