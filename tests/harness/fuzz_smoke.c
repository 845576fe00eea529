/* tests/harness/fuzz_smoke.c: a main() for a fuzz target where there is no libFuzzer.
 *
 *     fuzz_<name> [-n inputs] [-only input] [file|folder]...
 *
 * WHY      The targets should not rot between long fuzz runs: every test run feeds each of them the files
 *          given and a bounded number of inputs made from a fixed seed, in a second or two.
 * FORMAT   Input k is made from k alone: pure noise, or a file with bytes changed, cut, doubled or
 *          replaced by numbers that parsers trip over. The last line is "1 passed, 0 failed": one target.
 * FAILURE  A crash ends the program; the sanitizers' death call or the abort handler says which input it
 *          was and how to run that one alone.
 */
#include "base/base.h"
#include "base/mem.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INPUT_COUNT = 20000,
    INPUT_BYTES_MAX = 1 << 16,
    NOISE_BYTES_MAX = 512,
    FILE_COUNT_MAX = 4096,
    EDIT_COUNT_MAX = 8
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*call)(void));

struct sample {
    uint8_t *at;
    size_t len;
};

static struct sample samples[FILE_COUNT_MAX];
static size_t sample_count;
static char current[256]; /* what the crash report names */

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void say_which(void)
{
    (void)!write(STDERR_FILENO, current, strlen(current));
}

static void say_which_and_die(int signal_number)
{
    say_which();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void add_file(const char *path)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL || sample_count == FILE_COUNT_MAX) {
        (void)fprintf(stderr, "cannot take %s\n", path);
        exit(2);
    }
    uint8_t *at = mem_alloc(INPUT_BYTES_MAX);
    ASSERT(at != NULL);
    size_t len = fread(at, 1, INPUT_BYTES_MAX, f);
    (void)fclose(f);
    samples[sample_count++] = (struct sample){at, len};
}

static void add(const char *path)
{
    struct dirent **names;
    struct stat st;
    char inside[4096];

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        add_file(path);
        return;
    }
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        (void)snprintf(inside, sizeof(inside), "%s/%s", path, names[i]->d_name);
        if (stat(inside, &st) == 0 && S_ISREG(st.st_mode)) {
            add_file(inside);
        }
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
}

/* One change of the kind that finds mistakes in parsers. */
static size_t edit(uint8_t *at, size_t len, uint64_t *state)
{
    static const uint8_t nasty[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe};
    size_t where = len == 0 ? 0 : next_random(state) % len;
    size_t run = 1 + next_random(state) % 8;

    run = MIN(run, len - where);
    switch (next_random(state) % 5) {
    case 0: /* a bit */
        at[where] ^= (uint8_t)(1u << next_random(state) % 8);
        return MAX(len, (size_t)1);
    case 1: /* a number */
        memset(at + where, nasty[next_random(state) % COUNT_OF(nasty)], run);
        return len;
    case 2: /* cut the end */
        return where;
    case 3: /* cut a piece out */
        memmove(at + where, at + where + run, len - where - run);
        return len - run;
    default: /* a piece twice */
        run = MIN(run, (size_t)INPUT_BYTES_MAX - len);
        memmove(at + where + run, at + where, len - where);
        return len + run;
    }
}

static size_t make(uint64_t number, uint8_t *at)
{
    uint64_t state = number * 0x2545f4914f6cdd1du;
    size_t len;

    if (sample_count == 0 || next_random(&state) % 4 == 0) {
        len = next_random(&state) % NOISE_BYTES_MAX;
        uint8_t mask = next_random(&state) % 2 == 0 ? 0xff : 0x03; /* small numbers get further */
        for (size_t i = 0; i < len; i++) {
            at[i] = (uint8_t)next_random(&state) & mask;
        }
        return len;
    }
    const struct sample *from = &samples[next_random(&state) % sample_count];
    len = from->len;
    memcpy(at, from->at, len);
    for (uint64_t edits = 1 + next_random(&state) % EDIT_COUNT_MAX; edits > 0; edits--) {
        len = edit(at, len, &state);
    }
    return len;
}

/* A copy of exactly the length, so that AddressSanitizer sees one byte too far. */
static void feed(const uint8_t *at, size_t len)
{
    uint8_t *copy = mem_alloc(MAX(len, (size_t)1));

    ASSERT(copy != NULL);
    memcpy(copy, at, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    mem_free(copy);
}

int main(int argc, char **argv)
{
    static uint8_t input[INPUT_BYTES_MAX];
    uint64_t first = 1, last = INPUT_COUNT;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
            last = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "-only") == 0 && i + 1 < argc) {
            first = last = strtoull(argv[++i], NULL, 10);
        } else {
            add(argv[i]);
        }
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(say_which);
    }
    (void)signal(SIGABRT, say_which_and_die);
    for (size_t i = 0; i < sample_count && first == 1; i++) {
        (void)snprintf(current, sizeof(current), "in sample %zu of the files given\n", i);
        feed(samples[i].at, samples[i].len);
    }
    for (uint64_t k = first; k <= last; k++) {
        (void)snprintf(current, sizeof(current), "again: %s -only %" PRIu64 " and the same files\n",
                       argv[0], k);
        size_t len = make(k, input);
        feed(input, len);
    }
    for (size_t i = 0; i < sample_count; i++) {
        mem_free(samples[i].at);
    }
    printf("%" PRIu64 " inputs\n1 passed, 0 failed\n",
           last + 1 - first + (first == 1 ? (uint64_t)sample_count : 0));
    return 0;
}
