/* tests/groups/consumer_epoch_test.c: when a target is computed, whose turn it is to hear of it, and whose commits
 * count.
 */
#include "broker/groups/consumer_internal.h"
#include "tests/groups/consumer_rig.h"
#include "tests/groups/offsets_rig.h"

TEST(a_second_member_waits_for_the_interval_between_two_targets)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.assignment.interval.ms", "5000");
    fake_start(h);
    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 ", .member = "b", .topic = "t");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 3/2 a@2 0123 -> 0123, b@2  -> "));
    fake_wait(h, 4000);
    CHECK_BEAT(h, "2 -", .member = "b", .epoch = 2, .owned = "");
    fake_wait(h, 1001);
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 2, .owned = "");
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    fake_host_end(h);
}

TEST(whoever_joins_an_emptied_group_does_not_wait)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.assignment.interval.ms", "5000");
    fake_start(h);
    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "a", .epoch = -1);
    CHECK_BEAT(h, "4 0123", .member = "b", .topic = "t");
    fake_host_end(h);
}

TEST(a_full_request_is_answered_with_the_assignment)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 0123", .member = "a", .epoch = 2, .topic = "t", .timeout_ms = TEN_SECONDS,
               .owned = "0123");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .topic = "t", .owned = "0123");
    fake_host_end(h);
}

TEST(another_subscription_is_a_new_epoch_and_another_rack_is_not)
{
    struct fake_host *h = consumer_host(arena);

    fake_topic(h, "u", 1);
    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .rack = "r");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2, .topic = "u", .owned = "0123");
    CHECK_BEAT(h, "3 0", .member = "a", .epoch = 2, .owned = "");
    fake_host_end(h);
}

static struct fake_host *host_with_interval(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_topic(h, "u", 1);
    fake_set(h, "group.consumer.assignment.interval.ms", "5000");
    fake_start(h);
    return h;
}

TEST(what_is_not_subscribed_to_any_more_goes_before_the_next_target)
{
    struct fake_host *h = host_with_interval(arena);

    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2, .topic = "u", .owned = "0123");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 3/2 a@2 0123 -> 0123"));
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 3/2 a@2  -> 0123"));
    fake_wait(h, 5001);
    CHECK_BEAT(h, "3 0", .member = "a", .epoch = 2, .owned = "");
    fake_host_end(h);
}

TEST(what_was_let_go_with_the_subscription_need_not_be_asked_for)
{
    struct fake_host *h = host_with_interval(arena);

    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2, .topic = "u", .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 3/2 a@2  -> 0123"));
    fake_host_end(h);
}

TEST(another_subscription_while_partitions_are_let_go_asks_for_more)
{
    struct fake_host *h = host_with_interval(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    fake_wait(h, 5001);
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "2 ", .member = "a", .epoch = 2, .topic = "u", .owned = "0123");
    /* It has let go of what it had to give up first, but not of what it has stopped to read. */
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "01");
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "");
    fake_host_end(h);
}

TEST(a_subscription_with_more_in_it_takes_nothing_away)
{
    struct fake_host *h = host_with_interval(arena);
    int32_t records;

    BEAT(h, .member = "a", .topic = "t");
    records = fake_record_count(h);
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .regex = "u", .owned = "0123");
    fake_wait(h, 2);
    CHECK_EQ(fake_record_count(h), records + 3); /* what it said, what that stands for, the epoch */
    fake_host_end(h);
}

TEST(a_commit_counts_if_its_partition_was_given_in_that_epoch_or_before)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    BEAT(h, .member = "a", .epoch = 2, .owned = "0123");
    BEAT(h, .member = "a", .epoch = 2, .owned = "01");
    BEAT(h, .member = "b", .epoch = 3, .owned = "");
#define BY(member_, epoch_, partition_)                                                \
    rig_commit(h, COMMIT(.group = "g", .topic = "t", .member = (member_), .offset = 1, \
                         .generation = (epoch_), .partition = (partition_)))
    CHECK_EQ(BY("a", 3, 0), KAFKA_NONE);
    CHECK_EQ(BY("a", 2, 0), KAFKA_NONE);
    CHECK_EQ(BY("a", 1, 0), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(BY("a", 4, 0), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(BY("a", 2, 2), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(BY("b", 2, 2), KAFKA_STALE_MEMBER_EPOCH);
    CHECK_EQ(BY("b", 3, 2), KAFKA_NONE);
    CHECK_EQ(BY("nobody", 3, 2), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(rig_commit(h, COMMIT(.group = "g", .topic = "t", .offset = 1)),
             KAFKA_UNKNOWN_MEMBER_ID);
#undef BY
    fake_host_end(h);
}

TEST(most_votes_choose_the_assignor)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t", .assignor = "range");
    BEAT(h, .member = "b", .topic = "t", .assignor = "range");
    BEAT(h, .member = "c", .topic = "t");
    CHECK_BYTES_EQ(bytes_of(consumer_assignor(h->groups, group_find(h->groups, BYTES("g")))->name),
                   BYTES("range"));
    fake_host_end(h);
}
