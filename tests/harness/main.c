/* tests/harness/main.c: runs the tests that have registered themselves.
 *
 *     weir_unit [filter]     those whose name or file name contains the text
 *     weir_unit -l [filter]  lists them
 *
 * WHY      Check forks for every test, waits, and turns a signal, an exit status (leaks and races are
 *          reported by the sanitizers at the child's exit) or a time-out into one failure.
 * FORMAT   For each failure "file:line: name: what", then "N passed, N failed" as the last line.
 * FAILURE  The exit status is 0 if and only if something ran and nothing failed.
 */
#include "tests/harness/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#undef fail /* Check has a macro of this name */
#include <check.h>

enum { TEST_COUNT_MAX = 1 << 14, TEST_TEXT_BYTES = 4096 };

/* Constructors run before main(), so the list has to be found without one. */
static struct test *registered;
static struct test *tests[TEST_COUNT_MAX];
static bool *ended; /* shared with the children: an exit(0) in the middle of a test is no success */
static struct arena test_arena;
static uint64_t seed, random_state;
static bool random_used;

void test_register(struct test *t)
{
    t->next = registered;
    registered = t;
}

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
{
    char text[TEST_TEXT_BYTES];
    char seed_text[48] = "";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (random_used) {
        (void)snprintf(seed_text, sizeof(seed_text), " (WEIR_SEED=%" PRIu64 ")", seed);
    }
    ck_abort_msg("%s:%d: %s%s", file, line, text, seed_text);
    abort(); /* ck_abort_msg does not say that it never returns */
}

uint64_t test_random(void)
{
    random_used = true;
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_random_below(uint64_t below)
{
    ASSERT(below > 0);
    return test_random() % below;
}

START_TEST(one)
{
    struct test *t = tests[_i];

    arena_deinit(&test_arena); /* in one process, a failed test left its own */
    arena_init(&test_arena, TEST_ARENA_BYTES_MAX);
    err_crumbs_reset();
    random_state = bytes_hash(bytes_of(t->name), seed);
    random_used = false;
    t->run(&test_arena);
    arena_deinit(&test_arena);
    ended[_i] = true;
}
END_TEST

/* The name without the folders it was compiled under. */
static const char *short_file(const char *file)
{
    const char *at = strstr(file, "tests/");

    return at == NULL ? file : at;
}

static int by_file_and_line(const void *a, const void *b)
{
    const struct test *const *x = a, *const *y = b;
    int order = strcmp((*x)->file, (*y)->file);

    return order != 0 ? order : (*x)->line - (*y)->line;
}

static int choose(const char *filter)
{
    int count = 0;

    for (struct test *t = registered; t != NULL; t = t->next) {
        if (strstr(t->name, filter) != NULL || strstr(short_file(t->file), filter) != NULL) {
            ASSERT(count < TEST_COUNT_MAX);
            tests[count++] = t;
        }
    }
    qsort(tests, (size_t)count, sizeof(*tests), by_file_and_line);
    return count;
}

static const char *failure_of(const struct test *t, TestResult **results, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(tr_tcname(results[i]), t->title) == 0) {
            return tr_msg(results[i]);
        }
    }
    return NULL;
}

static int run(int count)
{
    Suite *suite = suite_create("weir");
    SRunner *runner = srunner_create(suite);

    ended = mmap(NULL, TEST_COUNT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(ended != MAP_FAILED);
    for (int i = 0; i < count; i++) {
        TCase *one_case = tcase_create(tests[i]->title);
        tcase_set_timeout(one_case, TEST_SECONDS_MAX);
        tcase_add_loop_test(one_case, one, i, i + 1);
        suite_add_tcase(suite, one_case);
    }
    srunner_run_all(runner, CK_SILENT);
    int result_count = srunner_ntests_failed(runner), failed = 0;
    TestResult **results = srunner_failures(runner);
    for (int i = 0; i < count; i++) {
        const char *what = failure_of(tests[i], results, result_count);
        if (what == NULL && !ended[i]) {
            what = "left before its end";
        }
        if (what != NULL) {
            printf("%s\n  %s\n", short_file(tests[i]->title), what);
            failed++;
        }
    }
    free(results);
    srunner_free(runner);
    return failed;
}

int main(int argc, char **argv)
{
    bool list = argc > 1 && strcmp(argv[1], "-l") == 0;
    int filter_at = list ? 2 : 1;
    const char *given = getenv("WEIR_SEED");

    if (argc > filter_at + 1) {
        (void)fprintf(stderr, "usage: weir_unit [-l] [filter]\n");
        return 2;
    }
    seed = given == NULL ? 0 : strtoull(given, NULL, 10);
    int count = choose(argc > filter_at ? argv[filter_at] : "");
    if (list) {
        for (int i = 0; i < count; i++) {
            printf("%s\n", short_file(tests[i]->title));
        }
        return 0;
    }
    int failed = count == 0 ? 0 : run(count);
    printf("%d passed, %d failed\n", count - failed, failed);
    return count == 0 || failed > 0;
}
