/* tests/harness/test.h: how a test is written.
 *
 *     TEST(an_empty_slice_is_not_null)
 *     {
 *         CHECK_EQ(bytes_of("").len, 0);
 *     }
 *
 * A test registers itself; its name is a true statement. `arena` is a fresh struct arena * of
 * TEST_ARENA_BYTES_MAX, freed after the test. Every test runs in a process of its own (Check's fork mode;
 * CK_FORK=no keeps one process, for a debugger), so a crash, a leak, a race or a hang is one failed test
 * and the next one starts clean. The checks end the test at the first failure and print file, line and
 * both values; call them from the test's own thread.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/bytes.h"
#include "base/err.h"

enum { TEST_ARENA_BYTES_MAX = 256 << 20, TEST_SECONDS_MAX = 120 };

struct test {
    const char *name, *file;
    int line;
    const char *title; /* all three: unique */
    void (*run)(struct arena *arena);
    struct test *next;
};

void test_register(struct test *t);

#define TEST(name_)            TEST_AT_(name_, __LINE__)
#define TEST_AT_(name_, line_) TEST_LINE_(name_, line_)
#define TEST_LINE_(name_, line_)                                                           \
    static void test_##name_(struct arena *arena);                                         \
    __attribute__((constructor)) static void register_##name_(void)                        \
    {                                                                                      \
        static struct test entry = {                                                       \
            #name_, __FILE__, line_, __FILE__ ":" #line_ ": " #name_, test_##name_, NULL}; \
        test_register(&entry);                                                             \
    }                                                                                      \
    static void test_##name_(__attribute__((unused)) struct arena *arena)

/* True, or the test fails. */
#define CHECK(c) \
    (__builtin_expect(!!(c), 1) ? (void)0 : test_fail(__FILE__, __LINE__, "%s is false", #c))

/* The same with a text of yours: CHECK_SAYS(n < 4, "seed=%d", seed). */
#define CHECK_SAYS(c, ...) \
    (__builtin_expect(!!(c), 1) ? (void)0 : test_fail(__FILE__, __LINE__, __VA_ARGS__))

/* Two integers of any type (enums and bools too) that are the same number. */
#define CHECK_EQ(a, b) test_eq(TEST_INT(a), TEST_INT(b), #a " == " #b, __FILE__, __LINE__)

/* A call that gives an enum err: OK, or exactly that code. */
#define CHECK_OK(call)        test_err((call), OK, #call, __FILE__, __LINE__)
#define CHECK_ERR(call, code) test_err((call), (code), #call, __FILE__, __LINE__)

/* Two struct bytes; null and empty are different. */
#define CHECK_BYTES_EQ(a, b) test_bytes_eq((a), (b), #a " == " #b, __FILE__, __LINE__)

/* Two NUL-terminated strings. */
#define CHECK_STR_EQ(a, b) test_str_eq((a), (b), #a " == " #b, __FILE__, __LINE__)

/* Pseudo-random numbers of this test: the same in every run unless WEIR_SEED is set; a failing test
 * prints the seed it had. */
uint64_t test_random(void);
/* One of 0 .. below-1. */
uint64_t test_random_below(uint64_t below);

/* What the macros above stand on. */
struct test_int {
    uint64_t bits;
    bool is_signed;
};
/* clang-format off */
#define TEST_INT(x)                                                                                \
    ((struct test_int){(uint64_t)(x),                                                              \
                       _Generic((x) + 0, int: true, long: true, long long: true, unsigned: false,  \
                                unsigned long: false, unsigned long long: false)})
/* clang-format on */
_Noreturn void test_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
void test_eq(struct test_int a, struct test_int b, const char *what, const char *file, int line);
void test_err(enum err got, enum err want, const char *what, const char *file, int line);
void test_bytes_eq(struct bytes a, struct bytes b, const char *what, const char *file, int line);
void test_str_eq(const char *a, const char *b, const char *what, const char *file, int line);
