/* tests/unit/harness_test.c: the harness: a fresh arena, numbers of any type, repeatable randomness. That its
 * checks also fail is shown by tests/harness/failing.c. */
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

TEST(random_numbers_stay_below_their_bound)
{
    uint64_t seen = 0;

    for (int i = 0; i < 1000; i++) {
        uint64_t n = test_random_below(10);
        CHECK(n < 10);
        seen |= UINT64_C(1) << n;
    }
    CHECK_EQ(seen, 0x3ff);
}
