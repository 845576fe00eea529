/* tests/groups/consumer_move_test.c: partitions on their way from one member to another, and what a restart makes
 * of it.
 */
#include "tests/groups/consumer_rig.h"

#include <stdio.h>

TEST(a_partition_is_given_when_its_owner_has_let_go)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    CHECK_BEAT(h, "3 ", .member = "b", .topic = "t");
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 3, .owned = "");
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 3, .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Reconciling 3/3 a@2 0123 -> 01, b@3  -> 23"));
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    CHECK_BEAT(h, "3 23", .member = "b", .epoch = 3, .owned = "");
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 3/3 a@3 01 -> 01, b@3 23 -> 23"));
    fake_host_end(h);
}

TEST(who_does_not_let_go_in_its_time_is_out)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    BEAT(h, .member = "a", .epoch = 2);
    fake_wait(h, TEN_SECONDS - 1);
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2, .owned = "0123");
    fake_wait(h, 2);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BEAT(h, "4 0123", .member = "b", .epoch = 3);
    fake_host_end(h);
}

TEST(every_revocation_has_its_whole_time)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    BEAT(h, .member = "c", .topic = "t");
    BEAT(h, .member = "d", .topic = "t");
    fake_wait(h, TEN_SECONDS - 1);
    /* It has let go of two, and is to give up one more. */
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2, .owned = "01")->assignment->topic_partitions.len,
             1);
    fake_wait(h, TEN_SECONDS - 1);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->error_code, KAFKA_NONE);
    fake_wait(h, 2);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(new_partitions_are_divided)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    fake_topic(h, "t", 6);
    CHECK_BEAT(h, "3 012345", .member = "a", .epoch = 2);
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("topics changed"));
    fake_host_end(h);
}

TEST(a_topic_that_comes_later_is_read)
{
    struct fake_host *h = fake_host_new(arena);

    fake_set(h, "group.consumer.assignment.interval.ms", "0");
    fake_start(h);
    CHECK_BEAT(h, "2 ", .member = "a", .topic = "t");
    fake_topic(h, "t", 2);
    CHECK_BEAT(h, "3 01", .member = "a", .epoch = 2);
    fake_host_end(h);
}

/* ---- what a restart makes of it ---- */

static void restart_check(struct fake_host *h)
{
    struct bytes before = consumer_shown(h);

    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), before);
}

TEST(a_restart_brings_back_every_step_of_a_move)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    restart_check(h);
    BEAT(h, .member = "b", .topic = "t");
    restart_check(h);
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    restart_check(h);
    CHECK_BEAT(h, "3 -", .member = "b", .epoch = 3, .owned = "");
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    restart_check(h);
    CHECK_BEAT(h, "3 23", .member = "b", .epoch = 3, .owned = "");
    restart_check(h);
    BEAT(h, .member = "c", .instance = "i", .regex = "t+", .assignor = "range");
    restart_check(h);
    BEAT(h, .member = "c", .instance = "i", .epoch = -2);
    restart_check(h);
    BEAT(h, .member = "d", .instance = "i", .regex = "t+");
    restart_check(h);
    BEAT(h, .member = "a", .epoch = -1);
    restart_check(h);
    fake_host_end(h);
}

TEST(sessions_and_revocations_begin_anew_after_a_restart)
{
    struct fake_host *h = consumer_host(arena);

    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    BEAT(h, .member = "a", .epoch = 2);
    fake_wait(h, TEN_SECONDS - 1);
    fake_restart(h);
    fake_wait(h, TEN_SECONDS - 1);
    CHECK_BEAT(h, "2 -", .member = "a", .epoch = 2);
    fake_wait(h, 2);
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 2)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    fake_wait(h, SESSION);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Empty 5/5"));
    fake_host_end(h);
}

/* ---- what fails ---- */

static void script(struct fake_host *h)
{
    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .instance = "i", .regex = "t");
    BEAT(h, .member = "a", .epoch = 2, .owned = "0123");
    BEAT(h, .member = "a", .epoch = 2, .owned = "01");
    BEAT(h, .member = "b", .instance = "i", .epoch = -2);
    BEAT(h, .member = "c", .instance = "i", .regex = "t");
    BEAT(h, .member = "a", .epoch = -1);
}

TEST(whatever_memory_is_missing_the_log_says_what_happened)
{
    for (uint64_t nth = 1; nth <= 60; nth++) {
        struct fake_host *h = consumer_host(arena);

        BEAT(h, .member = "a", .topic = "t");
        h->fail_allocation = nth;
        script(h);
        h->fail_allocation = 0;
        if (h->lost) {
            fake_restart(h);
        }
        restart_check(h);
        fake_host_end(h);
    }
}

TEST(what_cannot_be_written_has_not_happened)
{
    for (int nth = 1; nth <= 6; nth++) {
        struct fake_host *h = consumer_host(arena);

        h->fail_append = nth;
        script(h);
        h->fail_append = 0;
        CHECK(h->lost);
        fake_restart(h);
        restart_check(h);
        fake_host_end(h);
    }
}

/* ---- many ---- */

enum { MANY = 1000 };

TEST(a_thousand_members_are_assigned_within_a_second)
{
    struct fake_host *h = fake_host_new(arena);
    char name[16];
    int32_t assigned = 0;

    fake_topic(h, "t", MANY);
    fake_start(h);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        CHECK_EQ(BEAT(h, .member = name, .topic = "t")->error_code, KAFKA_NONE);
    }
    fake_wait(h, 1000);
    /* The first has all of it: it lets go, and the others get theirs. */
    CHECK_EQ(BEAT(h, .member = "m0", .epoch = 2)->error_code, KAFKA_NONE);
    CHECK_EQ(BEAT(h, .member = "m0", .epoch = 2, .owned = "")->member_epoch, MANY + 1);
    for (int i = 1; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        const struct consumer_group_heartbeat_response *r =
            BEAT(h, .member = name, .epoch = 2, .owned = "");

        CHECK_EQ(r->error_code, KAFKA_NONE);
        CHECK(r->assignment != NULL);
        assigned += r->assignment->topic_partitions.at[0].partitions.len;
    }
    CHECK_EQ(assigned, MANY - 1);
    fake_host_end(h);
}
