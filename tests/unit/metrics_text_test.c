/* tests/unit/metrics_text_test.c: lines, what is escaped in them, and where they end. */
#include "broker/metrics_text.h"

#include "base/mem.h"
#include "tests/harness/test.h"

static struct bytes line_of(struct metrics_text *t, struct bytes value)
{
    metrics_text_init(t, 10, 1 << 16);
    metrics_text_family(t, "m", "h", METRIC_GAUGE);
    buf_reset(&t->text);
    metrics_text_label(t, "l", value);
    metrics_text_series(t, METRICS_NO_PARTITION, 1);
    return buf_view(&t->text);
}

TEST(a_family_is_a_head_and_its_lines)
{
    struct metrics_text t;

    metrics_text_init(&t, 100, 1 << 16);
    metrics_text_family(&t, "a_total", "what is counted", METRIC_COUNTER);
    metrics_text_series(&t, METRICS_NO_PARTITION, 0);
    metrics_text_family(&t, "b", "what is measured", METRIC_GAUGE);
    metrics_text_series(&t, 7, INT64_MIN);
    metrics_text_label(&t, "x", BYTES("1"));
    metrics_text_label(&t, "y", BYTES(""));
    metrics_text_series(&t, METRICS_NO_PARTITION, INT64_MAX);
    metrics_text_series(&t, INT32_MAX, -10);
    metrics_text_unlabel(&t);
    metrics_text_series(&t, METRICS_NO_PARTITION, 42);
    metrics_text_end(&t);
    CHECK_BYTES_EQ(buf_view(&t.text), BYTES("# HELP a_total what is counted\n"
                                            "# TYPE a_total counter\n"
                                            "a_total 0\n"
                                            "# HELP b what is measured\n"
                                            "# TYPE b gauge\n"
                                            "b{partition=\"7\"} -9223372036854775808\n"
                                            "b{x=\"1\",y=\"\"} 9223372036854775807\n"
                                            "b{x=\"1\",y=\"\",partition=\"2147483647\"} -10\n"
                                            "b 42\n"));
    CHECK_EQ(t.series, 5);
    CHECK_EQ(t.left_out, 0);
    metrics_text_deinit(&t);
}

TEST(what_would_end_a_label_is_escaped_and_what_is_no_text_is_replaced)
{
    static const struct {
        struct bytes value, line;
    } cases[] = {
        {BYTES("a\\b\"c\nd"), BYTES("m{l=\"a\\\\b\\\"c\\nd\"} 1\n")},
        {BYTES("\t\r{}=,#"), BYTES("m{l=\"\t\r{}=,#\"} 1\n")},
        {BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
         BYTES("m{l=\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"} 1\n")},
        {BYTES("a\0b"), BYTES("m{l=\"a\xef\xbf\xbd"
                              "b\"} 1\n")},
        {BYTES("\xff\x80"), BYTES("m{l=\"\xef\xbf\xbd\xef\xbf\xbd\"} 1\n")},
        {BYTES("\xc0\xaf"), BYTES("m{l=\"\xef\xbf\xbd\xef\xbf\xbd\"} 1\n")}, /* overlong */
        {BYTES("\xed\xa0\x80"),                                              /* a surrogate */
         BYTES("m{l=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1\n")},
        {BYTES("\xe2\x82"), BYTES("m{l=\"\xef\xbf\xbd\xef\xbf\xbd\"} 1\n")}, /* cut off */
        {BYTES("\xe2\"x"), BYTES("m{l=\"\xef\xbf\xbd\\\"x\"} 1\n")},
        {BYTES("\xf4\x90\x80\x80"), /* past the last character */
         BYTES("m{l=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1\n")},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct metrics_text t;
        CHECK_BYTES_EQ(line_of(&t, cases[i].value), cases[i].line);
        metrics_text_deinit(&t);
    }
}

TEST(a_label_may_be_as_long_as_its_limit_whatever_is_in_it)
{
    struct metrics_text t;
    uint8_t *value = arena_alloc(arena, METRICS_LABEL_BYTES_MAX + 1);

    memset(value, 0xff, METRICS_LABEL_BYTES_MAX + 1);
    struct bytes line = line_of(&t, (struct bytes){value, METRICS_LABEL_BYTES_MAX});
    CHECK_EQ(line.len, sizeof("m{l=\"\"} 1\n") - 1 + 3 * METRICS_LABEL_BYTES_MAX);
    metrics_text_deinit(&t);
    CHECK_EQ(line_of(&t, (struct bytes){value, METRICS_LABEL_BYTES_MAX + 1}).len, 0);
    CHECK_EQ(t.left_out, 1);
    metrics_text_unlabel(&t);
    metrics_text_series(&t, METRICS_NO_PARTITION, 2);
    CHECK_BYTES_EQ(buf_view(&t.text), BYTES("m 2\n"));
    metrics_text_deinit(&t);
}

TEST(past_the_number_of_series_they_are_counted)
{
    struct metrics_text t;

    metrics_text_init(&t, 3, 1 << 16);
    metrics_text_family(&t, "m", "h", METRIC_GAUGE);
    for (int i = 0; i < 5; i++) {
        metrics_text_series(&t, i, i);
    }
    metrics_text_leave_out(&t, 10);
    metrics_text_end(&t);
    CHECK_BYTES_EQ(buf_view(&t.text),
                   BYTES("# HELP m h\n# TYPE m gauge\n"
                         "m{partition=\"0\"} 0\nm{partition=\"1\"} 1\nm{partition=\"2\"} 2\n"
                         "# 12 series were left out: a page has at most 3, in 65536 bytes\n"));
    metrics_text_deinit(&t);
}

TEST(a_page_stays_below_its_bytes_and_ends_with_whole_lines)
{
    for (size_t max = 200; max < 400; max++) {
        struct metrics_text t;

        metrics_text_init(&t, 1000, max);
        metrics_text_family(&t, "m", "h", METRIC_GAUGE);
        for (int i = 0; i < 100; i++) {
            metrics_text_series(&t, i, i);
        }
        metrics_text_end(&t);
        CHECK(t.text.len <= max && t.left_out > 0 && t.series + t.left_out == 100);
        CHECK_EQ(t.text.at[t.text.len - 1], '\n');
        CHECK(!t.nomem);
        metrics_text_deinit(&t);
    }
}

TEST(without_memory_nothing_more_is_written)
{
    bool reached = true;
    uint64_t nth = 1;

    for (; reached; nth++) {
        struct metrics_text t;

        CHECK(nth < 100);
        metrics_text_init(&t, 10 * 1000, 1 << 20);
        (void)mem_fail_nth(nth);
        metrics_text_family(&t, "m", "h", METRIC_GAUGE);
        for (int i = 0; i < 1000; i++) {
            metrics_text_label(&t, "l", BYTES("value"));
            metrics_text_series(&t, i, i);
            metrics_text_unlabel(&t);
        }
        metrics_text_end(&t);
        reached = mem_fail_nth(0) == 0;
        CHECK_EQ(t.nomem, reached);
        CHECK_EQ(t.series + t.left_out, 1000);
        metrics_text_deinit(&t);
    }
    CHECK(nth > 3);
}
