/* tests/groups/consumer_regex_test.c: subscriptions by regular expression: when they are resolved, who shares one, and
 * when it is forgotten.
 */
#include "tests/groups/consumer_rig.h"

/* The records of expressions so far: "t+ -t+ [st]", a tombstone with "-" before it. */
static struct bytes expressions(struct fake_host *h)
{
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < fake_record_count(h); i++) {
        const struct fake_record *r = fake_record(h, i);
        const struct consumer_group_regular_expression_key *key = r->record.key;

        if (r->record.key_info == &consumer_group_regular_expression_key_message) {
            text = arena_format(h->arena, "%.*s%s%s%.*s", BYTES_ARG(text), text.len == 0 ? "" : " ",
                                r->record.value == NULL ? "-" : "",
                                BYTES_ARG(key->regular_expression));
        }
    }
    return text;
}

static struct bytes topics_of_last(struct fake_host *h)
{
    const struct fake_record *r =
        fake_record_last(h, &consumer_group_regular_expression_key_message);
    const struct consumer_group_regular_expression_value *value = r->record.value;
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < value->topics.len; i++) {
        text = arena_format(h->arena, "%.*s%s%.*s", BYTES_ARG(text), i == 0 ? "" : " ",
                            BYTES_ARG(value->topics.at[i]));
    }
    return text;
}

TEST(an_expression_is_kept_with_the_topics_it_stands_for_in_order)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "x", 1);
    fake_topic(h, "tt", 1);
    fake_topic(h, "at", 1);
    CHECK_EQ(BEAT(h, .member = "a", .regex = "a?t+")->member_epoch, 2);
    CHECK_BYTES_EQ(expressions(h), BYTES("a?t+"));
    CHECK_BYTES_EQ(topics_of_last(h), BYTES("at t tt"));
    fake_host_end(h);
}

TEST(the_whole_name_must_match)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "one", 1);
    BEAT(h, .member = "a", .regex = "on");
    CHECK_BYTES_EQ(topics_of_last(h), BYTES(""));
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 1/1 a@1  -> "));
    fake_host_end(h);
}

TEST(an_internal_topic_is_not_matched)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .regex = ".*");
    CHECK_BYTES_EQ(topics_of_last(h), BYTES("t"));
    fake_host_end(h);
}

TEST(a_topic_that_comes_later_and_matches_is_read)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .regex = "t.*");
    fake_topic(h, "other", 1);
    fake_wait(h, 2000);
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    fake_topic(h, "two", 1);
    fake_wait(h, 2000);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->assignment->topic_partitions.len, 2);
    CHECK_BYTES_EQ(topics_of_last(h), BYTES("t two"));
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("a regular expression stands for other topics"));
    fake_topic_remove(h, "two");
    fake_wait(h, 2000);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 3)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(topics_of_last(h), BYTES("t"));
    fake_host_end(h);
}

TEST(metadata_that_changes_nothing_for_an_expression_writes_nothing)
{
    struct fake_host *h = consumer_host(arena);
    int32_t records;

    BEAT(h, .member = "a", .regex = "t");
    records = fake_record_count(h);
    for (int i = 0; i < 5; i++) {
        fake_topic(h, "other", i + 1);
        fake_wait(h, 2000);
        CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    }
    CHECK_EQ(fake_record_count(h), records);
    fake_host_end(h);
}

TEST(two_members_share_an_expression_and_the_last_takes_it_along)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .regex = "t");
    BEAT(h, .member = "b", .regex = "t");
    CHECK_BYTES_EQ(expressions(h), BYTES("t"));
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Reconciling 3/3 a@2 0123 -> 01, b@3  -> 23"));
    BEAT(h, .member = "a", .epoch = -1);
    CHECK_BYTES_EQ(expressions(h), BYTES("t"));
    BEAT(h, .member = "b", .epoch = -1);
    CHECK_BYTES_EQ(expressions(h), BYTES("t -t"));
    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 5/5"));
    fake_host_end(h);
}

