/* tests/unit/cli_position_test.c: times and positions as people write them. */
#include "tools/cli_position.h"

#include "tests/harness/test.h"

enum { HOUR_MS = 3600000 };

static const int64_t now_ms = INT64_C(1795375246814);

static struct cli_position parsed(struct bytes text)
{
    struct cli_position p = {CLI_POSITION_START, -1};

    CHECK_OK(position_parse(text, now_ms, &p));
    return p;
}

static int64_t moment(struct bytes text)
{
    int64_t ms = -1;

    CHECK_OK(moment_parse(text, now_ms, &ms));
    return ms;
}

TEST(each_kind_of_position_is_told_by_how_it_begins)
{
    CHECK_EQ(parsed(BYTES("start")).kind, CLI_POSITION_START);
    CHECK_EQ(parsed(BYTES("end")).kind, CLI_POSITION_END);
    CHECK_EQ(parsed(BYTES("123")).kind, CLI_POSITION_OFFSET);
    CHECK_EQ(parsed(BYTES("123")).value, 123);
    CHECK_EQ(parsed(BYTES("-100")).kind, CLI_POSITION_FROM_END);
    CHECK_EQ(parsed(BYTES("-100")).value, 100);
    CHECK_EQ(parsed(BYTES("+5")).kind, CLI_POSITION_FROM_START);
    CHECK_EQ(parsed(BYTES("+5")).value, 5);
    CHECK_EQ(parsed(BYTES("@-1h")).kind, CLI_POSITION_TIME);
    CHECK_EQ(parsed(BYTES("@-1h")).value, now_ms - HOUR_MS);
    CHECK_EQ(parsed(BYTES("@1700000000000")).value, INT64_C(1700000000000));
}

TEST(what_is_no_position_is_malformed)
{
    static const char *const wrong[] = {"",
                                        "begin",
                                        "12x",
                                        "@",
                                        "@yesterday",
                                        "@2026-13-01",
                                        "@2026-11-22T8:00",
                                        "@-1y",
                                        "--5",
                                        "@2026-11-22T25:00",
                                        "99999999999999999999"};
    struct cli_position p;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(position_parse(bytes_of(wrong[i]), now_ms, &p) != OK, "'%s' was taken",
                   wrong[i]);
    }
}

TEST(times_are_utc_and_any_part_of_the_day_may_be_left_out)
{
    CHECK_EQ(moment(BYTES("1970-01-01")), 0);
    CHECK_EQ(moment(BYTES("2000-02-29")), INT64_C(951782400000));
    CHECK_EQ(moment(BYTES("2026-11-22T08:00Z")), INT64_C(1795334400000));
    CHECK_EQ(moment(BYTES("2026-11-22 08:00:01.5")), INT64_C(1795334401500));
    CHECK_EQ(moment(BYTES("1969-12-31T23:59:59.999Z")), -1);
}

TEST(every_unit_before_now_is_known)
{
    CHECK_EQ(moment(BYTES("-5ms")), now_ms - 5);
    CHECK_EQ(moment(BYTES("-5s")), now_ms - 5000);
    CHECK_EQ(moment(BYTES("-5m")), now_ms - 5 * INT64_C(60000));
    CHECK_EQ(moment(BYTES("-5h")), now_ms - 5 * INT64_C(3600000));
    CHECK_EQ(moment(BYTES("-5d")), now_ms - 5 * INT64_C(86400000));
    CHECK_EQ(moment(BYTES("-5w")), now_ms - 35 * INT64_C(86400000));
}

TEST(a_moment_reads_back_as_it_was_written)
{
    static const int64_t moments[] = {
        0, 1, -1, 951782399999, INT64_C(1795375246814), -62135596800000};

    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        char text[MOMENT_TEXT_BYTES];
        moment_text(moments[i], text);
        CHECK_EQ(strlen(text), MOMENT_TEXT_LEN);
        CHECK_EQ(moment(bytes_of(text)), moments[i]);
    }
}

TEST(the_largest_and_smallest_moments_have_a_text)
{
    char text[MOMENT_TEXT_BYTES];

    moment_text(INT64_MAX, text);
    CHECK(strlen(text) < sizeof(text));
    moment_text(INT64_MIN, text);
    CHECK(strlen(text) < sizeof(text));
}

TEST(spans_of_time_have_a_unit_or_are_seconds)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500},
                {"2s", 2000},
                {"2", 2000},
                {"5m", 300000},
                {"0", 0},
                {"1h", HOUR_MS},
                {"30d", INT64_C(720) * HOUR_MS}};
    static const char *const wrong[] = {
        "", "s", "-5s", "1.5s", "5 s", "1y", "9223372036854775807w"};
    int64_t ms;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CHECK_OK(duration_parse(bytes_of(good[i].text), &ms));
        CHECK_EQ(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_SAYS(duration_parse(bytes_of(wrong[i]), &ms) == ERR_MALFORMED, "'%s' was taken",
                   wrong[i]);
    }
}

TEST(spans_of_time_are_shown_in_two_units_at_most)
{
    static const struct {
        int64_t ms;
        const char *text;
    } shown[] = {{0, "0 ms"},
                 {999, "999 ms"},
                 {1000, "1.0 s"},
                 {3149, "3.1 s"},
                 {59999, "59.9 s"},
                 {60000, "1m00s"},
                 {250000, "4m10s"},
                 {HOUR_MS + 300000, "1h05m"},
                 {52 * HOUR_MS, "2d04h"}};
    char text[DURATION_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        duration_text(shown[i].ms, text);
        CHECK_STR_EQ(text, shown[i].text);
    }
    duration_text(INT64_MAX, text);
    CHECK_STR_EQ(text, "106751991167d07h");
}
