/* tests/groups/consumer_join_test.c: who may come in, what is refused and in which words, and who leaves.
 */
#include "tests/groups/consumer_rig.h"

TEST(the_first_member_gets_all_partitions_in_epoch_2)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("a joined"));
    fake_host_end(h);
}

TEST(a_heartbeat_without_news_writes_nothing)
{
    struct fake_host *h = consumer_host(arena);
    int32_t records;

    BEAT(h, .member = "a", .topic = "t");
    records = fake_record_count(h);
    for (int i = 0; i < 100; i++) {
        CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "0123");
    }
    CHECK_EQ(fake_record_count(h), records);
    fake_host_end(h);
}

TEST(version_0_makes_a_member_id)
{
    struct fake_host *h = consumer_host(arena);
    const struct consumer_group_heartbeat_response *r =
        BEAT(h, .member = "", .topic = "t", .old = true);

    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->member_id.len, 22);
    CHECK_BEAT(h, "42 MemberId can't be empty.", .member = "", .epoch = 2, .old = true);
    CHECK_BEAT(h, "42 MemberId can't be empty.", .member = " ", .topic = "t");
    fake_host_end(h);
}

TEST(an_unsound_request_is_refused_in_kafkas_words)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "42 GroupId can't be empty.", .member = "a", .group = " ", .topic = "t");
    CHECK_BEAT(h, "42 MemberEpoch is invalid.", .member = "a", .epoch = -3);
    CHECK_BEAT(h, "42 RebalanceTimeoutMs must be provided in first request.", .member = "a",
               .topic = "t", .timeout_ms = -1);
    CHECK_BEAT(h, "42 TopicPartitions must be empty when (re-)joining.", .member = "a",
               .topic = "t", .owned = "0");
    CHECK_BEAT(h,
               "42 Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.",
               .member = "a");
    CHECK_BEAT(h, "42 InstanceId can't be empty.", .member = "a", .topic = "t", .instance = "");
    CHECK_BEAT(h, "42 RackId can't be empty.", .member = "a", .topic = "t", .rack = " ");
    CHECK_BEAT(h, "42 InstanceId can't be null.", .member = "a", .epoch = -2);
    CHECK_BEAT(h, "112 ServerAssignor magic is not supported. Supported assignors: uniform, range.",
               .member = "a", .topic = "t", .assignor = "magic");
    CHECK_EQ(BEAT(h, .member = "a", .regex = "(")->error_code, KAFKA_INVALID_REGULAR_EXPRESSION);
    CHECK_EQ(fake_record_count(h), 0);
    CHECK_EQ(groups_count(h->groups), 0);
    fake_host_end(h);
}

TEST(who_is_unknown_is_told_so)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "69 Consumer group g not found.", .member = "a", .epoch = 1);
    CHECK_BEAT(h, "69 Group g not found.", .member = "a", .epoch = -1);
    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "25 Member b is not a member of group g.", .member = "b", .epoch = 1);
    CHECK_BEAT(h, "25 Member b is not a member of group g.", .member = "b", .epoch = -1);
    CHECK_BEAT(h, "25 Instance id i is unknown.", .member = "a", .epoch = 2, .instance = "i");
    fake_host_end(h);
}

TEST(an_epoch_that_is_not_the_members_is_fenced)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h,
               "110 The consumer group member has a greater member epoch (3) than the one known by "
               "the group coordinator (2). The member must abandon all its partitions and rejoin.",
               .member = "a", .epoch = 3);
    CHECK_BEAT(h,
               "110 The consumer group member has a smaller member epoch (1) than the one known by "
               "the group coordinator (2). The member must abandon all its partitions and rejoin.",
               .member = "a", .epoch = 1);
    /* Joining again is always possible. */
    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    fake_host_end(h);
}

TEST(the_epoch_before_is_let_through_if_no_more_is_owned_than_was_given)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    /* The answer was lost. */
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "");
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2, .owned = "012")->error_code,
             KAFKA_FENCED_MEMBER_EPOCH);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->error_code, KAFKA_FENCED_MEMBER_EPOCH);
    fake_host_end(h);
}

TEST(a_full_group_takes_nobody_more)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.max.size", "1");
    fake_start(h);
    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "81 The consumer group has reached its maximum capacity of 1 members.",
               .member = "b", .topic = "t");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    fake_host_end(h);
}

TEST(who_leaves_frees_its_partitions_at_once)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    CHECK_BEAT(h, "-1 -", .member = "a", .epoch = -1);
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("a left"));
    CHECK_BEAT(h, "4 0123", .member = "b", .epoch = 3);
    CHECK_BEAT(h, "-1 -", .member = "b", .epoch = -1);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 5/5"));
    CHECK_EQ(h->stats.group_members_consumer, 0);
    fake_host_end(h);
}

TEST(who_is_silent_for_the_session_is_out)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    fake_wait(h, SESSION - 1);
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    fake_wait(h, SESSION - 1);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    fake_wait(h, 2);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 3/3"));
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("a was silent for 45000 ms"));
    fake_host_end(h);
}

TEST(a_static_member_returns_to_what_it_had)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .instance = "i", .topic = "t");
    CHECK_BEAT(h,
               "111 Static member b with instance id i cannot join the group because the instance "
               "id is owned by a member.",
               .member = "b", .instance = "i", .topic = "t");
    CHECK_BEAT(h, "82 Static member b with instance id i was fenced by member a.", .member = "b",
               .instance = "i", .epoch = 2);
    CHECK_BEAT(h, "-2 -", .member = "a", .instance = "i", .epoch = -2);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Reconciling 2/2 a@-2 0123 -> 0123"));
    CHECK_BEAT(h, "2 0123", .member = "b", .instance = "i", .topic = "t");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 b@2 0123 -> 0123"));
    CHECK_BEAT(h, "82 Static member a with instance id i was fenced by member b.", .member = "a",
               .instance = "i", .epoch = 2);
    fake_host_end(h);
}

TEST(a_static_member_that_does_not_return_is_out)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    fake_wait(h, SESSION + 1);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 3/3"));
    fake_host_end(h);
}

TEST(an_expression_stands_for_the_topics_it_matches)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_EQ(BEAT(h, .member = "a", .regex = "[st]")->member_epoch, 2);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    CHECK_BEAT(h, "-1 -", .member = "a", .epoch = -1);
    CHECK(fake_record_last(h, &consumer_group_regular_expression_key_message)->record.value ==
          NULL);
    fake_host_end(h);
}
