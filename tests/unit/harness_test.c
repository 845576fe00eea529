/* tests/unit/harness_test.c: the harness itself: a fresh arena, numbers of any type, repeatable randomness.
 *
 * WHY      A check that cannot fail convinces nobody, so the failing direction is tried, too: in a child
 *          process of its own, by running this very program on the tests below that fail on purpose when
 *          WEIR_FAIL_ON_PURPOSE is set.
 */
#include "tests/harness/test.h"

TEST(every_test_gets_an_empty_arena)
{
    CHECK_EQ(arena->bytes, 0);
    CHECK(arena_alloc(arena, 100) != NULL);
    CHECK(!arena->exhausted);
}

TEST(integers_of_different_types_compare_as_numbers)
{
    uint64_t large = UINT64_MAX;
    int64_t minus_one = -1;
    uint8_t small = 7;

    CHECK_EQ(small, 7L);
    CHECK_EQ(minus_one, -1);
    CHECK_EQ(large, UINT64_MAX);
    CHECK_EQ(ERR_IO, ERR_IO);
    CHECK_EQ(true, 1);
}
