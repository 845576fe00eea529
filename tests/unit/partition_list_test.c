/* tests/unit/partition_list_test.c: partitions as people name them. */
#include "tools/partition_list.h"

#include "tests/harness/test.h"

TEST(ranges_and_numbers_may_be_mixed)
{
    struct partition_list l = {0};

    CHECK_OK(partition_list_add(&l, BYTES("0,2,5-7")));
    CHECK_OK(partition_list_add(&l, BYTES("9")));
    for (int32_t p = 0; p < 12; p++) {
        bool want = p == 0 || p == 2 || (p >= 5 && p <= 7) || p == 9;
        CHECK_EQ(partition_list_has(&l, p), want);
    }
}

TEST(an_empty_partition_list_has_all)
{
    struct partition_list l = {0};

    CHECK(partition_list_has(&l, 0) && partition_list_has(&l, INT32_MAX));
}

TEST(what_names_no_partitions_is_refused)
{
    static const char *const wrong[] = {"",    "x",   "1-",    "-1",         "3-1",
                                        "1,,", "1,x", "1-2-3", "9999999999", ",1"};
    struct partition_list l = {0};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(partition_list_add(&l, bytes_of(wrong[i])) == ERR_USAGE, "'%s' was taken",
                   wrong[i]);
    }
}

TEST(more_ranges_than_there_is_room_for_are_refused)
{
    struct partition_list l = {0};

    for (int i = 0; i < PARTITION_RANGES_MAX; i++) {
        CHECK_OK(partition_list_add(&l, BYTES("1")));
    }
    CHECK_ERR(partition_list_add(&l, BYTES("1")), ERR_USAGE);
}
