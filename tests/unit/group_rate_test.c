/* tests/unit/group_rate_test.c: rate, trend, the line that sums up, and conditions. */
#include "tools/group_rate.h"

#include "tests/harness/test.h"

enum { SECOND_US = 1000000 };

static struct group_progress progress(int64_t before, int64_t now, int64_t moved)
{
    return (struct group_progress){.lag = now,
                                   .lag_time_ms = 3100,
                                   .compared = true,
                                   .lag_before = before,
                                   .moved = moved,
                                   .span_us = SECOND_US};
}

static const char *trend(int64_t before, int64_t now, int64_t moved)
{
    struct group_progress p = progress(before, now, moved);

    return group_trend(&p);
}

TEST(the_trend_says_which_way_the_lag_goes)
{
    CHECK_STR_EQ(trend(100, 0, 100), "caught up");
    CHECK_STR_EQ(trend(100, 50, 60), "catching up");
    CHECK_STR_EQ(trend(100, 150, 60), "falling behind");
    CHECK_STR_EQ(trend(100, 100, 60), "keeping up");
    CHECK_STR_EQ(trend(100, 150, 0), "no commit");
}

TEST(one_look_has_no_rate_and_no_trend_unless_nothing_is_left)
{
    struct group_progress p = {.lag = 5, .lag_time_ms = 10};

    CHECK(group_rate(&p) < 0);
    CHECK(group_trend(&p) == NULL);
    CHECK_EQ(group_done_in_ms(&p), -1);
    p.lag = 0;
    CHECK_STR_EQ(group_trend(&p), "caught up");
}

TEST(the_rate_is_records_a_second_and_the_rest_takes_as_long_as_the_lag_shrinks)
{
    struct group_progress p = progress(1395, 1240, 300);

    CHECK_EQ((int64_t)group_rate(&p), 300);
    CHECK_EQ(group_done_in_ms(&p), 8000);
    p.span_us = 2 * SECOND_US;
    CHECK_EQ((int64_t)group_rate(&p), 150);
    CHECK_EQ(group_done_in_ms(&p), 16000);
    p.lag_before = p.lag;
    CHECK_EQ(group_done_in_ms(&p), -1);
}

TEST(the_total_is_a_sentence)
{
    struct group_progress sum = GROUP_PROGRESS_NONE, p = progress(1395, 1240, 300);

    group_progress_add(&sum, &p);
    CHECK_BYTES_EQ(group_total_text(arena, &sum),
                   BYTES("total 1 240, 3.1 s behind, catching up, done in ~8 s"));
    p = (struct group_progress){.lag = 1000000, .lag_time_ms = 90000};
    sum = GROUP_PROGRESS_NONE;
    group_progress_add(&sum, &p);
    CHECK_BYTES_EQ(group_total_text(arena, &sum), BYTES("total 1 000 000, 1m30s behind"));
    sum = GROUP_PROGRESS_NONE;
    CHECK_BYTES_EQ(group_total_text(arena, &sum), BYTES("total unknown, nothing was committed"));
    p = (struct group_progress){.lag = 0, .lag_time_ms = 0};
    group_progress_add(&sum, &p);
    CHECK_BYTES_EQ(group_total_text(arena, &sum), BYTES("total 0, caught up"));
}

TEST(sums_leave_out_what_is_unknown_and_keep_the_oldest_time)
{
    struct group_progress sum = GROUP_PROGRESS_NONE, unknown = {.lag = -1, .lag_time_ms = -1};
    struct group_progress a = progress(10, 7, 5), b = progress(20, 18, 4);

    b.lag_time_ms = 9000;
    group_progress_add(&sum, &unknown);
    group_progress_add(&sum, &a);
    group_progress_add(&sum, &b);
    CHECK_EQ(sum.lag, 25);
    CHECK_EQ(sum.lag_before, 30);
    CHECK_EQ(sum.moved, 9);
    CHECK_EQ(sum.lag_time_ms, 9000);
}

/* ---- conditions ---- */

static bool meets(struct bytes text, int64_t lag, int64_t lag_time_ms)
{
    struct group_progress p = {.lag = lag, .lag_time_ms = lag_time_ms};
    struct group_condition c;

    CHECK_OK(group_condition_parse(text, &c));
    return group_condition_met(&c, &p);
}

TEST(each_relation_and_measure_is_understood)
{
    CHECK(meets(BYTES("lag>1000"), 1001, 0) && !meets(BYTES("lag>1000"), 1000, 0));
    CHECK(meets(BYTES("lag >= 1000"), 1000, 0) && !meets(BYTES("lag>=1000"), 999, 0));
    CHECK(meets(BYTES("lag<5"), 4, 0) && !meets(BYTES("lag<5"), 5, 0));
    CHECK(meets(BYTES("lag<=5"), 5, 0) && !meets(BYTES("lag<=5"), 6, 0));
    CHECK(meets(BYTES("lag==5"), 5, 0) && !meets(BYTES("lag=5"), 6, 0));
    CHECK(meets(BYTES("lag!=5"), 6, 0) && !meets(BYTES("lag!=5"), 5, 0));
    CHECK(meets(BYTES("lag_time>60s"), 1, 60001) && !meets(BYTES("lag_time>60s"), 1, 60000));
    CHECK(meets(BYTES("lag_time>500ms"), 1, 501) && meets(BYTES("lag_time>1m"), 1, 60001));
    CHECK(meets(BYTES("lag_time>60"), 1, 60001) && !meets(BYTES("lag_time>60"), 1, 59999));
    CHECK(meets(BYTES("lag_seconds>1.5"), 1, 1501) && !meets(BYTES("lag_seconds>1.5"), 1, 1500));
}

TEST(what_is_unknown_meets_no_condition)
{
    CHECK(!meets(BYTES("lag<5"), -1, -1));
    CHECK(!meets(BYTES("lag_time<5s"), 3, -1));
    CHECK(!meets(BYTES("rate<1"), 3, 3));
}

TEST(a_rate_is_compared_when_there_were_two_looks)
{
    struct group_progress p = progress(10, 10, 3);
    struct group_condition c;

    CHECK_OK(group_condition_parse(BYTES("rate<3.5"), &c));
    CHECK(group_condition_met(&c, &p));
    p.moved = 4;
    CHECK(!group_condition_met(&c, &p));
}

TEST(what_is_no_condition_is_refused)
{
    static const char *const wrong[] = {"",       "lag",    "lag>",        ">5",
                                        "lag>x",  "lag>-5", "lag_time>1y", "members>1",
                                        "lag>5x", "lag~5",  "lag>0x10z"};
    struct group_condition c;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(group_condition_parse(bytes_of(wrong[i]), &c) == ERR_USAGE, "'%s' was taken",
                   wrong[i]);
    }
}
