/* sort: branches and calls.  Each round makes text, splits it into words with a
 * small state machine, and sorts the words' hashes.   usage: sort [ROUNDS] */
#include "common.h"

#define TEXT 8192
#define WORDS 4096

static char text[TEXT];
static uint64_t word[WORDS];

static void quicksort(uint64_t *a, long lo, long hi) {
    while (lo < hi) {
        uint64_t pivot = a[lo + (hi - lo) / 2];
        long i = lo, j = hi;
        while (i <= j) {
            while (a[i] < pivot) i++;
            while (a[j] > pivot) j--;
            if (i <= j) {
                uint64_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - lo < hi - i) {                  /* recurse into the shorter side */
            quicksort(a, lo, j);
            lo = i;
        } else {
            quicksort(a, i, hi);
            hi = j;
        }
    }
}

/* Letters make words, digits numbers; a quote swallows blanks until the next. */
static long split(void) {
    enum { BLANK, WORD, NUMBER, QUOTED } state = BLANK;
    uint64_t h = SUM_START;
    long n = 0;
    for (long i = 0; i < TEXT; i++) {
        char c = text[i];
        switch (state) {
        case BLANK:
            if (c == '"') state = QUOTED;
            else if (c >= 'a' && c <= 'z') { state = WORD; h = sum_word(h, c); }
            else if (c >= '0' && c <= '9') { state = NUMBER; h = h * 10 + (c - '0'); }
            continue;
        case QUOTED:
            if (c != '"') { h = sum_word(h, c ^ 0x80); continue; }
            break;
        default:
            if (c == ' ' || c == '"') break;
            h = state == WORD ? sum_word(h, c) : h * 10 + c;
            continue;
        }
        if (n < WORDS) word[n++] = h;
        h = SUM_START;
        state = BLANK;
    }
    return n;
}

int main(int argc, char **argv) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz      0123456789    etaoin  \"";
    long rounds = size_arg(argc, argv, 200);
    uint64_t rng = 42, sum = SUM_START;
    for (long r = 0; r < rounds; r++) {
        for (long i = 0; i < TEXT; i++) text[i] = letters[rng_next(&rng) % (sizeof letters - 1)];
        long n = split();
        quicksort(word, 0, n - 1);
        for (long i = 1; i < n; i++) CHECK(word[i - 1] <= word[i]);
        for (long i = 0; i < n; i += 7) sum = sum_word(sum, word[i]);
        sum = sum_word(sum, n);
    }
    return finish("sort", sum);
}
