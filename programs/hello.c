/* hello: the smallest whole program.  Shows its arguments and one environment
 * variable, then a checksum of all it printed.   usage: hello [COUNT] [ANY...] */
#include "common.h"

int main(int argc, char **argv) {
    long n = size_arg(argc, argv, 3);
    uint64_t sum = SUM_START;
    for (long i = 1; i <= n; i++) printf("hello from a RISC-V page, line %ld\n", i);
    printf("argc %d\n", argc);
    for (int i = 1; i < argc; i++) {            /* argv[0] differs by host */
        printf("argv[%d] %s\n", i, argv[i]);
        sum = sum_bytes(sum, argv[i], strlen(argv[i]));
    }
    const char *greeting = getenv("PAGEWRIGHT_GREETING");
    if (greeting) {
        printf("greeting %s\n", greeting);
        sum = sum_bytes(sum, greeting, strlen(greeting));
    }
    sum = sum_word(sum, (uint64_t)n);
    return finish("hello", sum);
}