TEST(an_expression_nobody_changes_from_any_more_is_forgotten)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .regex = "t");
    BEAT(h, .member = "b", .regex = "t");
    CHECK_EQ(BEAT(h, .member = "b", .epoch = 3, .regex = "t+")->member_epoch, 4);
    CHECK_BYTES_EQ(expressions(h), BYTES("t t+"));
    BEAT(h, .member = "a", .epoch = 2, .regex = "t+");
    CHECK_BYTES_EQ(expressions(h), BYTES("t t+ -t"));
    BEAT(h, .member = "a", .epoch = 2, .regex = "", .topic = "t");
    CHECK_BYTES_EQ(expressions(h), BYTES("t t+ -t"));
    CHECK_EQ(BEAT(h, .member = "b", .epoch = 4, .regex = "", .topic = "t")->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(expressions(h), BYTES("t t+ -t -t+"));
    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Reconciling 7/7 a@2 0123 -> 01, b@7  -> 23"));
    fake_host_end(h);
}

TEST(a_topic_that_came_just_before_a_restart_is_read_by_name_and_expression)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "u", 1);
    BEAT(h, .member = "a", .topic = "u", .regex = "t.*");
    fake_wait(h, 2);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->assignment->topic_partitions.len, 2);
    fake_topic(h, "two", 1);
    fake_restart(h);
    BEAT(h, .member = "a", .epoch = 3);
    fake_wait(h, 2000);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 3)->assignment->topic_partitions.len, 3);
    fake_host_end(h);
}

TEST(an_expression_for_other_topics_takes_the_old_ones_at_once)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_topic(h, "u", 1);
    fake_set(h, "group.consumer.assignment.interval.ms", "5000");
    fake_start(h);
    CHECK_BEAT(h, "2 0123", .member = "a", .regex = "t");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2, .regex = "u", .owned = "0123");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 3/2 a@2 0123 -> 0123"));
    fake_wait(h, 5001);
    CHECK_BEAT(h, "3 0", .member = "a", .epoch = 2, .owned = "");
    fake_host_end(h);
}

TEST(what_is_given_up_for_an_expression_that_stands_for_nothing_goes_to_the_others)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .regex = "t");
    CHECK_BEAT(h, "3 ", .member = "b", .topic = "t");
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    CHECK_BEAT(h, "3 23", .member = "b", .epoch = 3, .owned = "");
    CHECK_BEAT(h, "3 ", .member = "a", .epoch = 3, .regex = "nothing", .owned = "01");
    CHECK_BEAT(h, "4 -", .member = "a", .epoch = 3, .owned = "");
    CHECK_BEAT(h, "4 0123", .member = "b", .epoch = 3, .owned = "23");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 4/4 a@4  -> , b@4 0123 -> 0123"));
    /* Who gives nothing up for it changes nothing. */
    CHECK_BEAT(h, "4 -", .member = "a", .epoch = 4, .regex = "nobody", .owned = "");
    fake_host_end(h);
}

TEST(names_and_an_expression_may_stand_together)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "u", 1);
    /* What it names first, the expression with a later heartbeat. */
    CHECK_EQ(BEAT(h, .member = "a", .topic = "u", .regex = "t")->assignment->topic_partitions.len,
             1);
    fake_wait(h, 2);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->assignment->topic_partitions.len, 2);
    CHECK_BEAT(h, "3 0", .member = "a", .epoch = 3, .regex = "", .owned = "0123");
    fake_host_end(h);
}

TEST(a_static_member_returns_to_its_expression)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .instance = "i", .regex = "t+");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    CHECK_BEAT(h, "2 0123", .member = "b", .instance = "i", .regex = "t+");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 b@2 0123 -> 0123"));
    CHECK_BYTES_EQ(expressions(h), BYTES("t+"));
    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 b@2 0123 -> 0123"));
    BEAT(h, .member = "b", .epoch = -1);
    CHECK_BYTES_EQ(expressions(h), BYTES("t+ -t+"));
    fake_host_end(h);
}

TEST(what_is_no_expression_is_refused_with_the_reason)
{
    static const char *const wrong[] = {"(", "[", "a(?=b)", "(a)\\1", "*", "a{2,1}", "a\\C"};
    struct fake_host *h = consumer_host(arena);

    CHECK(bytes_starts_with(
        consumer_said(h, BEAT(h, .member = "a", .regex = "(")),
        BYTES("128 SubscribedTopicRegex `(` is not a valid regular expression: ")));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_EQ(BEAT(h, .member = "a", .regex = wrong[i])->error_code,
                 KAFKA_INVALID_REGULAR_EXPRESSION);
    }
    CHECK_EQ(fake_record_count(h), 0);
    /* Refused later as well, and nothing has changed. */
    BEAT(h, .member = "a", .topic = "t");
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2, .regex = "(")->error_code,
             KAFKA_INVALID_REGULAR_EXPRESSION);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    fake_host_end(h);
}
