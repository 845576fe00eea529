/* tests/harness/failing.c: tests that fail on purpose, each in another way.
 *
 * WHY      A check that cannot fail convinces nobody. This program (weir_unit_failing) is run by
 *          tests/door/harness_test.py, which knows what each of these has to say; only the last one passes.
 */
#include "base/mem.h"
#include "tests/harness/test.h"

#include <unistd.h>

TEST(a_false_condition_fails)
{
    CHECK(arena == NULL);
}

TEST(equal_bits_of_another_sign_fail)
{
    int64_t signed_number = -5;
    uint64_t unsigned_number = (uint64_t)-5;

    CHECK_EQ(signed_number, unsigned_number);
}

TEST(another_error_fails)
{
    CHECK_ERR(fail(ERR_IO, "disk %d is gone", 4), ERR_NOMEM);
}

TEST(an_error_instead_of_ok_fails)
{
    CHECK_OK(fail(ERR_LIMIT, "too many"));
}

TEST(different_bytes_fail)
{
    CHECK_BYTES_EQ(BYTES("hello world"), BYTES("hello\nworl"));
}

TEST(null_is_not_empty)
{
    CHECK_BYTES_EQ(BYTES_NULL, BYTES(""));
}

TEST(different_strings_fail)
{
    CHECK_STR_EQ("this", "that");
}

TEST(the_seed_is_named)
{
    CHECK_EQ(test_random_below(10), 10);
}

TEST(a_failed_assertion_is_one_failed_test)
{
    ASSERT(arena == NULL);
}

TEST(an_early_exit_is_one_failed_test)
{
    _exit(0);
}

#ifdef __SANITIZE_ADDRESS__
TEST(a_leak_is_one_failed_test)
{
    volatile void *lost = mem_alloc(10);

    lost = NULL;
    (void)lost;
}

TEST(a_read_past_the_end_is_one_failed_test)
{
    volatile uint8_t *at = mem_alloc(10);

    CHECK(at != NULL);
    CHECK_EQ(at[10], at[10]);
}
#endif

TEST(this_one_passes)
{
    CHECK_EQ(1, 1);
}
